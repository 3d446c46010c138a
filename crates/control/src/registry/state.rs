//! Everything the registry knows at one moment.

use super::endpoints::Sources;
use super::rules::{Authentication, Modes, Rule, Scope, modes, rule_for};
use super::served::{Served, Servers};
use super::service::{Resolution, Service};
use super::{entries, kubernetes, notes};
use crate::node::Node;
use crate::object::{Body, Key, Labels, Object, selects};
use crate::typed::Typed;
use crate::written::mesh::Mesh;
use config::Problem;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Everything the registry knows at one moment.
#[derive(Debug)]
pub struct State {
    /// The settings of the mesh.
    pub mesh: Arc<Mesh>,
    /// All services; the first one wins an address that several claim.
    pub services: Vec<Arc<Service>>,
    /// All EnvoyFilters, unordered.
    pub envoy_filters: Vec<Arc<Object>>,
    /// Typed resources that cannot be used; the last accepted version of each still counts.
    pub refused: Vec<Problem>,
    /// What was understood but will not do what its user may expect.
    pub notes: Vec<Problem>,
    /// Of `refused`, what a change of another object can mend.
    pub(crate) awaiting: Vec<Problem>,
    /// What it was made of, the oldest first.
    objects: Vec<Arc<Object>>,
    rules: Vec<Arc<Rule>>,
    scopes: Vec<Arc<Scope>>,
    authentications: Vec<Arc<Authentication>>,
    /// The labels, and the ports by name, of the pods, by address.
    pods: HashMap<IpAddr, Arc<Object>>,
    /// The addresses of headless services' endpoints.
    headless: HashSet<String>,
    /// Whether some service is served by endpoints on the client's machine only.
    pub(crate) has_machine_local: bool,
    /// Which services a workload may serve.
    servers: Servers,
    /// What typed resources say of services.
    pub(crate) typed: Typed,
}

impl State {
    /// The meaning of all `objects`. What is equal in the `former` state stays the same `Arc`.
    #[must_use]
    pub fn new<'o>(objects: impl IntoIterator<Item = &'o Arc<Object>>, mesh: Arc<Mesh>, former: Option<&Self>) -> Self {
        let objects: Vec<&Arc<Object>> = by_age(objects);
        let plain = || objects.iter().map(|object| object.as_ref());
        let sources = Sources::new(plain());
        let services = keep(services(plain(), &mesh, &sources), former.map(|state| &*state.services));
        let rules = keep(rules(plain(), &mesh), former.map(|state| &*state.rules));
        let mut typed = Typed::new(&objects, &services, &mesh, former.map(|state| &state.typed));
        let mut state = Self {
            refused: std::mem::take(&mut typed.refused),
            awaiting: std::mem::take(&mut typed.awaiting),
            objects: objects.iter().copied().cloned().collect(),
            typed,
            rules,
            headless: headless(&services),
            has_machine_local: services.iter().any(|service| service.machine_local),
            servers: Servers::new(&services),
            notes: notes::of(plain(), &services),
            services,
            envoy_filters: Vec::new(),
            scopes: Vec::new(),
            authentications: Vec::new(),
            pods: HashMap::new(),
            mesh,
        };
        for object in &objects {
            state.take(object, &sources);
        }
        state
    }

    /// What it would be with `object` in the place of the one of its name.
    pub(crate) fn with(&self, object: Arc<Object>) -> Self {
        let key = object.key();
        let others = self.objects.iter().filter(|other| other.key() != key);
        Self::new(others.chain([&object]), Arc::clone(&self.mesh), Some(self))
    }

    /// The object of that name.
    pub(crate) fn object(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.iter().find(|object| object.body.kind() == key.kind && object.key() == *key)
    }

    /// All pods, in no order.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.pods.values()
    }

    fn take(&mut self, object: &Arc<Object>, sources: &Sources) {
        match &object.body {
            Body::EnvoyFilter(_) => self.envoy_filters.push(Arc::clone(object)),
            Body::Sidecar(sidecar) => self.scopes.push(Arc::new(Scope::new(object, sidecar))),
            Body::PeerAuthentication(written) => {
                self.authentications.push(Arc::new(Authentication::new(object, written)));
            }
            Body::Pod(pod) => {
                // Only the pod that has the address by now.
                let own = |ip: &IpAddr| sources.pods.at(*ip).is_some_and(|known| std::ptr::eq(known.pod, pod));
                self.pods.extend(pod.ips().filter(own).map(|ip| (ip, Arc::clone(object))));
            }
            _ => {}
        }
    }

    /// The rule for `service` that a proxy of `namespace` with `labels` heeds.
    pub(crate) fn rule_for(&self, service: &Service, namespace: &str, labels: &Labels) -> Option<&Arc<Rule>> {
        rule_for(&self.rules, service, namespace, labels, &self.mesh.root_namespace)
    }

    /// The Sidecar of a proxy: one of its namespace that selects it, else that of its namespace, else the root's.
    pub(crate) fn scope_for(&self, namespace: &str, labels: &Labels) -> Option<&Arc<Scope>> {
        let own = |scope: &&Arc<Scope>| scope.namespace == namespace;
        let selecting = self.scopes.iter().filter(own).find(|scope| {
            let selector = scope.selector.as_ref();
            selector.is_some_and(|selector| selects(selector, labels))
        });
        let wide = |place: &str| self.scopes.iter().find(|scope| scope.namespace == place && scope.selector.is_none());
        selecting.or_else(|| wide(namespace)).or_else(|| wide(&self.mesh.root_namespace))
    }

    /// What the sidecar of a workload accepts.
    pub(crate) fn modes(&self, namespace: &str, labels: &Labels) -> Modes {
        modes(&self.authentications, namespace, labels, &self.mesh.root_namespace)
    }

    /// The labels of a proxy: those that it says, else those of its pod.
    #[must_use]
    pub fn labels_of(&self, node: &Node) -> Labels {
        if !node.labels.is_empty() {
            return node.labels.clone();
        }
        self.pod_of(node).map(|pod| pod.meta.labels.clone()).unwrap_or_default()
    }

    /// The ports of a proxy's own workload that services lead to, by port, then by the service's host.
    pub(crate) fn served_by(&self, node: &Node) -> Vec<Served> {
        let labels = self.labels_of(node);
        let pod = self.pod_of(node).and_then(|object| if let Body::Pod(pod) = &object.body { Some(pod) } else { None });
        self.servers.served_by(node, &labels, |name| pod.and_then(|pod| pod.port_named(name)))
    }

    fn pod_of(&self, node: &Node) -> Option<&Arc<Object>> {
        node.ips.iter().find_map(|ip| self.pods.get(ip))
    }

    /// Whether what holds for all services (the mesh, and what workloads accept) is as in `other`, so that an equal
    /// service is the same to its clients.
    pub(crate) fn shapes_services_like(&self, other: &Self) -> bool {
        self.mesh == other.mesh && (!self.mesh.enable_auto_mtls || self.authentications == other.authentications)
    }

    /// Whether some headless service has an endpoint at `ip`.
    pub(crate) fn is_headless(&self, ip: &str) -> bool {
        self.headless.contains(ip)
    }

    /// Which of the DestinationRules with a selector select a proxy with `labels`: proxies of one namespace that agree in
    /// it heed the same rules.
    pub(crate) fn heeded_by(&self, labels: &Labels) -> Vec<bool> {
        let selecting = self.rules.iter().filter(|rule| !rule.selector.is_empty());
        selecting.map(|rule| selects(&rule.selector, labels)).collect()
    }

    /// The services that are exported to `namespace`, each host once: its own before others.
    pub(crate) fn seen_by(&self, namespace: &str) -> Vec<&Arc<Service>> {
        let exported = || self.services.iter().filter(|service| service.export.reaches(namespace));
        let mut chosen: HashMap<&str, &Arc<Service>> = HashMap::new();
        for service in exported() {
            let best = chosen.entry(&service.host).or_insert(service);
            if best.namespace != namespace && service.namespace == namespace {
                *best = service;
            }
        }
        let is_chosen =
            |service: &&Arc<Service>| chosen.get(service.host.as_str()).is_some_and(|best| Arc::ptr_eq(best, service));
        exported().filter(is_chosen).collect()
    }
}

