//! What each connected proxy has accepted of what it was given, counted over proxies that got the very same.

use crate::snapshot::Snapshot;
use patch::resources::Kind as Patched;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use xds::Kind;
use xds::server::{LaneStatus, ProxyStatus};

/// What of a proxy's resources something is made of, by name.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) clusters: HashSet<String>,
    pub(super) listeners: HashSet<String>,
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.listeners.is_empty()
    }

    pub(super) fn add(&mut self, kind: Patched, name: &str) {
        match kind {
            Patched::Cluster => self.clusters.insert(name.to_owned()),
            // Routes stand in listeners here.
            Patched::Listener | Patched::RouteConfiguration => self.listeners.insert(name.to_owned()),
        };
    }

    fn of(&self, kind: Kind) -> &HashSet<String> {
        if kind == Kind::Cluster { &self.clusters } else { &self.listeners }
    }

    /// The kinds that count, as a place in [`Class::tallies`].
    fn mask(&self) -> usize {
        usize::from(!self.clusters.is_empty()) + 2 * usize::from(!self.listeners.is_empty())
    }
}

const KINDS: [Kind; 2] = [Kind::Cluster, Kind::Listener];

/// How it stands with one kind of resource on one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Has,
    Waits,
    Refuses,
}

/// A proxy that refuses something.
#[derive(Debug)]
struct Refusing<'p> {
    name: &'p str,
    standings: [Standing; 2],
    lanes: Vec<&'p LaneStatus>,
}

/// How many proxies have everything of some kinds, and which wait for it.
#[derive(Debug, Default)]
struct Tally<'p> {
    has: usize,
    waits: Vec<&'p str>,
}

/// Proxies that got the very same.
#[derive(Debug)]
pub(super) struct Class<'p> {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) size: usize,
    /// Of proxies that refuse nothing: for clusters, for listeners, for both.
    tallies: [Tally<'p>; 4],
    refusing: Vec<Refusing<'p>>,
}

/// All connected proxies.
#[derive(Debug)]
pub(super) struct Fleet<'p> {
    pub(super) size: usize,
    pub(super) classes: Vec<Class<'p>>,
    /// Those that have not asked since the last change.
    pub(super) unasked: Vec<&'p str>,
}

/// How it stands with something on the proxies that get it.
#[derive(Debug, Default)]
pub(super) struct Progress<'p> {
    /// That get it.
    pub(super) of: usize,
    /// That have it.
    pub(super) has: usize,
    pub(super) waits: Vec<&'p str>,
    /// That refuse it, with their words.
    pub(super) refuses: BTreeMap<&'p str, &'p str>,
}

impl<'p> Fleet<'p> {
    pub(super) fn new(given: &HashMap<String, Arc<Snapshot>>, proxies: &'p [ProxyStatus]) -> Self {
        let mut fleet = Self { size: proxies.len(), classes: Vec::new(), unasked: Vec::new() };
        let mut places: HashMap<*const Snapshot, usize> = HashMap::new();
        for proxy in proxies {
            let name = proxy.node.short();
            let Some(snapshot) = given.get(&proxy.node.id) else {
                fleet.unasked.push(name);
                continue;
            };
            let place = *places.entry(Arc::as_ptr(snapshot)).or_insert_with(|| {
                fleet.classes.push(Class::new(Arc::clone(snapshot)));
                fleet.classes.len() - 1
            });
            fleet.classes[place].add(name, proxy);
        }
        fleet
    }
}

impl<'p> Class<'p> {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, size: 0, tallies: <[Tally<'p>; 4]>::default(), refusing: Vec::new() }
    }

    fn add(&mut self, name: &'p str, proxy: &'p ProxyStatus) {
        self.size += 1;
        let lanes: Vec<&LaneStatus> = proxy.lanes.iter().filter(|lane| KINDS.contains(&lane.kind)).collect();
        let standings =
            KINDS.map(|kind| standing(&self.snapshot, lanes.iter().find(|lane| lane.kind == kind).copied()));
        if standings.contains(&Standing::Refuses) {
            self.refusing.push(Refusing { name, standings, lanes });
            return;
        }
        for (mask, tally) in self.tallies.iter_mut().enumerate() {
            let waits = (0..2).any(|at| mask & (1 << at) != 0 && standings[at] == Standing::Waits);
            if waits { tally.waits.push(name) } else { tally.has += 1 }
        }
    }

    /// Adds how it stands here with what is made of `parts`.
    pub(super) fn count(&self, parts: &Parts, progress: &mut Progress<'p>) {
        progress.of += self.size;
        let tally = &self.tallies[parts.mask()];
        progress.has += tally.has;
        progress.waits.extend(&tally.waits);
        for proxy in &self.refusing {
            match proxy.standing(parts) {
                (Standing::Has, _) => progress.has += 1,
                (Standing::Waits, _) => progress.waits.push(proxy.name),
                (Standing::Refuses, words) => drop(progress.refuses.insert(proxy.name, words)),
            }
        }
    }
}

impl<'p> Refusing<'p> {
    /// With its words, if it refuses.
    fn standing(&self, parts: &Parts) -> (Standing, &'p str) {
        let mut found = (Standing::Has, "");
        for (at, kind) in KINDS.into_iter().enumerate().filter(|(_, kind)| !parts.of(*kind).is_empty()) {
            let nack = self.lanes.iter().find(|lane| lane.kind == kind).and_then(|lane| lane.nack.as_ref());
            match (self.standings[at], nack) {
                // What its words do not name it has taken; if they name nothing, nobody knows.
                (Standing::Refuses, Some(nack)) => {
                    let named = |name: &Arc<str>| parts.of(kind).contains(&**name);
                    if nack.resources.is_empty() || nack.resources.iter().any(named) {
                        return (Standing::Refuses, &nack.message);
                    }
                }
                (Standing::Waits, _) => found = (Standing::Waits, ""),
                _ => {}
            }
        }
        found
    }
}

/// Whether the proxy has what it is to have of a kind.
fn standing(snapshot: &Snapshot, lane: Option<&LaneStatus>) -> Standing {
    let Some(lane) = lane else { return Standing::Waits };
    if lane.nack.is_some() {
        return Standing::Refuses;
    }
    let nonce = |stamp: &Option<xds::server::Stamp>| stamp.as_ref().map(|stamp| stamp.nonce.clone());
    let is_answered = lane.sent.is_none() || nonce(&lane.sent) == nonce(&lane.acked);
    let is_newest = lane.resources.digest() == snapshot.served.set(lane.kind).digest();
    if is_answered && is_newest { Standing::Has } else { Standing::Waits }
}
