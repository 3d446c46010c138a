//! Which services lead to a workload, found without asking every service.

use super::service::{Endpoint, Origin, Port, Service};
use crate::node::Node;
use crate::object::{Labels, selects};
use crate::written::value::Target;
use std::collections::HashMap;
use std::sync::Arc;

/// A port of a proxy's own workload that a service leads to.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// The port of the workload.
    pub(crate) number: u16,
    /// The service's port, as an index.
    pub(crate) port: usize,
    pub(crate) service: Arc<Service>,
}

/// Services by what a workload must have to serve them.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// By namespace, and one label of the selector.
    by_label: HashMap<(String, String, String), Vec<Arc<Service>>>,
    /// ServiceEntries by the address of an endpoint.
    by_address: HashMap<String, Vec<Arc<Service>>>,
}

impl Servers {
    pub(super) fn new(services: &[Arc<Service>]) -> Self {
        let mut servers = Self::default();
        for service in services {
            if let Some((key, value)) = service.selector.as_ref().and_then(|selector| selector.first_key_value()) {
                let key = (service.namespace.clone(), key.clone(), value.clone());
                servers.by_label.entry(key).or_default().push(Arc::clone(service));
            }
            if service.origin == Origin::ServiceEntry {
                for endpoint in &service.endpoints {
                    let known = servers.by_address.entry(endpoint.address.clone()).or_default();
                    if !known.iter().any(|other| Arc::ptr_eq(other, service)) {
                        known.push(Arc::clone(service));
                    }
                }
            }
        }
        servers
    }

    /// The ports of the workload that services lead to, by port, then by the service's host. `named` knows the ports
    /// of its containers.
    pub(super) fn served_by(&self, node: &Node, labels: &Labels, named: impl Fn(&str) -> Option<u16>) -> Vec<Served> {
        let own: Vec<String> = node.ips.iter().map(ToString::to_string).collect();
        let mut found: Vec<Served> = Vec::new();
        for (service, endpoint) in self.serving(node, labels, &own) {
            let served = |(port, of): (usize, &Port)| {
                let by_entry = endpoint.and_then(|endpoint| endpoint.ports.get(&of.name).copied());
                let number = by_entry.or_else(|| match &of.target {
                    Target::Number(number) => Some(*number),
                    Target::Name(name) => named(name),
                });
                Some(Served { number: number?, port, service: Arc::clone(service) })
            };
            found.extend(service.ports.iter().enumerate().filter_map(served));
        }
        found.sort_by(|a, b| (a.number, &a.service.host, a.port).cmp(&(b.number, &b.service.host, b.port)));
        found
    }

    /// Each service that leads to the workload, with the endpoint of a ServiceEntry that is the workload.
    fn serving<'s>(
        &'s self,
        node: &Node,
        labels: &Labels,
        own: &[String],
    ) -> Vec<(&'s Arc<Service>, Option<&'s Endpoint>)> {
        let listed = own.iter().filter_map(|ip| self.by_address.get(ip)).flatten();
        let mut found: Vec<(&Arc<Service>, Option<&Endpoint>)> = Vec::new();
        for service in listed.filter(|service| service.namespace == node.namespace) {
            if !found.iter().any(|(known, _)| Arc::ptr_eq(known, service)) {
                let endpoint = service.endpoints.iter().find(|endpoint| own.contains(&endpoint.address));
                found.push((service, endpoint));
            }
        }
        for (key, value) in labels {
            let key = (node.namespace.clone(), key.clone(), value.clone());
            for service in self.by_label.get(&key).into_iter().flatten() {
                let is_meant = service.selector.as_ref().is_some_and(|selector| selects(selector, labels));
                if is_meant && !found.iter().any(|(known, _)| Arc::ptr_eq(known, service)) {
                    found.push((service, None));
                }
            }
        }
        found
    }
}