/// The oldest first; of the same age by name.
fn by_age<'o>(objects: impl IntoIterator<Item = &'o Arc<Object>>) -> Vec<&'o Arc<Object>> {
    let mut sorted: Vec<&Arc<Object>> = objects.into_iter().collect();
    sorted.sort_by(|a, b| {
        let key =
            |object: &'o Arc<Object>| (&object.meta.creation_timestamp, &object.meta.name, &object.meta.namespace);
        key(a).cmp(&key(b))
    });
    sorted
}

fn services<'o>(objects: impl Iterator<Item = &'o Object>, mesh: &Mesh, sources: &Sources) -> Vec<Service> {
    let mut found: Vec<Service> = objects
        .flat_map(|object| match &object.body {
            Body::Service(spec) => kubernetes::service(object, spec, mesh, sources).into_iter().collect(),
            Body::ServiceEntry(entry) => entries::services(object, entry, mesh, sources),
            _ => Vec::new(),
        })
        .collect();
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    found
}

fn rules<'o>(objects: impl Iterator<Item = &'o Object>, mesh: &Mesh) -> Vec<Rule> {
    let mut found: Vec<Rule> = Vec::new();
    for object in objects {
        if let Body::DestinationRule(written) = &object.body {
            let rule = Rule::new(object, written, mesh);
            if !found.iter_mut().any(|older| older.absorbs(&rule)) {
                found.push(rule);
            }
        }
    }
    found
}

/// `new`, in `Arc`s that are those of `former` wherever the value is equal.
fn keep<T: PartialEq + Named>(new: Vec<T>, former: Option<&[Arc<T>]>) -> Vec<Arc<T>> {
    let mut known: HashMap<(String, String), Vec<&Arc<T>>> = HashMap::new();
    for value in former.unwrap_or_default() {
        known.entry(value.name()).or_default().push(value);
    }
    let kept = |value: T| {
        let same = known.get(&value.name()).and_then(|values| values.iter().find(|old| old.as_ref() == &value));
        same.map_or_else(|| Arc::new(value), |same| Arc::clone(same))
    };
    new.into_iter().map(kept).collect()
}

/// Something that is found again by its name.
trait Named {
    fn name(&self) -> (String, String);
}

impl Named for Service {
    fn name(&self) -> (String, String) {
        (self.namespace.clone(), self.host.clone())
    }
}

impl Named for Rule {
    fn name(&self) -> (String, String) {
        (self.namespace.clone(), self.host.clone())
    }
}

fn headless(services: &[Arc<Service>]) -> HashSet<String> {
    let headless = services.iter().filter(|service| service.resolution == Resolution::Headless);
    headless.flat_map(|service| service.endpoints.iter().map(|endpoint| endpoint.address.clone())).collect()
}
