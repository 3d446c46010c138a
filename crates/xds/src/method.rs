//! The paths of the gRPC methods.

/// A service that can be asked in both protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// State of the world.
    pub sotw: &'static str,
    /// Incremental.
    pub delta: &'static str,
}

/// `envoy.service.discovery.v3.AggregatedDiscoveryService`: all kinds on one stream.
pub const ADS: Method = Method {
    sotw: "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    delta: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
};

/// `envoy.service.secret.v3.SecretDiscoveryService`: what Istio's agent and SPIRE serve on a Unix socket.
pub const SECRETS: Method = Method {
    sotw: "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
    delta: "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets",
};
