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
        resources.map(|resource| to_json(schema, &resource.message)).collect()
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
