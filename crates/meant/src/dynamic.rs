//! Where configuration comes from that is not in the bootstrap.

use crate::Secret;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `envoy.config.bootstrap.v3.Bootstrap.DynamicResources`.
#[derive(Clone, Debug, Default)]
pub struct Dynamic {
    /// `ads_config`.
    pub ads: Option<ControlPlane>,
    /// `lds_config`.
    pub listeners: Option<ConfigSource>,
    /// `cds_config`.
    pub clusters: Option<ConfigSource>,
}

/// `envoy.config.core.v3.ConfigSource`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConfigSource {
    /// `ads`: the one stream of `ads_config`.
    Ads,
    /// `api_config_source`: a stream of its own.
    Server(ControlPlane),
    /// `path_config_source` (or `path`): a file, read again whenever it is replaced.
    File(PathBuf),
}

/// `envoy.config.core.v3.ApiConfigSource`: a server of configuration and how it is reached. The cluster that
/// `grpc_services` names is resolved here, since no traffic of clients goes to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlPlane {
    /// The cluster's name, for messages.
    pub cluster: String,
    /// `DELTA_GRPC` (or `AGGREGATED_DELTA_GRPC`), else the state of the world.
    pub delta: bool,
    /// Its endpoints, tried in turn.
    pub addresses: Vec<ControlAddress>,
    /// TLS towards it, if any.
    pub tls: Option<Arc<ControlTls>>,
    /// `initial_metadata` of the gRPC service.
    pub metadata: Vec<(String, String)>,
    /// `envoy_grpc.authority`, if not empty.
    pub authority: Option<String>,
    /// The cluster's `connect_timeout`.
    pub connect_timeout: Duration,
}

/// An endpoint of a control plane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ControlAddress {
    /// A host name or an IP address, and a port.
    Tcp(String, u16),
    /// A Unix socket (`pipe`).
    Unix(PathBuf),
}

/// TLS towards a control plane, all of it written in the bootstrap; PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlTls {
    /// What its certificate must lead to.
    pub roots: Vec<u8>,
    /// The name asked for (`sni`); `None` is the host connected to.
    pub server_name: Option<String>,
    /// The proxy's own chain and key, if any.
    pub identity: Option<(Vec<u8>, Secret)>,
}

impl std::hash::Hash for ControlTls {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.roots, &self.server_name).hash(state);
    }
}
