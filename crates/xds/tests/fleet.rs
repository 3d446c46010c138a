//! Many proxies: a change costs what changed, not what there is.
#![cfg(test)]

#[path = "fleet/mod.rs"]
mod sim;

use sim::Fleet;
use xds::Kind::{Cluster, Endpoints, Listener};

const PROXIES: usize = 200;
const SERVICES: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_costs_what_changed() {
    let (fleet, all) = Fleet::start(PROXIES, SERVICES).await;
    let each = |bytes: u64| bytes / PROXIES as u64;
    assert!(each(all.bytes) > 150_000, "{all:?}");

    let one = fleet.change(&[Endpoints], 1).await;
    assert_eq!(one.resources, PROXIES as u64);
    assert!(each(one.bytes) < 1000, "{one:?}");
    // A changed cluster brings its endpoints along.
    let service = fleet.change(&[Cluster, Endpoints, Listener], 1).await;
    assert_eq!(service.resources, 3 * PROXIES as u64);
    assert!(each(service.bytes) < 4000, "{service:?}");

    let proxies = fleet.server.proxies();
    assert_eq!(proxies.len(), PROXIES);
    assert!(proxies.iter().all(|proxy| proxy.lanes.len() == 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_follow_each_other_are_pushed_together() {
    let (fleet, _) = Fleet::start(20, 20).await;
    for _ in 0..50 {
        fleet.mesh.change(&[Endpoints], 5);
    }
    fleet.change(&[Endpoints], 5).await;
    let metrics = fleet.server.metrics();
    assert!(metrics.batches <= 2, "{} batches of {} changes", metrics.batches, metrics.changes);
    assert!(metrics.kinds[Endpoints].pushes <= 20 * 3);
}
