//! The paths of the gRPC methods.

use crate::kind::Kind;

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

/// The service of one kind alone, for a source of configuration that is not aggregated (`api_type: GRPC`).
pub fn of(kind: Kind) -> Method {
    match kind {
        Kind::Cluster => Method {
            sotw: "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
            delta: "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters",
        },
        Kind::Endpoints => Method {
            sotw: "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
            delta: "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
        },
        Kind::Listener => Method {
            sotw: "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
            delta: "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners",
        },
        Kind::Routes => Method {
            sotw: "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes",
            delta: "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes",
        },
        Kind::Secret => SECRETS,
        Kind::Extension => Method {
            sotw: "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs",
            delta: "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/DeltaExtensionConfigs",
        },
    }
}
