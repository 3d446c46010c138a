//! Istio's kinds that say which services there are, who sees them, and what their sidecars demand.

use super::mesh::OutboundPolicy;
use super::value::Cidr;
use crate::object::Labels;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `spec` of a `ServiceEntry`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntry {
    pub hosts: Vec<String>,
    #[serde(default)]
    pub addresses: Vec<Cidr>,
    #[serde(default)]
    pub ports: Vec<EntryPort>,
    #[serde(default)]
    pub location: Location,
    #[serde(default)]
    pub resolution: EntryResolution,
    #[serde(default)]
    pub endpoints: Vec<Workload>,
    #[serde(default)]
    pub workload_selector: Option<Selector>,
    #[serde(default)]
    pub export_to: Vec<String>,
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
}

/// One port of a `ServiceEntry`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryPort {
    pub number: u16,
    pub name: String,
    #[serde(default)]
    pub protocol: String,
    #[serde(default)]
    pub target_port: Option<u16>,
}

/// Whether the service is part of the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    #[default]
    MeshExternal,
    MeshInternal,
}

/// How the addresses of a `ServiceEntry` are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryResolution {
    #[default]
    None,
    Static,
    Dns,
    DnsRoundRobin,
}

/// One endpoint: `spec` of a `WorkloadEntry`, or an endpoint of a `ServiceEntry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Workload {
    /// An IP address or a name.
    pub address: String,
    /// The number of each port, by the name that the service gives it.
    pub ports: BTreeMap<String, u16>,
    pub labels: Labels,
    /// `region/zone/subzone`.
    pub locality: String,
    /// 0 if not given.
    pub weight: u32,
    pub service_account: String,
    pub network: String,
}

/// `workloadSelector` of Istio's networking kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Selector {
    pub labels: Labels,
}

/// `selector` of Istio's security kinds, and of a `DestinationRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MatchSelector {
    pub match_labels: Labels,
}

/// `spec` of a `Sidecar`: which services its proxies see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Sidecar {
    pub workload_selector: Option<Selector>,
    pub egress: Vec<Egress>,
    pub outbound_traffic_policy: Option<OutboundPolicy>,
}

/// Services that proxies see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Egress {
    /// `namespace/host`: the namespace may be `*`, `.` or `~`, the host may begin with `*`.
    pub hosts: Vec<String>,
    /// Only this port of them.
    #[serde(default)]
    pub port: Option<EgressPort>,
}

/// The port of an egress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct EgressPort {
    pub number: u16,
}

/// `spec` of a `PeerAuthentication`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PeerAuthentication {
    pub selector: Option<MatchSelector>,
    pub mtls: Mtls,
    pub port_level_mtls: BTreeMap<u16, Mtls>,
}

/// A mode of mutual TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Mtls {
    pub mode: MtlsMode,
}

/// What a sidecar accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MtlsMode {
    /// What the next wider policy says.
    #[default]
    Unset,
    /// Plaintext only.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
}
