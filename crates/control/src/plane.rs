//! The control plane as the server of xDS asks it: the registry's present state, and what a node gets of it.

use crate::files::Refreshed;
use crate::findings::{Blame, Findings, name_of};
use crate::generator::Generator;
use crate::moved::Moved;
use crate::node::Node;
use crate::object::Objection;
use crate::registry::State;
use crate::snapshot::Snapshot;
use crate::status::Outlook;
use config::{Problem, Schema};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::watch;
use xds::server::{Refusal, Source};
use xds::{Kind, Nack};

/// What is wrong or odd with what was published, by file and line.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    /// Files that cannot be used; what they held before still counts.
    pub problems: Vec<Problem>,
    /// EnvoyFilters that are refused, in istiod's words.
    pub refused: Vec<Problem>,
    /// What is odd about the other EnvoyFilters.
    pub odd: Vec<Problem>,
    /// What is understood but has no effect, or not the one that its user may expect.
    pub notes: Vec<Problem>,
}

/// Holds the state that is served, and makes snapshots of it for whoever asks.
pub struct Plane {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    fingerprints: RandomState,
}

/// See [`Plane::trial`].
pub(crate) struct Trial {
    pub(crate) state: Arc<State>,
    pub(crate) generator: Generator,
    /// The proxies whose streams are open.
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) moved: Moved,
}

struct Inner {
    generator: Generator,
    /// `None` until the first state is published.
    state: Option<Arc<State>>,
    remarks: Arc<Remarks>,
    moved: Moved,
    /// What proxies refuse now, by node and kind.
    refused: BTreeMap<(String, Kind), Blame>,
    /// How often something happened that may change the findings, and when last.
    stirred: (u64, Instant),
    /// Why newest versions of objects do not count.
    objections: Arc<Vec<Objection>>,
    /// The nodes whose streams are open, by id.
    nodes: HashMap<String, Known>,
    /// How many streams have ended.
    gone: u64,
    /// Those that were found last, and when, by that number.
    findings: Option<(u64, Arc<Findings>)>,
}

/// A node whose stream is open.
struct Known {
    /// Of how it was written.
    fingerprint: u64,
    /// As this crate reads it.
    node: Arc<Node>,
    /// What it was given last, while anything holds that.
    given: Weak<Snapshot>,
}

impl Inner {
    fn stir(&mut self) {
        self.stirred = (self.stirred.0 + 1, Instant::now());
    }
}

