//! The listeners of a service: one for each address and port, with a `tcp_proxy` to the port's cluster.
//!
//! They never open a socket (`bind_to_port: false`): `virtualOutbound` hands connections over by where they were going.

use super::names::{BLACK_HOLE, PASSTHROUGH, extension, outbound as cluster_name, tcp_proxy_type};
use super::view::View;
use crate::registry::service::{Origin, Port, Resolution, Service};
use crate::registry::{Protocol, Rule};
use crate::typed::Bound;
use crate::written::mesh::OutboundMode;
use crate::written::rule::{LoadBalancer, TrafficPolicy};
use crate::written::value::Cidr;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// A listener, and whether it is for one endpoint of a headless service.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// The endpoint's address; its own proxy does not get the listener.
    pub(crate) of_endpoint: Option<String>,
    pub(crate) json: Value,
}

/// The listeners of the ports of `service` that `seen` lets through; `bounds` is what typed resources make of them.
pub(crate) fn outbound(
    service: &Service,
    rule: Option<&Rule>,
    bounds: &[Arc<Bound>],
    view: &View,
    seen: impl Fn(u16) -> bool,
) -> Vec<Listener> {
    let mut found = Vec::new();
    for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp && seen(port.number)) {
        for place in places(service, port, view) {
            let mut chain = chain(service, port, rule, view, place.ranges());
            if let Some(bound) = bounds.iter().find(|bound| bound.at.port == port.number) {
                chain["filters"] = json!([bound.filter]);
            }
            found.push(place.listener(port, view, chain));
        }
    }
    found
}

/// Where a listener listens.
enum Place {
    /// At an address of the service.
    Address(IpAddr),
    /// At an endpoint of a headless service.
    Endpoint(String),
    /// At every address, or at those in some ranges.
    Anywhere(Vec<Cidr>),
}

fn places(service: &Service, port: &Port, view: &View) -> Vec<Place> {
    if service.resolution == Resolution::Headless {
        let serving = service.endpoints.iter().filter(|endpoint| endpoint.ports.contains_key(&port.name));
        return serving.map(|endpoint| Place::Endpoint(endpoint.address.clone())).collect();
    }
    let spoken = |ip: &IpAddr| if ip.is_ipv4() { view.v4 } else { view.v6 };
    let mut places: Vec<Place> = service.ips().filter(spoken).map(Place::Address).collect();
    let ranges: Vec<Cidr> = service.addresses.iter().copied().filter(|cidr| cidr.prefix.is_some()).collect();
    // Without an address every connection to the port is taken. HTTP would be told apart by its host; here it is not,
    // so it is better left alone. A Kubernetes service without an address has not got its address yet.
    let takes_all = service.addresses.is_empty()
        && service.origin == Origin::ServiceEntry
        && matches!(port.protocol, Protocol::Tcp | Protocol::Sniffed);
    if takes_all || !ranges.is_empty() {
        places.push(Place::Anywhere(ranges));
    }
    places
}

impl Place {
    fn ranges(&self) -> &[Cidr] {
        if let Self::Anywhere(ranges) = self { ranges } else { &[] }
    }

    fn address(&self, view: &View) -> String {
        match self {
            Self::Address(ip) => ip.to_string(),
            Self::Endpoint(address) => address.clone(),
            Self::Anywhere(_) => view.any().to_owned(),
        }
    }

    fn name(&self, port: u16, view: &View) -> String {
        match self {
            Self::Anywhere(_) => format!("{}_{port}", view.any_in_names()),
            _ => format!("{}_{port}", self.address(view)),
        }
    }

