//! The settings of the mesh: the fields of Istio's `MeshConfig` that matter here, and three of istiod's flags.

use super::rule::Keepalive;
use super::value::Span;
use serde::Deserialize;
use std::time::Duration;

/// The settings of the mesh. Other fields of Istio's `MeshConfig` have no effect here, which is told when it is read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mesh {
    /// Where resources stand that hold for all namespaces; `istio-system`.
    pub root_namespace: String,
    /// The first part of every identity; `cluster.local`.
    pub trust_domain: String,
    /// What the names of Kubernetes services end in (a flag of istiod, not a field of `MeshConfig`); `cluster.local`.
    pub domain_suffix: String,
    /// What happens to connections to addresses that no service has.
    pub outbound_traffic_policy: OutboundPolicy,
    /// How long a connection to an endpoint may take to open; 10 s.
    pub connect_timeout: Span,
    /// How long a client may stay silent before its protocol is taken for TCP; 0 s, which is for ever.
    pub protocol_detection_timeout: Span,
    /// How often a name is looked up; 60 s.
    pub dns_refresh_rate: Span,
    /// TCP's own probes, where a `DestinationRule` does not say.
    pub tcp_keepalive: Option<Keepalive>,
    /// Where captured outbound connections arrive; 15001.
    pub proxy_listen_port: u16,
    /// Where captured inbound connections arrive; 15006.
    pub proxy_inbound_listen_port: u16,
    /// Whether endpoints that have a sidecar are spoken to by mutual TLS. Off, unlike in Istio: certificates come from
    /// an agent beside the proxy, and slotmesh is none.
    pub enable_auto_mtls: bool,
    /// Who sees a service that does not say; everybody.
    pub default_service_export_to: Vec<String>,
    /// Who heeds a `DestinationRule` that does not say; everybody.
    pub default_destination_rule_export_to: Vec<String>,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            domain_suffix: "cluster.local".to_owned(),
            outbound_traffic_policy: OutboundPolicy::default(),
            connect_timeout: Span(Duration::from_secs(10)),
            protocol_detection_timeout: Span(Duration::ZERO),
            dns_refresh_rate: Span(Duration::from_secs(60)),
            tcp_keepalive: None,
            proxy_listen_port: 15001,
            proxy_inbound_listen_port: 15006,
            enable_auto_mtls: false,
            default_service_export_to: vec!["*".to_owned()],
            default_destination_rule_export_to: vec!["*".to_owned()],
        }
    }
}

/// `outboundTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct OutboundPolicy {
    /// The mode.
    pub mode: OutboundMode,
}

/// What happens to connections to addresses that no service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundMode {
    /// They pass through to where they were going.
    #[default]
    AllowAny,
    /// They are closed.
    RegistryOnly,
}
