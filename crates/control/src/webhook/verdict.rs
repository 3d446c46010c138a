//! What the control plane would make of an object, thought through on its present state.
//!
//! Refused is what the registry refuses. Accepted with a warning is what it does not do yet, or not as written: a service
//! or a Secret that is still to come, a patch that hits nothing on the sidecars there are, a field of no effect.

use super::review::Request;
use crate::findings::{Filter, Findings, name_of};
use crate::kube::kinds::kind_of;
use crate::node::Node;
use crate::object::{Body, Labels, Object};
use crate::plane::{Plane, Trial};
use crate::registry::State;
use crate::written;
use config::Problem;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Kinds of sidecars that an EnvoyFilter is tried on, and how long that may take; with more, nothing is said of hits.
const MOST_KINDS: usize = 256;
const LONGEST: Duration = Duration::from_secs(2);
/// The Istio release that pods are taken to have a sidecar of while no proxy is connected.
const ISTIO: &str = "1.31.0";
/// Labels in which pods of one workload differ.
const OF_PODS: [&str; 5] = [
    "apps.kubernetes.io/pod-index",
    "controller-revision-hash",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// What is said of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Why it is refused; empty if it is not.
    pub(super) refused: Vec<String>,
    /// What is odd about it.
    pub(super) warnings: Vec<String>,
}

impl Verdict {
    /// What is said of what `request` asks for. Changes nothing.
    pub(super) fn of(plane: &Plane, request: &Request) -> Self {
        let mut verdict = Self::default();
        if !request.is_judged() {
            return verdict;
        }
        let object = named(request);
        let place = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        // As it will be named once it is read of the API server.
        let kind = kind_of(&request.kind.group, &request.kind.kind);
        let source = kind.map(|kind| kind.source(place("namespace"), place("name"))).unwrap_or_default();
        let read = written::object(&object, &source);
        verdict.refused.extend(read.problems.iter().map(said));
        verdict.warnings.extend(read.notes.iter().map(said));
        if let Some(object) = read.found {
            verdict.think_through(plane, Arc::new(object));
        }
        if request.asks_for_nothing_new() {
            let refused =
                verdict.refused.drain(..).map(|text| format!("its spec, which is as before, is refused: {text}"));
            verdict.warnings.splice(0..0, refused.collect::<Vec<_>>());
        }
        verdict
    }

    fn think_through(&mut self, plane: &Plane, object: Arc<Object>) {
        let Some(mut trial) = plane.trial() else {
            // Only what it says itself can be judged: an EnvoyFilter by itself is a world of its own.
            self.warnings
                .push("slotmesh has not read the cluster yet: services and sidecars were not looked at".into());
            let state = State::new([&object], Arc::default(), None);
            let (refused, odd) = crate::generator::Generator::new(plane.schema()).problems(&Arc::new(state));
            return self.filter(&refused, &odd, &object.file);
        };
        if let Some(other) = trial.state.object(&object.key()).filter(|other| !other.file.starts_with("kube:")) {
            self.warnings.push(format!("{}:{} declares it too, which counts", other.file, other.line));
        }
        let state = Arc::new(trial.state.with(Arc::clone(&object)));
        for problem in &state.refused {
            match problem.file == *object.file {
                true if !state.awaiting.contains(problem) => self.refused.push(said(problem)),
                true => self.warnings.push(format!("has no effect yet: {}", said(problem))),
                false if trial.state.refused.contains(problem) => {}
                false => self.warnings.push(format!("another resource is refused from now on: {problem}")),
            }
        }
        let (refused, odd) = trial.generator.problems(&state);
        self.filter(&refused, &odd, &object.file);
        if matches!(object.body, Body::EnvoyFilter(_)) && self.refused.is_empty() {
            self.warnings.extend(tried(&mut trial, &state, &object));
        }
    }

    /// Takes what concerns the EnvoyFilter of that source.
    fn filter(&mut self, refused: &[Problem], odd: &[Problem], source: &str) {
        let own = |problems: &[Problem]| -> Vec<String> {
            problems.iter().filter(|problem| problem.file == source).map(said).collect()
        };
        self.refused.extend(own(refused));
        self.warnings.extend(own(odd));
    }
}

