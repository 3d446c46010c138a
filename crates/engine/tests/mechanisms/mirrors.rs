//! Copies, off the path.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::Door;
use crate::world::pipe::End;
use crate::world::redis::Redis;
use crate::world::setup::{Setup, route};
use meant::{Balance, Fraction, KeyFormat, KeyPart, Mirror};

fn mirror(cluster: &str) -> Mirror {
    Mirror { cluster: cluster.into(), fraction: Fraction::ALL, exclude_reads: false }
}

/// `main` is a cluster of three shards, `copy` one plain node.
fn setup() -> Setup {
    let mut setup = Setup::cluster(3, 0).and("copy", Redis::hosts(2, 1), Balance::RoundRobin);
    setup.catch_all().mirrors = vec![mirror("copy")];
    setup
}

fn start(setup: Setup) -> (World, usize) {
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

#[test]
fn a_mirror_gets_a_copy_and_its_reply_goes_nowhere() {
    let (mut world, client) = start(setup());
    world.clusters[1].nodes[0].excuse = Some("ERR no thanks");
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    assert_eq!(world.ask(client, "GET foo"), "bar");
    assert_eq!(world.ask(client, "PING"), "+PONG");
    world.run(5 * MS);
    assert_eq!(world.seen_by(1, 0), ["SET foo bar", "GET foo"]);
    world.assert_idle();
}

#[test]
fn reads_may_be_left_out_and_a_write_never_is() {
    let mut setup = setup();
    setup.catch_all().mirrors[0].exclude_reads = true;
    let (mut world, client) = start(setup);
    let requests = [
        "GET foo",
        "SET foo bar",
        "MGET a b",
        "GETSET foo x",
        "EXISTS a",
        "DEL a",
        "XADD s * a b",
        "KEYS *",
        "FLUSHALL",
        "CONFIG GET x",
    ];
    requests.iter().for_each(|request| drop(world.ask(client, request)));
    world.run(5 * MS);
    assert_eq!(world.seen_by(1, 0), ["SET foo bar", "GETSET foo x", "DEL a", "XADD s * a b", "FLUSHALL"]);
}

#[test]
fn a_part_of_the_requests_may_be_copied() {
    for (numerator, denominator, range) in
        [(25, 100, 180..320), (1, 10_000, 0..5), (0, 100, 0..1), (200, 100, 1000..1001)]
    {
        let mut setup = setup();
        setup.catch_all().mirrors[0].fraction = Fraction { numerator, denominator };
        let (mut world, client) = start(setup);
        world.send(client, &"GET foo\n".repeat(1000));
        world.run(500 * MS);
        let copies = world.seen_by(1, 0).len();
        assert!(range.contains(&copies), "{copies} of 1000 at {numerator}/{denominator}");
    }
}

#[test]
fn several_mirrors_each_get_their_copy_and_one_that_is_missing_gets_none() {
    let mut setup = setup().and("second", Redis::cluster(3, 2, 0), Balance::Random);
    setup.catch_all().mirrors = vec![mirror("copy"), mirror("nowhere"), mirror("second")];
    let (mut world, client) = start(setup);
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    world.run(5 * MS);
    assert_eq!(world.clusters[1].stores[0].len(), 1);
    assert_eq!(world.clusters[2].stores[0].len(), 1);
}

#[test]
fn a_copy_has_the_key_as_the_cluster_gets_it() {
    let mut setup = Setup::cluster(3, 0).and("copy", Redis::cluster(2, 2, 0), Balance::Random);
    let mut prefixed = route("p:", "main");
    prefixed.remove_prefix = true;
    prefixed.key_format = Some(KeyFormat { parts: vec![KeyPart::Key, KeyPart::Text(b"!".to_vec())] });
    prefixed.mirrors = vec![mirror("copy")];
    setup.proxies[0].routes.routes = vec![prefixed];
    let (mut world, client) = start(setup);
    world.ask(client, "SET p:a 1");
    world.ask(client, "MSET p:b 2 p:c 3 unmirrored 4");
    world.run(5 * MS);
    let keys: Vec<_> =
        world.clusters[1].stores[0].keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(keys, ["a!", "b!", "c!"]);
}

#[test]
fn what_every_shard_gets_every_shard_of_the_mirror_gets() {
    let mut setup = Setup::cluster(2, 0).and("copy", Redis::cluster(2, 3, 0), Balance::Random);
    setup.catch_all().mirrors = vec![mirror("copy")];
    let (mut world, client) = start(setup);
    world.ask(client, "MSET a 1 b 2 c 3");
    assert_eq!(world.ask(client, "FLUSHALL"), "+OK");
    world.run(5 * MS);
    assert!(world.clusters[0].stores[0].is_empty() && world.clusters[1].stores[0].is_empty());
}

#[test]
fn a_mirror_that_hangs_is_bounded_and_costs_the_main_path_nothing() {
    let mut setup = setup();
    setup.limits.mirror_bytes = 10_000;
    let (mut world, client) = start(setup);
    world.ask(client, "SET foo bar");
    world.happen(Happening::Freeze { cluster: 1, node: 0, micros: 2_000 * MS });
    let start = world.now;
    let line = format!("SET foo {}\n", "x".repeat(470));
    for _ in 0..10 {
        world.send(client, &line.repeat(10));
        world.run(5 * MS);
    }
    assert_eq!(world.heard(client).len(), 100);
    assert!(world.now - start <= 50 * MS);
    let usage = world.engine.usage();
    assert!(usage.bytes < 11_000 && usage.in_flight < 21, "{usage:?}");
    assert_eq!(world.stats[1].mirror_dropped.get(), 80);
    assert_eq!(world.stats[1].request_overflow.get(), 0);
    world.run(10_000 * MS);
    world.assert_idle();
}

#[test]
fn a_mirror_that_is_away_is_counted() {
    let mut setup = setup();
    setup.known = false;
    let (mut world, client) = start(setup);
    world.happens(1, Happening::View(0));
    world.run(MS);
    // Nobody knows where it is: its copies do not wait for that.
    assert_eq!(world.ask(client, "SET foo 1"), "+OK");
    assert_eq!(world.stats[1].mirror_dropped.get(), 1);
    world.happens(1, Happening::View(1));
    world.happen(Happening::Door { cluster: 1, node: 0, door: Door::Refuses });
    world.run(MS);
    for _ in 0..5 {
        assert_eq!(world.ask(client, "SET foo 1"), "+OK");
    }
    world.run(2 * MS);
    assert_eq!(world.stats[1].mirror_dropped.get(), 6);
    assert_eq!(world.stats[0].mirror_dropped.get(), 0);
    world.assert_idle();
}

#[test]
fn a_client_that_leaves_takes_no_copy_back() {
    let (mut world, client) = start(setup());
    world.send(client, "SET foo bar");
    world.run(150);
    world.leave(client, End::Reset);
    world.run(5 * MS);
    assert_eq!(world.seen_by(1, 0), ["SET foo bar"]);
    world.assert_idle();
}

#[test]
fn requests_that_are_cut_up_are_copied_so_that_the_mirror_can_take_them() {
    // A cluster to a plain node, a plain node to a cluster, plain nodes to plain nodes.
    let balance = Balance::Maglev { table: 65_537, by_hostname: false };
    let to_cluster = |main: Setup| main.and("copy", Redis::cluster(2, 3, 0), Balance::Random);
    for mut setup in [
        Setup::cluster(3, 0).and("copy", Redis::hosts(2, 1), Balance::RoundRobin),
        Setup::cluster(3, 0).and("copy", Redis::hosts(2, 3), balance),
        to_cluster(Setup::hosts(1, Balance::RoundRobin)),
        to_cluster(Setup::hosts(3, balance)),
    ] {
        setup.catch_all().mirrors = vec![mirror("copy")];
        let (mut world, client) = start(setup);
        let pairs: String = (0..40).map(|n| format!(" key{n} value{n}#{n}")).collect();
        assert_eq!(world.ask(client, &format!("MSET{pairs}")), "+OK");
        assert_eq!(world.ask(client, "DEL key1 key2 none"), ":2");
        world.run(5 * MS);
        let count = |redis: &Redis| redis.stores.iter().map(std::collections::BTreeMap::len).sum::<usize>();
        assert_eq!((count(&world.clusters[0]), count(&world.clusters[1])), (38, 38));
        assert!(world.clusters[1].executed.values().all(|count| *count == 1));
        // Each key is where the mirror would be asked for it.
        let mut direct = Setup::cluster(1, 0);
        std::mem::swap(&mut direct.clusters[0], &mut world.clusters[1]);
        direct.meant[0].discovery = match direct.clusters[0].slotted {
            true => crate::world::setup::redis(),
            false => meant::Discovery::Static(balance),
        };
        let (mut world, client) = start(direct);
        for n in (0..40).filter(|n| ![1, 2].contains(n)) {
            assert_eq!(world.ask(client, &format!("GET key{n}")), format!("value{n}#{n}"));
        }
    }
}
