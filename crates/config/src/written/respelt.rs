//! A `google.protobuf.Struct` back to a tree, to be read again as the message that it spells.

use super::tree::{Entry, Node, Shape};
use super::walk::child;
use crate::report::Report;
use prost_reflect::{DynamicMessage, MapKey, Value};

/// The tree that `structure`, standing at `path`, was made from.
pub(crate) fn respelt(structure: &DynamicMessage, path: &str, report: &Report) -> Node {
    let fields = structure.get_field_by_name("fields");
    let mut entries = Vec::new();
    for (key, value) in fields.as_ref().and_then(|fields| fields.as_map()).into_iter().flatten() {
        let MapKey::String(key) = key else { continue };
        let here = child(path, key);
        let line = report.line(&here);
        entries.extend(value.as_message().map(|value| Entry {
            key: key.clone(),
            line,
            value: free(value, &here, report),
        }));
    }
    entries.sort_by(|one, other| (one.line, &one.key).cmp(&(other.line, &other.key)));
    Node { line: report.line(path), shape: Shape::Map(entries) }
}

/// A `google.protobuf.Value`.
fn free(value: &DynamicMessage, path: &str, report: &Report) -> Node {
    let line = report.line(path);
    let Some((field, set)) = value.fields().next() else { return Node::scalar(line, "null", false) };
    match (field.name(), set) {
        ("bool_value", Value::Bool(value)) => Node::scalar(line, value.to_string(), false),
        ("number_value", Value::F64(number)) => Node::scalar(line, number.to_string(), false),
        ("string_value", Value::String(text)) => Node::scalar(line, text.clone(), true),
        ("struct_value", Value::Message(structure)) => respelt(structure, path, report),
        ("list_value", Value::Message(list)) => Node { line, shape: Shape::List(items(list, path, report)) },
        _ => Node::scalar(line, "null", false),
    }
}

fn items(list: &DynamicMessage, path: &str, report: &Report) -> Vec<Node> {
    let values = list.get_field_by_name("values");
    let values = values.as_ref().and_then(|values| values.as_list()).unwrap_or_default();
    let messages = values.iter().filter_map(Value::as_message).enumerate();
    messages.map(|(index, value)| free(value, &format!("{path}[{index}]"), report)).collect()
}
