//! Which member of a shard serves a read.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::Door;
use crate::world::pipe::End;
use crate::world::setup::Setup;
use meant::{Balance, ReadPolicy};

/// One shard: node 0 is the primary, 1 and 2 its replicas.
fn world(policy: ReadPolicy, replicas: usize) -> (World, usize) {
    let mut setup = Setup::cluster(1, replicas);
    setup.settings().read_policy = policy;
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

/// How many of 60 reads each node serves.
fn shares(world: &mut World, client: usize) -> Vec<usize> {
    for _ in 0..60 {
        assert_eq!(world.ask(client, "GET foo"), "nil");
    }
    let nodes = world.clusters[0].nodes.len();
    (0..nodes).map(|node| world.seen(node).iter().filter(|words| *words == "GET foo").count()).collect()
}

fn kill(world: &mut World, node: usize) {
    world.happen(Happening::Door { cluster: 0, node, door: Door::Refuses });
    world.happen(Happening::Cut { cluster: 0, node, end: End::Reset });
    world.run(5 * MS);
}

#[test]
fn primary_and_prefer_primary_read_from_the_primary() {
    for policy in [ReadPolicy::Primary, ReadPolicy::PreferPrimary] {
        let (mut world, client) = world(policy, 2);
        assert_eq!(shares(&mut world, client), [60, 0, 0]);
    }
}

#[test]
fn replica_and_prefer_replica_read_from_all_replicas_alike() {
    for policy in [ReadPolicy::Replica, ReadPolicy::PreferReplica] {
        let (mut world, client) = world(policy, 2);
        let shares = shares(&mut world, client);
        assert!(shares[0] == 0 && shares[1] > 15 && shares[2] > 15, "{shares:?}");
    }
}

#[test]
fn any_reads_from_everybody() {
    let (mut world, client) = world(ReadPolicy::Any, 2);
    let shares = shares(&mut world, client);
    assert!(shares.iter().all(|share| *share > 8), "{shares:?}");
    // Only those that are asked as replicas are told so.
    world.happen(Happening::Cut { cluster: 0, node: 0, end: End::Finished });
    world.run(5 * MS);
    while world.seen(0).is_empty() {
        world.ask(client, "GET foo");
    }
}

#[test]
fn writes_go_to_the_primary_whatever_the_policy() {
    for policy in [ReadPolicy::Replica, ReadPolicy::PreferReplica, ReadPolicy::Any] {
        let (mut world, client) = world(policy, 2);
        let writes = [
            "SET foo bar",
            "DEL foo",
            "GETSET foo x",
            "GETDEL foo",
            "INCR n",
            "EVAL x 1 foo",
            "SPOP s",
            "XADD x * a b",
            "GETEX foo EX 1",
            "MSET a b",
            "SORT l STORE m",
        ];
        writes.iter().for_each(|write| drop(world.ask(client, write)));
        let seen = world.seen(0);
        assert_eq!(seen, writes);
        assert_eq!((world.seen(1), world.seen(2)), (vec![], vec![]));
    }
}

#[test]
fn what_happens_when_members_die_is_up_to_the_policy() {
    // No replica is left.
    let (mut world1, client) = world(ReadPolicy::PreferReplica, 1);
    shares(&mut world1, client);
    kill(&mut world1, 1);
    assert_eq!(world1.ask(client, "GET foo"), "nil");
    let (mut world2, client) = world(ReadPolicy::Replica, 1);
    shares(&mut world2, client);
    kill(&mut world2, 1);
    assert!(world2.ask(client, "GET foo").starts_with("-upstream failure: 10.0.0.1:7001 "));
    // The primary is gone.
    let (mut world3, client) = world(ReadPolicy::PreferPrimary, 1);
    shares(&mut world3, client);
    kill(&mut world3, 0);
    assert_eq!(world3.ask(client, "GET foo"), "nil");
    let (mut world4, client) = world(ReadPolicy::Primary, 1);
    shares(&mut world4, client);
    kill(&mut world4, 0);
    assert!(world4.ask(client, "GET foo").starts_with("-upstream failure: 10.0.0.1:7000 "));
}

#[test]
fn a_dead_member_is_asked_again_only_now_and_then() {
    let (mut world, client) = world(ReadPolicy::Any, 2);
    shares(&mut world, client);
    kill(&mut world, 1);
    for _ in 0..300 {
        assert_eq!(world.ask(client, "GET foo"), "nil");
        world.run(2 * MS);
    }
    let failed = world.stats[0].upstream_cx_connect_fail.get();
    assert!((3..12).contains(&failed), "{failed}");
    world.happen(Happening::Door { cluster: 0, node: 1, door: Door::Open });
    world.run(1100 * MS);
    (1..3).for_each(|node| drop(world.seen(node)));
    let shares = shares(&mut world, client);
    assert!(shares[1] > 8, "{shares:?}");
}

#[test]
fn without_replicas_the_policy_replica_has_nobody() {
    let (mut world, client) = world(ReadPolicy::Replica, 0);
    assert_eq!(
        world.ask(client, "GET foo"),
        "-no upstream host: cluster 'main' has no node that the read policy allows here"
    );
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    world.assert_idle();
}

#[test]
fn plain_nodes_have_no_replicas_and_each_serves_its_keys() {
    let mut setup = Setup::hosts(3, Balance::Maglev { table: 65_537, by_hostname: false });
    setup.settings().read_policy = ReadPolicy::Replica;
    let mut world = World::new(setup);
    let client = world.connect();
    for n in 0..100 {
        assert_eq!(world.ask(client, &format!("SET key{n} {n}")), "+OK");
        assert_eq!(world.ask(client, &format!("GET key{n}")), n.to_string());
    }
    assert!(world.clusters[0].stores.iter().all(|store| store.len() > 10));
    let keys = (0..100).map(|n| format!(" key{n}")).collect::<String>();
    let values = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    (0..3).for_each(|node| drop(world.seen(node)));
    assert_eq!(world.ask(client, &format!("MGET{keys}")), format!("[{values}]"));
    assert!((0..3).all(|node| world.seen(node).len() == 1), "one fragment a node");
}

#[test]
fn hash_tags_count_for_plain_nodes_if_the_settings_say_so() {
    for tags in [true, false] {
        let mut setup =
            Setup::hosts(3, Balance::RingHash { minimum: 1024, maximum: 8 << 20, murmur: false, by_hostname: false });
        setup.settings().enable_hashtagging = tags;
        let mut world = World::new(setup);
        let client = world.connect();
        (0..30).for_each(|n| drop(world.ask(client, &format!("SET {{tag}}{n} v"))));
        let used = world.clusters[0].stores.iter().filter(|store| !store.is_empty()).count();
        assert_eq!(used == 1, tags);
    }
}

#[test]
fn round_robin_takes_turns() {
    let mut world = World::new(Setup::hosts(3, Balance::RoundRobin));
    let client = world.connect();
    (0..9).for_each(|_| drop(world.ask(client, "GET foo")));
    assert!((0..3).all(|node| world.seen(node).len() == 3));
}
