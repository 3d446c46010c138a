//! A snapshot as JSON: what a proxy would get, without serving it.

use crate::snapshot::{Resources, Snapshot};
use config::{Mismatch, Schema};
use serde_json::{Value, json};

/// `node` and what it gets: `listeners`, `clusters`, `routes`, `endpoints` in protobuf's JSON form with Envoy's names.
///
/// # Errors
/// A resource that holds an `Any` which Envoy's API does not know.
pub fn json(schema: &Schema, node: &Value, snapshot: &Snapshot) -> Result<Value, Mismatch> {
    let all = |resources: &Resources| {
        resources.iter().map(|resource| schema.message_to_json(&resource.message)).collect::<Result<Vec<_>, _>>()
    };
    Ok(json!({
        "node": node,
        "listeners": all(&snapshot.listeners)?,
        "clusters": all(&snapshot.clusters)?,
        "routes": all(&snapshot.routes)?,
        "endpoints": all(&snapshot.endpoints)?,
    }))
}
