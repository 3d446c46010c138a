//! Two resources that say everything that can be said (`full.yaml`), for whoever wants to see all of it.

use crate::mesh::Mesh;
use config::text::documents;
use serde_json::Value;

/// The file.
const FILE: &str = include_str!("full.yaml");
/// The Secret that they name.
pub const SECRET: &str =
    "{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: redis}, stringData: {user: u, word: swordfish}}";

fn spec(index: usize) -> Value {
    config::dynamic::json(&documents(FILE, false).unwrap()[index])["spec"].clone()
}

pub fn service() -> Value {
    spec(0)
}

pub fn route() -> Value {
    spec(1)
}

pub fn mesh() -> Mesh {
    Mesh::tutorial().with("full.yaml", FILE)
}
