//! What typed resources ask the rest of the registry: services by host, their ports, Secrets.

use super::bound::Target;
use super::fault::{Fault, near};
use super::secret::Secret;
use super::spec::{Destination, KeyRef, Otherwise, Source};
use crate::object::{Body, Object, selects};
use crate::registry::Protocol;
use crate::registry::service::{Port, Service};
use crate::written::mesh::Mesh;
use crate::written::value::Target as PortOf;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The port that Redis has by custom.
const REDIS: u16 = 6379;
/// How far above a node's port its cluster bus lies.
const BUS: u16 = 10_000;

/// Services and Secrets.
pub(super) struct World<'a> {
    pub(super) mesh: &'a Mesh,
    services: &'a [Arc<Service>],
    by_host: HashMap<&'a str, Vec<&'a Arc<Service>>>,
    secrets: HashMap<(&'a str, &'a str), &'a Secret>,
    /// Services that are another name of a host outside, by their own host.
    aliases: HashMap<String, &'a str>,
    pods: Vec<&'a Object>,
}

impl<'a> World<'a> {
    pub(super) fn new(objects: impl Iterator<Item = &'a Object>, services: &'a [Arc<Service>], mesh: &'a Mesh) -> Self {
        let (mut secrets, mut aliases, mut pods) = (HashMap::new(), HashMap::new(), Vec::new());
        for object in objects {
            let meta = &object.meta;
            match &object.body {
                Body::Secret(secret) => _ = secrets.insert((meta.namespace.as_str(), meta.name.as_str()), secret),
                Body::Pod(_) => pods.push(object),
                Body::Service(service) if service.kind == "ExternalName" => {
                    let host = format!("{}.{}.svc.{}", meta.name, meta.namespace, mesh.domain_suffix);
                    aliases.insert(host, service.external_name.as_str());
                }
                _ => {}
            }
        }
        let mut by_host: HashMap<&str, Vec<&Arc<Service>>> = HashMap::new();
        for service in services {
            by_host.entry(&service.host).or_default().push(service);
        }
        Self { mesh, services, by_host, secrets, aliases, pods }
    }

    /// The service that `host` names in a resource of `namespace`.
    pub(super) fn service(&self, host: &str, namespace: &str) -> Result<&'a Service, String> {
        let domain = &self.mesh.domain_suffix;
        let in_own = format!("{host}.{namespace}.svc.{domain}");
        let full = [in_own, format!("{host}.svc.{domain}"), host.to_owned()];
        let meant = if host.contains('.') { &full[1..] } else { &full };
        let named: Vec<&Arc<Service>> =
            meant.iter().find_map(|name| self.by_host.get(name.as_str())).cloned().unwrap_or_default();
        let seen = |service: &&&Arc<Service>| service.export.reaches(namespace);
        let own = named.iter().filter(seen).find(|service| service.namespace == namespace);
        if let Some(service) = own.or_else(|| named.iter().find(seen)) {
            return Ok(service);
        }
        if let Some(hidden) = named.first() {
            let home = &hidden.namespace;
            return Err(format!(
                "{} of the namespace {home} is not exported to the namespace {namespace}",
                hidden.host
            ));
        }
        if let Some((alias, outside)) = meant.iter().find_map(|name| self.aliases.get_key_value(name.as_str())) {
            return Err(format!(
                "{alias} is an ExternalName of {outside}, for which a proxy has nothing: declare that host by a ServiceEntry, and name it here"
            ));
        }
        let written = if host.contains('.') { host } else { full[0].as_str() };
        let known = self.services.iter().map(|service| service.host.as_str());
        Err(format!("{written} is no service{}", near(written, known)))
    }

    /// Whether a cluster bus is seen behind the port: evidence that does not come and go with single pods.
    pub(super) fn bus(&self, service: &Service, port: &Port) -> Option<String> {
        let numbers: Vec<u16> = match &port.target {
            PortOf::Number(number) => vec![*number, port.number],
            PortOf::Name(_) => vec![port.number],
        };
        let alike = |other: &&Arc<Service>| {
            other.namespace == service.namespace && other.selector.is_some() && other.selector == service.selector
        };
        let own = std::iter::once(service).chain(self.services.iter().filter(alike).map(AsRef::as_ref));
        for other in own {
            if let Some(bus) = other.ports.iter().find(|bus| is_bus(&bus.name, bus.number, &numbers)) {
                return Some(format!("the port {} of {}", bus.number, other.host));
            }
        }
        let selector = service.selector.as_ref()?;
        let chosen = self
            .pods
            .iter()
            .filter(|pod| pod.meta.namespace == service.namespace && selects(selector, &pod.meta.labels));
        for object in chosen {
            let Body::Pod(pod) = &object.body else { continue };
            let ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
            if let Some(bus) = ports.into_iter().find(|bus| is_bus(&bus.name, bus.container_port, &numbers)) {
                return Some(format!("the port {} of the pod {}", bus.container_port, object.meta.name));
            }
        }
        None
    }
}

