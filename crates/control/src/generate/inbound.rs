//! A workload to its sidecar: `virtualInbound` with a set of chains for each port that services lead to, and the
//! cluster of each port.
//!
//! Each set takes what the workload's mode of mutual TLS accepts: connections of other sidecars by Istio's mutual TLS,
//! TLS that is the workload's own affair, and plaintext. istiod has chains for HTTP besides; here their connections
//! pass at L4, so that the chain for mutual TLS also takes the ALPNs of Istio's HTTP.

use super::cluster::service_metadata;
use super::fixed::source;
use super::listener::{listener_filter, tcp_proxy};
use super::names::{BLACK_HOLE, INBOUND_PASSTHROUGH, inbound as cluster_name};
use super::policy::{http_options, limits};
use super::tls::downstream;
use super::view::View;
use crate::registry::{Modes, Protocol, Served};
use crate::written::istio::MtlsMode;
use crate::written::rule::TrafficPolicy;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The ALPNs by which sidecars say that they speak Istio's mutual TLS.
const MTLS_ALPNS: [&str; 5] = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// Where captured inbound connections arrive.
pub(crate) fn virtual_inbound(served: &[Served], modes: &Modes, view: &View) -> Value {
    let own = view.mesh.proxy_inbound_listen_port;
    let mut chains = vec![json!({
        "name": "virtualInbound-blackhole",
        "filter_chain_match": {"destination_port": own},
        "filters": [tcp_proxy(BLACK_HOLE, Map::new())],
    })];
    let passing = Chains { name: "virtualInbound".to_owned(), port: None, cluster: INBOUND_PASSTHROUGH.to_owned() };
    chains.extend(passing.accepting(modes.elsewhere(), true, view));
    let ports = ports(served);
    for (port, served) in &ports {
        let name = format!("{}_{port}", view.any_in_names());
        let leading = Chains { name, port: Some(*port), cluster: cluster_name(*port) };
        let is_sniffed = served[0].service.ports[served[0].port].protocol == Protocol::Sniffed;
        chains.extend(leading.accepting(modes.on(*port), is_sniffed, view));
    }
    let plain = ports.keys().copied().filter(|port| modes.on(*port) == MtlsMode::Disable);
    let plain: Vec<u16> = plain.chain([own]).collect();
    let mut listener = json!({
        "name": "virtualInbound",
        "address": {"socket_address": {"address": view.any(), "port_value": own}},
        "filter_chains": chains,
        "listener_filters": [listener_filter("original_dst", "OriginalDst"), tls_inspector(plain)],
        "listener_filters_timeout": view.mesh.protocol_detection_timeout.to_string(),
        "continue_on_listener_filters_timeout": true,
        "traffic_direction": "INBOUND",
        "max_connections_to_accept_per_socket_event": 1,
    });
    if view.transparent {
        listener["transparent"] = true.into();
    }
    listener
}

/// The cluster of each port of the workload that services lead to.
pub(crate) fn clusters(served: &[Served], view: &View) -> Vec<Value> {
    ports(served).into_iter().map(|(port, served)| cluster(port, &served, view)).collect()
}

fn ports(served: &[Served]) -> BTreeMap<u16, Vec<&Served>> {
    let mut ports: BTreeMap<u16, Vec<&Served>> = BTreeMap::new();
    for one in served.iter().filter(|one| one.service.ports[one.port].protocol != Protocol::Udp) {
        ports.entry(one.number).or_default().push(one);
    }
    ports
}

/// The chains to one cluster.
struct Chains {
    name: String,
    port: Option<u16>,
    cluster: String,
}

impl Chains {
    /// Those that a mode of mutual TLS asks for. istiod has plaintext before foreign TLS where it sniffs; which chain
    /// takes a connection does not depend on it.
    fn accepting(&self, mode: MtlsMode, is_sniffed: bool, view: &View) -> Vec<Value> {
        let foreign = || self.chain("tls", &[]);
        let plain = || self.chain("raw_buffer", &[]);
        match mode {
            MtlsMode::Strict => vec![self.terminated(&[], view)],
            MtlsMode::Disable => vec![plain()],
            // Without the agent there is no certificate to show: what is only allowed is not offered.
            _ if !view.has_agent => vec![foreign(), plain()],
            _ if is_sniffed => vec![self.terminated(&MTLS_ALPNS, view), plain(), foreign()],
            _ => vec![self.terminated(&MTLS_ALPNS, view), foreign(), plain()],
        }
    }

    fn chain(&self, transport: &str, alpns: &[&str]) -> Value {
        let mut matches = json!({"transport_protocol": transport});
        if let Some(port) = self.port {
            matches["destination_port"] = port.into();
        }
        if !alpns.is_empty() {
            matches["application_protocols"] = json!(alpns);
        }
        let filters = [tcp_proxy(&self.cluster, Map::new())];
        json!({"name": self.name, "filter_chain_match": matches, "filters": filters})
    }

    fn terminated(&self, alpns: &[&str], view: &View) -> Value {
        let mut chain = self.chain("tls", alpns);
        chain["transport_socket"] = downstream(&view.mesh.trust_domain);
        chain
    }
}

/// Looks for TLS, except on `plain` ports.
fn tls_inspector(mut plain: Vec<u16>) -> Value {
    plain.sort_unstable();
    let rules: Vec<Value> = plain
        .iter()
        .map(|port| json!({"destination_port_range": {"start": port, "end": u32::from(*port) + 1}}))
        .collect();
    let mut filter = listener_filter("tls_inspector", "TlsInspector");
    filter["typed_config"]["initial_read_buffer_size"] = 512.into();
    filter["filter_disabled"] = match rules.as_slice() {
        [rule] => rule.clone(),
        rules => json!({"or_match": {"rules": rules}}),
    };
    filter
}

fn cluster(port: u16, served: &[&Served], view: &View) -> Value {
    let name = cluster_name(port);
    let first = &served[0].service.ports[served[0].port];
    // As in istiod, only services whose port is that of the first are named.
    let named = served.iter().filter(|one| one.service.ports[one.port].number == first.number);
    let mut services: Vec<Value> = named.map(|one| service_metadata(&one.service)).collect();
    services.dedup();
    let mut cluster = json!({
        "name": name,
        "alt_stat_name": format!("{name};"),
        "type": "ORIGINAL_DST",
        "connect_timeout": view.mesh.connect_timeout.to_string(),
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": limits(&TrafficPolicy::default()),
        // The one endpoint never goes away.
        "cleanup_interval": "9223372035s",
        "upstream_bind_config": source(view),
        "common_lb_config": {},
        "metadata": {"filter_metadata": {"istio": {"services": services}}},
    });
    if let Some(options) = http_options(first.protocol, None) {
        let kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        cluster["typed_extension_protocol_options"] = json!({kind: options});
    }
    cluster
}
