//! Views: the map as the control side sees it.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::{Answer, Node};
use crate::world::redis::Shard;
use crate::world::setup::Setup;

/// The third shard loses all its slots to the first, so that its node leaves the view.
fn retire(world: &mut World) {
    world.happen(Happening::GiveAll { from: 2, to: 0 });
    world.happens(1, Happening::View(0));
}

#[test]
fn a_node_that_left_finishes_its_requests_and_is_closed() {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    world.ask(client, "SET foo bar");
    world.teach(2, "GET foo", Answer::Late(50 * MS));
    world.send(client, "GET foo");
    world.run(10 * MS);
    retire(&mut world);
    world.run(10 * MS);
    assert_eq!(world.connections(2), 1);
    // Whoever comes now goes to the new owner.
    let other = world.connect();
    assert_eq!(world.ask(other, "GET foo"), "bar");
    assert_eq!(world.seen(0), ["GET foo"]);
    world.run(50 * MS);
    assert_eq!(world.heard(client), ["bar"]);
    assert_eq!(world.connections(2), 0);
    assert_eq!(world.stats[0].upstream_cx_drained.get(), 1);
    world.assert_idle();
}

#[test]
fn undermoon_57a976d_an_idle_connection_to_a_node_that_left_is_closed_at_once() {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    world.ask(client, "MGET a b c");
    retire(&mut world);
    world.run(MS);
    assert_eq!((world.connections(0), world.connections(1), world.connections(2)), (1, 1, 0));
    world.assert_idle();
}

#[test]
fn a_connection_that_retires_is_closed_also_when_its_last_request_is_redirected() {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    world.ask(client, "SET foo bar");
    world.teach(2, "GET foo", Answer::Say("-MOVED 12182 10.0.0.1:7000\r\n"));
    world.weather.work = 20 * MS..=20 * MS;
    world.send(client, "GET foo");
    world.run(5 * MS);
    retire(&mut world);
    world.run(100 * MS);
    assert_eq!(world.heard(client), ["bar"]);
    assert_eq!(world.connections(2), 0);
    world.assert_idle();
}

#[test]
fn a_view_keeps_the_connections_of_the_nodes_that_stay() {
    let mut world = World::new(Setup::cluster(3, 1));
    let client = world.connect();
    world.ask(client, "MGET a b c");
    let opened = world.stats[0].upstream_cx_total.get();
    world.teach(0, "GET b", Answer::Late(50 * MS));
    world.send(client, "GET b");
    world.run(10 * MS);
    for _ in 0..5 {
        world.happens(1, Happening::View(0));
        world.run(5 * MS);
        world.happen(Happening::FailOver { shard: 1, replica: 0 });
    }
    world.run(100 * MS);
    assert_eq!(world.heard(client), ["nil"]);
    assert_eq!(world.ask(client, "GET b"), "nil");
    assert_eq!(world.stats[0].upstream_cx_total.get(), opened);
}

#[test]
fn a_view_that_is_older_than_a_moved_costs_one_more_redirect_and_nothing_else() {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    world.ask(client, "SET foo bar");
    let old = world.clusters[0].view();
    world.happen(Happening::GiveSlot { slot: 12_182, shard: 1 });
    assert_eq!(world.ask(client, "GET foo"), "bar");
    world.happens(1, Happening::OldView(0, old));
    world.run(MS);
    assert_eq!(world.ask(client, "GET foo"), "bar");
    assert_eq!(world.stats[0].upstream_internal_redirect_succeeded_total.get(), 2);
}

#[test]
fn a_node_that_came_by_redirect_stays_when_a_view_names_it() {
    let mut world = World::new(Setup::cluster(2, 0));
    let client = world.connect();
    world.clusters[0].nodes.push(Node::new(std::net::SocketAddr::from(([10, 0, 0, 1], 7099))));
    world.clusters[0].shards.push(Shard { primary: 2, replicas: Vec::new() });
    world.happen(Happening::GiveSlot { slot: 12_182, shard: 2 });
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    world.happens(1, Happening::View(0));
    world.run(MS);
    assert_eq!(world.ask(client, "GET foo"), "bar");
    assert_eq!(world.connections(2), 1);
    assert_eq!(world.stats[0].upstream_cx_total.get(), 2);
}

#[test]
fn more_nodes_than_anybody_has_come_and_go() {
    let mut world = World::new(Setup::cluster(1, 0));
    let client = world.connect();
    for n in 0..2000u16 {
        let moved: &'static str = format!("-ASK 12182 10.0.{}.{}:7000\r\n", 1 + n / 250, n % 250).leak();
        world.teach(0, "GET foo", Answer::Say(moved));
        let reply = world.ask(client, "GET foo");
        // The first is the node itself.
        assert!(reply == "nil" || reply.starts_with("-upstream failure: 10.0."), "{reply}");
    }
    world.run(10_000 * MS);
    assert_eq!(world.ask(client, "GET foo"), "nil");
    assert_eq!(world.engine.connections(), 1);
    world.assert_idle();
}
