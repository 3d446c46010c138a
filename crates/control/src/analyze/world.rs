//! What the rules look at: the objects as written, what they mean, and what every workload's sidecar would get.

use super::Found;
use super::source::Source;
use crate::findings::Findings;
use crate::generator::Generator;
use crate::node::Node;
use crate::object::{Key, Labels, Object};
use crate::registry::State;
use crate::registry::service::Service;
use crate::written::mesh::Mesh;
use config::dynamic::json;
use config::text::Node as Text;
use config::{Problem, Schema};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The Istio release that the sidecars are taken to be of, for patches that ask for one.
const ISTIO: &str = "1.31.0";

/// One object as written, of whatever kind.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) json: Value,
}

/// A cluster that an EnvoyFilter adds, or a Redis filter that one puts somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patch<'w> {
    pub(super) document: &'w Document,
    pub(super) index: usize,
    pub(super) json: &'w Value,
}

/// All that is looked at.
pub(super) struct World {
    pub(super) documents: Vec<Document>,
    pub(super) state: Arc<State>,
    pub(super) findings: Findings,
    pub(super) refused: Vec<Problem>,
    pub(super) odd: Vec<Problem>,
    /// The names of the clusters that some sidecar gets.
    pub(super) clusters: BTreeSet<String>,
    /// Whether there is any workload, so that anything can be said of what sidecars get.
    pub(super) has_sidecars: bool,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
    twice: Vec<Found>,
}

impl World {
    pub(super) fn new(schema: &Arc<Schema>, source: Source, mesh: Mesh) -> Self {
        let Source { objects, documents: all, problems, mut notes } = source;
        let (objects, twice) = first(objects);
        let state = Arc::new(State::new(&objects, Arc::new(mesh), None));
        notes.extend(state.notes.iter().cloned());
        let mut generator = Generator::new(Arc::clone(schema));
        let mut clusters = BTreeSet::new();
        let nodes = sidecars(&all);
        for node in &nodes {
            // Only a fault of the generator itself makes none.
            if let Ok(given) = generator.snapshot(&state, node) {
                clusters.extend(given.clusters.iter().map(|cluster| cluster.name().to_owned()));
            }
        }
        let (refused, odd) = generator.problems(&state);
        let findings = Findings::new(&state, &generator.given(), Vec::new());
        let has_sidecars = !nodes.is_empty();
        Self { documents: all, state, findings, refused, odd, clusters, has_sidecars, problems, notes, twice }
    }

    /// The documents of a kind.
    pub(super) fn kind(&self, kind: &str) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(move |document| document.json["kind"] == kind)
    }

    /// The patches of all EnvoyFilters, refused ones left out.
    pub(super) fn patches(&self) -> impl Iterator<Item = Patch<'_>> {
        let is_refused = |document: &Document| {
            self.refused.iter().any(|problem| problem.file == document.file && problem.line == document.line)
        };
        self.kind("EnvoyFilter").filter(move |document| !is_refused(document)).flat_map(|document| {
            let patches = document.json["spec"]["configPatches"].as_array().map_or(&[][..], Vec::as_slice);
            patches.iter().enumerate().map(move |(index, json)| Patch { document, index, json })
        })
    }

    /// The service that a server's name or address belongs to.
    pub(super) fn service_at(&self, address: &str) -> Option<&Arc<Service>> {
        let is_of = |service: &&Arc<Service>| {
            service.host == address
                || address.strip_suffix(service.host.as_str()).is_some_and(|pod| pod.ends_with('.'))
                || service.ips().any(|ip| ip.to_string() == address)
                || service.endpoints.iter().any(|endpoint| endpoint.address == address)
        };
        self.state.services.iter().find(is_of)
    }

    /// The StatefulSets and Deployments that a service selects pods of.
    pub(super) fn workloads_of<'w>(&'w self, service: &Service) -> impl Iterator<Item = &'w Document> {
        let (namespace, selector) = (service.namespace.clone(), service.selector.clone());
        self.documents.iter().filter(move |document| {
            matches!(document.json["kind"].as_str(), Some("StatefulSet" | "Deployment"))
                && document.namespace() == namespace
                && selector.as_ref().is_some_and(|wanted| {
                    crate::object::selects(wanted, &labels(&document.json["spec"]["template"]["metadata"]["labels"]))
                })
        })
    }

    /// Whether the pods of a workload get a sidecar, as far as the files say.
    pub(super) fn is_injected(&self, workload: &Document) -> bool {
        let template = &workload.json["spec"]["template"]["metadata"];
        let said = |meta: &Value, key: &str| {
            meta["labels"][key].as_str().or(meta["annotations"][key].as_str()).map(str::to_owned)
        };
        if let Some(own) = said(template, "sidecar.istio.io/inject") {
            return own == "true";
        }
        self.kind("Namespace").filter(|document| document.name() == workload.namespace()).any(|document| {
            let meta = &document.json["metadata"];
            said(meta, "istio-injection").is_some_and(|word| word == "enabled") || said(meta, "istio.io/rev").is_some()
        })
    }
}

