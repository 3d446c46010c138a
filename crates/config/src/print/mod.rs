//! A meaning back to Envoy's words: the bootstrap in YAML that Envoy and this room load to the same meaning.
//!
//! What equals Envoy's default is left out, so that what is printed is what somebody chose. Of what a node says of itself
//! only its names are printed; the rest is for a control plane.

mod cluster;
mod listener;
mod origin;
mod redis;
mod tls;
mod yaml;

use meant::{Admin, Filter, Node, Proxy, Secret, Way};
use std::net::SocketAddr;
use std::time::Duration;
use yaml::{Map, Yaml};

/// Whether passwords and user names are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// As they are: what is printed can be run.
    Shown,
    /// As `[redacted]`: what is printed can be shown to others.
    Hidden,
}

/// A mapping of JSON, for [`crate::text::to_yaml`].
pub(crate) fn yaml_of(json: &serde_json::Value) -> String {
    Map::of_json(json).print()
}

/// The Envoy v3 bootstrap that means `proxy`, with its secrets hidden.
pub fn yaml(proxy: &Proxy) -> String {
    yaml_with(proxy, Secrets::Hidden)
}

/// The Envoy v3 bootstrap that means `proxy`.
pub fn yaml_with(proxy: &Proxy, secrets: Secrets) -> String {
    let listeners = proxy.listeners.iter().map(|listener| listener::listener(listener, secrets));
    let clusters = proxy.clusters.iter().map(|cluster| cluster::cluster(cluster, secrets));
    let clusters = clusters.chain(original(proxy)).chain(origin::servers(proxy, secrets));
    let resources = Map::new().list("listeners", listeners).list("clusters", clusters);
    let root = Map::new()
        .some("node", node(&proxy.node))
        .some("admin", proxy.admin.as_ref().map(admin))
        .some("dynamic_resources", proxy.dynamic.as_ref().map(origin::dynamic))
        .put("static_resources", resources);
    root.print()
}

/// The cluster for what passes through to its original destination, which in Envoy's words needs one.
const ORIGINAL: &str = "original-destination";

/// That cluster, if anything passes through so.
fn original(proxy: &Proxy) -> Option<Map> {
    let passes = |filter: &Filter| matches!(filter, Filter::Tcp(filter) if filter.to == Way::Original);
    let mut chains = proxy.listeners.iter().flat_map(|listener| listener.all_chains());
    let map = Map::new().text("name", ORIGINAL).word("type", "ORIGINAL_DST").word("lb_policy", "CLUSTER_PROVIDED");
    chains.any(|chain| passes(&chain.filter)).then_some(map)
}

fn node(node: &Node) -> Option<Map> {
    let locality = node.zone.as_ref().map(|zone| Map::new().text("zone", zone));
    let map = Map::new().text_if("id", &node.id).text_if("cluster", &node.cluster).some("locality", locality);
    (!map.is_empty()).then_some(map)
}

fn admin(admin: &Admin) -> Map {
    Map::new().put("address", socket(&admin.address))
}

/// An `Address` of an IP address and a port.
fn socket(address: &SocketAddr) -> Map {
    host_port(&address.ip().to_string(), address.port())
}

/// An `Address`.
fn host_port(host: &str, port: u16) -> Map {
    Map::new().put("socket_address", Map::new().text("address", host).word("port_value", port))
}

/// A `DataSource`.
fn source(secret: &Secret, secrets: Secrets) -> Map {
    if secrets == Secrets::Hidden {
        return Map::new().text("inline_string", "[redacted]");
    }
    match std::str::from_utf8(secret.reveal()) {
        Ok(text) => Map::new().text("inline_string", text),
        Err(_) => {
            let engine = base64::engine::general_purpose::STANDARD;
            Map::new().text("inline_bytes", &base64::Engine::encode(&engine, secret.reveal()))
        }
    }
}

/// A duration as protobuf's JSON form has it, such as `0.5s`.
fn duration(duration: Duration) -> Yaml {
    let nanos = duration.subsec_nanos();
    if nanos == 0 {
        return Yaml::Word(format!("{}s", duration.as_secs()));
    }
    let text = format!("{}.{nanos:09}", duration.as_secs());
    Yaml::Word(format!("{}s", text.trim_end_matches('0')))
}

#[cfg(test)]
mod tests;
