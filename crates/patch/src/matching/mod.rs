//! Where a patch matches: sides, listeners, filter chains, clusters, route configurations.

mod chain;
mod cluster;
mod route;
mod side;

pub(crate) use chain::{ListenerFacts, chain_differs, listener_differs};
pub(crate) use cluster::{cluster_differs, hosts_of, parse as parse_cluster_name};
pub(crate) use route::{has_route_match, route_differs, routes_differ, vhost_differs};
pub(crate) use side::{is_added_on, side_of_cluster, side_of_listener, side_of_routes};
