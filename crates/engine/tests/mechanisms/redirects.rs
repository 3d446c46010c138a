//! What a node says instead of an answer.

use super::{MS, reports};
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::Answer;
use crate::world::redis::{Redis, TRYAGAIN};
use crate::world::setup::Setup;
use engine::Report;
use meant::{Balance, Fraction, Mirror, ReadPolicy};
use slots::Slot;
use std::time::Duration;

fn slot(key: &str) -> usize {
    Slot::of(key.as_bytes()).index()
}

fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    (world, client)
}

#[test]
fn moved_mends_the_map_at_once_and_is_followed_once() {
    let (mut world, client) = world();
    world.happen(Happening::GiveSlot { slot: slot("foo"), shard: 0 });
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    assert_eq!((world.seen(2), world.seen(0)), (vec!["SET foo bar".into()], vec!["SET foo bar".to_string()]));
    assert_eq!(world.ask(client, "GET foo"), "bar");
    assert_eq!((world.seen(2), world.seen(0)), (vec![], vec!["GET foo".to_string()]));
    assert_eq!(reports(&world, &Report::Redirected), 1);
    assert_eq!(world.stats[0].upstream_internal_redirect_succeeded_total.get(), 1);
    // The other slots of its old owner stay where they are, its neighbours among them.
    for neighbour in [slot("foo") - 1, slot("foo") + 1] {
        let key = (0..).map(|n| format!("x{n}")).find(|key| slot(key) == neighbour).unwrap();
        assert_eq!(world.ask(client, &format!("GET {key}")), "nil");
        assert_eq!((world.seen(2), world.seen(0)), (vec![format!("GET {key}")], vec![]));
    }
    world.assert_idle();
}

#[test]
fn a_redirected_request_keeps_its_place_in_the_pipeline() {
    let (mut world, client) = world();
    for key in ["a", "b", "c", "foo"] {
        world.ask(client, &format!("SET {key} v{key}"));
    }
    world.happen(Happening::GiveSlot { slot: slot("foo"), shard: 1 });
    world.heard(client);
    world.send(client, "GET b\nGET foo\nGET c\nGET foo\nGET a");
    world.run(100 * MS);
    assert_eq!(world.heard(client), ["vb", "vfoo", "vc", "vfoo", "va"]);
}

#[test]
fn asking_goes_right_before_the_request_on_the_same_connection_and_mends_nothing() {
    let (mut world, client) = world();
    let other = world.connect();
    world.happen(Happening::BeginMove { slot: slot("foo"), shard: 0 });
    for _ in 0..3 {
        world.send(client, "GET foo");
        world.send(other, &"GET b\n".repeat(20));
        world.run(5 * MS);
        assert_eq!(world.heard(client), ["nil"]);
    }
    let seen = std::mem::take(&mut world.clusters[0].nodes[0].seen);
    let asked: Vec<usize> = (0..seen.len()).filter(|i| seen[*i].words == "GET foo").collect();
    assert_eq!(asked.len(), 3);
    for at in asked {
        assert_eq!(seen[at - 1].words, "ASKING");
        assert_eq!(seen[at - 1].connection, seen[at].connection);
    }
    assert_eq!(world.seen(2), ["GET foo", "GET foo", "GET foo"]);
    assert_eq!(world.heard(other).len(), 60);
    world.assert_idle();
}

#[test]
fn redirects_are_bounded_and_the_last_one_is_the_reply() {
    let (mut world, client) = world();
    world.teach_often(2, "GET foo", Answer::Say("-MOVED 12182 10.0.0.1:7000\r\n"), 100);
    world.teach_often(0, "GET foo", Answer::Say("-MOVED 12182 10.0.0.1:7002\r\n"), 100);
    assert!(world.ask(client, "GET foo").starts_with("-MOVED 12182 "));
    assert_eq!(world.seen(0).len() + world.seen(2).len(), 6);
    assert_eq!(world.stats[0].upstream_internal_redirect_failed_total.get(), 1);
    world.assert_idle();
}

#[test]
fn without_redirection_the_client_reads_what_the_node_said() {
    let mut setup = Setup::cluster(3, 0);
    setup.settings().enable_redirection = false;
    let mut world = World::new(setup);
    let client = world.connect();
    world.happen(Happening::GiveSlot { slot: slot("foo"), shard: 0 });
    assert_eq!(world.ask(client, "GET foo"), "-MOVED 12182 10.0.0.1:7000");
    assert_eq!(world.seen(0), Vec::<String>::new());
}

