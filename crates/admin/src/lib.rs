//! The HTTP face: readiness, stats, dumps, dashboard.
//!
//! Paths, names and shapes are those of Envoy's admin interface, so that probes, dashboards and scripts written for it
//! work here. What is not real here is left out rather than shown as zero. A page is a row of the table in `pages`
//! and a function from the house to a reply; the face itself knows nothing, it asks a [`House`].
//!
//! Whoever reaches the port may stop the process and read the configuration (without its secrets): bind it to loopback.

mod house;
mod serve;
mod pages;
mod index;
mod ready;
mod stats;
mod clusters;
mod listeners;
mod dump;
mod reply;

pub use house::{ClusterStatus, House, Info, ListenerStatus, Missing, NodeStatus, Role, State};
pub use serve::serve;

#[cfg(test)]
mod tests;
