//! What one service, or one workload, is in Envoy's words, as istiod says it. Pure: JSON out, no proxies, no caches.

// The words.
mod names;
mod view;

// A service to its clients.
mod listener;
mod cluster;
mod policy;
mod tls;
mod endpoints;

// A workload to its sidecar.
mod inbound;

// What every sidecar has.
mod fixed;

pub(crate) use cluster::outbound as clusters;
pub(crate) use endpoints::assignments;
pub(crate) use fixed::{black_hole, inbound_passthrough, passthrough, virtual_outbound};
pub(crate) use inbound::{clusters as inbound_clusters, virtual_inbound};
pub(crate) use listener::{Listener, outbound as listeners};
pub(crate) use names::FIXED_CLUSTERS;
pub(crate) use view::View;
