//! Services that ServiceEntries declare.

use super::Protocol;
use super::endpoints::{Sources, endpoint, labels_of, of_workload, resolved};
use super::service::{Endpoint, Export, Health, Origin, Port, Resolution, Service};
use crate::object::Object;
use crate::written::istio::{EntryPort, EntryResolution, Location, ServiceEntry, Workload};
use crate::written::mesh::Mesh;
use crate::written::value::Target;
use std::sync::Arc;

/// One service for each host of the entry.
pub(super) fn services(object: &Object, entry: &ServiceEntry, mesh: &Mesh, sources: &Sources) -> Vec<Service> {
    let namespace = &object.meta.namespace;
    let words = if entry.export_to.is_empty() { &mesh.default_service_export_to } else { &entry.export_to };
    let one = |host: &String| {
        let mut service = Service {
            host: host.clone(),
            name: host.clone(),
            namespace: namespace.clone(),
            origin: Origin::ServiceEntry,
            created: object.meta.creation_timestamp.clone(),
            addresses: entry.addresses.clone(),
            ports: entry.ports.iter().map(port).collect(),
            resolution: resolution(entry.resolution),
            external: entry.location == Location::MeshExternal,
            export: Export::new(words.iter().map(String::as_str), namespace),
            selector: entry.workload_selector.as_ref().map(|selector| selector.labels.clone()),
            endpoints: Vec::new(),
            machine_local: false,
        };
        service.endpoints = endpoints(&service, entry, sources);
        service
    };
    entry.hosts.iter().map(one).collect()
}

fn port(port: &EntryPort) -> Port {
    let protocol = Protocol::of_entry_port(&port.protocol, &port.name);
    let target = Target::Number(port.target_port.unwrap_or(port.number));
    Port { name: port.name.clone(), number: port.number, target, protocol }
}

fn resolution(written: EntryResolution) -> Resolution {
    match written {
        EntryResolution::None => Resolution::OriginalDestination,
        EntryResolution::Static => Resolution::Endpoints,
        EntryResolution::Dns => Resolution::Dns,
        EntryResolution::DnsRoundRobin => Resolution::DnsRoundRobin,
    }
}

fn endpoints(service: &Service, entry: &ServiceEntry, sources: &Sources) -> Vec<Endpoint> {
    let ports = || resolved(&service.ports, |_| None);
    let by_name = matches!(service.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    let given = |workload: &Workload| {
        of_workload(workload, workload.labels.clone(), &service.namespace, ports(), Health::Unknown)
    };
    let mut found: Vec<Endpoint> = entry.endpoints.iter().map(given).collect();
    if found.is_empty() && service.selector.is_none() && by_name {
        found.push(given(&Workload { address: service.host.clone(), ..Workload::default() }));
    }
    if let Some(selector) = &service.selector {
        for (object, workload) in sources.workloads(&service.namespace, selector) {
            let labels = labels_of(object, workload);
            found.push(of_workload(workload, labels, &service.namespace, ports(), Health::Unknown));
        }
        for known in sources.pods.selected(&service.namespace, selector) {
            let health = if known.pod.is_ready() { Health::Unknown } else { Health::Unhealthy };
            found.extend(known.pod.ips().next().map(|ip| endpoint(ip, Arc::new(ports()), health, Some(known))));
        }
    }
    // istiod makes one service of each address, and gives the cluster that they share the endpoints of each.
    let copies = service.addresses.len().max(1);
    (0..copies).flat_map(|_| found.iter().cloned()).collect()
}