impl Plane {
    /// One that has no state yet, and so is not ready to serve.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        let inner = Inner {
            generator: Generator::new(schema),
            state: None,
            remarks: Arc::default(),
            moved: Moved::default(),
            refused: BTreeMap::new(),
            stirred: (0, Instant::now()),
            objections: Arc::default(),
            gone: 0,
            nodes: HashMap::new(),
            findings: None,
        };
        Self { inner: Mutex::new(inner), changes: watch::Sender::new(0), fingerprints: RandomState::new() }
    }

    /// From now on the state that was read is served. Returns what is wrong with it, EnvoyFilters included.
    pub fn publish(&self, read: Refreshed) -> Arc<Remarks> {
        let (remarks, is_new) = {
            let mut inner = self.inner();
            let (refused, odd) = inner.generator.problems(&read.state);
            inner.objections = Arc::new(read.objections);
            inner.remarks = Arc::new(Remarks { problems: read.problems, refused, odd, notes: read.notes });
            let former = inner.state.clone();
            inner.moved.note(former.as_deref(), &read.state);
            inner.stir();
            let is_new = inner.state.as_ref().is_none_or(|state| !Arc::ptr_eq(state, &read.state));
            inner.state = Some(read.state);
            (Arc::clone(&inner.remarks), is_new)
        };
        if is_new {
            self.changes.send_modify(|count| *count += 1);
        }
        remarks
    }

    /// The state that is served, and what is wrong with what was published last.
    #[must_use]
    pub fn published(&self) -> (Option<Arc<State>>, Arc<Remarks>) {
        let inner = self.inner();
        (inner.state.clone(), Arc::clone(&inner.remarks))
    }

    /// What `node` gets now, with the report on its EnvoyFilters.
    ///
    /// # Errors
    /// No state yet, or a node that is no sidecar.
    pub fn given(&self, node: &xds::Node) -> Result<Arc<Snapshot>, Refusal> {
        let fingerprint = self.fingerprints.hash_one((
            &node.metadata,
            &node.locality.region,
            &node.locality.zone,
            &node.locality.sub_zone,
        ));
        let mut inner = self.inner();
        let state = inner.state.clone().ok_or(Refusal::NotReady)?;
        let known = inner.nodes.get(&node.id).filter(|known| known.fingerprint == fingerprint);
        let read = match known {
            Some(known) => Arc::clone(&known.node),
            None => {
                let read = Node::from_json(&written(node)).map_err(|error| Refusal::Node(error.to_string()))?;
                let read = Arc::new(read);
                let known = Known { fingerprint, node: Arc::clone(&read), given: Weak::new() };
                inner.nodes.insert(node.id.clone(), known);
                read
            }
        };
        let kinds = inner.generator.kinds();
        let given = inner.generator.snapshot(&state, &read).map_err(|error| Refusal::Node(error.to_string()))?;
        if let Some(known) = inner.nodes.get_mut(&node.id) {
            known.given = Arc::downgrade(&given);
        }
        if inner.generator.kinds() != kinds {
            inner.stir();
        }
        Ok(given)
    }

    /// A number that moves with whatever may change [`Plane::outlook`].
    pub(crate) fn tide(&self) -> u64 {
        let inner = self.inner();
        inner.stirred.0 + inner.gone
    }

    /// What verdicts are made from; `None` until the first state is published.
    pub(crate) fn outlook(&self) -> Option<Outlook> {
        let findings = self.findings();
        let inner = self.inner();
        let state = inner.state.clone()?;
        // What was given under an earlier state is held by nobody but a stream that has not asked again.
        let now: HashMap<*const Snapshot, Arc<Snapshot>> =
            inner.generator.given().into_iter().map(|given| (Arc::as_ptr(&given), given)).collect();
        let given = |(id, known): (&String, &Known)| Some((id.clone(), Arc::clone(now.get(&known.given.as_ptr())?)));
        let refused = inner.generator.filters().judged().filter(|(_, reasons, _)| !reasons.is_empty());
        let refused = refused
            .map(|(object, reasons, is_kept)| Objection { is_kept, ..Objection::to(object, reasons.join("; ")) });
        let objections = refused.chain(inner.objections.iter().cloned()).collect();
        let given = inner.nodes.iter().filter_map(given).collect();
        Some(Outlook { state, objections, findings, given })
    }

    /// What it takes to think a change through without making it: the state that is served, who makes resources of it, and
    /// whom it is served to. `None` before the first state.
    pub(crate) fn trial(&self) -> Option<Trial> {
        let inner = self.inner();
        let state = inner.state.clone()?;
        let nodes = inner.nodes.values().map(|known| Arc::clone(&known.node)).collect();
        Some(Trial { state, generator: inner.generator.fork(), nodes, moved: inner.moved.clone() })
    }

    /// Envoy's API.
    pub(crate) fn schema(&self) -> Arc<Schema> {
        Arc::clone(self.inner().generator.schema())
    }

    /// A number that moves with whatever may change [`Plane::findings`], and when it last did.
    pub(crate) fn stirred(&self) -> (u64, Instant) {
        self.inner().stirred
    }

    /// What became of the EnvoyFilters on all proxies that have asked since the last change.
    #[must_use]
    pub fn findings(&self) -> Arc<Findings> {
        let (state, given, nacks, stirred) = {
            let inner = self.inner();
            if let Some((_, known)) = inner.findings.as_ref().filter(|(stirred, _)| *stirred == inner.stirred.0) {
                return Arc::clone(known);
            }
            let Some(state) = inner.state.clone() else { return Arc::default() };
            (state, inner.generator.given(), inner.refused.values().cloned().collect(), inner.stirred.0)
        };
        // Without the lock: there may be a thousand reports.
        let mut findings = Findings::new(&state, &given, nacks);
        let mut inner = self.inner();
        for filter in &mut findings.envoy_filters {
            for patch in &mut filter.patches {
                let listener = inner.generator.filters().listener_of(&filter.namespace, &filter.name, patch.index);
                let moved = inner.moved.hint(listener, &state);
                patch.nothing = patch.nothing.take().map(|nothing| nothing + &moved);
            }
        }
        let findings = Arc::new(findings);
        inner.findings = Some((stirred, Arc::clone(&findings)));
        findings
    }

    /// What the node's refusal is about, and the patches that touched what it refused.
    fn blame(&self, node: &xds::Node, kind: Kind, nack: &Nack) -> Blame {
        let resources: Vec<String> = nack.resources.iter().map(ToString::to_string).collect();
        let report = self.given(node).map(|given| given.report()).unwrap_or_default();
        let mut patches = Vec::new();
        for filter in &report.envoy_filters {
            for patch in &filter.patches {
                let touched = patch.hits.iter().any(|hit| of_kind(hit.kind) == kind && resources.contains(&hit.name));
                patches.extend(touched.then(|| name_of(&filter.namespace, &filter.name, patch.index)));
            }
        }
        let (proxy, message, nonce) = (node.short().to_owned(), nack.message.clone(), nack.nonce.clone());
        Blame { proxy, kind: kind.short(), nonce, message, resources, patches }
    }

    /// What proxies refuse now.
    #[must_use]
    pub fn refused(&self) -> Vec<Blame> {
        self.inner().refused.values().cloned().collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What a panic leaves behind is caches of finished things.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").finish_non_exhaustive()
    }
}

