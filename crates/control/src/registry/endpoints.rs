//! The endpoints of Kubernetes services.

use super::pods::{Known, Pods, says_mtls};
use super::service::{Endpoint, Health, Locality, Port, Service};
use crate::object::{Body, Labels, Object, selects};
use crate::written::istio::Workload;
use crate::written::kubernetes::{
    EndpointPort, EndpointSlice, Endpoints, NamedAddress, SliceEndpoint, Subset, TargetRef,
};
use crate::written::value::Target;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The label that ties a slice to its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Everything that endpoints can come from.
pub(crate) struct Sources<'o> {
    pub(crate) pods: Pods<'o>,
    slices: HashMap<(&'o str, &'o str), Vec<&'o EndpointSlice>>,
    endpoints: HashMap<(&'o str, &'o str), &'o Endpoints>,
    workloads: HashMap<&'o str, Vec<(&'o Object, &'o Workload)>>,
}

impl<'o> Sources<'o> {
    pub(crate) fn new(objects: impl Iterator<Item = &'o Object> + Clone) -> Self {
        let pods = Pods::new(objects.clone());
        let mut sources = Self { pods, slices: HashMap::new(), endpoints: HashMap::new(), workloads: HashMap::new() };
        for object in objects {
            let meta = &object.meta;
            match &object.body {
                Body::EndpointSlice(slice) if slice.address_type != "FQDN" => {
                    let service = meta.labels.get(SERVICE_NAME).map_or("", String::as_str);
                    sources.slices.entry((&meta.namespace, service)).or_default().push(slice);
                }
                Body::Endpoints(endpoints) => {
                    sources.endpoints.insert((&meta.namespace, &meta.name), endpoints);
                }
                Body::WorkloadEntry(workload) => {
                    sources.workloads.entry(&meta.namespace).or_default().push((object, workload));
                }
                _ => {}
            }
        }
        sources
    }

    /// The WorkloadEntries of `namespace` that `selector` selects.
    pub(crate) fn workloads(
        &self,
        namespace: &str,
        selector: &Labels,
    ) -> impl Iterator<Item = (&'o Object, &'o Workload)> {
        let all = self.workloads.get(namespace).map_or(&[][..], Vec::as_slice);
        all.iter().copied().filter(move |(object, workload)| selects(selector, &labels_of(object, workload)))
    }

    /// The endpoints of a Kubernetes service; `all_ready` if it wants those that are not ready treated as if they were.
    pub(super) fn of(&self, service: &Service, all_ready: bool) -> Vec<Endpoint> {
        let key = (service.namespace.as_str(), service.name.as_str());
        let mut found = if let Some(slices) = self.slices.get(&key) {
            slices.iter().flat_map(|slice| self.of_slice(slice, service)).collect()
        } else if let Some(endpoints) = self.endpoints.get(&key) {
            endpoints.subsets.iter().flat_map(|subset| self.of_subset(subset, service)).collect()
        } else {
            self.of_pods(service)
        };
        found.extend(self.of_workloads(service));
        if all_ready {
            found.iter_mut().for_each(|endpoint| endpoint.health = Health::Healthy);
        }
        // While an endpoint moves from slice to slice it stands in both.
        let mut seen = HashSet::new();
        found.retain(|endpoint| seen.insert((endpoint.address.clone(), Arc::clone(&endpoint.ports))));
        found
    }

    fn of_slice(&self, slice: &EndpointSlice, service: &Service) -> Vec<Endpoint> {
        let ports = Arc::new(ports_of(&slice.ports));
        let one = |entry: &SliceEndpoint| {
            let ip = entry.addresses.first()?.parse().ok()?;
            let pod = self.behind(service, entry.target_ref.as_ref(), ip);
            let health = if entry.conditions.ready.unwrap_or(true) { Health::Healthy } else { Health::Unhealthy };
            let mut endpoint = endpoint(ip, Arc::clone(&ports), health, pod);
            if let Some(machine) = &entry.node_name {
                endpoint.machine.clone_from(machine);
            }
            if let (Some(zone), true) = (&entry.zone, endpoint.locality.zone.is_empty()) {
                endpoint.locality.zone.clone_from(zone);
            }
            Some(endpoint)
        };
        slice.endpoints.iter().filter_map(one).collect()
    }

