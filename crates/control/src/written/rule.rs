//! `DestinationRule`, as far as it shapes TCP.

use super::istio::MatchSelector;
use super::value::Span;
use crate::object::Labels;
use serde::Deserialize;

/// `spec` of a `DestinationRule`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRule {
    pub host: String,
    #[serde(default)]
    pub traffic_policy: Option<TrafficPolicy>,
    #[serde(default)]
    pub subsets: Vec<RuleSubset>,
    #[serde(default)]
    pub export_to: Vec<String>,
    #[serde(default)]
    pub workload_selector: Option<MatchSelector>,
}

/// A part of a service's endpoints.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSubset {
    pub name: String,
    #[serde(default)]
    pub labels: Labels,
    #[serde(default)]
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How traffic is sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TrafficPolicy {
    pub connection_pool: Option<ConnectionPool>,
    pub load_balancer: Option<LoadBalancer>,
    pub outlier_detection: Option<OutlierDetection>,
    pub tls: Option<Tls>,
    pub port_level_settings: Vec<PortPolicy>,
}

/// The same for one port; what it leaves out is at its default, not what the whole rule says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortPolicy {
    pub port: RulePort,
    pub connection_pool: Option<ConnectionPool>,
    pub load_balancer: Option<LoadBalancer>,
    pub outlier_detection: Option<OutlierDetection>,
    pub tls: Option<Tls>,
}

/// A port by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RulePort {
    pub number: u16,
}

/// `connectionPool`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ConnectionPool {
    pub tcp: TcpPool,
    pub http: HttpPool,
}

/// `connectionPool.tcp`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TcpPool {
    pub max_connections: u32,
    pub connect_timeout: Option<Span>,
    pub tcp_keepalive: Option<Keepalive>,
    pub max_connection_duration: Option<Span>,
    pub idle_timeout: Option<Span>,
}

/// `connectionPool.http`, of which some fields are limits that hold for every protocol.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpPool {
    pub http1_max_pending_requests: u32,
    pub http2_max_requests: u32,
    pub max_retries: u32,
    pub idle_timeout: Option<Span>,
}

/// TCP's own probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Keepalive {
    pub probes: u32,
    pub time: Option<Span>,
    pub interval: Option<Span>,
}

/// `loadBalancer`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancer {
    pub simple: Option<Simple>,
    pub consistent_hash: Option<ConsistentHash>,
}

/// `loadBalancer.simple`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Simple {
    #[default]
    Unspecified,
    LeastConn,
    LeastRequest,
    Random,
    RoundRobin,
    Passthrough,
}

/// `loadBalancer.consistentHash`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsistentHash {
    pub use_source_ip: bool,
    pub minimum_ring_size: u64,
    pub ring_hash: Option<RingHash>,
    pub maglev: Option<Maglev>,
}

/// `loadBalancer.consistentHash.ringHash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RingHash {
    pub minimum_ring_size: u64,
}

/// `loadBalancer.consistentHash.maglev`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Maglev {
    pub table_size: u64,
}

/// `outlierDetection`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OutlierDetection {
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    pub consecutive_gateway_errors: Option<u32>,
    pub split_external_local_origin_errors: bool,
    pub consecutive_local_origin_failures: Option<u32>,
    pub interval: Option<Span>,
    pub base_ejection_time: Option<Span>,
    pub max_ejection_percent: u32,
    pub min_health_percent: u32,
}

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tls {
    pub mode: TlsMode,
    pub client_certificate: String,
    pub private_key: String,
    pub ca_certificates: String,
    pub subject_alt_names: Vec<String>,
    pub sni: String,
    pub insecure_skip_verify: bool,
}

/// `tls.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsMode {
    #[default]
    Disable,
    Simple,
    Mutual,
    IstioMutual,
}

impl TrafficPolicy {
    /// What holds for the service's port `number`.
    pub fn for_port(&self, number: u16) -> Self {
        let Some(port) = self.port_level_settings.iter().find(|port| port.port.number == number) else {
            return Self { port_level_settings: Vec::new(), ..self.clone() };
        };
        Self {
            connection_pool: port.connection_pool.clone(),
            load_balancer: port.load_balancer.clone(),
            outlier_detection: port.outlier_detection.clone(),
            tls: port.tls.clone(),
            port_level_settings: Vec::new(),
        }
    }

    /// What holds for a subset's port `number`, if `self` is the rule's policy and `subset` the subset's own.
    pub fn for_subset(&self, subset: &Self, number: u16) -> Self {
        let own = subset.for_port(number);
        if subset.port_level_settings.iter().any(|port| port.port.number == number) {
            return own;
        }
        let whole = self.for_port(number);
        Self {
            connection_pool: own.connection_pool.or(whole.connection_pool),
            load_balancer: own.load_balancer.or(whole.load_balancer),
            outlier_detection: own.outlier_detection.or(whole.outlier_detection),
            tls: own.tls.or(whole.tls),
            port_level_settings: Vec::new(),
        }
    }
}
