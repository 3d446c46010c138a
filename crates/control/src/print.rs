//! A snapshot as JSON: what a proxy would get, without serving it.

use crate::snapshot::{Resource, Snapshot};
use config::Schema;
use config::dynamic::to_json;
use serde_json::{Value, json};
use std::sync::Arc;

/// `node` and what it gets: `listeners`, `clusters`, `routes`, `endpoints` in protobuf's JSON form with Envoy's names.
#[must_use]
pub fn json(schema: &Schema, node: &Value, snapshot: &Snapshot) -> Value {
    fn all<'r>(schema: &Schema, resources: impl Iterator<Item = &'r Arc<Resource>>) -> Value {
        let shown = resources.map(|resource| {
            let mut json = to_json(schema, &resource.message);
            redact(&mut json);
            json
        });
        shown.collect()
    }
    json!({
        "node": node,
        "listeners": all(schema, snapshot.listeners.iter()),
        "clusters": all(schema, snapshot.clusters.iter()),
        // HTTP passes at L4.
        "routes": [],
        "endpoints": all(schema, snapshot.endpoints.iter()),
    })
}

/// What Redis demands of clients or nodes, by the names that Envoy marks as sensitive.
const SENSITIVE: [&str; 6] = [
    "auth_username",
    "auth_password",
    "downstream_auth_username",
    "downstream_auth_password",
    "downstream_auth_passwords",
    "inline_credential",
];

/// Hides the values of what is sensitive; where they come from stays.
fn redact(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, value) in fields {
                if SENSITIVE.contains(&name.as_str()) { hide(value) } else { redact(value) }
            }
        }
        _ => {}
    }
}

fn hide(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => {
            for (name, value) in fields {
                if !["filename", "environment_variable"].contains(&name.as_str()) {
                    *value = "[redacted]".into();
                }
            }
        }
        _ => {}
    }
}
