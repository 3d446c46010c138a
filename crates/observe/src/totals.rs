//! The sum over all workers, ready to be rendered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::{ClusterStats, FilterStats, Histogram, Kind, ListenerStats, NodeStats, Snapshot, TcpStats, TlsStats};

/// Whom a statistic is about: the part of its name that Prometheus shows as a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A cluster, by name.
    Cluster(String),
    /// A listener, by address.
    Listener(String),
    /// A redis_proxy filter, by stat_prefix.
    Redis(String),
    /// A tcp_proxy filter, by stat_prefix.
    Tcp(String),
    /// The process: the name is whole.
    Process,
}

impl Scope {
    /// The first part of its statistics' names, and whom it is about as written there: a colon separates words in
    /// places where statistics end up, so Envoy writes `_` for it.
    pub(crate) fn parts(&self) -> Option<(&'static str, String)> {
        let (head, whom) = match self {
            Scope::Cluster(name) => ("cluster", name),
            Scope::Listener(address) => ("listener", address),
            Scope::Redis(prefix) => ("redis", prefix),
            Scope::Tcp(prefix) => ("tcp", prefix),
            Scope::Process => return None,
        };
        Some((head, whom.replace(|c: char| c == ':' || c.is_control(), "_")))
    }

    /// A statistic's whole dotted name: `cluster.cache.upstream_cx_total`.
    pub fn dotted(&self, name: &str) -> String {
        self.parts().map_or_else(|| name.to_owned(), |(head, whom)| format!("{head}.{whom}.{name}"))
    }
}

/// In which unit a distribution of microseconds is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
}

impl Unit {
    /// How many microseconds it is.
    pub fn micros(self) -> f64 {
        match self {
            Unit::Micros => 1.0,
            Unit::Millis => 1000.0,
        }
    }
}

/// One counter or gauge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Whom it is about.
    pub scope: Scope,
    /// Its dotted name below the scope: `upstream_cx_total`, `command.get.total`.
    pub name: Cow<'static, str>,
    /// Whether it only grows.
    pub kind: Kind,
    /// Its value.
    pub value: u64,
}

/// One histogram of microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Whom it is about.
    pub scope: Scope,
    /// Its dotted name below the scope: `command.get.latency`.
    pub name: Cow<'static, str>,
    /// The unit in which it is shown.
    pub unit: Unit,
    /// What was recorded, in microseconds.
    pub snapshot: Snapshot,
}

impl Distribution {
    /// [`Snapshot::quantile`] in the unit in which it is shown.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        Some(self.snapshot.quantile(q)? / self.unit.micros())
    }
}

