//! Small worlds, written as their users would.

use control::Schema;
use control::files::{Files, Refreshed};
use control::generator::Generator;
use control::node::Node;
use control::print;
use control::registry::State;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder with one file, `world.yaml`.
pub fn folder(yaml: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("world.yaml"), yaml).unwrap();
    folder
}

/// What the folder says; it must be free of problems.
pub fn read(yaml: &str) -> Refreshed {
    let folder = folder(yaml);
    let read = Files::new(folder.path(), None).refresh().unwrap();
    assert_eq!(read.problems, []);
    read
}

/// A sidecar of namespace `a` at `ip`.
pub fn node(ip: &str, labels: Value) -> Value {
    json!({"id": format!("sidecar~{ip}~pod.a~a.svc.cluster.local"), "metadata": {"NAMESPACE": "a", "LABELS": labels}})
}

/// What the sidecar gets under a state.
pub fn given(state: &Arc<State>, node: &Value) -> Value {
    let schema = Arc::new(Schema::load_mesh().unwrap());
    let mut generator = Generator::new(Arc::clone(&schema));
    let snapshot = generator.snapshot(state, &Node::from_json(node).unwrap()).unwrap();
    print::json(&schema, node, &snapshot)
}

/// The resource of a name.
pub fn named<'v>(given: &'v Value, kind: &str, name: &str) -> &'v Value {
    let key = if kind == "endpoints" { "cluster_name" } else { "name" };
    let found = given[kind].as_array().unwrap().iter().find(|resource| resource[key] == name);
    found.unwrap_or_else(|| panic!("no {name} in {kind}: {:?}", names(given, kind)))
}

/// The names of all resources of a kind, in their order.
pub fn names(given: &Value, kind: &str) -> Vec<String> {
    let key = if kind == "endpoints" { "cluster_name" } else { "name" };
    given[kind].as_array().unwrap().iter().map(|resource| resource[key].as_str().unwrap().to_owned()).collect()
}

/// `address:port`, with a mark where it takes no requests, of each endpoint of a cluster.
pub fn endpoints(given: &Value, cluster: &str) -> Vec<String> {
    let places = named(given, "endpoints", cluster)["endpoints"].as_array().cloned().unwrap_or_default();
    let all = places.iter().flat_map(|place| place["lb_endpoints"].as_array().unwrap());
    all.map(|one| {
        let at = &one["endpoint"]["address"]["socket_address"];
        let ill = if one["health_status"] == "UNHEALTHY" { " ill" } else { "" };
        format!("{}:{}{ill}", at["address"].as_str().unwrap(), at["port_value"])
    })
    .collect()
}
