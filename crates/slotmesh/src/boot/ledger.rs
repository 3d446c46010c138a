//! What the admin face shows of what was delivered: figures, the resources themselves, and whether the first are here.

use super::couriers::{ADS, Couriers};
use super::deliveries::{Deliveries, Items, Refusal};
use config::Schema;
use observe::{Kind as Figure, Sample, Scope};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;
use xds::client::{Refused, State, Update};
use xds::{Kind, PerKind, Resource};

/// Written by whoever follows deliveries, read by the admin face.
#[derive(Default)]
pub struct Ledger {
    ready: AtomicBool,
    page: Mutex<Page>,
}

#[derive(Default)]
struct Page {
    counts: PerKind<Counts>,
    items: PerKind<Vec<Entry>>,
    refused: Vec<((Kind, Arc<str>), Refusal)>,
    secrets: Vec<(Arc<str>, SystemTime)>,
    streams: Vec<(String, watch::Receiver<State>)>,
}

/// Updates of a kind.
#[derive(Clone, Default)]
struct Counts {
    attempts: u64,
    successes: u64,
    rejected: u64,
}

/// A resource in use.
struct Entry {
    resource: Arc<Resource>,
    since: SystemTime,
}

impl Ledger {
    /// Whether the first listeners are here.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// An update was judged.
    pub fn count(&self, update: &Update, refused: &[Refused]) {
        let mut page = self.page();
        let counts = &mut page.counts[update.kind];
        counts.attempts += 1;
        if refused.is_empty() {
            counts.successes += 1;
        } else {
            counts.rejected += 1;
        }
    }

    /// Copies what there is now.
    pub fn look(&self, deliveries: &Deliveries, couriers: &Couriers) {
        let mut page = self.page();
        page.items[Kind::Listener] = entries(&deliveries.listeners);
        page.items[Kind::Cluster] = entries(&deliveries.clusters);
        page.items[Kind::Endpoints] = entries(&deliveries.endpoints);
        page.refused = deliveries.refused.iter().map(|(key, refusal)| (key.clone(), refusal.clone())).collect();
        page.secrets = deliveries.secret_names.iter().map(|(name, since)| (Arc::clone(name), *since)).collect();
        page.streams = couriers.states().map(|(label, state)| (label.to_owned(), state)).collect();
    }

    /// Whether a cluster of this name came from a control plane.
    pub fn has_cluster(&self, name: &str) -> bool {
        self.page().items[Kind::Cluster].iter().any(|entry| *entry.resource.name == *name)
    }

    /// As Envoy names them.
    pub fn samples(&self) -> Vec<Sample> {
        let page = self.page();
        let mut samples = Vec::new();
        let mut add = |name: String, kind, value| {
            samples.push(Sample { scope: Scope::Process, name: name.into(), kind, value });
        };
        for (kind, counts) in page.counts.iter() {
            let head = match kind {
                Kind::Cluster => "cluster_manager.cds".to_owned(),
                Kind::Listener => "listener_manager.lds".to_owned(),
                Kind::Routes | Kind::Extension => continue,
                other => other.short().to_owned(),
            };
            add(format!("{head}.update_attempt"), Figure::Counter, counts.attempts);
            add(format!("{head}.update_success"), Figure::Counter, counts.successes);
            add(format!("{head}.update_rejected"), Figure::Counter, counts.rejected);
        }
        add("control_plane.connected_state".to_owned(), Figure::Gauge, page.is_connected().into());
        let streams = page.streams.iter().map(|(_, state)| state.borrow().streams).sum();
        add("control_plane.streams".to_owned(), Figure::Counter, streams);
        samples
    }

