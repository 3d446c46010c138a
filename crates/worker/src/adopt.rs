//! A worker takes in what has changed in the configuration, between two requests.

use crate::numbers::{Entrance, Orders};
use crate::pass;
use crate::reach::Reach;
use crate::turn::Worker;
use engine::{Change, ClusterId, NewCluster, NewFilter};
use observe::{ListenerStats, Registry, TlsStats};
use slots::View;
use std::collections::HashMap;
use std::mem::discriminant;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A cluster as a worker knows it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) meant: Arc<meant::Cluster>,
    pub(crate) view: Option<View>,
    pub(crate) reach: Reach,
    /// Where its nodes are reached by TLS.
    pub(crate) tls_stats: Option<Arc<TlsStats>>,
}

impl Known {
    fn new(meant: &Arc<meant::Cluster>, reach: &Reach, registry: &Registry, worker: usize) -> Self {
        let tls_stats = reach.has_tls().then(|| registry.cluster_tls(worker, &meant.name));
        Self { meant: Arc::clone(meant), view: None, reach: reach.clone(), tls_stats }
    }

    /// By which of its sockets a node is reached. Those of a Redis Cluster, and nodes that only a redirect has named, by
    /// the default one.
    pub(crate) fn socket_of(&self, address: SocketAddr) -> u16 {
        match &self.view {
            Some(View::Hosts(hosts)) => hosts.iter().find(|host| host.address == address).map_or(0, |host| host.socket),
            Some(View::Slots(_)) | None => 0,
        }
    }
}

/// The clusters of a worker.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    /// By number; `None` for those that are gone.
    all: Vec<Option<Known>>,
    names: HashMap<String, ClusterId>,
}

impl Clusters {
    pub(crate) fn named(&self, name: &str) -> Option<ClusterId> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, id: ClusterId) -> Option<&Known> {
        self.all.get(id.0 as usize)?.as_ref()
    }

    /// A cluster that only changes keeps its members until others are told, as it does in the engine.
    fn set(&mut self, id: ClusterId, mut known: Option<Known>) {
        let place = place(&mut self.all, id.0 as usize);
        if let Some(old) = place.take() {
            self.names.remove(&old.meant.name);
            let same_kind = |new: &&mut Known| discriminant(&new.meant.discovery) == discriminant(&old.meant.discovery);
            if let Some(known) = known.as_mut().filter(same_kind) {
                known.view = old.view;
            }
        }
        if let Some(known) = &known {
            self.names.insert(known.meant.name.clone(), id);
        }
        *place = known;
    }

    fn reach(&mut self, id: ClusterId, reach: &Reach) {
        if let Some(known) = self.all.get_mut(id.0 as usize).and_then(Option::as_mut) {
            known.reach = reach.clone();
        }
    }

    /// Whether there is such a cluster still.
    fn see(&mut self, id: ClusterId, view: &View) -> bool {
        let known = self.all.get_mut(id.0 as usize).and_then(Option::as_mut);
        known.map(|known| known.view = Some(view.clone())).is_some()
    }
}

/// A listener as a worker knows it.
#[derive(Debug)]
pub(crate) struct Hall {
    /// `None` when it is gone; clients of it may still be there.
    pub(crate) entrance: Option<Arc<Entrance>>,
    pub(crate) stats: Arc<ListenerStats>,
    /// Where any of its chains has TLS.
    pub(crate) tls_stats: Option<Arc<TlsStats>>,
}

impl Worker {
    pub(crate) fn see(&mut self, cluster: ClusterId, view: &View) {
        if self.clusters.see(cluster, view) {
            self.engine.apply_view(cluster, view);
        }
    }

    /// Takes orders in; called within a turn.
    pub(crate) fn adopt(&mut self, orders: &Orders) {
        let (registry, worker) = (&self.registry, self.number);
        let mut change = Change::default();
        for (id, cluster) in &orders.clusters {
            let known = cluster.as_ref().map(|(meant, reach)| Known::new(meant, reach, registry, worker));
            self.unknown.retain(|name| known.as_ref().is_none_or(|known| known.meant.name != *name));
            self.clusters.set(*id, known);
            let new = cluster.as_ref().map(|(meant, _)| NewCluster {
                meant: Arc::clone(meant),
                stats: registry.cluster(worker, &meant.name),
            });
            change.clusters.push((*id, new));
        }
        for (id, reach) in &orders.reaches {
            self.clusters.reach(*id, reach);
            self.engine.forgive(*id);
        }
        for (id, redis) in &orders.redis {
            let new = redis.as_ref().map(|redis| NewFilter {
                meant: Arc::clone(&redis.meant),
                buffer_limit: redis.buffer_limit,
                stats: registry.filter(worker, &redis.meant.stat_prefix, redis.meant.latency_in_micros),
            });
            change.filters.push((*id, new));
        }
        self.engine.change(change);
        self.adopt_passes(orders);
        self.adopt_listeners(orders);
    }

    fn adopt_passes(&mut self, orders: &Orders) {
        for (number, tcp) in &orders.tcp {
            let filter = place(&mut self.tcp_filters, *number);
            match (tcp, filter) {
                (Some(meant), filter) => {
                    let stats = self.registry.tcp(self.number, &meant.stat_prefix);
                    *filter = Some(pass::Filter { meant: meant.clone(), stats, turn: self.number as u64, gone: None });
                }
                (None, Some(filter)) => filter.gone = Some(Instant::now()),
                (None, None) => {}
            }
        }
    }

    fn adopt_listeners(&mut self, orders: &Orders) {
        for (number, entrance) in &orders.listeners {
            let hall = place(&mut self.halls, *number);
            match (entrance, hall) {
                (Some(entrance), hall) => {
                    let address = entrance.listener.address.to_string();
                    let stats = self.registry.listener(self.number, &address);
                    let has_tls = entrance.passages().any(|passage| passage.chain.tls.is_some());
                    let tls_stats = has_tls.then(|| self.registry.listener_tls(self.number, &address));
                    *hall = Some(Hall { entrance: Some(Arc::clone(entrance)), stats, tls_stats });
                }
                (None, Some(hall)) => hall.entrance = None,
                (None, None) => {}
            }
        }
        if !orders.listeners.is_empty() {
            self.by_address = self.addresses();
        }
    }

    /// The listeners' numbers by their addresses; the first of one address counts.
    fn addresses(&self) -> HashMap<SocketAddr, usize> {
        let mut found = HashMap::new();
        for (number, hall) in self.halls.iter().enumerate() {
            if let Some(entrance) = hall.as_ref().and_then(|hall| hall.entrance.as_ref()) {
                found.entry(entrance.listener.address).or_insert(number);
            }
        }
        found
    }
}

/// The place of a number in a list that grows as needed.
fn place<T>(list: &mut Vec<Option<T>>, number: usize) -> &mut Option<T> {
    if list.len() <= number {
        list.resize_with(number + 1, || None);
    }
    &mut list[number]
}
