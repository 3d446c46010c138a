//! Keeps the slot map true: discovery, refresh, health. The decisions are pure; only its driver talks.
//!
//! One task per cluster ([`spawn`]) finds its members and hands every new [`slots::View`] to whoever publishes it. A
//! Redis Cluster is asked: its seeds first, then any node known; what the workers [`report`](Reporter::report) makes
//! it ask sooner. Other clusters are resolved by name. Tasks share nothing, so one cluster never disturbs another.
//!
//! # Layout
//!
//! What is decided (`decision`, which knows no socket and takes the time as an argument), then who acts on it.

mod report;
mod status;
mod stats;
mod decision;
mod connect;
mod ask;
mod names;
mod hosts;
mod redis;
mod task;

#[cfg(test)]
mod testing;

pub use report::{Report, Reporter};
pub use stats::DiscoveryStats;
pub use status::Status;
pub use task::{Begin, Handle, spawn};