    /// The dynamic parts of `/config_dump`: of clusters, of listeners, and the dumps of endpoints and secrets.
    pub fn dump(&self) -> Dump {
        let page = self.page();
        let Ok(schema) = Schema::load_mesh() else { return Dump::default() };
        let shown = |kind: Kind, entry: &Entry, field: &str| json!({ "version_info": *entry.resource.version, field: body(&schema, kind, &entry.resource), "last_updated": stamp(entry.since) });
        let listener = |entry: &Entry| {
            let mut state =
                json!({ "name": *entry.resource.name, "active_state": shown(Kind::Listener, entry, "listener") });
            if let Some(refusal) = page.refusal(Kind::Listener, &entry.resource.name) {
                state["error_state"] = error_state(&schema, Kind::Listener, refusal);
            }
            state
        };
        let used = |name: &str| page.items[Kind::Listener].iter().any(|entry| *entry.resource.name == *name);
        let never = page.refused.iter().filter(|((kind, name), _)| *kind == Kind::Listener && !used(name));
        let refused = |((kind, name), refusal): &((Kind, Arc<str>), Refusal)| json!({ "name": **name, "error_state": error_state(&schema, *kind, refusal) });
        let listeners = page.items[Kind::Listener].iter().map(listener);
        let endpoints = page.items[Kind::Endpoints].iter();
        Dump {
            listeners: listeners.chain(never.map(refused)).collect(),
            clusters: page.items[Kind::Cluster].iter().map(|entry| shown(Kind::Cluster, entry, "cluster")).collect(),
            refused_clusters: page
                .refused
                .iter()
                .filter(|((kind, _), _)| *kind == Kind::Cluster)
                .map(refused)
                .collect(),
            endpoints: endpoints.map(|entry| shown(Kind::Endpoints, entry, "endpoint_config")).collect(),
            secrets: page
                .secrets
                .iter()
                .map(|(name, since)| json!({ "name": **name, "last_updated": stamp(*since) }))
                .collect(),
        }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    /// The one stream of ADS decides, where there is one: secrets mostly come from an agent beside the proxy.
    fn is_connected(&self) -> bool {
        let is_open = |(_, state): &(String, watch::Receiver<State>)| state.borrow().connected.is_some();
        match self.streams.iter().find(|(label, _)| label == ADS) {
            Some(ads) => is_open(ads),
            None => !self.streams.is_empty() && self.streams.iter().all(is_open),
        }
    }

    fn refusal(&self, kind: Kind, name: &str) -> Option<&Refusal> {
        self.refused.iter().find(|((of, whose), _)| *of == kind && **whose == *name).map(|(_, refusal)| refusal)
    }
}

/// Parts of `envoy.admin.v3.ConfigDump`.
#[derive(Default)]
pub struct Dump {
    pub listeners: Vec<Value>,
    pub clusters: Vec<Value>,
    pub refused_clusters: Vec<Value>,
    pub endpoints: Vec<Value>,
    pub secrets: Vec<Value>,
}

fn entries<T>(items: &Items<T>) -> Vec<Entry> {
    items.values().map(|item| Entry { resource: Arc::clone(&item.resource), since: item.since }).collect()
}

fn error_state(schema: &Schema, kind: Kind, refusal: &Refusal) -> Value {
    json!({
        "details": refusal.reason,
        "version_info": *refusal.resource.version,
        "last_update_attempt": stamp(refusal.at),
        "failed_configuration": body(schema, kind, &refusal.resource),
    })
}

/// The resource as an `Any` in JSON.
fn body(schema: &Schema, kind: Kind, resource: &Resource) -> Value {
    let mut shown = Map::new();
    shown.insert("@type".to_owned(), kind.url().into());
    match config::delivered::dump(schema, kind.url(), &resource.message()) {
        Ok(Value::Object(fields)) => shown.extend(fields),
        Ok(other) => drop(shown.insert("value".to_owned(), other)),
        Err(problems) => drop(shown.insert("not_shown".to_owned(), problems.to_string().into())),
    }
    Value::Object(shown)
}

/// `google.protobuf.Timestamp` in JSON, to the second.
fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
