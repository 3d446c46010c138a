//! What is wrong with a resource by itself.

use super::chains;
use crate::field::{choice, inner, name};
use crate::resources::Kind;
use config::Schema;
use config::dynamic::broken_rules;
use prost_reflect::DynamicMessage;

/// Why a proxy would refuse the resource.
pub(super) fn reasons(schema: &Schema, kind: Kind, message: &DynamicMessage) -> Vec<String> {
    let mut reasons = broken_rules(schema, message, "");
    match kind {
        Kind::Listener => reasons.extend(of_listener(schema, message)),
        Kind::Cluster => reasons.extend(of_cluster(message)),
        Kind::RouteConfiguration => {}
    }
    reasons
}

fn of_listener(schema: &Schema, listener: &DynamicMessage) -> Vec<String> {
    if name(listener).is_empty() {
        return vec!["name: is required and must not be empty".to_owned()];
    }
    if !listener.has_field_by_name("address") && !listener.has_field_by_name("internal_listener") {
        return vec!["address: is required".to_owned()];
    }
    chains::reasons(schema, listener)
}

fn of_cluster(cluster: &DynamicMessage) -> Vec<String> {
    let mut reasons = Vec::new();
    let is_custom = cluster.has_field_by_name("cluster_type");
    let discovery = choice(cluster, "type");
    let has_own_balancer = is_custom || discovery == "ORIGINAL_DST";
    let is_provided = choice(cluster, "lb_policy") == "CLUSTER_PROVIDED";
    if is_provided && !has_own_balancer && !cluster.has_field_by_name("load_balancing_policy") {
        reasons.push(format!("lb_policy: CLUSTER_PROVIDED, and a cluster of type {discovery} provides none"));
    }
    if !is_provided && !is_custom && discovery == "ORIGINAL_DST" && !cluster.has_field_by_name("load_balancing_policy")
    {
        reasons.push("lb_policy: a cluster of type ORIGINAL_DST needs CLUSTER_PROVIDED".to_owned());
    }
    if !is_custom && discovery == "EDS" && !cluster.has_field_by_name("eds_cluster_config") {
        reasons.push("eds_cluster_config: a cluster of type EDS needs it".to_owned());
    }
    if let Some(assignment) = inner(cluster, "load_assignment") {
        let is_plain = !is_custom && matches!(discovery.as_str(), "EDS" | "ORIGINAL_DST");
        if is_plain && crate::field::len(&assignment, "endpoints") > 0 {
            reasons.push(format!("load_assignment: a cluster of type {discovery} takes no endpoints"));
        }
    }
    reasons
}
