//! One field against its rules.

use super::book::FieldRules;
use super::{order, text};
use crate::schema::{names, type_in};
use crate::written::enum_names;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

/// A rule that a field breaks.
pub(super) struct Broken {
    /// The element that breaks it, where it is one of a list.
    pub(super) index: Option<usize>,
    /// What is wrong, to follow the field's path.
    pub(super) text: String,
}

/// Every rule that the field breaks in `message`.
pub(super) fn broken(rule: &FieldRules, message: &DynamicMessage) -> Vec<Broken> {
    let field = &rule.field;
    let set = message.has_field(field);
    if !set && field.supports_presence() {
        // Of a oneof only the member that is set has to keep its rules.
        if field.containing_oneof().is_some() {
            return Vec::new();
        }
        let required = rule.rules.fields().any(|(_, rules)| rules.as_message().is_some_and(is_required));
        return required.then(|| whole("is required".to_owned())).into_iter().collect();
    }
    let value = message.get_field(field);
    let mut broken = Vec::new();
    for (kind, rules) in rule.rules.fields() {
        let Some(rules) = rules.as_message() else { continue };
        match (kind.name(), value.as_ref()) {
            ("repeated", Value::List(items)) => list(field, rules, items, &mut broken),
            ("map", Value::Map(entries)) => sizes(rules, entries.len(), "entry", "entries", &mut broken),
            (_, value) => broken.extend(single(&field.kind(), rules, value).into_iter().map(whole)),
        }
    }
    broken
}

fn whole(text: String) -> Broken {
    Broken { index: None, text }
}

fn is_required(rules: &DynamicMessage) -> bool {
    rules.get_field_by_name("required").is_some_and(|required| required.as_bool() == Some(true))
}

fn list(field: &FieldDescriptor, rules: &DynamicMessage, items: &[Value], broken: &mut Vec<Broken>) {
    sizes(rules, items.len(), "element", "elements", broken);
    let unique = rules.get_field_by_name("unique").is_some_and(|unique| unique.as_bool() == Some(true));
    for (index, item) in items.iter().enumerate() {
        if unique && items[..index].contains(item) {
            broken.push(Broken { index: Some(index), text: "repeats an earlier element".to_owned() });
        }
        let of_items = rules.get_field_by_name("items");
        let of_items = of_items.as_ref().and_then(|rules| rules.as_message());
        for (_, rules) in of_items.into_iter().flat_map(DynamicMessage::fields) {
            let Some(rules) = rules.as_message() else { continue };
            let told = single(&field.kind(), rules, item);
            broken.extend(told.into_iter().map(|text| Broken { index: Some(index), text }));
        }
    }
}

/// `min_items`, `max_items`, `min_pairs`, `max_pairs`.
fn sizes(rules: &DynamicMessage, size: usize, one: &str, many: &str, broken: &mut Vec<Broken>) {
    for (rule, limit) in rules.fields() {
        let limit = limit.as_u64().unwrap_or(0);
        let noun = if limit == 1 { one } else { many };
        let size = size as u64;
        match rule.name() {
            "min_items" | "min_pairs" if size < limit => {
                broken.push(whole(format!("needs at least {limit} {noun}")));
            }
            "max_items" | "max_pairs" if size > limit => {
                broken.push(whole(format!("may have at most {limit} {noun}, has {size}")));
            }
            _ => {}
        }
    }
}

/// Every rule that one value breaks.
fn single(kind: &Kind, rules: &DynamicMessage, value: &Value) -> Vec<String> {
    let value = unwrapped(value);
    let ignores_empty = rules.get_field_by_name("ignore_empty").is_some_and(|ignore| ignore.as_bool() == Some(true));
    if ignores_empty && order::is_empty(&value) {
        return Vec::new();
    }
    let tell = |(rule, limit): (FieldDescriptor, &Value)| match (rule.name(), kind) {
        ("defined_only", Kind::Enum(descriptor)) => {
            let number = value.as_enum_number()?;
            let known = descriptor.get_value(number).is_some();
            (!known).then(|| format!("must be one of {}, is {number}", enum_names(descriptor)))
        }
        (name, _) => order::broken(name, limit, &value).or_else(|| text::broken(name, limit, &value)),
    };
    rules.fields().filter_map(tell).collect()
}

/// The scalar inside a wrapper message; for an `Any` the type that it holds; else the value itself.
fn unwrapped(value: &Value) -> Value {
    let Value::Message(message) = value else { return value.clone() };
    let descriptor = message.descriptor();
    if descriptor.full_name() == names::ANY {
        return Value::String(type_in(message));
    }
    if names::WRAPPERS.contains(&descriptor.full_name())
        && let Some(inner) = message.get_field_by_name("value")
    {
        return inner.into_owned();
    }
    value.clone()
}
