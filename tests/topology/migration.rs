//! A slot on its way from one node to another, under traffic, without one wrong or lost reply.

use super::load::{Load, Memory};
use super::*;
use std::collections::BTreeSet;

const TAG: &str = "moving";

/// Waits until every node knows every node's epoch. A slot that is sent back before that may end with each of two nodes
/// taking the other for its owner.
fn wait_for_epochs(cluster: &Cluster) {
    let epochs = |node: &Server| -> testkit::error::Result<BTreeSet<(String, String)>> {
        let text = node.ask("CLUSTER NODES")?.text();
        let field = |line: &str, index: usize| line.split(' ').nth(index).unwrap_or_default().to_owned();
        Ok(text.lines().map(|line| (field(line, 0), field(line, 6))).collect())
    };
    wait::until_true("all know all epochs", SOON, || {
        let all = cluster.nodes().iter().map(epochs).collect::<testkit::error::Result<Vec<_>>>()?;
        Ok(all.windows(2).all(|pair| pair[0] == pair[1]))
    })
    .unwrap();
}

/// Moves the tag's slot there and back, a few keys at a time, while clients work on it.
fn migrate_under(load: &Load, cluster: &Cluster, times: usize) {
    let slot = cluster.slot_of(TAG).unwrap();
    for _ in 0..times {
        let to = (cluster.owner(slot).unwrap() + 1) % cluster.primaries().unwrap().len();
        let migration = cluster.migration(slot, to).unwrap();
        load.wait_for_rounds(3);
        migration.open().unwrap();
        load.wait_for_rounds(3);
        while migration.move_keys(5).unwrap() > 0 {
            load.wait_for_rounds(1);
        }
        migration.move_keys(usize::MAX).unwrap();
        load.wait_for_rounds(3);
        // Clients may have made new keys at the source only by mistake; then they would be lost here, and missed.
        migration.close().unwrap();
        load.wait_for_rounds(5);
        wait_for_epochs(cluster);
    }
}

fn check(config: &Bootstrap, cluster: &Cluster) {
    let proxy = slotmesh(config);
    let load = Load::start(&proxy, 6, TAG, Memory::Exact);
    migrate_under(&load, cluster, 4);
    let tally = load.end();
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(tally.replies > 500, "{}", tally.replies);
    assert!(counter(&proxy, "upstream_internal_redirect_succeeded_total") > 0);
    println!("{} replies, {} redirects", tally.replies, counter(&proxy, "upstream_internal_redirect_succeeded_total"));
}

#[test]
fn nothing_is_wrong_or_lost_with_refreshes() {
    let cluster = Cluster::start(3, 0).unwrap();
    check(&before(&cluster), &cluster);
}

/// Only MOVED tells.
#[test]
fn nothing_is_wrong_or_lost_without_refreshes() {
    let cluster = Cluster::start(3, 0).unwrap();
    check(&before_with(&cluster, &format!("{SELDOM}, redirect_refresh_threshold: 0")), &cluster);
}
