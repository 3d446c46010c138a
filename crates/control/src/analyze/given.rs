//! What the sidecar of one workload would get, and which resource decided what in it.

use super::source::Source;
use super::world::{Document, sidecars};
use crate::generator::Generator;
use crate::node::Node;
use crate::object::Object;
use crate::print;
use crate::registry::State;
use crate::snapshot::Snapshot;
use crate::written::mesh::Mesh;
use config::{Mismatch, Problem, Schema};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What one sidecar would get.
#[derive(Clone, Debug)]
pub struct Given {
    /// As [`print::json`] shows it.
    pub shown: Value,
    /// Who decided what in it.
    pub decided: Vec<Decided>,
    /// What keeps files and resources from counting.
    pub problems: Vec<Problem>,
}

/// That a resource decided something of a listener or cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// `listener` or `cluster`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What was done, and where in it: `REPLACE filter_chains[0].filters[0]`.
    pub what: String,
    /// By whom: `EnvoyFilter istio-system/a configPatches[0]`, `RedisRoute redis/a`.
    pub by: String,
    /// The file that this stands in.
    pub file: String,
    /// The line in it on which the resource begins.
    pub line: u32,
}

/// Nothing can be said of a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGiven {
    /// It is not in the files.
    #[error("there is no workload named {0}; there are: {1}")]
    NoSuch(String, String),
    /// Only a fault of this program.
    #[error("what {0} would get cannot be made: {1}")]
    NotMade(String, Mismatch),
}

/// What the sidecar `proxy`, a `POD.NAMESPACE`, would get of files that are given as name and text. The pod may be one of
/// a StatefulSet or Deployment that stands there.
///
/// # Errors
/// See [`NotGiven`].
pub fn given(schema: &Arc<Schema>, files: &[(String, String)], mesh: Mesh, proxy: &str) -> Result<Given, NotGiven> {
    let source = Source::of_files(files);
    let (objects, _) = super::world::first(source.objects);
    let state = Arc::new(State::new(&objects, Arc::new(mesh), None));
    let node = node(&source.documents, proxy)?;
    let mut generator = Generator::new(Arc::clone(schema));
    let made = generator.snapshot(&state, &node);
    let snapshot = made.map_err(|error| NotGiven::NotMade(proxy.to_owned(), error))?;
    let who = serde_json::json!({"id": node.id, "metadata": node.metadata});
    let mut decided = by_patches(&state, &snapshot);
    decided.extend(by_typed(&state, &node, &objects));
    let (refused, _) = generator.problems(&state);
    let problems = source.problems.into_iter().chain(state.refused.iter().cloned()).chain(refused).collect();
    Ok(Given { shown: print::json(schema, &who, &snapshot), decided, problems })
}

fn node(all: &[Document], proxy: &str) -> Result<Node, NotGiven> {
    let nodes = sidecars(all);
    let is = |node: &&Node| format!("{}.{}", node.name, node.namespace) == proxy;
    let (pod, namespace) = proxy.rsplit_once('.').unwrap_or((proxy, "default"));
    let is_of = |node: &&Node| {
        node.namespace == namespace
            && pod.strip_prefix(node.name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let found = nodes.iter().find(is).or_else(|| nodes.iter().find(is_of));
    found.cloned().ok_or_else(|| {
        let there: Vec<String> = nodes.iter().map(|node| format!("{}.{}", node.name, node.namespace)).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        NotGiven::NoSuch(proxy.to_owned(), there)
    })
}

fn by_patches(state: &State, snapshot: &Snapshot) -> Vec<Decided> {
    let mut decided = Vec::new();
    for filter in snapshot.report().envoy_filters {
        let is_it =
            |object: &&Arc<Object>| object.meta.namespace == filter.namespace && object.meta.name == filter.name;
        let object = state.envoy_filters.iter().find(is_it);
        let (file, line) = object.map_or_else(Default::default, |object| (object.file.to_string(), object.line));
        for patch in filter.patches {
            let by = format!("EnvoyFilter {}/{} configPatches[{}]", filter.namespace, filter.name, patch.index);
            decided.extend(patch.hits.into_iter().map(|hit| Decided {
                kind: hit.kind.word(),
                name: hit.name,
                what: format!("{} {}", hit.done, hit.place).trim_end().to_owned(),
                by: by.clone(),
                file: file.clone(),
                line,
            }));
        }
    }
    decided
}

fn by_typed(state: &State, node: &Node, objects: &[Arc<Object>]) -> Vec<Decided> {
    let chosen = state.typed.chosen_for(&node.namespace, &state.labels_of(node));
    let mut decided = Vec::new();
    for service in &state.services {
        for bound in state.typed.of(service, &chosen) {
            let port = bound.at.port;
            let ips = service.ips().map(|ip| ip.to_string());
            let pods = service.endpoints.iter().map(|endpoint| endpoint.address.clone());
            let listeners =
                ips.chain(pods).chain(["0.0.0.0".to_owned()]).map(|ip| ("listener", format!("{ip}_{port}")));
            let cluster = ("cluster", format!("outbound|{port}||{}", service.host));
            for (kind, name) in listeners.chain([cluster]) {
                for source in &bound.sources {
                    let is_it = |object: &&Arc<Object>| {
                        let meta = &object.meta;
                        format!("{} {}/{}", object.body.kind(), meta.namespace, meta.name) == *source
                    };
                    let object = objects.iter().find(is_it);
                    decided.push(Decided {
                        kind,
                        name: name.clone(),
                        what: format!("for {} port {port}", service.host),
                        by: source.clone(),
                        file: object.map(|object| object.file.to_string()).unwrap_or_default(),
                        line: object.map_or(0, |object| object.line),
                    });
                }
            }
        }
    }
    decided
}