#[test]
fn a_redirect_may_name_a_host_that_the_view_knows_or_none_at_all() {
    let mut setup = Setup::cluster(3, 0);
    setup.clusters[0].nodes[1].names = vec!["redis-1.example".into()];
    let mut world = World::new(setup);
    let client = world.connect();
    world.teach(2, "GET foo", Answer::Say("-ASK 12182 redis-1.EXAMPLE:7001\r\n"));
    world.teach(1, "GET foo", Answer::Say("$1\r\n1\r\n"));
    assert_eq!(world.ask(client, "GET foo"), "1");
    world.teach(2, "GET foo", Answer::Say("-ASK 12182 :7000\r\n"));
    world.teach(0, "GET foo", Answer::Say("$1\r\n0\r\n"));
    assert_eq!(world.ask(client, "GET foo"), "0");
    for nowhere in
        ["-MOVED 12182 elsewhere.example:7001\r\n", "-MOVED 12182 10.0.0.1:0\r\n", "-MOVED 99999 10.0.0.1:7000\r\n"]
    {
        world.teach(2, "GET foo", Answer::Say(nowhere));
        assert_eq!(world.ask(client, "GET foo"), nowhere.trim_end());
    }
}

#[test]
fn tryagain_waits_and_asks_again() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "SET {foo}1 v"), "+OK");
    world.teach_often(2, "RENAME", Answer::Say("-TRYAGAIN Multiple keys request during rehashing of slot\r\n"), 3);
    let start = world.now;
    assert_eq!(world.ask(client, "RENAME {foo}1 {foo}2"), "+OK");
    assert!((30 * MS..40 * MS).contains(&(world.now - start)));
    assert_eq!(world.seen(2).len(), 5);
    world.assert_idle();
}

#[test]
fn tryagain_waits_no_longer_than_the_request_may_take() {
    for (timeout, rounds) in [(100, 10), (0, 6)] {
        let mut setup = Setup::cluster(3, 0);
        setup.settings().op_timeout = Duration::from_millis(timeout);
        let mut world = World::new(setup);
        let client = world.connect();
        world.teach_often(
            2,
            "RENAME",
            Answer::Say("-TRYAGAIN Multiple keys request during rehashing of slot\r\n"),
            1000,
        );
        assert_eq!(world.ask(client, "RENAME {foo}1 {foo}2"), format!("-{TRYAGAIN}"));
        assert_eq!(world.seen(2).len(), rounds);
        world.assert_idle();
    }
}

#[test]
fn a_client_that_leaves_while_its_request_waits_takes_it_along() {
    let (mut world, client) = world();
    world.teach(2, "RENAME", Answer::Say("-TRYAGAIN Multiple keys request during rehashing of slot\r\n"));
    world.send(client, "RENAME {foo}1 {foo}2");
    world.run(5 * MS);
    world.leave(client, crate::world::pipe::End::Reset);
    world.run(100 * MS);
    assert_eq!(world.seen(2).len(), 1);
    world.assert_idle();
}

#[test]
fn a_slot_that_moves_slowly_gives_no_error_however_often_it_is_asked() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "MSET {foo}1 v {foo}2 w"), "+OK");
    world.happen(Happening::BeginMove { slot: slot("foo"), shard: 0 });
    world.happens(200 * MS, Happening::MoveKey(slot("foo")));
    world.happens(400 * MS, Happening::MoveKey(slot("foo")));
    world.happens(700 * MS, Happening::EndMove(slot("foo")));
    // Two keys are nowhere: ASK from the one node, TRYAGAIN from the other, until the move is over.
    assert_eq!(world.ask(client, "RENAME {foo}1 {foo}3"), "+OK");
    assert!(world.now > 700 * MS);
    world.assert_idle();
}

#[test]
fn keys_on_both_nodes_of_a_moving_slot_are_asked_for_one_by_one() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "MSET {foo}1 v {foo}2 w"), "+OK");
    world.happen(Happening::BeginMove { slot: slot("foo"), shard: 0 });
    world.happen(Happening::MoveKey(slot("foo")));
    assert_eq!(world.ask(client, "MSET {foo}3 x {foo}4 y"), "+OK");
    assert_eq!(world.ask(client, "MGET {foo}4 {foo}1 {foo}2 {foo}9 {foo}3 {foo}1"), "[y, v, w, nil, x, v]");
    // The keys of another slot are a part of their own, which is not cut again.
    assert_eq!(world.ask(client, "MGET bar {foo}2 {foo}3 bar {foo}1"), "[nil, w, x, nil, v]");
    assert_eq!(world.ask(client, "EXISTS {foo}1 {foo}2 {foo}3 {foo}9"), ":3");
    assert_eq!(world.ask(client, "DEL {foo}1 {foo}2 {foo}3 {foo}4"), ":4");
    assert!(world.now < 100 * MS, "nobody waits for the end of the move: {}", world.now);
    world.assert_idle();
}

#[test]
fn a_replica_that_loads_or_has_no_primary_sends_a_read_elsewhere() {
    for excuse in ["LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down"] {
        let mut setup = Setup::cluster(1, 2);
        setup.settings().read_policy = ReadPolicy::Replica;
        let mut world = World::new(setup);
        let client = world.connect();
        world.clusters[0].nodes[1].excuse = Some(excuse);
        for _ in 0..20 {
            assert_eq!(world.ask(client, "GET foo"), "nil");
        }
        assert!(world.seen(2).len() >= 20);
        // It is left alone for a while, not asked every time.
        assert!(world.seen(1).len() < 15, "{:?}", world.seen(1));
        world.assert_idle();
    }
}

