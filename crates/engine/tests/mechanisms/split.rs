//! Requests that concern several slots: cut, and joined in order.

use super::MS;
use crate::world::World;
use crate::world::node::Answer;
use crate::world::pipe::End;
use crate::world::setup::Setup;

fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    (world, client)
}

#[test]
fn a_fragment_is_a_slot_and_all_fragments_of_a_node_leave_in_one_write() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "MSET {foo}1 a {foo}2 b a c b d"), "+OK");
    assert_eq!(world.seen(0), ["MSET b d"]);
    let seen = std::mem::take(&mut world.clusters[0].nodes[2].seen);
    let words: Vec<_> = seen.iter().map(|seen| seen.words.as_str()).collect();
    assert_eq!(words, ["MSET {foo}1 a {foo}2 b", "MSET a c"]);
    assert_eq!(seen[0].at, seen[1].at);
}

#[test]
fn keys_of_one_slot_go_as_they_came() {
    let (mut world, client) = world();
    world.send_raw(client, b"*4\r\n$4\r\nmGeT\r\n$6\r\n{foo}1\r\n$6\r\n{foo}2\r\n$6\r\n{foo}1\r\n");
    world.run(5 * MS);
    assert_eq!(world.heard(client), ["[nil, nil, nil]"]);
    assert_eq!(world.seen(2), ["mGeT {foo}1 {foo}2 {foo}1"]);
}

#[test]
fn overlord_21ea287_values_come_in_the_order_of_the_keys_each_as_often_as_it_was_asked_for() {
    let (mut world, client) = world();
    world.ask(client, "MSET a 1 b 2 c 3");
    assert_eq!(world.ask(client, "MGET c a none b a c {foo}"), "[3, 1, nil, 2, 1, 3, nil]");
    assert_eq!(world.ask(client, "EXISTS a a b none c"), ":4");
    assert_eq!(world.ask(client, "TOUCH a b none"), ":2");
    assert_eq!(world.ask(client, "UNLINK a a"), ":1");
    assert_eq!(world.ask(client, "DEL a b c"), ":2");
    assert_eq!(world.ask(client, "MSET a 1 b 2 a 3"), "+OK");
    assert_eq!(world.ask(client, "GET a"), "3");
    world.assert_idle();
}

#[test]
fn a_fragment_that_fails_stands_in_its_place_or_is_counted() {
    let (mut world, client) = world();
    world.ask(client, "MSET a 1 b 2 c 3");
    world.teach(0, "MGET b", Answer::Say("-ERR broken\r\n"));
    assert_eq!(world.ask(client, "MGET a b c b"), "[1, -ERR broken, 3, -ERR broken]");
    for (request, fragment) in [("DEL a b c", "DEL b"), ("MSET a 1 b 2 c 3", "MSET b"), ("EXISTS a b c", "EXISTS b")] {
        world.teach(0, fragment, Answer::Say("-ERR broken\r\n"));
        assert_eq!(world.ask(client, request), "-finished with 1 error(s)");
    }
    // What is not of the shape that it should have.
    for odd in ["+OK\r\n", "*0\r\n", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", "$1\r\nx\r\n", "*-1\r\n"] {
        world.teach(0, "MGET b", Answer::Say(odd));
        assert_eq!(world.ask(client, "MGET a b c"), "[1, -upstream protocol error, 3]");
    }
    let counted = world.filter_stats[0].command(command::lookup(b"del").unwrap());
    assert_eq!((counted.total.get(), counted.success.get()), (1, 1), "a node's error is a success, as in Envoy");
    world.assert_idle();
}

#[test]
fn the_number_of_arguments_is_checked_before_anything_is_cut() {
    let (mut world, client) = world();
    for (request, name) in [("MGET", "mget"), ("DEL", "del"), ("MSET a", "mset"), ("MSET a 1 b", "mset")] {
        assert_eq!(world.ask(client, request), format!("-ERR wrong number of arguments for '{name}' command"));
    }
    assert_eq!(world.filter_stats[0].splitter_invalid_request.get(), 4);
    // Not cut, so refused by the node as Redis Cluster does.
    assert!(world.ask(client, "MSETNX a 1 b 2").starts_with("-ERR unknown command"));
}

#[test]
fn thousands_of_keys() {
    let (mut world, client) = world();
    let pairs: String = (0..5000).map(|n| format!(" key{n} {n}")).collect();
    assert_eq!(world.ask(client, &format!("MSET{pairs}")), "+OK");
    let keys: String = (0..5000).rev().map(|n| format!(" key{n}")).collect();
    let values = (0..5000).rev().map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(world.ask(client, &format!("MGET{keys}")), format!("[{values}]"));
    assert_eq!(world.ask(client, &format!("DEL{keys} none")), ":5000");
    world.assert_idle();
}

#[test]
fn a_client_that_leaves_between_its_fragments_leaves_nothing_behind() {
    let (mut world, client) = world();
    let other = world.connect();
    world.teach(0, "MGET b", Answer::Late(10 * MS));
    world.send(client, "MGET a b c\nMGET c a");
    world.run(2 * MS);
    world.leave(client, End::Reset);
    world.run(MS);
    world.send(other, "MGET a b c");
    world.run(20 * MS);
    assert_eq!(world.heard(other), ["[nil, nil, nil]"]);
    world.assert_idle();
}
