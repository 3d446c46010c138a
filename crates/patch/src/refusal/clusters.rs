//! What is wrong with a cluster.

use super::typed;
use crate::field::{choice, messages, peek, socket, text};
use config::Schema;
use prost_reflect::DynamicMessage;
use std::net::IpAddr;

/// Why a proxy would refuse the cluster.
pub(super) fn reasons(schema: &Schema, cluster: &DynamicMessage) -> Vec<String> {
    let custom = peek(cluster, "cluster_type");
    let discovery = if custom.is_some() { String::new() } else { choice(cluster, "type") };
    let mut reasons = balancing(cluster, custom.is_some(), &discovery);
    reasons.extend(endpoints(cluster, &discovery));
    let has_eds = cluster.has_field_by_name("eds_cluster_config");
    match (discovery.as_str(), has_eds) {
        ("EDS", false) => reasons.push("eds_cluster_config: a cluster of type EDS needs it".to_owned()),
        ("EDS", true) | (_, false) => {}
        // Envoy 1.40 does not refuse a custom cluster with it, but crashes.
        (_, true) => reasons.push("eds_cluster_config: only a cluster of type EDS may have it".to_owned()),
    }
    let config = custom.filter(|custom| custom.has_field_by_name("typed_config"));
    reasons.extend(config.and_then(|custom| typed::misplaced(schema, custom, &["clusters"], "cluster_type")));
    let socket = peek(cluster, "transport_socket").cloned();
    let matches = messages(cluster, "transport_socket_matches");
    let sockets = matches.iter().filter_map(|matching| peek(matching, "transport_socket").cloned());
    for socket in socket.into_iter().chain(sockets) {
        reasons.extend(typed::socket(schema, &socket, "transport_socket", "DownstreamTlsContext"));
    }
    reasons
}

fn balancing(cluster: &DynamicMessage, is_custom: bool, discovery: &str) -> Vec<String> {
    let policy = choice(cluster, "lb_policy");
    if cluster.has_field_by_name("load_balancing_policy") {
        return Vec::new();
    }
    let reason = match (policy.as_str(), discovery) {
        ("LOAD_BALANCING_POLICY_CONFIG", _) => {
            "lb_policy: LOAD_BALANCING_POLICY_CONFIG needs load_balancing_policy".to_owned()
        }
        ("CLUSTER_PROVIDED", other) if !is_custom && other != "ORIGINAL_DST" => {
            format!("lb_policy: CLUSTER_PROVIDED, and a cluster of type {other} provides none")
        }
        (other, "ORIGINAL_DST") if other != "CLUSTER_PROVIDED" => {
            "lb_policy: a cluster of type ORIGINAL_DST needs CLUSTER_PROVIDED".to_owned()
        }
        _ => return Vec::new(),
    };
    vec![reason]
}

fn endpoints(cluster: &DynamicMessage, discovery: &str) -> Vec<String> {
    let assignment = peek(cluster, "load_assignment");
    let of_locality = |locality: &DynamicMessage| messages(locality, "lb_endpoints");
    let localities = assignment.map(|assignment| messages(assignment, "endpoints")).unwrap_or_default();
    let endpoints: Vec<DynamicMessage> = localities.iter().flat_map(of_locality).collect();
    match discovery {
        "ORIGINAL_DST" if assignment.is_some() => {
            vec!["load_assignment: a cluster of type ORIGINAL_DST may have none".to_owned()]
        }
        "LOGICAL_DNS" if endpoints.len() != 1 => {
            vec!["load_assignment: a cluster of type LOGICAL_DNS needs exactly one endpoint".to_owned()]
        }
        "STATIC" => endpoints.iter().filter_map(no_address).collect(),
        _ => Vec::new(),
    }
}

/// A name where only an address will do.
fn no_address(endpoint: &DynamicMessage) -> Option<String> {
    let endpoint = peek(endpoint, "endpoint")?;
    let has_resolver = peek(peek(endpoint, "address")?, "socket_address")
        .is_some_and(|socket| !text(socket, "resolver_name").is_empty());
    let (host, _) = socket(endpoint)?;
    let is_address = host.parse::<IpAddr>().is_ok() || has_resolver;
    (!is_address).then(|| format!("load_assignment: {host} is no IP address, as a cluster of type STATIC needs"))
}
