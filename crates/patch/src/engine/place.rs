//! ADD, INSERT_*, REPLACE and REMOVE in a list that has an order.

use crate::filter::{Operation, Patch};
use prost_reflect::{DynamicMessage, Value};

/// What became of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Done at these places (their places before, for what was removed).
    Done(Vec<usize>, &'static str),
    /// The element that the patch names is not there.
    NoTarget,
    /// The operation does nothing unless an element is named.
    NeedsTarget,
    /// The operation is none for lists.
    Other,
}

/// Carries out `patch`; `is_target` tells the elements that it names, where it names any.
pub(super) fn edit(list: &mut Vec<Value>, patch: &Patch, is_target: Option<&dyn Fn(&DynamicMessage) -> bool>) -> Edit {
    let is = |value: &Value| is_target.is_some_and(|is| value.as_message().is_some_and(is));
    let first = list.iter().position(is);
    let operation = patch.operation;
    if operation == Operation::Remove {
        return if is_target.is_some() { remove(list, is) } else { Edit::NeedsTarget };
    }
    let Some(value) = patch.value.clone().filter(|_| !operation.is_merge()) else { return Edit::Other };
    let at = match operation {
        Operation::InsertFirst => Some(0),
        Operation::InsertBefore if is_target.is_some() => first,
        Operation::InsertBefore => Some(0),
        Operation::InsertAfter if is_target.is_some() => first.map(|at| at + 1),
        Operation::Replace if is_target.is_none() => return Edit::NeedsTarget,
        Operation::Replace => first,
        _ => Some(list.len()),
    };
    let Some(at) = at else { return Edit::NoTarget };
    if operation == Operation::Replace {
        list[at] = Value::Message(value);
        return Edit::Done(vec![at], "replaced");
    }
    list.insert(at, Value::Message(value));
    Edit::Done(vec![at], if operation == Operation::Add { "added" } else { "inserted" })
}

fn remove(list: &mut Vec<Value>, is: impl Fn(&Value) -> bool) -> Edit {
    let places: Vec<usize> = list.iter().enumerate().filter(|(_, value)| is(value)).map(|(at, _)| at).collect();
    list.retain(|value| !is(value));
    if places.is_empty() { Edit::NoTarget } else { Edit::Done(places, "removed") }
}

#[cfg(test)]
mod tests {
    use super::{Edit, edit};
    use crate::field::name;
    use crate::filter::{ApplyTo, Match, Operation, Patch};
    use config::Schema;
    use prost_reflect::{DynamicMessage, Value};

    fn named(schema: &Schema, name: &str) -> DynamicMessage {
        let mut filter = DynamicMessage::new(schema.message(ApplyTo::NetworkFilter.message()).unwrap());
        filter.set_field_by_name("name", Value::String(name.to_owned()));
        filter
    }

    fn patch(schema: &Schema, operation: Operation) -> Patch {
        Patch {
            apply_to: ApplyTo::NetworkFilter,
            matching: Match::default(),
            operation,
            written: operation,
            value: (operation != Operation::Remove).then(|| named(schema, "new")),
            unknown: Vec::new(),
            defaults: Vec::new(),
        }
    }

    /// The list after the operation at the element `target`, and what became of it.
    fn after(schema: &Schema, list: &str, operation: Operation, target: Option<&str>) -> (String, Edit) {
        let mut list: Vec<Value> = list.split_whitespace().map(|name| Value::Message(named(schema, name))).collect();
        let is = |filter: &DynamicMessage| Some(name(filter).as_str()) == target;
        let done = edit(&mut list, &patch(schema, operation), target.is_some().then_some(&is));
        (list.iter().filter_map(Value::as_message).map(name).collect::<Vec<_>>().join(" "), done)
    }

    #[test]
    fn the_first_element_of_a_name_is_meant() {
        let schema = Schema::load_mesh().unwrap();
        let lists = ["", "a b c", "b a c", "c b a", "a a b", "b c"];
        for (operation, expected) in [
            (Operation::Replace, ["", "new b c", "b new c", "c b new", "new a b", "b c"]),
            (Operation::InsertBefore, ["", "new a b c", "b new a c", "c b new a", "new a a b", "b c"]),
            (Operation::InsertAfter, ["", "a new b c", "b a new c", "c b a new", "a new a b", "b c"]),
            (Operation::Remove, ["", "b c", "b c", "c b", "b", "b c"]),
            (Operation::InsertFirst, ["new", "new a b c", "new b a c", "new c b a", "new a a b", "new b c"]),
            (Operation::Add, ["new", "a b c new", "b a c new", "c b a new", "a a b new", "b c new"]),
        ] {
            for (list, expected) in lists.iter().zip(expected) {
                let (found, done) = after(&schema, list, operation, Some("a"));
                assert_eq!(found, expected, "{operation} {list}");
                assert_eq!(done == Edit::NoTarget, found == *list, "{operation} {list}");
            }
        }
    }

    #[test]
    fn without_a_name_the_ends_are_meant_or_nothing() {
        let schema = Schema::load_mesh().unwrap();
        for (operation, expected) in [
            (Operation::InsertBefore, "new a b"),
            (Operation::InsertAfter, "a b new"),
            (Operation::InsertFirst, "new a b"),
        ] {
            assert_eq!(after(&schema, "a b", operation, None).0, expected);
        }
        for operation in [Operation::Replace, Operation::Remove] {
            assert_eq!(after(&schema, "a b", operation, None), ("a b".to_owned(), Edit::NeedsTarget));
        }
        assert_eq!(after(&schema, "a b", Operation::Merge, Some("a")), ("a b".to_owned(), Edit::Other));
    }
}
