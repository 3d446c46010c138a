//! A snapshot as JSON: what a proxy would get, without serving it.

use crate::snapshot::{Resource, Snapshot};
use config::Schema;
use config::dynamic::to_json;
use serde_json::{Value, json};
use std::sync::Arc;

/// `node` and what it gets: `listeners`, `clusters`, `routes`, `endpoints` in protobuf's JSON form with Envoy's names.
#[must_use]
pub fn json(schema: &Schema, node: &Value, snapshot: &Snapshot) -> Value {
    let all = |resources: &[Arc<Resource>]| -> Value {
        resources.iter().map(|resource| to_json(schema, &resource.message)).collect()
    };
    json!({
        "node": node,
        "listeners": all(&snapshot.listeners),
        "clusters": all(&snapshot.clusters),
        // HTTP passes at L4.
        "routes": [],
        "endpoints": all(&snapshot.endpoints),
    })
}