impl Document {
    pub(super) fn name(&self) -> &str {
        self.json["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.json["metadata"]["namespace"].as_str().unwrap_or("default")
    }

    /// `Kind namespace/name`.
    pub(super) fn about(&self) -> String {
        format!("{} {}/{}", self.json["kind"].as_str().unwrap_or_default(), self.namespace(), self.name())
    }

    pub(super) fn found(&self, text: String) -> Found {
        Found { file: self.file.clone(), line: self.line, about: self.about(), text }
    }
}

impl Patch<'_> {
    pub(super) fn found(&self, text: String) -> Found {
        let about = format!("{} configPatches[{}]", self.document.about(), self.index);
        Found { about, ..self.document.found(text) }
    }
}

pub(super) fn bad_files(world: &World) -> Vec<Found> {
    world.problems.iter().map(of_problem).collect()
}

pub(super) fn without_effect(world: &World) -> Vec<Found> {
    world.notes.iter().map(of_problem).collect()
}

pub(super) fn twice(world: &World) -> Vec<Found> {
    let copy = |found: &Found| Found {
        file: found.file.clone(),
        line: found.line,
        about: found.about.clone(),
        text: found.text.clone(),
    };
    world.twice.iter().map(copy).collect()
}

pub(super) fn of_problem(problem: &Problem) -> Found {
    let Problem { file, line, path, text } = problem.clone();
    Found { file, line, about: path, text }
}

pub(super) fn labels(written: &Value) -> Labels {
    let pairs = written.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// An object, or the objects of a list.
pub(super) fn add(all: &mut Vec<Document>, file: &str, node: &Text) {
    let value = json(node);
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value["items"].as_array().filter(|_| is_list) {
        Some(items) => {
            all.extend(items.iter().map(|item| Document { file: file.to_owned(), line: node.line, json: item.clone() }))
        }
        None => all.push(Document { file: file.to_owned(), line: node.line, json: value }),
    }
}

/// The first of each name, and the others.
pub(super) fn first(objects: Vec<Arc<Object>>) -> (Vec<Arc<Object>>, Vec<Found>) {
    let mut known: HashMap<Key, Arc<Object>> = HashMap::new();
    let (mut kept, mut twice) = (Vec::new(), Vec::new());
    for object in objects {
        let key = object.key();
        let about = format!("{} {}/{}", key.kind, key.namespace, key.name);
        match known.get(&key) {
            Some(other) => twice.push(Found {
                file: object.file.to_string(),
                line: object.line,
                about,
                text: format!("is declared twice: that of {}:{} counts", other.file, other.line),
            }),
            None => {
                known.insert(key, Arc::clone(&object));
                kept.push(object);
            }
        }
    }
    (kept, twice)
}

/// The sidecars that are asked for: one for each pod, and one for each workload whose pods are not in the files.
pub(super) fn sidecars(documents: &[Document]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let (labels, ip) = match document.json["kind"].as_str() {
            Some("Pod") => (&document.json["metadata"]["labels"], document.json["status"]["podIP"].as_str()),
            Some("StatefulSet" | "Deployment") => (&document.json["spec"]["template"]["metadata"]["labels"], None),
            _ => continue,
        };
        // An address for documentation (RFC 2544), so that it is nobody's.
        let free = format!("198.18.{}.{}", number / 250 % 250, number % 250 + 1);
        let (name, namespace) = (document.name(), document.namespace());
        let node = serde_json::json!({
            "id": format!("sidecar~{}~{name}.{namespace}~{namespace}.svc.cluster.local", ip.unwrap_or(&free)),
            "metadata": {"NAMESPACE": namespace, "LABELS": labels, "ISTIO_VERSION": ISTIO},
        });
        nodes.extend(Node::from_json(&node).ok());
    }
    nodes
}
