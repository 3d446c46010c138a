//! EnvoyFilters, applied to what a group of proxies gets for going out and to what a class gets for coming in.
//!
//! The room `patch` takes all resources of one proxy. Applying it to each of 10,000 proxies would copy all their
//! resources; so the two sides are applied apart, each with the patches of the other side put out of the way (to the context
//! of a gateway, which a sidecar never has), and the reports are joined.

use crate::node::Node;
use crate::object::{Body, Key, Labels, Object, selects};
use crate::registry::State;
use crate::snapshot::{Resource, Resources};
use config::dynamic::to_json;
use config::{Problem, Schema};
use patch::filter::{ApplyTo, Context, Operation, Patch, read};
use patch::report::OfPatch;
use patch::{EnvoyFilter, NotRead, ProxyInfo, Refused, Report, apply};
use prost_reflect::DynamicMessage;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use xds::Kind;

/// Which way connections go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Outbound,
    Inbound,
}

/// Of every EnvoyFilter whether it selects a proxy, and of every patch whether it is for such a one: proxies of one
/// namespace that agree in it get the same patches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chosen(Vec<bool>);

/// All EnvoyFilters of one state.
#[derive(Clone, Default)]
pub(crate) struct Filters {
    read: Vec<Known>,
    outbound: Vec<EnvoyFilter>,
    inbound: Vec<EnvoyFilter>,
    /// Those that istiod would refuse, too.
    pub(crate) refused: Arc<Vec<NotRead>>,
    /// The node metadata that they ask for.
    metadata: BTreeSet<String>,
}

/// One EnvoyFilter as it stands in its file.
#[derive(Clone)]
struct Known {
    object: Arc<Object>,
    read: Result<EnvoyFilter, NotRead>,
    /// The last version of one that is refused by now: it stays in force, as it does in Kubernetes, where the refused
    /// one is never stored.
    before: Option<EnvoyFilter>,
}

impl Known {
    fn in_force(&self) -> Option<&EnvoyFilter> {
        self.read.as_ref().ok().or(self.before.as_ref())
    }
}

impl Filters {
    /// Those of `state`; those that have not changed are taken over from the former.
    pub(crate) fn new(schema: &Schema, state: &State, former: Self) -> Self {
        let mut former: HashMap<Key, Known> =
            former.read.into_iter().map(|known| (known.object.key(), known)).collect();
        let mut filters = Self::default();
        for object in &state.envoy_filters {
            let Body::EnvoyFilter(document) = &object.body else { continue };
            let known = match former.remove(&object.key()) {
                Some(known) if Arc::ptr_eq(&known.object, object) => known,
                known => {
                    let before = known.and_then(|known| known.read.ok().or(known.before));
                    let read = read(schema, &config::dynamic::json(document));
                    let before = before.filter(|_| read.is_err());
                    Known { object: Arc::clone(object), read, before }
                }
            };
            if let Some(filter) = known.in_force() {
                filters.take(filter);
            }
            filters.read.push(known);
        }
        filters.refused =
            Arc::new(filters.read.iter().filter_map(|known| known.read.as_ref().err().cloned()).collect());
        filters
    }

    fn take(&mut self, filter: &EnvoyFilter) {
        for patch in &filter.patches {
            self.metadata.extend(patch.matching.proxy.metadata.keys().cloned());
        }
        self.outbound.push(only(filter, Side::Outbound));
        self.inbound.push(only(filter, Side::Inbound));
    }

    /// What the room `patch` wants to know of a proxy.
    pub(crate) fn info(&self, state: &State, node: &Node, labels: &Labels) -> ProxyInfo {
        let text = |key: &String| Some((key.clone(), node.metadata.get(key)?.as_str()?.to_owned()));
        ProxyInfo {
            namespace: node.namespace.clone(),
            labels: labels.clone(),
            version: node.version.clone().unwrap_or_default(),
            metadata: self.metadata.iter().filter_map(text).collect(),
            root_namespace: state.mesh.root_namespace.clone(),
            ..ProxyInfo::default()
        }
    }

    /// Whether they are the very same as `former`, so that they do the same.
    pub(crate) fn are(&self, former: &[Arc<Object>]) -> bool {
        let same = |(known, former): (&Known, &Arc<Object>)| Arc::ptr_eq(&known.object, former);
        self.read.len() == former.len() && self.read.iter().zip(former).all(same)
    }

    /// The objects that they were read from.
    pub(crate) fn objects(&self) -> Vec<Arc<Object>> {
        self.read.iter().map(|known| Arc::clone(&known.object)).collect()
    }

    /// Which of them concern it.
    pub(crate) fn chosen_for(&self, info: &ProxyInfo) -> Chosen {
        let is_for = |patch: &Patch| {
            let wanted = &patch.matching.proxy;
            wanted.version.as_ref().is_none_or(|version| version.matches(&info.version))
                && wanted.metadata.iter().all(|(key, value)| info.metadata.get(key) == Some(value))
        };
        let of_filter = |filter: &EnvoyFilter| {
            let is_selected = selects(&filter.selector, &info.labels);
            let patches = filter.patches.iter().map(|patch| is_selected && is_for(patch));
            std::iter::once(is_selected).chain(patches).collect::<Vec<_>>()
        };
        Chosen(self.outbound.iter().flat_map(of_filter).collect())
    }

