//! JSON without a text that it stands in, as the tree that a text is read to.

use config::text::{Entry, Node, Shape};
use serde_json::{Number, Value};

/// The tree of `value`; every line is 0.
pub(super) fn lineless(value: &Value) -> Node {
    let plain = |text: String| Shape::Scalar { text, quoted: false };
    let shape = match value {
        Value::Null => plain("null".to_owned()),
        Value::Bool(value) => plain(value.to_string()),
        Value::Number(value) => plain(spelt(value)),
        Value::String(text) => Shape::Scalar { text: text.clone(), quoted: true },
        Value::Array(items) => Shape::List(items.iter().map(lineless).collect()),
        Value::Object(entries) => Shape::Map(entries.iter().map(|(key, value)| entry(key, value)).collect()),
    };
    Node { line: 0, shape }
}

/// A number as YAML's plain scalars are read here: with its point, without an exponent.
fn spelt(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(value) if value.fract() == 0.0 => format!("{value:.1}"),
        Some(value) => value.to_string(),
        None => number.to_string(),
    }
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
        // As an API server spells small and large ones.
        let value = json!([1e-7, -2.5e-9, 1e21, 5.0]);
        assert_eq!(json(&lineless(&value)), value);
        assert_eq!(json(&lineless(&json!({"a": null}))), json!({}));
    }
}
