//! Follows what control planes and files deliver: asks for it in Envoy's order, judges it, runs it, and says yes or no.

use super::conductor::Conductor;
use super::couriers::{Brought, Couriers};
use super::deliveries::{Deliveries, Item, Wants};
use super::ledger::Ledger;
use meant::{Cluster, ConfigSource, Dynamic, Listener, Proxy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use xds::client::{Refused, Update, Verdict, Want};
use xds::{Kind, Resource};

/// How long listeners wait for the clusters, and these for their members, before they are asked for all the same
/// (`initial_fetch_timeout`, Envoy's default).
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a listener tries again whose address somebody else had. Whoever sent it may never send it again.
const AGAIN: Duration = Duration::from_millis(500);

/// What is delivered becomes what runs.
pub struct Following {
    dynamic: Dynamic,
    deliveries: Deliveries,
    couriers: Couriers,
    brought: mpsc::Receiver<Brought>,
    wants: Wants,
    /// Listeners that open before their clusters are known would answer their first clients with errors.
    listeners: Turn,
    /// Listeners that were refused only for their address.
    waiting: BTreeMap<Arc<str>, Item<Arc<Listener>>>,
    given: BTreeMap<String, Given>,
    ledger: Arc<Ledger>,
}

/// A cluster, and the members that it was given.
type Given = (Arc<Cluster>, Arc<Resource>);

/// Whether the listeners have been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The clusters, or members of some, are not here.
    AfterClusters(Instant),
    Asked,
    /// The first have come, or there are none to come.
    Here,
}

impl Following {
    pub fn new(
        dynamic: Dynamic,
        deliveries: Deliveries,
        (couriers, brought): (Couriers, mpsc::Receiver<Brought>),
        ledger: Arc<Ledger>,
    ) -> Self {
        let listeners = Turn::AfterClusters(Instant::now() + PATIENCE);
        let (wants, waiting, given) = (Wants::new(), BTreeMap::new(), BTreeMap::new());
        Self { dynamic, deliveries, couriers, brought, wants, listeners, waiting, given, ledger }
    }