    /// The resources of one side with their patches. What a proxy would refuse is held back, so that the rest goes out.
    pub(crate) fn apply(
        &self,
        schema: &Schema,
        side: Side,
        info: &ProxyInfo,
        clusters: Resources,
        listeners: Resources,
    ) -> (Resources, Resources, Report) {
        let filters = if side == Side::Outbound { &self.outbound } else { &self.inbound };
        if filters.is_empty() {
            return (clusters, listeners, Report::default());
        }
        let messages = |resources: &Resources| resources.iter().map(|one| one.message.clone()).collect();
        let base =
            patch::Resources { listeners: messages(&listeners), clusters: messages(&clusters), routes: Vec::new() };
        let (patched, report) = apply(schema, base, filters, info, Refused::HeldBack);
        let clusters = shared(schema, Kind::Cluster, patched.clusters, &clusters);
        (clusters, shared(schema, Kind::Listener, patched.listeners, &listeners), report)
    }

    /// The listener that a patch names, by its EnvoyFilter and its place there; empty if it names none.
    pub(crate) fn listener_of(&self, namespace: &str, name: &str, index: usize) -> &str {
        let filters = self.read.iter().filter_map(Known::in_force);
        let filter = filters.into_iter().find(|filter| filter.namespace == namespace && filter.name == name);
        let patch = filter.and_then(|filter| filter.patches.get(index));
        patch.and_then(|patch| patch.matching.listener()).map_or("", |listener| listener.name.as_str())
    }

    /// What is refused, and what is odd about the others.
    pub(crate) fn problems(&self) -> (Vec<Problem>, Vec<Problem>) {
        let told = |object: &Object, text: &str| {
            let (file, line) = (object.file.to_string(), object.line);
            Problem { file, line, path: String::new(), text: format!("EnvoyFilter {}: {text}", object.meta.name) }
        };
        let (mut refused, mut odd) = (Vec::new(), Vec::new());
        for Known { object, read, before } in &self.read {
            match read {
                Ok(filter) => odd.extend(filter.warnings.iter().map(|text| told(object, text))),
                Err(error) => {
                    let kept = if before.is_some() { "; its version before stays in force" } else { "" };
                    refused.extend(error.reasons.iter().map(|text| told(object, &format!("{text}{kept}"))));
                }
            }
        }
        (refused, odd)
    }
}

/// What became of the EnvoyFilters on both sides. Kept apart, since all proxies of a group share the larger half.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) outbound: Arc<Report>,
    pub(crate) inbound: Arc<Report>,
    pub(crate) refused: Arc<Vec<NotRead>>,
}

impl Reports {
    /// Both as one, with what was refused.
    pub(crate) fn joined(&self) -> Report {
        let mut joined = Report::clone(&self.outbound);
        for (filter, other) in joined.envoy_filters.iter_mut().zip(&self.inbound.envoy_filters) {
            for (patch, other) in filter.patches.iter_mut().zip(&other.patches) {
                join(patch, other.clone());
            }
        }
        joined.refusals.extend(self.inbound.refusals.iter().cloned());
        self.refused.iter().for_each(|refused| joined.add_refused(refused));
        joined
    }
}

/// `filter` without effect on the other side.
fn only(filter: &EnvoyFilter, side: Side) -> EnvoyFilter {
    let mut filter = filter.clone();
    for patch in filter.patches.iter_mut().filter(|patch| !concerns(patch, side)) {
        patch.matching.context = Context::Gateway;
    }
    filter
}

fn concerns(patch: &Patch, side: Side) -> bool {
    // As in istiod, what is added on any side is added once, on the outbound.
    let adds = patch.operation == Operation::Add && matches!(patch.apply_to, ApplyTo::Cluster | ApplyTo::Listener);
    match patch.matching.context {
        Context::Any => side == Side::Outbound || !adds,
        Context::Inbound => side == Side::Inbound,
        _ => side == Side::Outbound,
    }
}

/// What became of one patch on the outbound side, and what on the inbound.
fn join(patch: &mut OfPatch, inbound: OfPatch) {
    match patch.context {
        // Put out of the way there.
        Context::Gateway if inbound.context == Context::Inbound => *patch = inbound,
        Context::Any => {
            if patch.hits.is_empty() && !(inbound.hits.is_empty() && inbound.held_back.is_empty()) {
                patch.nothing = None;
                patch.nearest.clear();
            }
            patch.hits.extend(inbound.hits);
            patch.held_back.extend(inbound.held_back);
            for warning in inbound.warnings {
                if !patch.warnings.contains(&warning) {
                    patch.warnings.push(warning);
                }
            }
        }
        _ => {}
    }
}

/// Messages as resources: the very same where nothing was patched.
fn shared(schema: &Schema, kind: Kind, messages: Vec<DynamicMessage>, base: &Resources) -> Resources {
    let by_name: HashMap<&str, &Arc<Resource>> = base.iter().map(|resource| (resource.name(), resource)).collect();
    let one = |message: DynamicMessage| {
        let name = message.get_field_by_name("name").and_then(|name| name.as_str().map(str::to_owned));
        let same = by_name.get(name.unwrap_or_default().as_str()).filter(|known| known.message == message);
        let other = || Arc::new(Resource::new(kind, message.clone(), &to_json(schema, &message)));
        same.map_or_else(other, |same| Arc::clone(same))
    };
    messages.into_iter().map(one).collect()
}