#[test]
fn a_loading_node_that_has_no_substitute_is_asked_once_and_its_words_are_the_reply() {
    for (policy, request) in
        [(ReadPolicy::Primary, "GET foo"), (ReadPolicy::Any, "GET foo"), (ReadPolicy::Any, "SET foo v")]
    {
        let mut setup = Setup::cluster(3, 0);
        setup.settings().read_policy = policy;
        let mut world = World::new(setup);
        let client = world.connect();
        world.clusters[0].nodes[2].excuse = Some("LOADING Redis is loading the dataset in memory");
        assert_eq!(world.ask(client, request), "-LOADING Redis is loading the dataset in memory");
        assert_eq!(world.seen(2), [request]);
    }
}

#[test]
fn clusterdown_and_readonly_are_replies_and_reports() {
    for text in ["CLUSTERDOWN The cluster is down", "READONLY You can't write against a read only replica."] {
        let (mut world, client) = world();
        world.clusters[0].nodes[2].excuse = Some(text);
        assert_eq!(world.ask(client, "SET foo v"), format!("-{text}"));
        assert_eq!(reports(&world, &Report::Failed(world.clusters[0].nodes[2].address)), 1);
        assert_eq!(reports(&world, &Report::Unknown), 1);
    }
}

#[test]
fn moved_to_a_replica_means_that_it_was_promoted() {
    let mut setup = Setup::cluster(1, 2);
    setup.settings().read_policy = ReadPolicy::Replica;
    let mut world = World::new(setup);
    let client = world.connect();
    world.happen(Happening::FailOver { shard: 0, replica: 0 });
    assert_eq!(world.ask(client, "SET foo v"), "+OK");
    assert_eq!(world.seen(1), ["SET foo v"]);
    (0..3).for_each(|node| drop(world.seen(node)));
    for _ in 0..20 {
        assert_eq!(world.ask(client, "GET foo"), "v");
    }
    // Reads go to the members that are left, the old primary among them: as replicas.
    assert_eq!(world.seen(1), Vec::<String>::new());
    assert_eq!(world.seen(0)[0], "READONLY");
    assert!(world.seen(2).len() > 2);
}

#[test]
fn reads_of_a_slot_whose_replicas_are_not_known_yet_go_to_its_new_primary() {
    let mut setup = Setup::cluster(2, 1);
    setup.settings().read_policy = ReadPolicy::Replica;
    let mut world = World::new(setup);
    let client = world.connect();
    // A node that no view has named.
    let mut fresh = Redis::cluster(1, 3, 0);
    let node = fresh.nodes.remove(2);
    world.clusters[0].nodes.push(crate::world::node::Node::new(std::net::SocketAddr::new(node.address.ip(), 7099)));
    world.clusters[0].shards.push(crate::world::redis::Shard { primary: 4, replicas: Vec::new() });
    world.happen(Happening::GiveSlot { slot: slot("foo"), shard: 2 });
    assert_eq!(world.ask(client, "SET foo v"), "+OK");
    assert_eq!(world.ask(client, "GET foo"), "v");
    assert_eq!(world.seen(4), ["SET foo v", "GET foo"]);
}

#[test]
fn a_copy_for_a_mirror_follows_redirects_too() {
    let mut setup = Setup::cluster(1, 0).and("mirror", Redis::cluster(2, 2, 0), Balance::Random);
    setup.catch_all().mirrors =
        vec![Mirror { cluster: "mirror".into(), fraction: Fraction::ALL, exclude_reads: false }];
    let mut world = World::new(setup);
    let client = world.connect();
    world.clusters[1].give_slot(slot("foo"), 0);
    assert_eq!(world.ask(client, "SET foo v"), "+OK");
    world.run(10 * MS);
    assert_eq!(world.clusters[1].stores[0].len(), 1);
    world.assert_idle();
}

#[test]
fn a_node_that_only_a_redirect_named_is_within_a_bound_or_the_redirect_is_the_reply() {
    let mut setup = Setup::cluster(3, 0);
    setup.settings().max_upstream_unknown_connections = 0;
    let mut world = World::new(setup);
    let client = world.connect();
    world.teach_often(2, "GET foo", Answer::Say("-ASK 12182 10.0.0.99:7000\r\n"), 2);
    assert_eq!(world.ask(client, "GET foo"), "-ASK 12182 10.0.0.99:7000");
    assert_eq!(world.stats[0].max_upstream_unknown_connections_reached.get(), 1);
    assert_eq!(world.stats[0].upstream_internal_redirect_failed_total.get(), 1);
    // Nor does MOVED to such a node send all that follows to where nothing can be sent.
    world.teach(2, "GET a", Answer::Say("-MOVED 15495 10.0.0.99:7000\r\n"));
    assert_eq!(world.ask(client, "GET a"), "-MOVED 15495 10.0.0.99:7000");
    assert_eq!(world.ask(client, "GET a"), "nil");
    world.assert_idle();
}
