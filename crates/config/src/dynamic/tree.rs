//! A tree of YAML or JSON as plain JSON, as `kubectl` sends it to the API server.

use crate::written::{Node, Plain};
use serde_json::{Number, Value as Json};

/// What `node` says, without its lines.
pub fn json(node: &Node) -> Json {
    match node.plain() {
        Some(Plain::Null) => Json::Null,
        Some(Plain::Bool(value)) => Json::Bool(value),
        Some(Plain::Int(number)) => whole(number),
        Some(Plain::Text(text)) if node.is_bare() => fraction(text).unwrap_or_else(|| Json::String(text.to_owned())),
        Some(Plain::Text(text)) => Json::String(text.to_owned()),
        None => node.map_or_list(json),
    }
}

fn whole(number: i128) -> Json {
    let small = i64::try_from(number).map(Json::from).or_else(|_| u64::try_from(number).map(Json::from));
    small.unwrap_or_else(|_| Json::String(number.to_string()))
}

/// A decimal fraction or a number with an exponent; `5s` and `1.2.3` are text.
fn fraction(text: &str) -> Option<Json> {
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    if !has_digit || text.bytes().any(|byte| !byte.is_ascii_digit() && !b"+-.eE".contains(&byte)) {
        return None;
    }
    Number::from_f64(text.parse().ok()?).map(Json::Number)
}
