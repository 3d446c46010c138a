//! Kubernetes' kinds, as far as the registry needs them.

use super::value::{ClusterIp, Target};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `spec` of a `Service`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "clusterIP")]
    pub cluster_ip: ClusterIp,
    /// The host outside that an `ExternalName` is another name of.
    pub external_name: String,
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<ClusterIp>,
    pub selector: BTreeMap<String, String>,
    pub ports: Vec<ServicePort>,
    pub publish_not_ready_addresses: bool,
    /// `Local`: only endpoints on the client's own machine.
    pub internal_traffic_policy: String,
}

/// One port of a `Service`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    #[serde(default)]
    pub name: String,
    pub port: u16,
    #[serde(default)]
    pub target_port: Option<Target>,
    #[serde(default)]
    pub protocol: String,
    #[serde(default)]
    pub app_protocol: Option<String>,
}

/// An `EndpointSlice`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6` or `FQDN`; the last is of no use here.
    pub address_type: String,
    pub endpoints: Vec<SliceEndpoint>,
    pub ports: Vec<EndpointPort>,
}

/// One endpoint of a slice; only its first address counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SliceEndpoint {
    pub addresses: Vec<String>,
    pub conditions: Conditions,
    pub target_ref: Option<TargetRef>,
    pub node_name: Option<String>,
    pub zone: Option<String>,
}

/// How an endpoint is; what is not said is taken as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Conditions {
    pub ready: Option<bool>,
}

/// What an endpoint stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TargetRef {
    pub kind: String,
    pub name: String,
    pub namespace: String,
}

/// A port of endpoints; its name is that of the service's port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    pub name: String,
    pub port: Option<u16>,
    pub protocol: String,
}

/// The older `Endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    pub subsets: Vec<Subset>,
}

/// Addresses that share ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Subset {
    pub addresses: Vec<NamedAddress>,
    pub not_ready_addresses: Vec<NamedAddress>,
    pub ports: Vec<EndpointPort>,
}

/// One address of `Endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedAddress {
    /// The address.
    pub ip: IpAddr,
    /// What it stands for.
    #[serde(default)]
    pub target_ref: Option<TargetRef>,
    /// The machine it is on.
    #[serde(default)]
    pub node_name: Option<String>,
}

/// A `Pod`: parts of its `spec` and `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pod {
    pub spec: PodSpec,
    pub status: PodStatus,
}

/// `spec` of a `Pod`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    pub service_account_name: String,
    pub node_name: String,
    pub host_network: bool,
    pub containers: Vec<Container>,
}

/// A container's ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Container {
    pub ports: Vec<ContainerPort>,
}

/// One port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    #[serde(default)]
    pub name: String,
    pub container_port: u16,
    #[serde(default)]
    pub protocol: String,
}

/// `status` of a `Pod`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    #[serde(rename = "podIP")]
    pub pod_ip: Option<IpAddr>,
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    pub phase: String,
    pub conditions: Vec<Condition>,
}

/// One address of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PodIp {
    pub ip: IpAddr,
}

/// One condition of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
}

impl Pod {
    /// Its addresses, the chief one first.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        let others = self.status.pod_ips.iter().map(|entry| entry.ip).filter(|ip| Some(*ip) != self.status.pod_ip);
        self.status.pod_ip.into_iter().chain(others)
    }

    /// Whether it takes requests.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// Whether it has run to its end, so that its address may be another pod's by now.
    pub fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// The number of the port that a container calls `name`.
    pub fn port_named(&self, name: &str) -> Option<u16> {
        let ports = self.spec.containers.iter().flat_map(|container| &container.ports);
        ports.into_iter().find(|port| port.name == name).map(|port| port.container_port)
    }
}

/// `spec` of a `StatefulSet` or `Deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WorkloadSpec {
    pub template: Template,
}

/// The pods that it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Template {
    pub metadata: TemplateMeta,
}

/// What they are called by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TemplateMeta {
    pub labels: BTreeMap<String, String>,
}