    fn of_subset(&self, subset: &Subset, service: &Service) -> Vec<Endpoint> {
        let ports = Arc::new(ports_of(&subset.ports));
        let one = |address: &NamedAddress, health| {
            let pod = self.behind(service, address.target_ref.as_ref(), address.ip);
            let mut endpoint = endpoint(address.ip, Arc::clone(&ports), health, pod);
            if let Some(machine) = &address.node_name {
                endpoint.machine.clone_from(machine);
            }
            endpoint
        };
        let ready = subset.addresses.iter().map(|address| one(address, Health::Healthy));
        ready.chain(subset.not_ready_addresses.iter().map(|address| one(address, Health::Unhealthy))).collect()
    }

    fn behind(&self, service: &Service, target: Option<&TargetRef>, ip: IpAddr) -> Option<&Known<'o>> {
        let named = target.filter(|target| target.kind == "Pod").and_then(|target| {
            let namespace = if target.namespace.is_empty() { &service.namespace } else { &target.namespace };
            self.pods.named(namespace, &target.name)
        });
        named.or_else(|| self.pods.at(ip))
    }

    /// What Kubernetes' own controller would make of the pods.
    fn of_pods(&self, service: &Service) -> Vec<Endpoint> {
        let Some(selector) = &service.selector else { return Vec::new() };
        let one = |known: &Known<'o>| {
            let ports = Arc::new(resolved(&service.ports, |name| known.pod.port_named(name)));
            let health = if known.pod.is_ready() { Health::Healthy } else { Health::Unhealthy };
            known.pod.ips().next().map(|ip| endpoint(ip, ports, health, Some(known)))
        };
        self.pods.selected(&service.namespace, selector).filter_map(one).collect()
    }

    fn of_workloads(&self, service: &Service) -> Vec<Endpoint> {
        let Some(selector) = &service.selector else { return Vec::new() };
        let one = |(object, workload): (&Object, &Workload)| {
            let ports = resolved(&service.ports, |_| None);
            of_workload(workload, labels_of(object, workload), &object.meta.namespace, ports, Health::Healthy)
        };
        self.workloads(&service.namespace, selector).map(one).collect()
    }
}

/// The labels of a WorkloadEntry: its own and those in its `spec`, which win.
pub(super) fn labels_of(object: &Object, workload: &Workload) -> Labels {
    object.meta.labels.iter().chain(&workload.labels).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A workload as an endpoint. `ports` are the service's, which its own override by name.
pub(super) fn of_workload(
    workload: &Workload,
    labels: Labels,
    namespace: &str,
    mut ports: BTreeMap<String, u16>,
    health: Health,
) -> Endpoint {
    for (name, number) in &mut ports {
        *number = workload.ports.get(name).copied().unwrap_or(*number);
    }
    let identity = Some(format!("{namespace}/{}", workload.service_account));
    Endpoint {
        address: workload.address.clone(),
        ports: Arc::new(ports),
        health,
        weight: workload.weight.max(1),
        locality: Locality::parse(&workload.locality),
        speaks_mtls: says_mtls(&labels),
        labels: Arc::new(labels),
        machine: String::new(),
        identity: identity.filter(|_| !workload.service_account.is_empty()).unwrap_or_default(),
    }
}

/// The endpoint at `ip`, and what `pod` adds to it.
pub(super) fn endpoint(ip: IpAddr, ports: Arc<BTreeMap<String, u16>>, health: Health, pod: Option<&Known>) -> Endpoint {
    Endpoint {
        address: ip.to_string(),
        ports,
        health,
        weight: 1,
        locality: pod.map(|known| known.locality.clone()).unwrap_or_default(),
        labels: pod.map(|known| Arc::clone(&known.labels)).unwrap_or_default(),
        machine: pod.map(|known| known.pod.spec.node_name.clone()).unwrap_or_default(),
        speaks_mtls: pod.is_some_and(Known::speaks_mtls),
        identity: pod.map(Known::identity).unwrap_or_default(),
    }
}

fn ports_of(ports: &[EndpointPort]) -> BTreeMap<String, u16> {
    ports.iter().filter_map(|port| Some((port.name.clone(), port.port?))).collect()
}

/// The number of every port; those by a name that nobody has are left out.
pub(super) fn resolved(ports: &[Port], named: impl Fn(&str) -> Option<u16>) -> BTreeMap<String, u16> {
    let number = |port: &Port| match &port.target {
        Target::Number(number) => Some(*number),
        Target::Name(name) => named(name),
    };
    ports.iter().filter_map(|port| Some((port.name.clone(), number(port)?))).collect()
}
