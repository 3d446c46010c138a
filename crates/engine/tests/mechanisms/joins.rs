//! Requests for every shard, one shard, or a named one.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::Answer;
use crate::world::setup::Setup;

fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    world.ask(client, "MSET a 1 b 2 c 3");
    (0..3).for_each(|node| drop(world.seen(node)));
    (world, client)
}

#[test]
fn the_replies_of_all_shards_become_one() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "KEYS *"), "[b, c, a]");
    assert_eq!(world.ask(client, "CONFIG GET maxmemory"), "[maxmemory, 100]");
    assert_eq!(world.ask(client, "INFO"), "# Stats\r\ntotal_commands_processed:6\r\n");
    assert_eq!(world.ask(client, "ROLE"), "[[0], [1], [2]]");
    assert_eq!(world.ask(client, "SLOWLOG LEN"), ":3");
    assert_eq!(world.ask(client, "SCRIPT FLUSH"), "+OK");
    assert_eq!(world.ask(client, "FLUSHALL ASYNC"), "+OK");
    assert_eq!(world.ask(client, "KEYS *"), "[]");
    for node in 0..3 {
        let expected = [
            "KEYS *",
            "CONFIG GET maxmemory",
            "INFO",
            "ROLE",
            "SLOWLOG LEN",
            "SCRIPT FLUSH",
            "FLUSHALL ASYNC",
            "KEYS *",
        ];
        assert_eq!(world.seen(node), expected);
    }
    world.assert_idle();
}

#[test]
fn an_error_of_one_shard_is_the_reply() {
    let (mut world, client) = world();
    world.teach(1, "KEYS", Answer::Say("-ERR no\r\n"));
    assert_eq!(world.ask(client, "KEYS *"), "-ERR no");
    world.teach(1, "FLUSHALL", Answer::Say("+DONE\r\n"));
    assert_eq!(world.ask(client, "FLUSHALL"), "-all responses not same");
    world.teach(1, "KEYS", Answer::Never);
    assert_eq!(world.ask(client, "KEYS *"), "-upstream failure: no reply within op_timeout");
}

#[test]
fn a_subcommand_that_is_not_offered_is_refused_here() {
    let (mut world, client) = world();
    for request in ["CONFIG HELP", "SCRIPT DEBUG YES", "SLOWLOG HELP", "CONFIG NONSENSE"] {
        assert_eq!(world.ask(client, request), "-ERR unsupported cluster scope command or invalid arguments");
    }
    assert_eq!(world.seen(0), Vec::<String>::new());
}

#[test]
fn one_shard_may_be_named_by_number() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "INFO.SHARD 1 stats"), "# Stats\r\ntotal_commands_processed:2\r\n");
    assert_eq!(world.seen(1), ["INFO stats"]);
    assert_eq!(world.ask(client, "INFO.SHARD 3"), "-ERR shard_id 3 out of range (0-2)");
    assert_eq!(world.ask(client, "INFO.SHARD x"), "-ERR invalid shard_id - must be a numeric shard index");
    world.assert_idle();
}

#[test]
fn a_request_for_any_shard_goes_to_one() {
    let (mut world, client) = world();
    (0..60).for_each(|_| drop(world.ask(client, "RANDOMKEY")));
    let shares: Vec<usize> = (0..3).map(|node| world.seen(node).len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 60);
    assert!(shares.iter().all(|share| *share > 5), "{shares:?}");
}

#[test]
fn what_every_shard_is_asked_before_the_cluster_is_known_every_shard_is_asked_after() {
    for (request, expected) in [
        ("KEYS *", "[b, c, a]"),
        ("FLUSHALL", "+OK"),
        ("INFO.SHARD 2", "# Stats\r\ntotal_commands_processed:2\r\n"),
        ("ROLE", "[[0], [1], [2]]"),
        ("SCAN 0", "[1, [b]]"),
    ] {
        let mut setup = Setup::cluster(3, 0);
        setup.known = false;
        for key in ["a", "b", "c"] {
            setup.clusters[0].stores[0].insert(key.into(), b"v".to_vec());
        }
        let mut world = World::new(setup);
        let client = world.connect();
        world.send(client, request);
        world.run(10 * MS);
        world.happens(1, Happening::View(0));
        world.run(10 * MS);
        let heard = world.heard(client);
        match request {
            // The cursor goes on in the second shard.
            "SCAN 0" => assert!(heard[0].ends_with(", [b]]") && !heard[0].starts_with("[0"), "{heard:?}"),
            _ => assert_eq!(heard, [expected]),
        }
        assert_eq!(world.clusters[0].stores[0].is_empty(), request == "FLUSHALL");
        world.assert_idle();
    }
}

#[test]
fn shards_keep_their_identity_while_the_map_changes_under_a_request() {
    let (mut world, client) = world();
    // The reply of the last shard is late; meanwhile a view puts a new shard before it.
    world.teach(2, "KEYS", Answer::Half("", crate::world::pipe::End::Reset));
    world.weather.work = 10 * MS..=10 * MS;
    world.send(client, "KEYS *");
    world.run(5 * MS);
    let node = crate::world::node::Node::new(std::net::SocketAddr::from(([10, 0, 0, 1], 7099)));
    world.clusters[0].nodes.push(node);
    world.clusters[0].shards.push(crate::world::redis::Shard { primary: 3, replicas: Vec::new() });
    (0..100).for_each(|slot| world.happen(Happening::GiveSlot { slot, shard: 3 }));
    world.happens(1, Happening::View(0));
    world.run(50 * MS);
    // The lost part is asked again where its slots are, not of whoever has its number now.
    assert_eq!(world.heard(client), ["[b, c, a]"]);
    world.assert_idle();
}
