//! SCAN of a whole cluster as one cursor.

use crate::world::World;
use crate::world::happening::Happening;
use crate::world::setup::Setup;
use meant::{Balance, ReadPolicy};
use std::collections::BTreeSet;

fn filled(mut setup: Setup, keys: usize) -> (World, usize) {
    let stores = setup.clusters[0].stores.len();
    for n in 0..keys {
        setup.clusters[0].stores[n % stores].insert(format!("key{n}").into_bytes(), b"v".to_vec());
    }
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

/// Scans to the end; every key that was seen, and how many calls it took.
fn scan(world: &mut World, client: usize, mut at: impl FnMut(&mut World, usize)) -> (BTreeSet<String>, usize) {
    let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
    for calls in 1..10_000 {
        let reply = world.ask(client, &format!("SCAN {cursor} COUNT 3"));
        let inner = reply.strip_prefix('[').unwrap_or_else(|| panic!("{reply}"));
        let (next, keys) = inner.split_once(", [").unwrap();
        seen.extend(keys.trim_end_matches(']').split(", ").filter(|key| !key.is_empty()).map(str::to_owned));
        cursor = next.to_owned();
        assert!(cursor.parse::<u64>().is_ok());
        if cursor == "0" {
            return (seen, calls);
        }
        at(world, calls);
    }
    panic!("a scan without end");
}

#[test]
fn undermoon_a1f5240_a_scan_covers_every_shard_and_ends_with_zero() {
    for (shards, replicas, keys) in [(1, 0, 50), (3, 0, 200), (7, 2, 200), (3, 0, 0), (5, 0, 3)] {
        let mut setup = Setup::cluster(shards, replicas);
        setup.settings().read_policy = if replicas > 0 { ReadPolicy::Replica } else { ReadPolicy::Primary };
        let (mut world, client) = filled(setup, keys);
        let (seen, calls) = scan(&mut world, client, |_, _| {});
        assert_eq!(seen.len(), keys);
        assert!(calls <= keys / 3 + 2 * shards, "{calls} calls");
        world.assert_idle();
    }
}

#[test]
fn plain_nodes_are_scanned_one_after_the_other() {
    let (mut world, client) = filled(Setup::hosts(4, Balance::Maglev { table: 65_537, by_hostname: false }), 100);
    assert_eq!(scan(&mut world, client, |_, _| {}).0.len(), 100);
}

#[test]
fn what_is_no_cursor_is_refused() {
    let (mut world, client) = filled(Setup::cluster(3, 0), 10);
    for cursor in ["x", "-1", "1.5", "18446744073709551616", ""] {
        assert_eq!(world.ask(client, &format!("SCAN {cursor}")), "-ERR invalid cursor");
    }
    assert_eq!(world.ask(client, "SCAN"), "-ERR wrong number of arguments for 'scan' command");
    // Any other number is a cursor; the worst that it can do is to scan again.
    for cursor in [1u64, 16_383, 5461, 1 << 14, u64::MAX] {
        assert!(world.ask(client, &format!("SCAN {cursor}")).starts_with('['), "{cursor}");
    }
}

#[test]
fn a_scan_goes_on_over_slots_that_moved_had_reports_of_each() {
    // A MOVED makes a shard of its own of a slot; a scan that begins afterwards covers it, whichever slot it is.
    for slot in [0, 1, 5000, 5461, 5462, 16_383] {
        let mut setup = Setup::cluster(3, 0);
        let node = crate::world::node::Node::new(std::net::SocketAddr::from(([10, 0, 0, 1], 7099)));
        setup.clusters[0].nodes.push(node);
        setup.clusters[0].shards.push(crate::world::redis::Shard { primary: 3, replicas: Vec::new() });
        let key = (0..).map(|n| format!("x{n}")).find(|key| slots::Slot::of(key.as_bytes()).index() == slot).unwrap();
        let (mut world, client) = filled(setup, 100);
        assert_eq!(world.ask(client, &format!("SET {key} v")), "+OK");
        world.happen(Happening::GiveSlot { slot, shard: 3 });
        assert_eq!(world.ask(client, &format!("GET {key}")), "v");
        let (seen, _) = scan(&mut world, client, |_, _| {});
        assert_eq!(seen.len(), 101, "slot {slot}");
        assert!(seen.contains(&key));
    }
}

#[test]
fn a_view_that_comes_while_a_shard_is_scanned_does_not_mislead_the_cursor() {
    // A fourth shard appears, or disappears, in front of the others while a later one is scanned; its slots are empty.
    for appears in [true, false] {
        let mut setup = Setup::cluster(3, 0);
        let node = crate::world::node::Node::new(std::net::SocketAddr::from(([10, 0, 0, 1], 7099)));
        setup.clusters[0].nodes.push(node);
        setup.clusters[0].shards.push(crate::world::redis::Shard { primary: 3, replicas: Vec::new() });
        let used: BTreeSet<usize> = (0..200).map(|n| slots::Slot::of(format!("key{n}").as_bytes()).index()).collect();
        let free: Vec<usize> = (0..5461).filter(|slot| !used.contains(slot)).take(3).collect();
        let (before, after) = if appears { (0, 3) } else { (3, 0) };
        free.iter().for_each(|slot| setup.clusters[0].give_slot(*slot, before));
        let (mut world, client) = filled(setup, 200);
        let (seen, _) = scan(&mut world, client, |world, calls| {
            if calls == 40 {
                free.iter().for_each(|slot| world.happen(Happening::GiveSlot { slot: *slot, shard: after }));
                // It comes between a request and its reply.
                world.happens(250, Happening::View(0));
            }
        });
        assert_eq!(seen.len(), 200, "appears: {appears}");
    }
}

#[test]
fn a_shard_that_leaves_while_it_is_scanned_is_found_again_where_its_keys_are() {
    let (mut world, client) = filled(Setup::cluster(4, 0), 200);
    let (seen, _) = scan(&mut world, client, |world, calls| {
        // In the middle of the second shard, whose slots the first one gets.
        if calls == 25 {
            world.happen(Happening::GiveAll { from: 1, to: 0 });
            world.happens(1, Happening::View(0));
            world.run(1);
        }
    });
    assert_eq!(seen.len(), 200);
}

#[test]
fn an_error_is_the_reply_and_the_scan_can_be_repeated() {
    let (mut world, client) = filled(Setup::cluster(3, 0), 10);
    world.teach(0, "SCAN", crate::world::node::Answer::Say("-ERR busy\r\n"));
    assert_eq!(world.ask(client, "SCAN 0"), "-ERR busy");
    assert_eq!(scan(&mut world, client, |_, _| {}).0.len(), 10);
    // A node's cursor that leaves no room for the slot.
    world.teach(0, "SCAN", crate::world::node::Answer::Say("*2\r\n$20\r\n18446744073709551615\r\n*0\r\n"));
    assert!(world.ask(client, "SCAN 0").starts_with("-ERR the node's SCAN cursor is too large"));
}
