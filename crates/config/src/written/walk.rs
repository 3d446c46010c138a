//! A tree along the descriptors: which field is meant by each key, and what its value must be.
//!
//! A value that cannot be read is reported and left out; the walk goes on, so that every problem is found at once.

use super::nearest;
use super::tree::{Entry, Node, Shape};
use crate::report::Report;
use crate::schema::Schema;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use std::collections::{HashMap, HashSet};

/// Reads trees by a schema.
pub(crate) struct Walk<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) report: &'a Report,
    /// Of an `Any` of an unknown type the type is kept, and it is not refused.
    pub(crate) carries_unknown_types: bool,
}

impl Walk<'_> {
    /// The message that `node` spells, as far as it can be read.
    pub(crate) fn message(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        if let Some(known) = self.well_known(descriptor, node, path) {
            return known;
        }
        self.fields(descriptor, node, path)
    }

    /// The message whose fields are the keys of `node`.
    pub(super) fn fields(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let Shape::Map(entries) = &node.shape else {
            let expected = format!("expected a mapping with fields of {}, found {}", descriptor.name(), found(node));
            self.report.unreadable(path, expected);
            return None;
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut seen = HashSet::new();
        for entry in entries {
            self.field(&mut message, &mut seen, entry, path);
        }
        Some(message)
    }

    fn field(&self, message: &mut DynamicMessage, seen: &mut HashSet<u32>, entry: &Entry, path: &str) {
        let descriptor = message.descriptor();
        let Some(field) = field_named(&descriptor, &entry.key) else {
            return self.unknown(&descriptor, entry, path);
        };
        let here = child(path, field.name());
        self.report.place(&here, entry.line);
        if !seen.insert(field.number()) {
            return self
                .report
                .unreadable(&here, format!("given twice, as `{}` and as `{}`", field.name(), field.json_name()));
        }
        if entry.value.is_null() && !takes_null(&field) {
            return;
        }
        if let Some(other) = rival(message, &field) {
            return self.report.unreadable(&here, format!("cannot be set together with `{other}`: remove one of them"));
        }
        if let Some(value) = self.value(&field, &entry.value, &here) {
            message.set_field(&field, value);
        }
    }

    fn unknown(&self, descriptor: &MessageDescriptor, entry: &Entry, path: &str) {
        let here = child(path, &entry.key);
        self.report.place(&here, entry.line);
        let names: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
        let nearest = nearest::name(&entry.key, names.iter().map(String::as_str));
        let advice = match nearest {
            _ if descriptor.reserved_names().any(|reserved| reserved == entry.key) => {
                format!("Envoy's v3 API has removed this field from {}{}", descriptor.name(), replacement(&entry.key))
            }
            Some(name) => format!("Envoy's {} has no such field: did you mean `{name}`?", descriptor.name()),
            None => format!("Envoy's {} has no such field", descriptor.name()),
        };
        self.report.unreadable(&here, advice);
        // Then the field that was meant is not missing.
        if let Some(name) = nearest {
            self.report.spoil(&child(path, name));
        }
    }

    fn value(&self, field: &FieldDescriptor, node: &Node, path: &str) -> Option<Value> {
        if field.is_map() {
            return self.map(field, node, path);
        }
        if field.is_list() {
            return self.list(field, node, path);
        }
        self.single(&field.kind(), node, path)
    }

    fn list(&self, field: &FieldDescriptor, node: &Node, path: &str) -> Option<Value> {
        // As in Envoy, a single value stands for a list of one.
        let items = if let Shape::List(items) = &node.shape { items.as_slice() } else { std::slice::from_ref(node) };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let here = format!("{path}[{index}]");
            self.report.place(&here, item.line);
            let kind = field.kind();
            // An unreadable element keeps its place, so that the paths of later ones stay right.
            values.push(self.single(&kind, item, &here).unwrap_or_else(|| Value::default_value(&kind)));
        }
        Some(Value::List(values))
    }

    fn map(&self, field: &FieldDescriptor, node: &Node, path: &str) -> Option<Value> {
        let Kind::Message(entry_type) = field.kind() else { return None };
        let Shape::Map(entries) = &node.shape else {
            self.report.unreadable(path, format!("expected a mapping, found {}", found(node)));
            return None;
        };
        let mut values = HashMap::new();
        for entry in entries {
            let here = child_of_map(path, &entry.key);
            self.report.place(&here, entry.line);
            let key = Node::scalar(entry.line, entry.key.clone(), true);
            let key = self.single(&entry_type.map_entry_key_field().kind(), &key, &here).and_then(Value::into_map_key);
            let value = self.single(&entry_type.map_entry_value_field().kind(), &entry.value, &here);
            if let (Some(key), Some(value)) = (key, value) {
                values.insert(key, value);
            }
        }
        Some(Value::Map(values))
    }

    /// One value that is neither a list nor a map.
    pub(super) fn single(&self, kind: &Kind, node: &Node, path: &str) -> Option<Value> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor, node, path).map(Value::Message),
            _ => self.scalar(kind, node, path),
        }
    }
}

/// The field that `key` names, as Envoy writes it or in lowerCamelCase.
fn field_named(descriptor: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
    descriptor.get_field_by_name(key).or_else(|| descriptor.get_field_by_json_name(key))
}

/// A field of the same oneof that is already set.
fn rival(message: &DynamicMessage, field: &FieldDescriptor) -> Option<String> {
    let oneof = field.containing_oneof()?;
    let set = oneof.fields().find(|other| other != field && message.has_field(other))?;
    Some(set.name().to_owned())
}

/// Whether null is a value of its own (in a `google.protobuf.Value`) and does not unset the field.
fn takes_null(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name() == crate::schema::names::VALUE)
}

/// What to write instead of a field of Envoy's v2 API.
fn replacement(removed: &str) -> &'static str {
    match removed {
        "hosts" => ": list the endpoints under `load_assignment`",
        "tls_context" => ": use `transport_socket`",
        "config" => ": use `typed_config`",
        "runtime" => ": use `layered_runtime`",
        "extension_protocol_options" => ": use `typed_extension_protocol_options`",
        _ => "",
    }
}

/// The path of a field.
pub(crate) fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of an entry of a map field.
pub(crate) fn child_of_map(path: &str, key: &str) -> String {
    format!("{path}[\"{key}\"]")
}

/// What a value looks like, in words.
pub(super) fn found(node: &Node) -> String {
    match &node.shape {
        Shape::Scalar { .. } if node.is_null() => "nothing".to_owned(),
        Shape::Scalar { text, .. } => format!("`{text}`"),
        Shape::List(_) => "a list".to_owned(),
        Shape::Map(_) => "a mapping".to_owned(),
    }
}

/// The key of a `google.protobuf.Struct`'s map.
pub(super) fn text_key(key: &str) -> MapKey {
    MapKey::String(key.to_owned())
}
