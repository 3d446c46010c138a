//! Each mechanism by itself, in calm weather.
//!
//! In a cluster of three shards the nodes 0, 1 and 2 are the primaries; `b` is at 0, `c` at 1, `a` and `foo` at 2.

mod faults;
mod greeting;
mod joins;
mod losses;
mod mirrors;
mod plain;
mod reads;
mod redirects;
mod replies;
mod routes;
mod scan;
mod split;
mod timeouts;

use crate::world::World;

/// Microseconds.
const MS: u64 = 1000;

/// How often the engine has reported this.
fn reports(world: &World, what: &engine::Report) -> usize {
    world.reports.iter().filter(|(_, report)| report == what).count()
}