    fn listener(&self, port: &Port, view: &View, chain: Value) -> Listener {
        let name = self.name(port.number, view);
        let mut listener = json!({
            "name": name,
            "address": {"socket_address": {"address": self.address(view), "port_value": port.number}},
            "listener_filters_timeout": view.mesh.protocol_detection_timeout.to_string(),
            "continue_on_listener_filters_timeout": true,
            "traffic_direction": "OUTBOUND",
            "bind_to_port": false,
        });
        if !self.ranges().is_empty() {
            listener["filter_chains"] = json!([chain]);
            listener["default_filter_chain"] = passthrough_chain(view);
        } else if port.protocol == Protocol::Sniffed {
            // Where istiod has an HTTP chain before it; there EnvoyFilters written for istiod find it.
            listener["default_filter_chain"] = chain;
        } else {
            listener["filter_chains"] = json!([chain]);
        }
        if view.transparent {
            listener["transparent"] = true.into();
        }
        let of_endpoint = if let Self::Endpoint(address) = self { Some(address.clone()) } else { None };
        Listener { of_endpoint, json: listener }
    }
}

fn chain(service: &Service, port: &Port, rule: Option<&Rule>, view: &View, ranges: &[Cidr]) -> Value {
    let cluster = cluster_name(port.number, "", &service.host);
    let mut chain = json!({
        "filters": [tcp_proxy(&cluster, settings(rule.and_then(|rule| rule.policy.as_ref()), view))],
        "transport_socket_connect_timeout": "15s",
    });
    if !ranges.is_empty() {
        let range = |cidr: &Cidr| json!({"address_prefix": cidr.ip.to_string(), "prefix_len": cidr.prefix});
        chain["filter_chain_match"] = json!({"prefix_ranges": ranges.iter().map(range).collect::<Vec<_>>()});
    }
    chain
}

fn passthrough_chain(view: &View) -> Value {
    let cluster = elsewhere(view.outbound);
    json!({"name": "PassthroughFilterChain", "filters": [tcp_proxy(cluster, Map::new())]})
}

/// Where connections go that no service takes.
pub(super) fn elsewhere(mode: OutboundMode) -> &'static str {
    match mode {
        OutboundMode::AllowAny => PASSTHROUGH,
        OutboundMode::RegistryOnly => BLACK_HOLE,
    }
}

/// What a rule sets at the `tcp_proxy`. As in istiod, a setting for one port has no say in it.
fn settings(policy: Option<&TrafficPolicy>, view: &View) -> Map<String, Value> {
    let mut settings = Map::new();
    if let Some(timeout) = &view.idle_timeout {
        settings.insert("idle_timeout".to_owned(), timeout.as_str().into());
    }
    let pool = policy.and_then(|policy| policy.connection_pool.as_ref()).map(|pool| &pool.tcp);
    if let Some(timeout) = pool.and_then(|pool| pool.idle_timeout) {
        settings.insert("idle_timeout".to_owned(), timeout.to_string().into());
    }
    if let Some(longest) = pool.and_then(|pool| pool.max_connection_duration) {
        settings.insert("max_downstream_connection_duration".to_owned(), longest.to_string().into());
    }
    let by_source = |balancer: &LoadBalancer| balancer.consistent_hash.as_ref().is_some_and(|hash| hash.use_source_ip);
    if policy.and_then(|policy| policy.load_balancer.as_ref()).is_some_and(by_source) {
        settings.insert("hash_policy".to_owned(), json!([{"source_ip": {}}]));
    }
    settings
}

/// A filter that passes connections to `cluster`.
pub(super) fn tcp_proxy(cluster: &str, settings: Map<String, Value>) -> Value {
    let mut typed = settings;
    typed.insert("@type".to_owned(), tcp_proxy_type().into());
    typed.insert("stat_prefix".to_owned(), cluster.into());
    typed.insert("cluster".to_owned(), cluster.into());
    json!({"name": "envoy.filters.network.tcp_proxy", "typed_config": typed})
}

/// A listener filter by the last part of its name.
pub(super) fn listener_filter(name: &str, message: &str) -> Value {
    json!({
        "name": format!("envoy.filters.listener.{name}"),
        "typed_config": {"@type": extension(&format!("filters.listener.{name}.v3.{message}"))},
    })
}
