//! Each mechanism by itself, in calm weather.
//!
//! In a cluster of three shards the nodes 0, 1 and 2 are the primaries; `b` is at 0, `c` at 1, `a` and `foo` at 2.

mod bounds;
mod changes;
mod faults;
mod greeting;
mod handover;
mod joins;
mod large;
mod local;
mod losses;
mod mirrors;
mod pacing;
mod parking;
mod plain;
mod protocol;
mod reads;
mod redirects;
mod replies;
mod routes;
mod scan;
mod split;
mod timeouts;
mod views;

use crate::world::World;

/// Microseconds.
const MS: u64 = 1000;

/// How often the engine has reported this.
fn reports(world: &World, what: &engine::Report) -> usize {
    world.reports.iter().filter(|(_, report)| report == what).count()
}