type Key = (Scope, Cow<'static, str>);

/// Every counter, gauge and histogram of the process, summed over the workers.
#[derive(Debug, Default)]
pub struct Totals {
    samples: BTreeMap<Key, (Kind, u64)>,
    distributions: BTreeMap<Key, (Unit, Snapshot)>,
}

impl Totals {
    /// Adds a value that is counted elsewhere (topology, the process itself).
    pub fn add(&mut self, sample: Sample) {
        let Sample { scope, name, kind, value } = sample;
        self.samples.entry((scope, name)).or_insert((kind, 0)).1 += value;
    }

    /// Keeps those whose dotted name is wanted; with `used_only` no counter or gauge that is zero and no histogram
    /// without a value. (Envoy keeps what was ever written, even if a gauge has come back to zero.)
    pub fn select(&mut self, used_only: bool, wanted: impl Fn(&str) -> bool) {
        self.samples.retain(|(scope, name), (_, value)| !(used_only && *value == 0) && wanted(&scope.dotted(name)));
        self.distributions.retain(|(scope, name), (_, snapshot)| {
            !(used_only && snapshot.count() == 0) && wanted(&scope.dotted(name))
        });
    }

    /// The counters and gauges, by scope and name.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.samples.iter().map(|((scope, name), (kind, value))| Sample {
            scope: scope.clone(),
            name: name.clone(),
            kind: *kind,
            value: *value,
        })
    }

    /// The histograms, by scope and name.
    pub fn distributions(&self) -> impl Iterator<Item = Distribution> {
        self.distributions.iter().map(|((scope, name), (unit, snapshot))| Distribution {
            scope: scope.clone(),
            name: name.clone(),
            unit: *unit,
            snapshot: snapshot.clone(),
        })
    }

    pub(crate) fn filter(&mut self, prefix: &str, set: &FilterStats) {
        let scope = Scope::Redis(prefix.to_owned());
        set.each(|name, kind, value| self.sum(&scope, name, kind, value));
        let unit = if set.latency_in_micros { Unit::Micros } else { Unit::Millis };
        for (command, stats) in set.commands.used() {
            stats.each(|name, kind, value| self.sum(&scope, format!("command.{command}.{name}"), kind, value));
            self.merge(&scope, format!("command.{command}.latency"), unit, &stats.latency);
        }
    }

    pub(crate) fn cluster(&mut self, name: &str, set: &ClusterStats) {
        let scope = Scope::Cluster(name.to_owned());
        set.each(|name, kind, value| self.sum(&scope, name, kind, value));
        let pool = "redis_cluster.upstream_commands";
        self.merge(&scope, format!("{pool}.upstream_rq_time"), Unit::Micros, &set.upstream_rq_time);
        for (command, stats) in set.commands.used() {
            stats.each(|name, kind, value| self.sum(&scope, format!("{pool}.{command}.{name}"), kind, value));
            self.merge(&scope, format!("{pool}.{command}.latency"), Unit::Micros, &stats.latency);
        }
    }

    pub(crate) fn listener(&mut self, address: &str, set: &ListenerStats) {
        let scope = Scope::Listener(address.to_owned());
        set.each(|name, kind, value| self.sum(&scope, name, kind, value));
    }

    pub(crate) fn tcp(&mut self, prefix: &str, set: &TcpStats) {
        let scope = Scope::Tcp(prefix.to_owned());
        set.each(|name, kind, value| self.sum(&scope, name, kind, value));
    }

    pub(crate) fn tls(&mut self, scope: Scope, set: &TlsStats) {
        set.each(|name, kind, value| self.sum(&scope, name, kind, value));
    }

    fn sum(&mut self, scope: &Scope, name: impl Into<Cow<'static, str>>, kind: Kind, value: u64) {
        self.add(Sample { scope: scope.clone(), name: name.into(), kind, value });
    }

    fn merge(&mut self, scope: &Scope, name: String, unit: Unit, histogram: &Histogram) {
        let entry = self.distributions.entry((scope.clone(), name.into()));
        entry.or_insert((unit, Snapshot::default())).1.merge(&histogram.snapshot());
    }
}

/// The counters and gauges of one node, by name in alphabetical order: `cx_active`, `rq_total`, …
pub type NodeValues = BTreeMap<&'static str, (Kind, u64)>;

/// The counters and gauges of a cluster's nodes.
#[derive(Debug, Default)]
pub struct NodeTotals(BTreeMap<SocketAddr, NodeValues>);

impl NodeTotals {
    /// What is known of one node; all zero if nobody has connected to it.
    pub fn of(&self, address: SocketAddr) -> NodeValues {
        self.0.get(&address).cloned().unwrap_or_else(|| {
            let mut zeros = NodeValues::new();
            add_node(&mut zeros, &NodeStats::default());
            zeros
        })
    }

    pub(crate) fn add(&mut self, set: &ClusterStats) {
        for (address, stats) in set.nodes() {
            add_node(self.0.entry(address).or_default(), &stats);
        }
    }
}

fn add_node(values: &mut NodeValues, stats: &NodeStats) {
    stats.each(|name, kind, value| values.entry(name).or_insert((kind, 0)).1 += value);
}

#[cfg(test)]
mod tests;