/// The object with what an API server adds only after it has asked: a name for `generateName`, and the time.
fn named(request: &Request) -> Value {
    let mut object = request.object.clone();
    let Some(meta) = object["metadata"].as_object_mut() else { return object };
    let is_missing = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(str::is_empty);
    if is_missing(meta.get("name"))
        && let Some(beginning) = meta.get("generateName").and_then(Value::as_str)
    {
        let name = format!("{beginning}xxxxx");
        meta.insert("name".into(), name.into());
    }
    if is_missing(meta.get("namespace")) {
        meta.insert("namespace".into(), request.namespace.clone().into());
    }
    if request.is_new() && is_missing(meta.get("creationTimestamp")) {
        // The youngest comes last where several decide the same.
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        meta.insert("creationTimestamp".into(), now.into());
    }
    object
}

/// Without the source: whoever asks knows what was asked.
fn said(problem: &Problem) -> String {
    let Problem { path, text, .. } = problem;
    if path.is_empty() { text.clone() } else { format!("{path}: {text}") }
}

/// What the patches of an EnvoyFilter do not do on the sidecars that it is for.
fn tried(trial: &mut Trial, state: &Arc<State>, object: &Object) -> Vec<String> {
    let began = Instant::now();
    let nodes = sidecars(trial, state, object);
    if nodes.len() > MOST_KINDS {
        return Vec::new();
    }
    for node in &nodes {
        if began.elapsed() > LONGEST || trial.generator.snapshot(state, node).is_err() {
            return Vec::new();
        }
    }
    let findings = Findings::new(state, &trial.generator.given(), Vec::new());
    let is_it = |filter: &&Filter| filter.namespace == object.meta.namespace && filter.name == object.meta.name;
    let Some(filter) = findings.envoy_filters.iter().find(is_it) else { return Vec::new() };
    let nobody = filter.not_for.iter().filter(|_| filter.concerns == 0);
    let mut lines: Vec<String> = nobody.map(|why| format!("concerns no proxy so far: {why}")).collect();
    for patch in &filter.patches {
        let listener = trial.generator.filters().listener_of(&filter.namespace, &filter.name, patch.index);
        let moved = trial.moved.hint(listener, state);
        lines.extend(patch.lines().map(|line| match line.contains(" was applied nowhere: ") {
            true => line + &moved,
            false => line,
        }));
        let name = name_of(&filter.namespace, &filter.name, patch.index);
        let held = findings.held_back.iter().filter(|held| held.without.contains(&name));
        lines.extend(held.map(ToString::to_string));
    }
    lines.sort();
    lines.dedup();
    lines
}

/// One sidecar of each kind that may be concerned: of those that are connected, or of the pods if none is.
fn sidecars(trial: &Trial, state: &State, object: &Object) -> Vec<Arc<Node>> {
    let Body::EnvoyFilter(document) = &object.body else { return Vec::new() };
    let selector = &config::dynamic::json(document)["spec"]["workloadSelector"]["labels"];
    let all = match trial.nodes.is_empty() {
        true => state.pods().filter_map(|pod| of_pod(pod).map(Arc::new)).collect(),
        false => trial.nodes.clone(),
    };
    let is_near = |node: &&Arc<Node>| {
        object.meta.namespace == node.namespace || object.meta.namespace == state.mesh.root_namespace
    };
    let mut known: HashSet<(String, Labels, Option<String>)> = HashSet::new();
    let mut chosen = Vec::new();
    for node in all.iter().filter(is_near) {
        let mut labels = state.labels_of(node);
        labels.retain(|key, _| !OF_PODS.contains(&key.as_str()) || selector.get(key).is_some());
        if known.insert((node.namespace.clone(), labels, node.version.clone())) {
            chosen.push(Arc::clone(node));
        }
    }
    chosen
}

/// The sidecar that a pod would have.
fn of_pod(object: &Arc<Object>) -> Option<Node> {
    let Body::Pod(pod) = &object.body else { return None };
    let (ip, name, namespace) = (pod.ips().next()?, &object.meta.name, &object.meta.namespace);
    let node = json!({
        "id": format!("sidecar~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local"),
        "metadata": {"NAMESPACE": namespace, "LABELS": object.meta.labels, "ISTIO_VERSION": ISTIO},
    });
    Node::from_json(&node).ok()
}

#[cfg(test)]
mod tests;
