//! Everything is bounded.

use super::MS;
use crate::world::World;
use crate::world::client::Reading;
use crate::world::happening::Happening;
use crate::world::pipe::End;
use crate::world::setup::Setup;

/// A cluster whose connections to clients and nodes hold so many bytes.
fn narrow(capacity: usize) -> Setup {
    let mut setup = Setup::cluster(1, 0);
    setup.weather.network.capacity = capacity;
    setup
}

#[test]
fn a_client_with_too_many_places_is_read_no_more_until_half_of_them_are_free() {
    let mut setup = Setup::cluster(1, 0);
    setup.limits.places = 10;
    let mut world = World::new(setup);
    let client = world.connect();
    world.ask(client, "GET foo");
    world.happen(Happening::Freeze { cluster: 0, node: 0, micros: 20 * MS });
    world.send(client, &"GET foo\n".repeat(100));
    world.run(10 * MS);
    assert_eq!(world.engine.usage().places, 10);
    world.run(100 * MS);
    assert_eq!(world.heard(client).len(), 100);
    assert!(world.clients[client].was_paused || world.seen(0).len() == 101);
    world.assert_idle();
}

#[test]
fn corvus_ac09b69_a_client_that_does_not_read_is_read_no_more_and_the_others_go_on() {
    let mut setup = narrow(5_000);
    setup.buffer_limit = 20_000;
    let mut world = World::new(setup);
    let (client, other) = (world.connect(), world.connect());
    world.ask(other, &format!("SET foo {}", "x".repeat(1000)));
    world.clients[client].reading = Reading::Never;
    for _ in 0..20 {
        world.send(client, &"GET foo\n".repeat(10));
        world.run(10 * MS);
        assert_eq!(world.ask(other, "PING"), "+PONG");
        let usage = world.engine.usage();
        assert!(usage.bytes < 35_000, "{usage:?}");
    }
    assert!(world.engine.usage().bytes > 20_000);
    assert!(world.clients[client].was_paused);
    // On resume everything arrives.
    world.clients[client].reading = Reading::AtOnce;
    world.send(client, "PING");
    world.run(1000 * MS);
    let heard = world.heard(client);
    assert_eq!(heard.len(), 201);
    assert!(heard[..200].iter().all(|reply| reply.len() == 1000) && heard[200] == "+PONG");
    world.assert_idle();
}

#[test]
fn a_request_that_was_cut_in_half_while_its_client_was_paused_goes_on_and_disturbs_nobody() {
    let mut setup = narrow(1_000);
    setup.buffer_limit = 3_000;
    let mut world = World::new(setup);
    let (client, other) = (world.connect(), world.connect());
    world.ask(other, &format!("SET foo {}", "x".repeat(1000)));
    world.clients[client].reading = Reading::Never;
    // Five replies are under way, and half a request is here.
    world.send(client, &"GET foo\n".repeat(5));
    world.send_raw(client, b"*3\r\n$3\r\nSET\r\n$3\r\nbar\r\n$3\r\nv");
    world.run(20 * MS);
    world.send_raw(client, b"#1\r\n");
    world.run(20 * MS);
    for n in 0..5 {
        assert_eq!(world.ask(other, &format!("SET another-key {n}")), "+OK");
    }
    world.clients[client].reading = Reading::AtOnce;
    world.send(client, "GET bar");
    world.run(100 * MS);
    assert_eq!(world.heard(client)[5..], ["+OK", "v#1"]);
    world.assert_idle();
}

#[test]
fn a_client_that_asks_for_much_and_reads_nothing_is_closed() {
    let mut setup = narrow(1_000);
    setup.limits.unread = 50_000;
    let mut world = World::new(setup);
    let (client, other) = (world.connect(), world.connect());
    world.ask(other, &format!("SET foo {}", "x".repeat(900)));
    world.clients[client].reading = Reading::Never;
    world.send(client, &"GET foo\n".repeat(200));
    world.run(200 * MS);
    assert!(world.clients[client].session.is_none());
    assert_eq!(world.engine.clients(), 1);
    assert_eq!(world.ask(other, "PING"), "+PONG");
    world.run(2000 * MS);
    world.assert_idle();
}

#[test]
fn one_reply_alone_may_be_larger_than_what_may_stay_unread() {
    let mut setup = narrow(1_000);
    setup.limits.unread = 5_000;
    setup.weather.network.latency = 10..=10;
    let mut world = World::new(setup);
    let client = world.connect();
    world.send(client, &format!("SET foo {}", "x".repeat(20_000)));
    world.run(100 * MS);
    assert_eq!(world.heard(client), ["+OK"]);
    assert_eq!(world.ask(client, "GET foo").len(), 20_000);
    world.assert_idle();
}

#[test]
fn corvus_147_what_may_wait_at_one_node_is_bounded_in_bytes_and_in_number() {
    let overflow = "-upstream failure: too much waits for cluster 'main' already";
    for (bytes, requests, accepted) in [(1_000, 1_000_000, 10), (1 << 20, 7, 7)] {
        let mut setup = Setup::cluster(1, 0);
        (setup.limits.upstream_bytes, setup.limits.upstream_requests) = (bytes, requests);
        let mut world = World::new(setup);
        let client = world.connect();
        world.ask(client, "GET foo");
        world.happen(Happening::Freeze { cluster: 0, node: 0, micros: 20 * MS });
        // 100 bytes each.
        world.send(client, &format!("SET foo {}\n", "x".repeat(71)).repeat(20));
        world.run(100 * MS);
        let heard = world.heard(client);
        assert_eq!(heard.iter().filter(|reply| *reply == "+OK").count(), accepted);
        assert_eq!(heard.iter().filter(|reply| *reply == overflow).count(), 20 - accepted);
        assert_eq!(world.stats[0].request_overflow.get(), 20 - accepted as u64);
        // One that is larger than the bound by itself is taken, if it is alone.
        assert_eq!(world.ask(client, &format!("SET foo {}", "x".repeat(2000))), "+OK");
        world.assert_idle();
    }
}

#[test]
fn half_a_request_stays_half_for_ever_and_harms_nobody() {
    let mut world = World::new(Setup::cluster(1, 0));
    let (client, other) = (world.connect(), world.connect());
    world.send_raw(client, b"*2\r\n$3\r\nGET\r\n$3\r\nfo");
    for n in 0..100 {
        assert_eq!(world.ask(other, &format!("SET foo {n}")), "+OK");
    }
    world.run(60_000 * MS);
    world.send_raw(client, b"o\r\n");
    world.run(5 * MS);
    assert_eq!(world.heard(client), ["99"]);
}

#[test]
fn a_drain_finishes_what_was_asked_and_closes() {
    let mut world = World::new(Setup::cluster(1, 0));
    let (idle, busy) = (world.connect(), world.connect());
    world.ask(idle, "PING");
    world.happen(Happening::Freeze { cluster: 0, node: 0, micros: 20 * MS });
    world.send(busy, "GET foo\nSET foo bar");
    world.run(5 * MS);
    world.happens(1, Happening::Drain);
    world.run(5 * MS);
    assert_eq!(world.clients[idle].ended, Some(End::Finished));
    assert_eq!(world.clients[busy].ended, None);
    world.run(50 * MS);
    assert_eq!(world.heard(busy), ["nil", "+OK"]);
    assert_eq!(world.clients[busy].ended, Some(End::Finished));
    assert_eq!(world.filter_stats[0].downstream_cx_drain_close.get(), 2);
    world.assert_idle();
}
