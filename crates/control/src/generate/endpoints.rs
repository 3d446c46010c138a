//! The endpoints of a cluster, by locality.

use super::names::outbound as cluster_name;
use super::view::View;
use crate::object::{Labels, selects};
use crate::registry::service::{Endpoint, Health, Locality, Port, Resolution, Service};
use crate::registry::{Protocol, Rule, State};
use crate::written::istio::MtlsMode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The endpoint sets of all clusters of `service` that ask for theirs (EDS).
pub(crate) fn assignments(
    service: &Service,
    rule: Option<&Rule>,
    view: &View,
    state: &State,
    seen: impl Fn(u16) -> bool,
    asked: impl Fn(&str) -> bool,
) -> Vec<Value> {
    // Those of a headless service are asked for where a typed resource spreads keys among them.
    if !matches!(service.resolution, Resolution::Endpoints | Resolution::Headless) {
        return Vec::new();
    }
    let auto_mtls = super::tls::is_automatic(service, state);
    let mut found = Vec::new();
    for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp && seen(port.number)) {
        let secured = |endpoint: &Endpoint| {
            let number = endpoint.ports.get(&port.name).copied().unwrap_or(0);
            let mode = || state.modes(&service.namespace, &endpoint.labels).on(number);
            auto_mtls && endpoint.speaks_mtls && mode() != MtlsMode::Disable
        };
        let mut add = |subset: &str, labels: Option<&Labels>| {
            let name = cluster_name(port.number, subset, &service.host);
            if asked(&name) {
                found.push(load_assignment(service, port, labels, view, &name, secured));
            }
        };
        add("", None);
        for subset in rule.map_or(&[][..], |rule| &rule.subsets) {
            add(&subset.name, Some(&subset.labels));
        }
    }
    found
}

/// The endpoints of a port, of those with `labels` if given; `secured` says which are spoken to by mutual TLS.
pub(super) fn load_assignment(
    service: &Service,
    port: &Port,
    labels: Option<&Labels>,
    view: &View,
    name: &str,
    secured: impl Fn(&Endpoint) -> bool,
) -> Value {
    let mut places: BTreeMap<&Locality, (u32, Vec<Value>)> = BTreeMap::new();
    for endpoint in &service.endpoints {
        let here = !service.machine_local || endpoint.machine == view.machine;
        let wanted = labels.is_none_or(|labels| selects(labels, &endpoint.labels));
        let Some(number) = endpoint.ports.get(&port.name).filter(|_| here && wanted) else { continue };
        let place = places.entry(&endpoint.locality).or_default();
        place.0 = place.0.saturating_add(endpoint.weight);
        place.1.push(lb_endpoint(endpoint, *number, secured(endpoint)));
    }
    let mut assignment = json!({"cluster_name": name});
    if !places.is_empty() {
        let place = |(locality, (weight, endpoints)): (&Locality, (u32, Vec<Value>))| json!({"locality": spelt(locality), "lb_endpoints": endpoints, "load_balancing_weight": weight});
        assignment["endpoints"] = places.into_iter().map(place).collect();
    }
    assignment
}

fn lb_endpoint(endpoint: &Endpoint, port: u16, secured: bool) -> Value {
    let address = json!({"socket_address": {"address": endpoint.address, "port_value": port}});
    let mut found = json!({"endpoint": {"address": address}, "load_balancing_weight": endpoint.weight});
    match endpoint.health {
        Health::Unknown => {}
        Health::Healthy => found["health_status"] = "HEALTHY".into(),
        Health::Unhealthy => found["health_status"] = "UNHEALTHY".into(),
    }
    if secured {
        found["metadata"] = json!({"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
    }
    found
}

fn spelt(locality: &Locality) -> Value {
    let parts = [("region", &locality.region), ("zone", &locality.zone), ("sub_zone", &locality.subzone)];
    let known = parts.into_iter().filter(|(_, name)| !name.is_empty());
    known.map(|(key, name)| (key.to_owned(), name.as_str().into())).collect::<Map<_, _>>().into()
}
