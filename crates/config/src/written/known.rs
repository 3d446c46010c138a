//! The messages of `google.protobuf` that have a form of their own in JSON and YAML.

use super::tree::{Node, Plain, Shape};
use super::walk::{Walk, child, found, text_key};
use crate::schema::names;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use std::collections::HashMap;

/// The longest duration of protobuf: about ten thousand years.
const MOST_SECONDS: i64 = 315_576_000_000;

/// Whether values of the message stand under `value` inside a `google.protobuf.Any`.
pub(super) fn is_well_known(name: &str) -> bool {
    let own = [names::ANY, names::STRUCT, names::LIST_VALUE, names::VALUE, names::DURATION, names::TIMESTAMP];
    own.contains(&name) || names::WRAPPERS.contains(&name)
}

impl Walk<'_> {
    /// The message, if it is one with a form of its own; the inner `None` is a value that cannot be read.
    pub(super) fn well_known(
        &self,
        descriptor: &MessageDescriptor,
        node: &Node,
        path: &str,
    ) -> Option<Option<DynamicMessage>> {
        let is_map = matches!(node.shape, Shape::Map(_));
        match descriptor.full_name() {
            names::ANY => Some(self.any(descriptor, node, path)),
            names::STRUCT => Some(self.structure(descriptor, node, path)),
            names::VALUE => Some(self.free(descriptor, node, path)),
            names::LIST_VALUE => Some(self.free_list(descriptor, node, path)),
            // Envoy takes `{seconds: 5}` as well as `5s`, and `{value: 3}` as well as `3`.
            names::DURATION if !is_map => Some(self.duration(descriptor, node, path)),
            names::TIMESTAMP if !is_map => Some(self.in_text(descriptor, node, path)),
            name if names::WRAPPERS.contains(&name) && !is_map => Some(self.wrapper(descriptor, node, path)),
            _ => None,
        }
    }

    fn wrapper(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let field = descriptor.get_field_by_name("value")?;
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field(&field, self.single(&field.kind(), node, path)?);
        Some(message)
    }

    fn duration(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let text = match node.plain() {
            Some(Plain::Text(text)) => text,
            _ => "",
        };
        let Some((seconds, nanos)) = duration_in(text) else {
            self.report.unreadable(path, format!("expected a duration in seconds such as 0.5s, found {}", found(node)));
            return None;
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
        Some(message)
    }

    /// A message whose form is text that the protobuf library reads.
    fn in_text(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let text = match node.plain() {
            Some(Plain::Text(text)) => text,
            _ => "",
        };
        let read = DynamicMessage::deserialize(descriptor.clone(), serde_json::Value::String(text.to_owned()));
        let wrong =
            |_| self.report.unreadable(path, format!("expected a {}, found {}", descriptor.name(), found(node)));
        read.map_err(wrong).ok()
    }

    fn structure(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let Shape::Map(entries) = &node.shape else {
            self.report.unreadable(path, format!("expected a mapping, found {}", found(node)));
            return None;
        };
        let value = self.schema.message(names::VALUE)?;
        let mut fields = HashMap::new();
        for entry in entries {
            let here = child(path, &entry.key);
            self.report.place(&here, entry.line);
            fields.insert(text_key(&entry.key), Value::Message(self.free(&value, &entry.value, &here)?));
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name("fields", Value::Map(fields));
        Some(message)
    }

    /// A value of no type (`google.protobuf.Value`), as Envoy makes it from YAML: fractions stay text.
    fn free(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let (name, value) = match (node.plain(), &node.shape) {
            (Some(Plain::Null), _) => ("null_value", Value::EnumNumber(0)),
            (Some(Plain::Bool(value)), _) => ("bool_value", Value::Bool(value)),
            (Some(Plain::Int(number)), _) => match i32::try_from(number) {
                Ok(small) => ("number_value", Value::F64(f64::from(small))),
                Err(_) => ("string_value", Value::String(number.to_string())),
            },
            (Some(Plain::Text(text)), _) => ("string_value", Value::String(text.to_owned())),
            (None, Shape::Map(_)) => {
                let structure = self.schema.message(names::STRUCT)?;
                ("struct_value", Value::Message(self.structure(&structure, node, path)?))
            }
            (None, _) => {
                let list = self.schema.message(names::LIST_VALUE)?;
                ("list_value", Value::Message(self.free_list(&list, node, path)?))
            }
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name(name, value);
        Some(message)
    }

    fn free_list(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let Shape::List(items) = &node.shape else {
            self.report.unreadable(path, format!("expected a list, found {}", found(node)));
            return None;
        };
        let value = self.schema.message(names::VALUE)?;
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let here = format!("{path}[{index}]");
            self.report.place(&here, item.line);
            values.push(Value::Message(self.free(&value, item, &here)?));
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field_by_name("values", Value::List(values));
        Some(message)
    }
}

/// Seconds and nanoseconds (of the same sign) of a text such as `-1.5s`.
fn duration_in(text: &str) -> Option<(i64, i32)> {
    let number = text.strip_suffix('s')?;
    let (negative, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
    let (whole, part) = match digits.split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (digits, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 9 || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let seconds: i64 = whole.parse().ok().filter(|seconds| *seconds <= MOST_SECONDS)?;
    let nanos: i32 = format!("{part:0<9}").parse().ok()?;
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

#[cfg(test)]
mod tests {
    use super::duration_in;

    #[test]
    fn durations_are_seconds_with_nine_places() {
        let good =
            [("5s", (5, 0)), ("0.5s", (0, 500_000_000)), ("1.000000001s", (1, 1)), ("-1.5s", (-1, -500_000_000))];
        for (text, expected) in good {
            assert_eq!(duration_in(text), Some(expected), "{text}");
        }
        for text in ["", "s", "5", "5ms", ".5s", "5.s", "1e1s", "5s ", "0.0000000001s", "315576000001s", "--1s", "+1s"]
        {
            assert_eq!(duration_in(text), None, "{text}");
        }
    }
}
