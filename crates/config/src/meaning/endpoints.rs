//! The members of a cluster: written in `load_assignment`, or delivered as such.

use super::address::{HostPort, remote};
use super::reader::Reader;
use crate::rules::key_text;
use meant::{Assignment, Discovery, Endpoint};
use prost_reflect::{DynamicMessage, Value};
use std::net::IpAddr;

/// The endpoints of `cluster`, which finds its members by `discovery`.
pub(super) fn endpoints(cluster: &Reader<'_>, discovery: &Discovery) -> Vec<Endpoint> {
    match discovery {
        Discovery::Delivered { .. } => {
            cluster.refuse("load_assignment", "the members of an EDS cluster are delivered: remove it");
            return Vec::new();
        }
        Discovery::Original => {
            if cluster.one("load_assignment").is_some_and(|assignment| assignment.covers()) {
                cluster.wrong("load_assignment", "an ORIGINAL_DST cluster has no members of its own: remove it");
            }
            return Vec::new();
        }
        _ => {}
    }
    let Some(assignment) = cluster.one("load_assignment") else {
        logical(cluster, discovery, 0);
        return Vec::new();
    };
    // Only EDS would use another name than the cluster's own.
    assignment.without_effect(&["cluster_name"]);
    let (endpoints, written) = members(&assignment, matches!(discovery, Discovery::Static(_)));
    logical(&assignment, discovery, written);
    endpoints
}

/// What `envoy.config.endpoint.v3.ClusterLoadAssignment` means, as delivered.
pub(super) fn assignment(assignment: &Reader<'_>) -> Assignment {
    Assignment { service: assignment.text("cluster_name"), endpoints: members(assignment, true).0 }
}

/// The members that can be used, and how many are written.
fn members(assignment: &Reader<'_>, only_addresses: bool) -> (Vec<Endpoint>, usize) {
    assignment.only_empty("policy");
    let mut written = 0;
    let mut endpoints = Vec::new();
    for group in assignment.all("endpoints") {
        // Localities and their weights matter to zone-aware and locality-weighted choices only, which are refused or
        // told where they are chosen.
        group.without_effect(&["locality", "load_balancing_weight"]);
        let common = labels(&group);
        let priority = group.number("priority");
        for member in group.all("lb_endpoints") {
            written += 1;
            let Some(endpoint) = endpoint(&member, only_addresses) else { continue };
            endpoints.push(Endpoint { priority, labels: with_common(endpoint.labels, &common), ..endpoint });
        }
    }
    (endpoints, written)
}

/// An endpoint's own labels hide those of its locality.
fn with_common(mut labels: Vec<(String, String)>, common: &[(String, String)]) -> Vec<(String, String)> {
    let new = common.iter().filter(|(key, _)| labels.iter().all(|(own, _)| own != key)).cloned();
    let new: Vec<_> = new.collect();
    labels.extend(new);
    labels
}

/// The labels by which a transport socket is chosen; nothing else here reads metadata.
fn labels(reader: &Reader<'_>) -> Vec<(String, String)> {
    let Some(metadata) = reader.one("metadata") else { return Vec::new() };
    metadata.covered();
    let of_sockets = metadata.structure("filter_metadata", "envoy.transport_socket_match");
    of_sockets.as_ref().map(label_pairs).unwrap_or_default()
}

/// The fields of a `google.protobuf.Struct`, sorted by name.
pub(super) fn label_pairs(structure: &DynamicMessage) -> Vec<(String, String)> {
    let fields = structure.get_field_by_name("fields");
    let fields = fields.as_ref().and_then(|fields| fields.as_map()).into_iter().flatten();
    let mut pairs: Vec<_> = fields.map(|(key, value)| (key_text(key), label(value))).collect();
    pairs.sort();
    pairs
}

/// Text as it is, anything else as its JSON.
fn label(value: &Value) -> String {
    let Some(value) = value.as_message() else { return String::new() };
    match value.get_field_by_name("string_value").filter(|_| value.has_field_by_name("string_value")) {
        Some(text) => text.as_str().unwrap_or_default().to_owned(),
        None => serde_json::to_string(value).unwrap_or_default(),
    }
}

/// A `LOGICAL_DNS` cluster has exactly one endpoint.
fn logical(reader: &Reader<'_>, discovery: &Discovery, written: usize) {
    if matches!(discovery, Discovery::LogicalDns(_)) && written != 1 {
        let text =
            format!("a LOGICAL_DNS cluster needs exactly one endpoint, has {written}: use STRICT_DNS for several");
        reader.report().wrong(reader.path(), text);
    }
}

/// `None` if it must not be used, or cannot.
fn endpoint(member: &Reader<'_>, only_addresses: bool) -> Option<Endpoint> {
    let labels = labels(member);
    let status = member.choice("health_status");
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
    if only_addresses {
        check_host(&written, &address);
    }
    if !is_usable(member, &status) {
        return None;
    }
    Some(Endpoint { host: address.host, port: address.port, weight, hostname, priority: 0, labels })
}

/// What a control plane says of a member's health; a file has no news of it.
fn is_usable(member: &Reader<'_>, status: &str) -> bool {
    if member.subject().is_none() && !matches!(status, "UNKNOWN" | "HEALTHY") {
        member.unsupported("health_status", format!("{status} is not supported yet: remove it"));
    }
    !matches!(status, "UNHEALTHY" | "DRAINING" | "TIMEOUT")
}

fn check_host(reader: &Reader<'_>, address: &HostPort) {
    if address.host.parse::<IpAddr>().is_err() {
        let text = format!("`{}` is not an IP address: set the cluster's type to STRICT_DNS for names", address.host);
        reader.report().wrong(&format!("{}.address", address.path), text);
    }
}
