//! Bytes that are no request, or too much of one.

use super::MS;
use crate::world::World;
use crate::world::node::Answer;
use crate::world::pipe::End;
use crate::world::setup::Setup;
use meant::{Auth, Secret};

fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    (world, client)
}

#[test]
fn a_protocol_error_comes_after_the_replies_to_what_was_asked_before_and_then_the_end() {
    for (bytes, problem) in [
        (&b"*1\r\n:1\r\n"[..], "expected '$', got ':'"),
        (b"*2\r\n$3\r\nGET\r\n$-1\r\n", "invalid bulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*2\r\n$3\r\nGET\r\n$999999999999\r\n", "invalid bulk length"),
        (b"GET \"foo\r\n", "unbalanced quotes in request"),
    ] {
        let (mut world, client) = world();
        let other = world.connect();
        world.teach(2, "GET foo", Answer::Late(20 * MS));
        world.send(client, "SET a 1\nGET foo\nPING");
        world.send_raw(client, bytes);
        world.send(client, "SET a 2\nPING");
        world.send(other, "GET {foo}");
        world.run(50 * MS);
        assert_eq!(world.heard(client), ["+OK", "nil", "+PONG", &format!("-ERR Protocol error: {problem}")]);
        assert_eq!(world.clients[client].ended, Some(End::Finished));
        assert_eq!(world.heard(other), ["nil"]);
        assert_eq!(world.clusters[0].stores[0][&b"a"[..]], b"1");
        assert_eq!(world.filter_stats[0].downstream_cx_protocol_error.get(), 1);
        world.assert_idle();
    }
}

#[test]
fn every_cut_of_a_pipeline_is_the_same_pipeline() {
    let bytes =
        b"*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n$5\r\nb\r\nar\r\n\r\nGET foo\r\n*0\r\n*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\nPING\n";
    for cut in 1..bytes.len() {
        let (mut world, client) = world();
        world.send_raw(client, &bytes[..cut]);
        world.run(MS);
        world.send_raw(client, &bytes[cut..]);
        world.run(5 * MS);
        assert_eq!(world.heard(client), ["+OK", "b\r\nar", "b\r\nar", "+PONG"], "cut at {cut}");
    }
}

#[test]
fn codis_1453_what_speaks_http_is_hung_up_on() {
    for hello in
        ["POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a b\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n"]
    {
        let (mut world, client) = world();
        world.send_raw(client, hello.as_bytes());
        world.run(5 * MS);
        assert_eq!(world.clients[client].ended, Some(End::Finished));
        assert!(world.clusters[0].stores[0].is_empty());
        world.assert_idle();
    }
}

#[test]
fn undermoon_261_what_a_header_promises_takes_no_memory() {
    let (mut world, client) = world();
    world.send_raw(client, b"*1000000\r\n$536870912\r\nab");
    world.run(5 * MS);
    assert!(world.engine.usage().bytes < 100);
    world.leave(client, End::Reset);
    world.run(5 * MS);
    world.assert_idle();
}

#[test]
fn who_has_not_authenticated_may_send_little() {
    let mut setup = Setup::cluster(3, 0);
    setup.proxies[0].auth = Auth { username: None, passwords: vec![Secret::new("one")] };
    for (bytes, problem) in
        [("*11\r\n", "invalid multibulk length"), ("*2\r\n$4\r\nAUTH\r\n$16385\r\n", "invalid bulk length")]
    {
        let mut world = World::new(Setup { proxies: setup.proxies.clone(), ..Setup::cluster(3, 0) });
        let client = world.connect();
        world.send_raw(client, bytes.as_bytes());
        world.run(5 * MS);
        assert_eq!(world.heard(client), [format!("-ERR Protocol error: {problem}")]);
        // The same is welcome from who has.
        let client = world.connect();
        assert_eq!(world.ask(client, "AUTH one"), "+OK");
        world.send_raw(client, bytes.as_bytes());
        world.run(5 * MS);
        assert_eq!(world.heard(client), Vec::<String>::new());
    }
}

#[test]
fn the_bounds_change_with_auth_within_one_pipeline() {
    let mut setup = Setup::cluster(3, 0);
    setup.proxies[0].auth = Auth { username: None, passwords: vec![Secret::new("one")] };
    let mut world = World::new(setup);
    let client = world.connect();
    let keys: String = (0..20).map(|n| format!(" {{a}}{n}")).collect();
    world.send(client, &format!("AUTH one\nMGET{keys}\nSET a {}", "x".repeat(20_000)));
    world.run(10 * MS);
    let heard = world.heard(client);
    assert_eq!((heard.len(), heard[0].as_str(), heard[2].as_str()), (3, "+OK", "+OK"));
}
