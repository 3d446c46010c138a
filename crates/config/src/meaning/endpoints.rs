//! The written members of a cluster: `load_assignment`.

use super::address::{HostPort, remote};
use super::reader::Reader;
use meant::{Discovery, Endpoint};
use std::net::IpAddr;

/// The endpoints of `cluster`, which finds its members by `discovery`.
pub(super) fn endpoints(cluster: &Reader<'_>, discovery: &Discovery) -> Vec<Endpoint> {
    let Some(assignment) = cluster.one("load_assignment") else {
        logical(cluster, discovery, 0);
        return Vec::new();
    };
    // Only EDS would use another name than the cluster's own.
    assignment.without_effect(&["cluster_name"]);
    assignment.only_empty("policy");
    let mut written = 0;
    let mut endpoints = Vec::new();
    for group in assignment.all("endpoints") {
        // Localities matter to zone-aware choices only, which are refused.
        group.without_effect(&["locality", "metadata"]);
        for member in group.all("lb_endpoints") {
            written += 1;
            endpoints.extend(endpoint(&member, discovery));
        }
    }
    logical(&assignment, discovery, written);
    endpoints
}

/// A `LOGICAL_DNS` cluster has exactly one endpoint.
fn logical(reader: &Reader<'_>, discovery: &Discovery, written: usize) {
    if matches!(discovery, Discovery::LogicalDns(_)) && written != 1 {
        let text =
            format!("a LOGICAL_DNS cluster needs exactly one endpoint, has {written}: use STRICT_DNS for several");
        reader.report().wrong(reader.path(), text);
    }
}

fn endpoint(member: &Reader<'_>, discovery: &Discovery) -> Option<Endpoint> {
    member.without_effect(&["metadata"]);
    let status = member.choice("health_status");
    if !matches!(status.as_str(), "UNKNOWN" | "HEALTHY") {
        member.report().unsupported(&member.at("health_status"), format!("{status} is not supported yet: remove it"));
    }
    let weight = member.wrapped_u32("load_balancing_weight").unwrap_or(1);
    if !member.has("endpoint") && !member.has("endpoint_name") {
        member.wrong("endpoint", "is required");
    }
    let written = member.one("endpoint")?;
    if !written.has("address") {
        written.wrong("address", "is required");
    }
    let hostname = Some(written.text("hostname")).filter(|name| !name.is_empty());
    let address = remote(&written, "address")?;
    check_host(&written, &address, discovery);
    Some(Endpoint { host: address.host, port: address.port, weight, hostname, priority: 0, labels: Vec::new() })
}

fn check_host(reader: &Reader<'_>, address: &HostPort, discovery: &Discovery) {
    if matches!(discovery, Discovery::Static(_)) && address.host.parse::<IpAddr>().is_err() {
        let text = format!("`{}` is not an IP address: set the cluster's type to STRICT_DNS for names", address.host);
        reader.report().wrong(&format!("{}.address", address.path), text);
    }
}
