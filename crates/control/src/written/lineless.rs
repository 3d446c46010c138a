//! JSON without a text that it stands in, as the tree that a text is read to.

use config::text::{Entry, Node, Shape};
use serde_json::Value;

/// The tree of `value`; every line is 0.
pub(super) fn lineless(value: &Value) -> Node {
    let plain = |text: String| Shape::Scalar { text, quoted: false };
    let shape = match value {
        Value::Null => plain("null".to_owned()),
        Value::Bool(value) => plain(value.to_string()),
        Value::Number(value) => plain(value.to_string()),
        Value::String(text) => Shape::Scalar { text: text.clone(), quoted: true },
        Value::Array(items) => Shape::List(items.iter().map(lineless).collect()),
        Value::Object(entries) => Shape::Map(entries.iter().map(|(key, value)| entry(key, value)).collect()),
    };
    Node { line: 0, shape }
}

fn entry(key: &str, value: &Value) -> Entry {
    Entry { key: key.to_owned(), line: 0, value: lineless(value) }
}

#[cfg(test)]
mod tests {
    use super::super::read::json;
    use super::lineless;
    use serde_json::json;

    #[test]
    fn it_is_read_back_as_it_was() {
        let value = json!({"a": [1, -2, 0.25, true, "true", "1", "", "null"], "b": {"c": {}, "d": []}});
        assert_eq!(json(&lineless(&value)), value);
        assert_eq!(json(&lineless(&json!({"a": null}))), json!({}));
    }
}
