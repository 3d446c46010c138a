//! `/clusters`: Envoy's lines and JSON (`envoy.admin.v3.Clusters`), and what Envoy cannot say: role and slots.
//!
//! Left out is what does not exist here: circuit breakers, weights, priorities, outlier success rates.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use observe::{Kind, NodeValues};
use serde_json::{Value, json};

use crate::listeners::socket_address;
use crate::pages::Asked;
use crate::{ClusterStatus, House, NodeStatus, reply};

pub(crate) fn clusters(house: &dyn House, asked: &Asked) -> Response {
    match asked.get("format").map(String::as_str) {
        None | Some("text") => {
            reply::text(StatusCode::OK, house.clusters().iter().map(|cluster| text(house, cluster)).collect::<String>())
        }
        Some("json") => {
            let clusters: Vec<_> = house.clusters().iter().map(|cluster| json(house, cluster)).collect();
            reply::json(&json!({ "cluster_statuses": clusters }))
        }
        Some(_) => reply::text(StatusCode::BAD_REQUEST, "usage: /clusters?format=(text|json)\n"),
    }
}

fn text(house: &dyn House, cluster: &ClusterStatus) -> String {
    let ClusterStatus { name, kind, added_via_api, nodes } = cluster;
    let counted = house.registry().nodes(name);
    let mut lines =
        format!("{name}::observability_name::{name}\n{name}::added_via_api::{added_via_api}\n{name}::kind::{kind}\n");
    for node in nodes {
        let head = format!("{name}::{}", node.address);
        for (value, (_, count)) in counted.of(node.address) {
            let _ = writeln!(lines, "{head}::{value}::{count}");
        }
        for (fact, value) in facts(node) {
            let _ = writeln!(lines, "{head}::{fact}::{value}");
        }
    }
    lines
}

fn facts(node: &NodeStatus) -> [(&'static str, &str); 5] {
    [
        ("hostname", &node.hostname),
        ("health_flags", if node.healthy { "healthy" } else { "/failed_active_hc" }),
        ("zone", &node.zone),
        ("role", node.role.word()),
        ("slots", &node.slots),
    ]
}

fn json(house: &dyn House, cluster: &ClusterStatus) -> Value {
    let counted = house.registry().nodes(&cluster.name);
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| json_node(node, counted.of(node.address))).collect();
    json!({
        "name": cluster.name,
        "observability_name": cluster.name,
        "added_via_api": cluster.added_via_api,
        "kind": cluster.kind,
        "host_statuses": nodes,
    })
}

fn json_node(node: &NodeStatus, values: NodeValues) -> Value {
    let stats: Vec<_> = values.into_iter().map(|(name, (kind, value))| json_stat(name, kind, value)).collect();
    let health = if node.healthy {
        json!({"eds_health_status": "HEALTHY"})
    } else {
        json!({"eds_health_status": "UNHEALTHY", "failed_active_health_check": true})
    };
    json!({
        "address": socket_address(node.address),
        "hostname": node.hostname,
        "stats": stats,
        "health_status": health,
        "locality": {"zone": node.zone},
        "role": node.role.word(),
        "slots": node.slots,
    })
}

/// 64-bit numbers are strings in protobuf's JSON.
fn json_stat(name: &str, kind: Kind, value: u64) -> Value {
    let kind = match kind {
        Kind::Counter => "COUNTER",
        Kind::Gauge => "GAUGE",
    };
    json!({"name": name, "type": kind, "value": value.to_string()})
}
