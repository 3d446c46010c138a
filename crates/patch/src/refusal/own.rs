//! What is wrong with a resource by itself. Each rule was tried on Envoy 1.40 (`--mode validate`).

use super::{chains, clusters};
use crate::field::name;
use crate::resources::Kind;
use config::Schema;
use config::dynamic::broken_rules;
use prost_reflect::DynamicMessage;

/// Why a proxy would refuse the resource.
pub(super) fn reasons(schema: &Schema, kind: Kind, message: &DynamicMessage) -> Vec<String> {
    let mut reasons = broken_rules(schema, message, "");
    match kind {
        Kind::Listener => reasons.extend(of_listener(schema, message)),
        Kind::Cluster => reasons.extend(clusters::reasons(schema, message)),
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