impl Source for Plane {
    fn snapshot(&self, node: &xds::Node) -> Result<Arc<xds::server::Snapshot>, Refusal> {
        Ok(Arc::clone(&self.given(node)?.served))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn judged(&self, node: &xds::Node, kind: Kind, nack: Option<&Nack>) {
        let blame = nack.map(|nack| self.blame(node, kind, nack));
        if let Some(Blame { proxy, kind, resources, patches, .. }) = &blame {
            let because = match (resources.is_empty(), patches.is_empty()) {
                (true, _) => "the words of the refusal name no resource".to_owned(),
                (false, true) => "no EnvoyFilter patched what was refused".to_owned(),
                (false, false) => format!("what was refused was patched by EnvoyFilter {}", patches.join(", ")),
            };
            tracing::error!(proxy, kind, resources = resources.join(", "), "{because}");
        }
        let mut inner = self.inner();
        let key = (node.id.clone(), kind);
        match blame {
            Some(blame) => drop(inner.refused.insert(key, blame)),
            None => drop(inner.refused.remove(&key)),
        }
        inner.stir();
    }

    fn gone(&self, node: &xds::Node) {
        let mut inner = self.inner();
        inner.nodes.remove(&node.id);
        inner.gone += 1;
        let known = inner.refused.len();
        inner.refused.retain(|(id, _), _| *id != node.id);
        if inner.refused.len() != known {
            inner.stir();
        }
    }
}

fn of_kind(kind: patch::resources::Kind) -> Kind {
    match kind {
        patch::resources::Kind::Listener => Kind::Listener,
        patch::resources::Kind::Cluster => Kind::Cluster,
        patch::resources::Kind::RouteConfiguration => Kind::Routes,
    }
}

/// The parts of a node that decide what it gets.
fn written(node: &xds::Node) -> Value {
    let place = &node.locality;
    json!({
        "id": node.id,
        "user_agent_name": node.user_agent.split(' ').next(),
        "metadata": node.metadata,
        "locality": {"region": place.region, "zone": place.zone, "sub_zone": place.sub_zone},
    })
}

#[cfg(test)]
mod tests {
    use super::{Plane, Refreshed, Source as _};
    use crate::registry::State;
    use crate::written::mesh::Mesh;
    use config::Schema;
    use std::sync::Arc;
    use xds::Kind;
    use xds::server::Refusal;

    fn node(id: &str) -> xds::Node {
        xds::Node { id: id.to_owned(), ..xds::Node::default() }
    }

    #[test]
    fn it_serves_what_was_published_and_tells_of_changes() {
        let plane = Plane::new(Arc::new(Schema::load_mesh().unwrap()));
        let sidecar = node("sidecar~10.0.0.1~a.b~b.svc.cluster.local");
        assert_eq!(plane.snapshot(&sidecar).unwrap_err(), Refusal::NotReady);
        let mut changes = plane.changes();
        let publish = || {
            let state = Arc::new(State::new([], Arc::new(Mesh::default()), None));
            plane.publish(Refreshed {
                state,
                is_new: true,
                waits: false,
                problems: Vec::new(),
                notes: Vec::new(),
                objections: Vec::new(),
            })
        };
        publish();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let first = plane.snapshot(&sidecar).unwrap();
        assert_eq!(first.set(Kind::Listener).len(), 2);
        assert!(matches!(plane.snapshot(&node("x")).unwrap_err(), Refusal::Node(_)));
        // Another state in which nothing is different for this node.
        publish();
        assert!(changes.has_changed().unwrap());
        assert!(Arc::ptr_eq(&first, &plane.snapshot(&sidecar).unwrap()));
    }
}
