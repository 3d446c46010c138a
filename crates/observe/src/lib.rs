//! Counting without slowing: counters, latency histograms, slow log, hot keys.
//!
//! Every worker thread owns one set of statistics of each name and is the only one that writes it; the admin thread
//! may read it at any time. One writer needs no locked instruction: a count is a relaxed load and a relaxed store,
//! plain moves on every machine. The price is paid by the reader, who sums over the workers when somebody asks
//! ([`Registry::totals`]), and by whoever breaks the rule of one writer: counts get lost, nothing worse.
//!
//! Names are Envoy's wherever Envoy counts the same thing, so that its dashboards keep working; what only slotmesh
//! counts says so in its description.

mod count;
mod histogram;
#[macro_use]
mod declare;
mod by_command;
mod filter;
mod cluster;
mod listener;
mod tls;
mod registry;
mod totals;
pub mod render;

pub use by_command::ByCommand;
pub use cluster::{ClusterStats, NodeStats, UpstreamCommandStats};
pub use count::{Counter, Gauge, Kind};
pub use filter::{CommandStats, FilterStats};
pub use histogram::{BOUNDS, Histogram, Snapshot};
pub use listener::{ListenerStats, TcpStats};
pub use registry::Registry;
pub use tls::TlsStats;
pub use totals::{Distribution, NodeTotals, NodeValues, Sample, Scope, Totals, Unit};
