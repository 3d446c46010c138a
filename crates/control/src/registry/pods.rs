//! The pods, found by address, by name, and by label.

use super::service::Locality;
use crate::object::{Body, Labels, Object, selects};
use crate::written::kubernetes::Pod;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// The label by which the injector says that a workload speaks Istio's mutual TLS.
const TLS_MODE: &str = "security.istio.io/tlsMode";

/// A pod that has an address.
#[derive(Clone, Debug)]
pub(crate) struct Known<'o> {
    pub(crate) pod: &'o Pod,
    pub(crate) object: &'o Object,
    pub(crate) labels: Arc<Labels>,
    pub(crate) locality: Locality,
}

/// All pods that have an address.
#[derive(Default)]
pub(crate) struct Pods<'o> {
    /// By namespace, in the order of their names.
    by_namespace: BTreeMap<&'o str, Vec<Known<'o>>>,
    by_ip: HashMap<IpAddr, (&'o str, usize)>,
    by_name: HashMap<(&'o str, &'o str), usize>,
}

impl<'o> Pods<'o> {
    pub(crate) fn new(objects: impl Iterator<Item = &'o Object> + Clone) -> Self {
        let machines: HashMap<&str, Locality> = objects
            .clone()
            .filter(|object| matches!(object.body, Body::Machine))
            .map(|object| (object.meta.name.as_str(), of_machine(&object.meta.labels)))
            .collect();
        let mut pods = Self::default();
        for object in objects {
            if let Body::Pod(pod) = &object.body
                && !pod.is_over()
                && pod.ips().next().is_some()
            {
                pods.add(object, pod, &machines);
            }
        }
        pods
    }

    fn add(&mut self, object: &'o Object, pod: &'o Pod, machines: &HashMap<&str, Locality>) {
        let namespace = object.meta.namespace.as_str();
        let list = self.by_namespace.entry(namespace).or_default();
        let own = object.meta.labels.get("istio-locality").map(|text| Locality::parse(&text.replace('.', "/")));
        let locality = own.or_else(|| machines.get(pod.spec.node_name.as_str()).cloned()).unwrap_or_default();
        let labels = Arc::new(object.meta.labels.clone());
        // A pod in its machine's network shares the address with others.
        if !pod.spec.host_network {
            self.by_ip.extend(pod.ips().map(|ip| (ip, (namespace, list.len()))));
        }
        self.by_name.insert((namespace, object.meta.name.as_str()), list.len());
        list.push(Known { pod, object, labels, locality });
    }

    pub(crate) fn at(&self, ip: IpAddr) -> Option<&Known<'o>> {
        let (namespace, index) = self.by_ip.get(&ip)?;
        self.by_namespace.get(namespace)?.get(*index)
    }

    pub(crate) fn named(&self, namespace: &str, name: &str) -> Option<&Known<'o>> {
        self.by_namespace.get(namespace)?.get(*self.by_name.get(&(namespace, name))?)
    }

    /// The pods of `namespace` that `selector` selects.
    pub(crate) fn selected(&self, namespace: &str, selector: &Labels) -> impl Iterator<Item = &Known<'o>> {
        let pods = self.by_namespace.get(namespace).map_or(&[][..], Vec::as_slice);
        pods.iter().filter(move |known| selects(selector, &known.object.meta.labels))
    }
}

impl Known<'_> {
    pub(crate) fn speaks_mtls(&self) -> bool {
        says_mtls(&self.object.meta.labels)
    }

    /// `namespace/service account`.
    pub(crate) fn identity(&self) -> String {
        let account = self.pod.spec.service_account_name.as_str();
        format!("{}/{}", self.object.meta.namespace, if account.is_empty() { "default" } else { account })
    }
}

/// Whether the labels of a workload say that it speaks Istio's mutual TLS.
pub(crate) fn says_mtls(labels: &Labels) -> bool {
    labels.get(TLS_MODE).is_some_and(|mode| mode == "istio")
}

fn of_machine(labels: &Labels) -> Locality {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    Locality {
        region: label("topology.kubernetes.io/region"),
        zone: label("topology.kubernetes.io/zone"),
        subzone: label("topology.istio.io/subzone"),
    }
}
