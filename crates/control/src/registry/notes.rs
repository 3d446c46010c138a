//! What is understood but will not do what its user may expect.

use super::Protocol;
use super::service::{Origin, Port, Resolution, Service};
use crate::object::{Body, Labels, Object, selects};
use config::Problem;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// All notes; `services` stand in the order in which they win addresses.
pub(super) fn of<'o>(objects: impl Iterator<Item = &'o Object> + Clone, services: &[Arc<Service>]) -> Vec<Problem> {
    let templates: Vec<(&str, &Labels)> = objects.clone().filter_map(template).collect();
    let by_name: HashMap<_, _> = services.iter().map(|service| (key(service), service)).collect();
    let contests = contests(services);
    let mut notes = Vec::new();
    for object in objects {
        let meta = &object.meta;
        let (origin, names) = match &object.body {
            Body::Service(_) => (Origin::Kubernetes, std::slice::from_ref(&meta.name)),
            Body::ServiceEntry(entry) => (Origin::ServiceEntry, entry.hosts.as_slice()),
            _ => continue,
        };
        let known = names.iter().filter_map(|name| by_name.get(&(origin, meta.namespace.as_str(), name.as_str())));
        for service in known {
            let told = unreachable(service).into_iter().chain(without_pods(service, &templates)).chain(greedy(service));
            let lost = contests.get(&key(service)).map(|text| ("spec.addresses", text.clone()));
            notes.extend(told.map(|(path, text)| (path, text.to_owned())).chain(lost).map(|(path, text)| Problem {
                file: object.file.to_string(),
                line: object.line,
                path: path.to_owned(),
                text,
            }));
        }
    }
    notes
}

type Key<'s> = (Origin, &'s str, &'s str);

fn key(service: &Arc<Service>) -> Key<'_> {
    (service.origin, &service.namespace, &service.name)
}

fn template(object: &Object) -> Option<(&str, &Labels)> {
    match &object.body {
        Body::Template(labels) => Some((object.meta.namespace.as_str(), labels)),
        _ => None,
    }
}

fn unreachable(service: &Service) -> Option<(&'static str, &'static str)> {
    let is_so = service.origin == Origin::Kubernetes
        && service.addresses.is_empty()
        && service.resolution == Resolution::Endpoints;
    is_so.then_some((
        "spec.clusterIP",
        "is missing, so that no listener can be made: write the service's address, or None",
    ))
}

fn without_pods(service: &Service, templates: &[(&str, &Labels)]) -> Option<(&'static str, &'static str)> {
    let has_workload = |selector: &Labels| {
        templates.iter().any(|(namespace, labels)| *namespace == service.namespace && selects(selector, labels))
    };
    let is_so = service.origin == Origin::Kubernetes
        && service.endpoints.is_empty()
        && service.selector.as_ref().is_some_and(has_workload);
    is_so.then_some((
        "spec.selector",
        "selects pods whose addresses are not known: add the Pods, an EndpointSlice or WorkloadEntries",
    ))
}

/// Without an address the listener is at every address (istio/istio#34585).
fn greedy(service: &Service) -> Option<(&'static str, &'static str)> {
    let is_so = takes_all(service) && service.resolution != Resolution::OriginalDestination;
    is_so.then_some((
        "spec.addresses",
        "are missing, so that every connection to its ports that no other listener takes comes here, wherever it was \
         going: give the host an address of its own",
    ))
}

fn takes_all(service: &Service) -> bool {
    service.origin == Origin::ServiceEntry
        && service.addresses.is_empty()
        && service.ports.iter().any(|port| matches!(port.protocol, Protocol::Tcp | Protocol::Sniffed))
}

/// The services that get nothing at a place that an older one has (istio/istio#11741, #25491, #42522).
fn contests(services: &[Arc<Service>]) -> HashMap<Key<'_>, String> {
    let mut owners: HashMap<(Option<IpAddr>, u16), Vec<&Arc<Service>>> = HashMap::new();
    let mut lost = HashMap::new();
    for service in services {
        for place in places(service) {
            let known = owners.entry(place).or_default();
            match known.iter().find(|older| older.host != service.host && seen_together(older, service)) {
                Some(older) => _ = lost.entry(key(service)).or_insert_with(|| words(older, place)),
                None => known.push(service),
            }
        }
    }
    lost
}

/// Address (none: every one) and port of the listeners.
fn places(service: &Service) -> impl Iterator<Item = (Option<IpAddr>, u16)> + '_ {
    let spoken = |port: &&Port| port.protocol != Protocol::Udp;
    let addresses: Vec<Option<IpAddr>> = service.ips().map(Some).chain(takes_all(service).then_some(None)).collect();
    service
        .ports
        .iter()
        .filter(spoken)
        .flat_map(move |port| addresses.clone().into_iter().map(move |address| (address, port.number)))
}

fn seen_together(one: &Service, other: &Service) -> bool {
    one.export.reaches(&other.namespace) || other.export.reaches(&one.namespace)
}

fn words(older: &Service, (address, port): (Option<IpAddr>, u16)) -> String {
    let place = address.map_or_else(|| format!("port {port} of every address"), |ip| format!("{ip}:{port}"));
    format!(
        "share {place} with {} of the namespace {}, which is older and gets every connection: give each host an address of \
         its own",
        older.host, older.namespace
    )
}