    /// Runs the bootstrap, then whatever comes. Ends only with an error of the bootstrap.
    pub async fn run(&mut self, conductor: &mut Conductor) -> anyhow::Result<()> {
        self.refresh(conductor)?;
        match self.dynamic.clusters.clone() {
            Some(source) => self.couriers.want(Kind::Cluster, &source, Want::Everything),
            None => self.ask_for_listeners(),
        }
        let mut again = interval(AGAIN);
        // Mostly nobody waits; those turns are not made up for.
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let until = match self.listeners {
                Turn::AfterClusters(until) => until,
                _ => Instant::now() + PATIENCE,
            };
            tokio::select! {
                Some((source, update)) = self.brought.recv() => self.take(conductor, &source, update),
                () = sleep_until(until) => self.stop_waiting(until),
                _ = again.tick(), if !self.waiting.is_empty() => self.try_again(conductor),
            }
            self.ledger.look(&self.deliveries, &self.couriers);
        }
    }

    /// Ends the streams, and returns when what they delivered is kept.
    pub async fn end(self) {
        drop(self.brought);
        self.couriers.end().await;
    }

    fn take(&mut self, conductor: &mut Conductor, source: &ConfigSource, update: Update) {
        let before = (self.deliveries.listeners.clone(), self.deliveries.clusters.clone());
        if update.kind == Kind::Listener {
            let named = update.changed.iter().map(|resource| &resource.name).chain(&update.removed);
            named.for_each(|name| drop(self.waiting.remove(name)));
        }
        let mut refused = self.deliveries.take(&update, source);
        while let Err(error) = self.refresh(conductor) {
            // An address that cannot be had is the fault of one listener; the others go on without it.
            let culprit = match &error {
                worker::Error::Listen { listener, .. } => update.changed.iter().find(|one| *one.name == **listener),
                worker::Error::Start(_) => None,
            };
            let Some(culprit) = culprit else {
                (self.deliveries.listeners, self.deliveries.clusters) = before;
                refused = Verdict::refuse_all(&update.changed, &error.to_string()).refused;
                break;
            };
            let name = &culprit.name;
            let new = match before.0.get(name) {
                Some(old) => self.deliveries.listeners.insert(Arc::clone(name), old.clone()),
                None => self.deliveries.listeners.remove(name),
            };
            self.waiting.extend(new.map(|new| (Arc::clone(name), new)));
            self.deliveries.refuse(update.kind, culprit, &error.to_string());
            refused.push(Refused { name: Arc::clone(&culprit.name), reason: error.to_string() });
        }
        self.ledger.count(&update, &refused);
        let kind = update.kind;
        update.answer(Verdict { refused });
        self.advance(kind);
    }

    /// Addresses that were taken may be free by now.
    fn try_again(&mut self, conductor: &mut Conductor) {
        for (name, item) in std::mem::take(&mut self.waiting) {
            let old = self.deliveries.listeners.insert(Arc::clone(&name), item.clone());
            match self.refresh(conductor) {
                Ok(()) => {
                    tracing::info!(listener = %name, "its address is free again");
                    self.deliveries.refused.remove(&(Kind::Listener, name));
                }
                Err(_) => {
                    match old {
                        Some(old) => drop(self.deliveries.listeners.insert(Arc::clone(&name), old)),
                        None => drop(self.deliveries.listeners.remove(&name)),
                    }
                    self.waiting.insert(name, item);
                }
            }
        }
    }

    /// Runs what is delivered now, and asks for what that needs.
    fn refresh(&mut self, conductor: &mut Conductor) -> Result<(), worker::Error> {
        let proxy = self.deliveries.proxy();
        conductor.run(&proxy, &self.deliveries.secrets)?;
        self.deliver_members(conductor, &proxy);
        let wants = Deliveries::wants(&proxy);
        for (key, (source, names)) in &wants {
            if self.wants.get(key).is_none_or(|(_, before)| before != names) {
                self.couriers.want(key.0, source, Want::named(names.iter().cloned()));
            }
        }
        for (key, (source, _)) in self.wants.iter().filter(|(key, _)| !wants.contains_key(*key)) {
            self.couriers.want(key.0, source, Want::named::<&str>([]));
        }
        self.deliveries.keep_members(&wants);
        self.wants = wants;
        Ok(())
    }

    /// To the clusters that have changed, or whose members have.
    fn deliver_members(&mut self, conductor: &Conductor, proxy: &Proxy) {
        let before = std::mem::take(&mut self.given);
        for (cluster, members) in self.deliveries.members(proxy) {
            let given = (Arc::clone(cluster), Arc::clone(&members.resource));
            let same = |old: &Given| Arc::ptr_eq(&old.0, &given.0) && Arc::ptr_eq(&old.1, &given.1);
            if !before.get(&cluster.name).is_some_and(same) {
                conductor.deliver(&cluster.name, &members.meant.endpoints);
            }
            self.given.insert(cluster.name.clone(), given);
        }
    }

    /// After an answer of this kind: is it the listeners' turn?
    fn advance(&mut self, kind: Kind) {
        match self.listeners {
            Turn::AfterClusters(_) if self.clusters_are_here(kind) => self.ask_for_listeners(),
            Turn::Asked if kind == Kind::Listener => self.listeners = Turn::Here,
            _ => return,
        }
        self.ledger.set_ready(self.listeners == Turn::Here);
    }

    fn clusters_are_here(&self, kind: Kind) -> bool {
        let members = self.wants.iter().filter(|((kind, _), _)| *kind == Kind::Endpoints);
        let mut services = members.flat_map(|(_, (_, names))| names);
        matches!(kind, Kind::Cluster | Kind::Endpoints)
            && services.all(|service| self.deliveries.endpoints.contains_key(service))
    }

    fn stop_waiting(&mut self, until: Instant) {
        if self.listeners == Turn::AfterClusters(until) {
            tracing::warn!(patience = ?PATIENCE, "the clusters have not all come; asking for the listeners all the same");
            self.ask_for_listeners();
        }
    }

    fn ask_for_listeners(&mut self) {
        self.listeners = match self.dynamic.listeners.clone() {
            Some(source) => {
                self.couriers.want(Kind::Listener, &source, Want::Everything);
                Turn::Asked
            }
            None => Turn::Here,
        };
        self.ledger.set_ready(self.listeners == Turn::Here);
    }
}
