//! Any message of the schema from JSON as istiod reads it, and back to JSON as Envoy shows it.
//!
//! A bootstrap is read strictly, as Envoy reads it, by `written`. What stands in an `EnvoyFilter` is read by istiod,
//! whose reader (Go's older `jsonpb`) forgives more: a field that it does not know vanishes, a duration may be `500ms`,
//! of two fields of one oneof the later wins. It is followed here to its words, since people search the web for them.

mod read;

mod scalar;

mod duration;

mod write;

mod tree;

pub use read::{Read, Reader, Step, Unknown, path_text};
pub use tree::json;
pub use write::to_json;

use crate::problem::Problems;
use crate::report::Report;
use crate::rules::Rules;
use crate::schema::Schema;
use prost_reflect::DynamicMessage;

/// Begins the bytes of an `Any` of a type that is not in the schema: the JSON that it was read from follows.
const OPAQUE: &[u8] = b"\0json\0";

/// What cannot be read, in istiod's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Every rule of Envoy's API (`validate.rules`) that `message` or a message inside it breaks; paths begin with `root`.
pub fn broken_rules(schema: &Schema, message: &DynamicMessage, root: &str) -> Vec<String> {
    let report = Report::new("");
    Rules::new(schema, &report).check(message, root);
    report
        .finish()
        .err()
        .iter()
        .flat_map(Problems::iter)
        .map(|problem| format!("{}: {}", problem.path, problem.text))
        .collect()
}

/// The name among `known` that is most like `written`, if one is like it at all.
pub fn nearest_name<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    crate::written::nearest_name(written, known)
}

#[cfg(test)]
mod tests;
