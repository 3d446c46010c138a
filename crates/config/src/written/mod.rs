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

pub(crate) use nearest::name as nearest_name;
pub(crate) use respelt::respelt;
pub(crate) use scalar::names as enum_names;
pub use tree::{Entry, Malformed, Node, Plain, Shape};
pub(crate) use walk::{Walk, child, child_of_map};

use crate::report::Report;
use crate::schema::{Schema, names};
use prost_reflect::DynamicMessage;

/// The bootstrap that `text` holds, as far as it could be read; what could not is in the report.
pub(crate) fn bootstrap(schema: &Schema, text: &str, is_json: bool, report: &Report) -> Option<DynamicMessage> {
    let root = root(text, is_json, report)?;
    // Then it is a control plane that decides what this proxy is told, and that does not know what it understands.
    let carries_unknown_types = is_driven(&root);
    Walk { schema, report, carries_unknown_types }.message(&schema.message(names::BOOTSTRAP)?, &root, "")
}

/// The `DiscoveryResponse` that `text` holds, in the same manner.
pub(crate) fn delivery(schema: &Schema, text: &str, is_json: bool, report: &Report) -> Option<DynamicMessage> {
    let root = root(text, is_json, report)?;
    let walk = Walk { schema, report, carries_unknown_types: true };
    walk.message(&schema.message(names::DISCOVERY_RESPONSE)?, &root, "")
}

fn root(text: &str, is_json: bool, report: &Report) -> Option<Node> {
    match parse(text, is_json) {
        Ok(root) => {
            report.place("", root.line);
            Some(root)
        }
        Err(tree::Malformed { line, text }) => {
            report.place("", line);
            report.unreadable("", text);
            None
        }
    }
}

/// Whether more configuration than is written here comes from elsewhere.
fn is_driven(root: &Node) -> bool {
    let Shape::Map(entries) = &root.shape else { return false };
    let named = |entry: &Entry| matches!(entry.key.as_str(), "dynamic_resources" | "dynamicResources");
    entries.iter().any(|entry| named(entry) && !entry.value.is_null())
}

/// Every document of a text: one where it is JSON, else those of a YAML stream.
pub(crate) fn documents(text: &str, is_json: bool) -> Result<Vec<Node>, Malformed> {
    let text = text.trim_start_matches('\u{feff}');
    if is_json || text.trim_start().starts_with('{') {
        return match json::parse(text) {
            Err(_) if !is_json => yaml::parse_all(text),
            root => root.map(|root| vec![root]),
        };
    }
    yaml::parse_all(text)
}

/// JSON where the text is JSON, else YAML. JSON has its own reader since YAML knows no surrogate pairs.
fn parse(text: &str, is_json: bool) -> Result<Node, tree::Malformed> {
    let text = text.trim_start_matches('\u{feff}');
    if !is_json && !text.trim_start().starts_with('{') {
        return yaml::parse(text);
    }
    json::parse(text).or_else(|error| if is_json { Err(error) } else { yaml::parse(text) })
}