fn is_bus(name: &str, number: u16, of: &[u16]) -> bool {
    let said = name.split('-').any(|word| matches!(word, "gossip" | "bus" | "cbus"));
    said || of.iter().any(|port| port.checked_add(BUS) == Some(number))
}

/// The port that is meant: the one of that number, else the likeliest.
pub(super) fn port(service: &Service, number: Option<u16>) -> Result<&Port, String> {
    let ports = || service.ports.iter().filter(|port| port.protocol != Protocol::Udp);
    if let Some(number) = number {
        let known: Vec<String> = ports().map(|port| port.number.to_string()).collect();
        let none = || format!("{} has no port {number}; it has: {}", service.host, known.join(", "));
        return ports().find(|port| port.number == number).ok_or_else(none);
    }
    let numbers: Vec<u16> = ports().map(|port| port.number).collect();
    let by_custom = ports().find(|port| port.number == REDIS);
    let likely = || ports().find(|port| !is_bus(&port.name, port.number, &numbers));
    by_custom.or_else(likely).ok_or_else(|| format!("{} has no TCP port", service.host))
}

/// Where a resource stands, and what is wrong with it so far.
pub(super) struct Place<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) namespace: &'w str,
    pub(super) faults: Vec<Fault>,
}

impl Place<'_, '_> {
    /// The service and port that are meant.
    pub(super) fn target(&mut self, to: &Destination, at: &str) -> Option<Target> {
        let service = match self.world.service(&to.host, self.namespace) {
            Ok(service) => service,
            Err(text) => return self.lacks(&format!("{at}.host"), format!("host {text}")),
        };
        match port(service, to.port) {
            Ok(port) => Some(Target { host: service.host.clone(), port: port.number }),
            Err(text) => self.lacks(&format!("{at}.port"), text),
        }
    }

    /// Envoy's `DataSource`.
    pub(super) fn source(&mut self, source: &Source, at: &str) -> Option<Value> {
        if let Some(plain) = &source.plain {
            return Some(json!({"inline_string": plain.0}));
        }
        match (&source.secret_key_ref, &source.file, &source.environment_variable) {
            (Some(key), None, None) => {
                let at = format!("{at}.secretKeyRef");
                let known = |name: &str| {
                    let secret = self.world.secrets.get(&(self.namespace, key.name.as_str()));
                    secret.is_none_or(|secret| secret.keys().any(|known| known == name))
                };
                let value = match source.otherwise {
                    Otherwise::Nothing if !known(&key.key) => return None,
                    Otherwise::Take(other) if !known(&key.key) && known(other) => {
                        self.secret(&KeyRef { key: other.to_owned(), ..key.clone() }, &at)?
                    }
                    _ => self.secret(key, &at)?,
                };
                Some(json!({"inline_string": value}))
            }
            (None, Some(text), None) | (None, None, Some(text)) if text.is_empty() => self.wrong(at, "names nothing"),
            (None, Some(file), None) => Some(json!({"filename": file})),
            (None, None, Some(name)) => Some(json!({"environment_variable": name})),
            _ => self.wrong(at, "give exactly one of secretKeyRef, file and environmentVariable"),
        }
    }

    /// The value of a key of a Secret.
    pub(super) fn secret(&mut self, key: &KeyRef, at: &str) -> Option<String> {
        let world = self.world;
        let Some(secret) = world.secrets.get(&(self.namespace, key.name.as_str())) else {
            let own = world.secrets.keys().filter(|(namespace, _)| *namespace == self.namespace);
            let like = near(&key.name, own.map(|(_, name)| *name));
            return self
                .lacks(&format!("{at}.name"), format!("there is no Secret {}/{}{like}", self.namespace, key.name));
        };
        match secret.text(&key.key) {
            Some(Ok(text)) => Some(text),
            Some(Err(())) => self.lacks(&format!("{at}.key"), "its value is not text"),
            None => {
                let like = near(&key.key, secret.keys());
                self.lacks(&format!("{at}.key"), format!("the Secret {} has no key {}{like}", key.name, key.key))
            }
        }
    }

    /// Something that it names is not there yet.
    pub(super) fn lacks<T>(&mut self, path: &str, text: impl Into<String>) -> Option<T> {
        self.faults.push(Fault::awaiting(path, text));
        None
    }

    pub(super) fn wrong<T>(&mut self, path: &str, text: impl Into<String>) -> Option<T> {
        self.faults.push(Fault::new(path, text));
        None
    }
}
