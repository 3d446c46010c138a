//! The whole of what one proxy process runs: the bootstrap, as meant.

use crate::{Cluster, Dynamic, Listener};
use std::net::SocketAddr;
use std::sync::Arc;

/// A whole configuration (`envoy.config.bootstrap.v3.Bootstrap`).
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// Who this proxy is.
    pub node: Node,
    /// Where it listens, in the order written. Names are unique.
    pub listeners: Vec<Arc<Listener>>,
    /// The clusters, in the order written. Names are unique; a route may name one that is not here.
    pub clusters: Vec<Arc<Cluster>>,
    /// The HTTP face, if any.
    pub admin: Option<Admin>,
    /// Where more listeners and clusters come from, if from anywhere.
    pub dynamic: Option<Dynamic>,
}

/// The proxy's identity (`envoy.config.core.v3.Node`).
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// `node.id`.
    pub id: String,
    /// `node.cluster`.
    pub cluster: String,
    /// `node.locality.zone`, for the zone-aware read policies.
    pub zone: Option<String>,
    /// The whole `node` as an encoded `envoy.config.core.v3.Node`: what a control plane is told.
    pub message: Vec<u8>,
}

/// The HTTP face (`envoy.config.bootstrap.v3.Admin`).
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
}
