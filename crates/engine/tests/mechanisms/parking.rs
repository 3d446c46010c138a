//! Requests whose cluster is not known yet.

use super::{MS, reports};
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::pipe::End;
use crate::world::redis::Redis;
use crate::world::setup::{Setup, route};
use engine::Report;
use meant::Balance;
use std::time::Duration;

const UNKNOWN: &str = "-no upstream host: no node of cluster 'main' has been found yet";

fn unknown() -> Setup {
    let mut setup = Setup::cluster(3, 0);
    setup.known = false;
    setup
}

#[test]
fn requests_wait_for_the_first_view_and_keep_their_order() {
    let mut world = World::new(unknown());
    let client = world.connect();
    world.send(client, "SET foo 1\nMSET a 1 b 2\nGET foo\nMGET a b c\nPING");
    world.run(100 * MS);
    assert_eq!(world.heard(client), Vec::<String>::new());
    assert_eq!(world.engine.usage().parked, 7);
    assert!(reports(&world, &Report::Unknown) > 0);
    world.happens(1, Happening::View(0));
    world.run(10 * MS);
    assert_eq!(world.heard(client), ["+OK", "+OK", "1", "[1, 2, nil]", "+PONG"]);
    world.assert_idle();
}

#[test]
fn they_wait_no_longer_than_they_may_take() {
    let mut setup = unknown();
    setup.settings().op_timeout = Duration::from_millis(200);
    let mut world = World::new(setup);
    let client = world.connect();
    let start = world.now;
    assert_eq!(world.ask(client, "GET foo"), UNKNOWN);
    assert!((200 * MS..202 * MS).contains(&(world.now - start)));
    assert_eq!(world.ask(client, "MGET a b"), format!("[{UNKNOWN}, {UNKNOWN}]"));
    assert_eq!(world.ask(client, "FLUSHALL"), UNKNOWN);
    // Half of the time is over when the view comes: the other half is left.
    world.happen(Happening::Freeze { cluster: 0, node: 0, micros: 1000 * MS });
    let start = world.now;
    world.send(client, "FLUSHALL");
    world.happens(100 * MS, Happening::View(0));
    world.run(202 * MS);
    assert_eq!(world.heard(client), ["-upstream failure: no reply within op_timeout"]);
    assert!(world.now - start < 203 * MS);
    world.run(2000 * MS);
    world.assert_idle();
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    for (requests, bytes, accepted) in [(10, 1 << 20, 10), (1000, 500, 15)] {
        let mut setup = unknown();
        (setup.limits.parked_requests, setup.limits.parked_bytes) = (requests, bytes);
        let mut world = World::new(setup);
        let client = world.connect();
        // 33 bytes each.
        world.send(client, &"SET foo value\n".repeat(30));
        world.run(10 * MS);
        assert_eq!(world.engine.usage().parked, accepted);
        world.happens(1, Happening::View(0));
        world.run(20 * MS);
        let heard = world.heard(client);
        assert_eq!(heard.iter().filter(|reply| *reply == "+OK").count(), accepted);
        assert_eq!(heard.iter().filter(|reply| *reply == UNKNOWN).count(), 30 - accepted);
        world.assert_idle();
    }
}

#[test]
fn a_client_that_leaves_takes_its_waiting_requests_along() {
    let mut world = World::new(unknown());
    let (client, other) = (world.connect(), world.connect());
    world.send(client, "SET foo 1\nSET a 1\nFLUSHALL");
    world.run(5 * MS);
    world.leave(client, End::Reset);
    world.send(other, "SET foo 2");
    world.run(5 * MS);
    world.happens(1, Happening::View(0));
    world.run(10 * MS);
    assert_eq!((world.seen(0), world.seen(1), world.seen(2)), (vec![], vec![], vec!["SET foo 2".to_string()]));
    assert_eq!(world.heard(other), ["+OK"]);
    world.assert_idle();
}

#[test]
fn envoy_22995_an_unknown_cluster_does_not_disturb_another() {
    let mut setup = unknown().and("other", Redis::hosts(2, 1), Balance::RoundRobin);
    setup.proxies[0].routes.routes = vec![route("o:", "other")];
    let mut world = World::new(setup);
    let (client, other) = (world.connect(), world.connect());
    world.happens(1, Happening::View(1));
    world.send(client, "GET foo");
    world.run(5 * MS);
    assert_eq!(world.ask(other, "SET o:1 v"), "+OK");
    assert_eq!(world.ask(other, "GET o:1"), "v");
}

#[test]
fn a_view_without_members_is_an_error_at_once() {
    let mut setup = Setup::hosts(1, Balance::RoundRobin);
    setup.known = false;
    let mut world = World::new(setup);
    let client = world.connect();
    world.send(client, "GET foo\nKEYS *");
    world.run(5 * MS);
    world.happens(1, Happening::OldView(0, slots::View::Hosts(Vec::new().into())));
    world.run(5 * MS);
    assert_eq!(world.heard(client), [UNKNOWN, UNKNOWN]);
    assert_eq!(world.ask(client, "GET foo"), UNKNOWN);
    world.happens(1, Happening::View(0));
    world.run(5 * MS);
    assert_eq!(world.ask(client, "GET foo"), "nil");
    world.assert_idle();
}

#[test]
fn a_slot_that_nobody_owns_is_an_error_and_never_the_first_shard() {
    let mut setup = Setup::cluster(3, 0);
    setup.clusters[0].lose_slot(12_182);
    let mut world = World::new(setup);
    let client = world.connect();
    let problem = "-CLUSTERDOWN Hash slot not served: no node owns slot 12182";
    assert_eq!(world.ask(client, "GET foo"), problem);
    assert_eq!(world.ask(client, "MGET a foo b"), format!("[nil, {problem}, nil]"));
    assert_eq!(reports(&world, &Report::Unknown), 2);
}
