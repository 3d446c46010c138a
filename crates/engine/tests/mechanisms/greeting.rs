//! AUTH and READONLY: what a connection begins with.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::pipe::End;
use crate::world::setup::Setup;
use meant::{Credentials, NodeCredentials, ReadPolicy, Secret, Upstream};

fn credentials(user: Option<&str>, password: &str) -> Credentials {
    Credentials { username: user.map(Secret::new), password: Some(Secret::new(password)) }
}

fn world(shards: usize, replicas: usize, upstream: Upstream) -> (World, usize) {
    let mut setup = Setup::cluster(shards, replicas);
    setup.settings().read_policy = if replicas > 0 { ReadPolicy::Replica } else { ReadPolicy::Primary };
    setup.meant[0].upstream = upstream;
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

#[test]
fn a_connection_for_reads_from_a_replica_begins_with_auth_and_readonly_every_time() {
    let (mut world, client) = world(1, 1, Upstream { credentials: credentials(None, "secret"), nodes: vec![] });
    world.clusters[0].nodes.iter_mut().for_each(|node| node.password = Some((None, "secret")));
    for _ in 0..3 {
        assert_eq!(world.ask(client, "SET foo bar"), "+OK");
        assert_eq!(world.ask(client, "GET foo"), "bar");
        assert_eq!(world.seen(0), ["AUTH secret", "SET foo bar"]);
        assert_eq!(world.seen(1), ["AUTH secret", "READONLY", "GET foo"]);
        for node in 0..2 {
            world.happen(Happening::Cut { cluster: 0, node, end: End::Finished });
        }
        world.run(10 * MS);
    }
    world.assert_idle();
}

#[test]
fn a_node_may_have_credentials_of_its_own_by_address_or_name() {
    let by_address =
        NodeCredentials { host: "10.0.0.1".into(), port: 7001, credentials: credentials(Some("u"), "one") };
    let by_name = NodeCredentials { host: "two.example".into(), port: 7002, credentials: credentials(None, "two") };
    let mut setup = Setup::cluster(3, 0);
    setup.meant[0].upstream = Upstream { credentials: credentials(None, "zero"), nodes: vec![by_address, by_name] };
    setup.clusters[0].nodes[2].names = vec!["two.example".into()];
    let mut world = World::new(setup);
    let client = world.connect();
    for (node, password) in [(None, "zero"), (Some("u"), "one"), (None, "two")].into_iter().enumerate() {
        world.clusters[0].nodes[node].password = Some(password);
    }
    assert_eq!(world.ask(client, "MGET a b c"), "[nil, nil, nil]");
    assert_eq!(world.seen(0)[0], "AUTH zero");
    assert_eq!(world.seen(1)[0], "AUTH u one");
    assert_eq!(world.seen(2)[0], "AUTH two");
}

#[test]
fn a_node_that_wants_no_password_is_no_problem() {
    let (mut world, client) = world(1, 0, Upstream { credentials: credentials(None, "secret"), nodes: vec![] });
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    // As Redis said it up to version 5.
    world.happen(Happening::Cut { cluster: 0, node: 0, end: End::Finished });
    world.run(10 * MS);
    world.teach(0, "AUTH", crate::world::node::Answer::Say("-ERR Client sent AUTH, but no password is set\r\n"));
    assert_eq!(world.ask(client, "GET foo"), "bar");
}

#[test]
fn credentials_that_a_node_refuses_are_an_error_that_says_so() {
    let (mut world, client) = world(1, 0, Upstream { credentials: credentials(None, "old"), nodes: vec![] });
    world.clusters[0].nodes[0].password = Some((None, "new"));
    let reply = world.ask(client, "SET foo bar");
    assert_eq!(
        reply,
        "-upstream failure: 10.0.0.1:7000 refused the configured credentials (WRONGPASS invalid username-password pair)"
    );
    world.assert_idle();
}

#[test]
fn a_write_behind_refused_credentials_may_have_been_carried_out_and_is_not_sent_again() {
    let (mut world, client) = world(2, 0, Upstream { credentials: credentials(Some("proxy"), "old"), nodes: vec![] });
    for node in &mut world.clusters[0].nodes {
        // The default user needs no password: the command behind AUTH is served.
        (node.password, node.lenient) = (Some((Some("proxy"), "new")), true);
    }
    world.weather.work = 20 * MS..=20 * MS;
    world.send(client, "SET foo bar#1");
    world.run(10 * MS);
    // Meanwhile the slot has gone elsewhere, to a node that is well.
    let slot = slots::Slot::of(b"foo").index();
    world.clusters[0].nodes[0].password = Some((Some("proxy"), "old"));
    world.happen(Happening::GiveSlot { slot, shard: 0 });
    world.happens(1, Happening::View(0));
    world.run(200 * MS);
    assert_eq!(world.clusters[0].executed["bar#1"], 1);
    let heard = world.heard(client);
    assert!(heard[0].contains("refused the configured credentials"), "{heard:?}");
}
