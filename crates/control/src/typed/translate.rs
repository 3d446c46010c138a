//! Typed resources as EnvoyFilters, for people who stay on Istio, and EnvoyFilters as typed resources, for people who
//! leave it.

mod forth;
mod back;
mod words;

pub use back::from_envoy_filters;
pub use forth::to_envoy_filters;

use crate::generate::{self, View};
use crate::node::Node;
use crate::object::{Labels, Object};
use crate::registry::State;
use crate::registry::service::Service;
use crate::typed::Bound;
use crate::written;
use crate::written::mesh::Mesh;
use config::Problem;
use serde_json::{Value, json};
use std::sync::Arc;

/// What some files hold.
#[derive(Debug, Default)]
pub struct Input {
    objects: Vec<Arc<Object>>,
    /// What keeps a file from being used.
    pub problems: Vec<Problem>,
}

impl Input {
    /// Adds the `text` of the file `name`.
    pub fn add(&mut self, name: &str, text: &str) {
        let read = written::objects(text, name);
        self.objects.extend(read.found.into_iter().map(Arc::new));
        self.problems.extend(read.problems);
    }

    fn state(&self) -> State {
        State::new(&self.objects, Arc::new(Mesh::default()), None)
    }
}

/// A translation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translated {
    /// The resources, as Kubernetes takes them.
    pub documents: Vec<Value>,
    /// What cannot be said in the other words, so that the translation is not the same.
    pub lost: Vec<String>,
    /// What is the same today and may not stay it.
    pub notes: Vec<String>,
}

/// What a proxy beside a workload of `namespace` gets for a port of a service.
struct Made {
    listeners: Vec<String>,
    clusters: Vec<Value>,
}

fn made(state: &State, bound: &Arc<Bound>, service: &Service, namespace: &str) -> Option<Made> {
    let ips = if service.ips().any(|ip| ip.is_ipv6()) { "127.0.0.1,::1" } else { "127.0.0.1" };
    let id = format!("sidecar~127.0.0.1~x.{namespace}~{namespace}.svc.{}", state.mesh.domain_suffix);
    let node = Node::from_json(&json!({"id": id, "metadata": {"INSTANCE_IPS": ips}})).ok()?;
    let view = View::new(state, &node, None);
    let rule = state.rule_for(service, namespace, &Labels::new()).map(AsRef::as_ref);
    let (bounds, only) = ([Arc::clone(bound)], |number: u16| number == bound.at.port);
    let name = |listener: generate::Listener| listener.json["name"].as_str().map(str::to_owned);
    let listeners = generate::listeners(service, rule, &bounds, &view, only).into_iter().filter_map(name).collect();
    let own = bound.upstream.name().map_or_else(|| bound.at.plain(), str::to_owned);
    let mut clusters = generate::clusters(service, rule, &bounds, &view, state, only);
    clusters.retain(|cluster| cluster["name"] == own.as_str());
    Some(Made { listeners, clusters })
}
