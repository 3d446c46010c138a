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
