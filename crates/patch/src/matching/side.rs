//! On which side of a proxy a resource is: what a patch's `context` is compared with.

use crate::field::{choice, name};
use crate::filter::Context;
use crate::proxy::Role;
use prost_reflect::DynamicMessage;

/// The side of a listener.
pub(crate) fn side_of_listener(listener: &DynamicMessage, role: Role) -> Context {
    match role {
        Role::Router => Context::Gateway,
        _ if name(listener) == "virtualInbound" || choice(listener, "traffic_direction") == "INBOUND" => {
            Context::Inbound
        }
        _ => Context::Outbound,
    }
}

/// The side of a cluster.
pub(crate) fn side_of_cluster(cluster: &DynamicMessage, role: Role) -> Context {
    let name = name(cluster);
    match role {
        Role::Router => Context::Gateway,
        // Up to 1.8 there was one for each version of IP.
        _ if name.starts_with("inbound|") || name.starts_with("InboundPassthroughCluster") => Context::Inbound,
        _ => Context::Outbound,
    }
}

/// The side of a route configuration that is asked for by name.
pub(crate) fn side_of_routes(role: Role) -> Context {
    if role == Role::Router { Context::Gateway } else { Context::Outbound }
}

/// Whether a listener or cluster that is added with context `wanted` goes to `side`. With context ANY it is added once,
/// to the outbound side.
pub(crate) fn is_added_on(wanted: Context, side: Context) -> bool {
    wanted == side || wanted == Context::Any && side != Context::Inbound
}
