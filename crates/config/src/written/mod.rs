//! Text to a message of Envoy's schema: first a tree that remembers its lines, then a walk along the descriptors.

// The tree.
mod tree;

mod json;
mod yaml;

// The walk.
mod walk;

mod any;
mod known;
mod scalar;

mod nearest;
mod respelt;

pub(crate) use respelt::respelt;
pub(crate) use scalar::names as enum_names;
pub(crate) use tree::{Node, Plain};
pub(crate) use walk::{Walk, child, child_of_map};

use crate::report::Report;
use crate::schema::{Schema, names};
use prost_reflect::DynamicMessage;

/// The bootstrap that `text` holds, as far as it could be read; what could not is in the report.
pub(crate) fn bootstrap(schema: &Schema, text: &str, is_json: bool, report: &Report) -> Option<DynamicMessage> {
    let root = match parse(text, is_json) {
        Ok(root) => root,
        Err(tree::Malformed { line, text }) => {
            report.place("", line);
            report.unreadable("", text);
            return None;
        }
    };
    report.place("", root.line);
    Walk { schema, report }.message(&schema.message(names::BOOTSTRAP)?, &root, "")
}

/// JSON where the text is JSON, else YAML. JSON has its own reader since YAML knows no surrogate pairs.
fn parse(text: &str, is_json: bool) -> Result<Node, tree::Malformed> {
    let text = text.trim_start_matches('\u{feff}');
    if !is_json && !text.trim_start().starts_with('{') {
        return yaml::parse(text);
    }
    json::parse(text).or_else(|error| if is_json { Err(error) } else { yaml::parse(text) })
}
