//! Rules that compare: `const`, `lt`, `lte`, `gt`, `gte`, `in`, `not_in`, for numbers, text and durations alike.

use crate::schema::names;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use std::cmp::Ordering;

/// The text of the rule `name` with `limit`, if `value` breaks it.
pub(super) fn broken(name: &str, limit: &Value, value: &Value) -> Option<String> {
    let order = |limit: &Value| compare(value, limit);
    let (kept, demand) = match name {
        "const" => (order(limit)?.is_eq(), "must be"),
        "lt" => (order(limit)?.is_lt(), "must be less than"),
        "lte" => (order(limit)?.is_le(), "must be at most"),
        "gt" => (order(limit)?.is_gt(), "must be more than"),
        "gte" => (order(limit)?.is_ge(), "must be at least"),
        "in" => (limit.as_list()?.iter().any(|one| order(one) == Some(Ordering::Equal)), "must be one of"),
        "not_in" => (limit.as_list()?.iter().all(|one| order(one) != Some(Ordering::Equal)), "must not be one of"),
        _ => return None,
    };
    (!kept).then(|| format!("{demand} {}, is {}", shown(limit), shown(value)))
}

/// Whether a rule with `ignore_empty` skips the value.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Bool(value) => !value,
        other => compare(other, &Value::I32(0)) == Some(Ordering::Equal),
    }
}

fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return Some(one.cmp(&other));
    }
    if let (Some(one), Some(other)) = (fraction(one), fraction(other)) {
        return one.partial_cmp(&other);
    }
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bytes(one), Value::Bytes(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// A whole number, or a duration in nanoseconds.
fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::I32(number) | Value::EnumNumber(number) => Some(i128::from(*number)),
        Value::I64(number) => Some(i128::from(*number)),
        Value::U32(number) => Some(i128::from(*number)),
        Value::U64(number) => Some(i128::from(*number)),
        Value::Message(message) => nanoseconds(message),
        _ => None,
    }
}

fn fraction(value: &Value) -> Option<f64> {
    match value {
        Value::F32(number) => Some(f64::from(*number)),
        Value::F64(number) => Some(*number),
        other => whole(other).map(|number| number as f64),
    }
}

/// A `google.protobuf.Duration` in nanoseconds.
pub(crate) fn nanoseconds(message: &DynamicMessage) -> Option<i128> {
    if message.descriptor().full_name() != names::DURATION {
        return None;
    }
    let seconds = message.get_field_by_name("seconds")?.as_i64()?;
    let nanos = message.get_field_by_name("nanos")?.as_i32()?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Bool(value) => value.to_string(),
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::List(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Message(message) => match nanoseconds(message) {
            Some(nanos) => format!("{}s", nanos as f64 / 1e9),
            None => message.descriptor().name().to_owned(),
        },
        other => whole(other).map_or_else(String::new, |number| number.to_string()),
    }
}
