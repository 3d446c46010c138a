//! istiod's names, which EnvoyFilters match, and the types of Envoy's API.

/// The cluster of connections to addresses that no service has.
pub(super) const PASSTHROUGH: &str = "PassthroughCluster";
/// The cluster that has no endpoint.
pub(super) const BLACK_HOLE: &str = "BlackHoleCluster";
/// The cluster of connections to ports of the workload that no service has.
pub(super) const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";

/// Names that no cluster of a user can have: what is made for every sidecar, and what its bootstrap holds.
pub(crate) const FIXED_CLUSTERS: [&str; 8] =
    [PASSTHROUGH, BLACK_HOLE, INBOUND_PASSTHROUGH, "agent", "prometheus_stats", "sds-grpc", "xds-grpc", "zipkin"];

/// Beginning of the type in an `Any`.
const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// `@type` of a TCP proxy.
pub(super) fn tcp_proxy_type() -> String {
    format!("{TYPES}.filters.network.tcp_proxy.v3.TcpProxy")
}

/// `@type` of something under `envoy.extensions`.
pub(super) fn extension(rest: &str) -> String {
    format!("{TYPES}.{rest}")
}

/// The cluster of a service's port; `subset` is empty for all of it.
pub(super) fn outbound(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// The name by which a client asks the other end's gateway for such a cluster (SNI).
pub(super) fn sni(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// The cluster of a port of the workload.
pub(super) fn inbound(port: u16) -> String {
    format!("inbound|{port}||")
}
