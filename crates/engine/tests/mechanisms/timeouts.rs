//! A timeout belongs to a request.

use super::MS;
use crate::world::World;
use crate::world::node::Answer;
use crate::world::setup::Setup;
use std::time::Duration;

const TIMEOUT: &str = "-upstream failure: no reply within op_timeout";

fn world(timeout: u64) -> World {
    let mut setup = Setup::cluster(3, 0);
    setup.settings().op_timeout = Duration::from_millis(timeout);
    World::new(setup)
}

#[test]
fn twemproxy_404_a_late_reply_never_reaches_another_request() {
    let mut world = world(100);
    let (slow, neighbour) = (world.connect(), world.connect());
    for (key, value) in [("{foo}1", "one"), ("{foo}2", "two"), ("{foo}3", "three")] {
        world.ask(slow, &format!("SET {key} {value}"));
    }
    world.teach(2, "GET {foo}1", Answer::Late(140 * MS));
    let start = world.now;
    world.send(slow, "GET {foo}1");
    world.run(60 * MS);
    // Behind it on the same connection, and well within its own time when the slow reply comes.
    world.send(neighbour, "GET {foo}2");
    assert_eq!(world.ask(slow, "GET {foo}3"), TIMEOUT);
    assert!((100 * MS..102 * MS).contains(&(world.now - start)));
    world.run(50 * MS);
    assert_eq!(world.heard(neighbour), ["two"]);
    assert_eq!(world.heard(slow), ["three"]);
    assert_eq!(world.stats[0].upstream_cx_total.get(), 1, "a timeout costs no connection");
    assert_eq!(world.stats[0].upstream_rq_timeout.get(), 1);
    world.assert_idle();
}

#[test]
fn a_slow_shard_does_not_delay_the_others_beyond_the_order_of_replies() {
    let mut world = world(200);
    let (client, other) = (world.connect(), world.connect());
    world.teach(0, "GET b", Answer::Late(100 * MS));
    world.send(client, "GET b\nGET c\nGET a");
    world.send(other, "GET c");
    world.run(50 * MS);
    assert_eq!(world.heard(other).len(), 1);
    assert_eq!(world.heard(client).len(), 0);
    world.run(60 * MS);
    assert_eq!(world.heard(client).len(), 3);
}

#[test]
fn a_part_that_takes_too_long_fails_alone() {
    let mut world = world(100);
    let client = world.connect();
    world.ask(client, "MSET a 1 b 2 c 3");
    world.teach(0, "MGET b", Answer::Never);
    assert_eq!(world.ask(client, "MGET a b c b"), format!("[1, {TIMEOUT}, 3, {TIMEOUT}]"));
    world.teach(0, "DEL b", Answer::Never);
    assert_eq!(world.ask(client, "DEL a b c"), "-finished with 1 error(s)");
    world.run(1000 * MS);
    world.assert_idle();
}

#[test]
fn zero_is_no_limit() {
    let mut world = world(0);
    let client = world.connect();
    world.teach(2, "GET foo", Answer::Late(5000 * MS));
    assert_eq!(world.ask(client, "GET foo"), "nil");
    world.assert_idle();
}

#[test]
fn a_connection_that_is_silent_for_three_timeouts_is_closed() {
    let mut world = world(100);
    let client = world.connect();
    world.teach(2, "GET foo", Answer::Never);
    world.send(client, "GET foo");
    world.run(150 * MS);
    world.send(client, "GET a");
    world.run(140 * MS);
    assert_eq!(world.heard(client), [TIMEOUT, TIMEOUT]);
    assert_eq!(world.connections(2), 1);
    world.run(15 * MS);
    assert_eq!(world.connections(2), 0);
    world.run(20 * MS);
    assert_eq!(world.ask(client, "GET foo"), "nil");
    world.assert_idle();
}

#[test]
fn a_handshake_that_is_never_answered_is_silence_too() {
    // The first filter has no timeout; what matters is the one whose requests wait.
    let mut setup = Setup::cluster(1, 1);
    setup.settings().op_timeout = Duration::ZERO;
    let mut second = crate::world::setup::proxy();
    second.settings.op_timeout = Duration::from_millis(100);
    second.settings.read_policy = meant::ReadPolicy::Replica;
    setup.proxies.push(second);
    let mut world = World::new(setup);
    let client = world.connect_to(1);
    world.teach(1, "READONLY", Answer::Never);
    assert_eq!(world.ask(client, "GET foo"), TIMEOUT);
    world.run(250 * MS);
    assert_eq!(world.ask(client, "GET foo"), "nil");
    world.assert_idle();
}
