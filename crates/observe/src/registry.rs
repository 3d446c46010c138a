//! All sets of statistics of the process, by name and worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{ClusterStats, FilterStats, ListenerStats, NodeTotals, Scope, TcpStats, TlsStats, Totals};

/// Sets of one type; sorted, so that the sets of one name lie side by side.
#[derive(Debug)]
struct Shelf<T>(Mutex<BTreeMap<(String, usize), Arc<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    fn take(&self, worker: usize, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sets.entry((name.to_owned(), worker)).or_insert_with(|| Arc::new(make())))
    }

    fn each(&self, mut show: impl FnMut(&str, &T)) {
        // Copied out: whoever takes a set does not wait for a slow reader.
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sets.iter().for_each(|((name, _), set)| show(name, set));
    }
}

/// Where workers get their sets of statistics and the admin face reads them.
///
/// A worker takes its sets once, when it learns of a listener or cluster, and keeps the `Arc`s; taking needs a lock,
/// counting does not.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    filters: Shelf<FilterStats>,
    clusters: Shelf<ClusterStats>,
    listeners: Shelf<ListenerStats>,
    tcp: Shelf<TcpStats>,
    listener_tls: Shelf<TlsStats>,
    cluster_tls: Shelf<TlsStats>,
}

impl Registry {
    /// An empty one, for that many workers (numbered from 0).
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            filters: Shelf::default(),
            clusters: Shelf::default(),
            listeners: Shelf::default(),
            tcp: Shelf::default(),
            listener_tls: Shelf::default(),
            cluster_tls: Shelf::default(),
        })
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// A worker's set for the redis_proxy filters of this `stat_prefix`. Filters of one prefix share it, as in Envoy;
    /// the first decides whether latencies are shown in microseconds.
    pub fn filter(&self, worker: usize, stat_prefix: &str, latency_in_micros: bool) -> Arc<FilterStats> {
        self.filters.take(worker, stat_prefix, || FilterStats { latency_in_micros, ..FilterStats::default() })
    }

    /// A worker's set for a cluster.
    pub fn cluster(&self, worker: usize, name: &str) -> Arc<ClusterStats> {
        self.clusters.take(worker, name, ClusterStats::default)
    }

    /// A worker's set for the tcp_proxy filters of this `stat_prefix`.
    pub fn tcp(&self, worker: usize, stat_prefix: &str) -> Arc<TcpStats> {
        self.tcp.take(worker, stat_prefix, TcpStats::default)
    }

    /// A worker's set for a listener, named by its address (`127.0.0.1:6379`) or its `stat_prefix`.
    pub fn listener(&self, worker: usize, address: &str) -> Arc<ListenerStats> {
        self.listeners.take(worker, address, ListenerStats::default)
    }

    /// A worker's set for TLS on a listener, named as in [`Registry::listener`]. As in Envoy a listener without TLS shows
    /// none, so it is to be taken only where there is TLS.
    pub fn listener_tls(&self, worker: usize, address: &str) -> Arc<TlsStats> {
        self.listener_tls.take(worker, address, TlsStats::default)
    }

    /// A worker's set for TLS towards a cluster; to be taken only where there is TLS.
    pub fn cluster_tls(&self, worker: usize, name: &str) -> Arc<TlsStats> {
        self.cluster_tls.take(worker, name, TlsStats::default)
    }

    /// Everything, summed over the workers.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.filters.each(|prefix, set| totals.filter(prefix, set));
        self.clusters.each(|name, set| totals.cluster(name, set));
        self.listeners.each(|address, set| totals.listener(address, set));
        self.tcp.each(|prefix, set| totals.tcp(prefix, set));
        self.listener_tls.each(|address, set| totals.tls(Scope::Listener(address.to_owned()), set));
        self.cluster_tls.each(|name, set| totals.tls(Scope::Cluster(name.to_owned()), set));
        totals
    }

    /// The nodes of a cluster that any worker has connected to, summed over the workers.
    pub fn nodes(&self, cluster: &str) -> NodeTotals {
        let mut nodes = NodeTotals::default();
        self.clusters.each(|name, set| {
            if name == cluster {
                nodes.add(set);
            }
        });
        nodes
    }
}
