//! Clients that leave, connections that end.

use super::{MS, reports};
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::{Answer, Door};
use crate::world::pipe::End;
use crate::world::setup::Setup;
use engine::Report;
use meant::ReadPolicy;
use std::time::Duration;

fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0));
    let client = world.connect();
    (world, client)
}

fn cut(world: &mut World, node: usize, end: End) {
    world.happen(Happening::Cut { cluster: 0, node, end });
}

#[test]
fn camellia_89_a_client_that_leaves_shifts_nobodys_replies() {
    let (mut world, client) = world();
    let others = [world.connect(), world.connect()];
    for n in 0..10 {
        world.ask(client, &format!("SET {{foo}}{n} v{n}"));
    }
    world.teach(2, "GET {foo}0", Answer::Late(20 * MS));
    world.send(client, "GET {foo}0\nGET {foo}1\nMGET {foo}2 b c\nGET {foo}3");
    world.send(others[0], "GET {foo}4\nGET {foo}5");
    world.run(5 * MS);
    world.leave(client, End::Reset);
    world.run(MS);
    world.send(others[1], "GET {foo}6\nGET {foo}7");
    world.run(50 * MS);
    assert_eq!(world.heard(others[0]), ["v4", "v5"]);
    assert_eq!(world.heard(others[1]), ["v6", "v7"]);
    assert_eq!(world.stats[0].upstream_rq_cancelled.get(), 4);
    world.assert_idle();
}

#[test]
fn a_client_that_closes_its_side_gets_its_replies_and_then_the_end() {
    let (mut world, client) = world();
    world.send(client, "SET foo bar\nGET foo\nPING");
    world.leave(client, End::Finished);
    world.run(50 * MS);
    assert_eq!(world.heard(client), ["+OK", "bar", "+PONG"]);
    assert_eq!(world.clients[client].ended, Some(End::Finished));
    assert_eq!(world.engine.clients(), 0);
    world.assert_idle();
}

#[test]
fn a_connection_that_ends_in_the_middle_of_a_reply_costs_a_read_nothing_and_a_write_an_error() {
    for end in [End::Finished, End::Reset] {
        let (mut world, client) = world();
        world.ask(client, "SET foo bar");
        world.teach(2, "GET foo", Answer::Half("$3\r\nb", end));
        assert_eq!(world.ask(client, "GET foo"), "bar");
        world.teach(2, "SET foo", Answer::Half("+O", end));
        let why = match end {
            End::Finished => "closed the connection before it replied",
            End::Reset => "the connection broke (connection reset)",
        };
        assert_eq!(world.ask(client, "SET foo baz#1"), format!("-upstream failure: 10.0.0.1:7002 {why}"));
        assert_eq!(world.clusters[0].executed["baz#1"], 1, "it was carried out, and not again");
        let node = world.stats[0].node(world.clusters[0].nodes[2].address);
        assert_eq!((node.rq_total.get(), node.rq_success.get(), node.rq_error.get()), (4, 2, 2));
        world.assert_idle();
    }
}

#[test]
fn what_was_not_wholly_written_is_sent_again_and_what_was_is_not() {
    let mut setup = Setup::cluster(3, 0);
    setup.weather.network.capacity = 100;
    let mut world = World::new(setup);
    let client = world.connect();
    world.ask(client, "SET foo x");
    world.happen(Happening::Freeze { cluster: 0, node: 2, micros: 50 * MS });
    // The first is 35 bytes, the second 77: it is cut in its middle.
    world.send(client, "SET {foo}1 v#1");
    world.send(client, &format!("SET {{foo}}2 v#2{}\nSET {{foo}}3 v#3", "x".repeat(40)));
    world.run(10 * MS);
    cut(&mut world, 2, End::Reset);
    world.run(200 * MS);
    let heard = world.heard(client);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].starts_with("-upstream failure: 10.0.0.1:7002 the connection broke"), "{heard:?}");
    assert_eq!(heard[1..], ["+OK", "+OK"]);
    assert!(world.clusters[0].executed.values().all(|count| *count == 1));
    world.assert_idle();
}

#[test]
fn a_connection_that_served_is_opened_again_at_once() {
    let (mut world, client) = world();
    for n in 0..20 {
        assert_eq!(world.ask(client, &format!("SET foo {n}")), "+OK");
        world.teach(2, "GET foo", Answer::Half("", End::Reset));
        assert_eq!(world.ask(client, "GET foo"), n.to_string());
    }
    assert_eq!(world.stats[0].upstream_cx_total.get(), 21);
    world.assert_idle();
}

#[test]
fn a_node_that_accepts_and_closes_is_left_alone_longer_each_time() {
    let (mut world, client) = world();
    world.teach_often(2, "GET foo", Answer::Half("", End::Finished), 10_000);
    for _ in 0..1000 {
        let reply = world.ask(client, "GET foo");
        assert!(reply.starts_with("-upstream failure: 10.0.0.1:7002 closed"), "{reply}");
        world.run(9 * MS);
    }
    // Ten seconds: ten times within the first, then one a second.
    let opened = world.stats[0].upstream_cx_total.get();
    assert!((10..40).contains(&opened), "{opened}");
    world.assert_idle();
}

#[test]
fn samaritan_25_a_node_that_refuses_is_an_error_at_once_and_is_tried_again_later() {
    let (mut world, client) = world();
    world.happen(Happening::Door { cluster: 0, node: 2, door: Door::Refuses });
    let start = world.now;
    for _ in 0..100 {
        let reply = world.ask(client, "GET foo");
        assert!(reply.starts_with("-upstream failure: 10.0.0.1:7002 cannot connect ("), "{reply}");
        world.run(MS);
    }
    assert!(world.now - start < 200 * MS);
    let opened = world.stats[0].upstream_cx_total.get();
    assert!((3..8).contains(&opened), "{opened}");
    assert_eq!(world.stats[0].upstream_cx_connect_fail.get(), opened);
    assert_eq!(reports(&world, &Report::Degraded(world.clusters[0].nodes[2].address)), 1);
    world.happen(Happening::Door { cluster: 0, node: 2, door: Door::Open });
    world.run(1000 * MS);
    assert_eq!(world.ask(client, "GET foo"), "nil");
    world.assert_idle();
}

#[test]
fn a_node_that_cannot_be_reached_is_given_up_after_connect_timeout() {
    let (mut world, client) = world();
    world.happen(Happening::Door { cluster: 0, node: 2, door: Door::Silent });
    let start = world.now;
    let reply = world.ask(client, "SET foo bar");
    assert_eq!(reply, "-upstream failure: 10.0.0.1:7002 not connected within connect_timeout");
    assert!((250 * MS..252 * MS).contains(&(world.now - start)));
    assert_eq!(world.stats[0].upstream_cx_connect_timeout.get(), 1);
    world.assert_idle();
}

#[test]
fn predixy_203_the_end_of_an_idle_connection_is_no_fault() {
    for end in [End::Finished, End::Reset] {
        let (mut world, client) = world();
        world.ask(client, "SET foo bar");
        cut(&mut world, 2, end);
        world.run(5 * MS);
        assert_eq!(world.connections(2), 0);
        assert_eq!(world.ask(client, "SET foo baz"), "+OK");
        assert_eq!(reports(&world, &Report::Degraded(world.clusters[0].nodes[2].address)), 0);
        assert_eq!(world.stats[0].upstream_cx_destroy_with_active_rq.get(), 0);
    }
}

#[test]
fn a_read_goes_to_another_member_when_its_own_dies() {
    let mut setup = Setup::cluster(1, 2);
    setup.settings().read_policy = ReadPolicy::Replica;
    let mut world = World::new(setup);
    let client = world.connect();
    (0..20).for_each(|_| drop(world.ask(client, "GET foo")));
    world.happen(Happening::Freeze { cluster: 0, node: 1, micros: 100 * MS });
    world.happen(Happening::Freeze { cluster: 0, node: 2, micros: MS });
    world.send(client, &"GET foo\n".repeat(20));
    world.run(5 * MS);
    world.happen(Happening::Door { cluster: 0, node: 1, door: Door::Refuses });
    cut(&mut world, 1, End::Reset);
    world.run(20 * MS);
    assert_eq!(world.heard(client), ["nil"; 20]);
    assert!(world.stats[0].retried.get() > 0);
    world.assert_idle();
}

#[test]
fn a_read_that_no_connection_survives_is_given_up_after_so_many() {
    let mut setup = Setup::cluster(1, 12);
    setup.settings().read_policy = ReadPolicy::Replica;
    let mut world = World::new(setup);
    let client = world.connect();
    (0..13).for_each(|node| world.teach_often(node, "GET foo", Answer::Half("", End::Reset), 100));
    let reply = world.ask(client, "GET foo");
    assert!(reply.starts_with("-upstream failure: 10.0.0.1:70"), "{reply}");
    let asked: usize = (0..13).map(|node| world.seen(node).iter().filter(|words| *words == "GET foo").count()).sum();
    assert_eq!(asked, 6);
    world.assert_idle();
}

#[test]
fn bytes_that_are_no_reply_end_the_connection_and_say_so() {
    let (mut world, client) = world();
    world.ask(client, "GET foo");
    world.teach_often(2, "SET foo", Answer::Say("HTTP/1.1 200 OK\r\n\r\n"), 1);
    assert_eq!(
        world.ask(client, "SET foo bar"),
        "-upstream failure: 10.0.0.1:7002 sent bytes that are no reply (unknown reply type 'H')"
    );
    assert_eq!(world.stats[0].upstream_cx_protocol_error.get(), 1);
    world.assert_idle();
}

#[test]
fn a_node_that_turns_connections_away_is_quoted() {
    let (mut world, client) = world();
    world.clusters[0].nodes[2].banner = Some("-ERR max number of clients reached\r\n");
    let reply = world.ask(client, "SET foo bar#1");
    assert!(reply.contains("max number of clients reached"), "{reply}");
    assert_eq!(world.clusters[0].executed.len(), 0);
    world.clusters[0].nodes[2].banner = None;
    world.run(100 * MS);
    assert_eq!(world.ask(client, "SET foo bar#1"), "+OK");
    world.assert_idle();
}

#[test]
fn a_push_takes_no_place_in_line_and_an_unasked_reply_ends_the_connection() {
    let (mut world, client) = world();
    world.teach(2, "GET foo", Answer::Say(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nfoo\r\n$1\r\nv\r\n"));
    assert_eq!(world.ask(client, "GET foo"), "v");
    world.teach(2, "GET foo", Answer::Say("$1\r\nv\r\n+unasked\r\n"));
    assert_eq!(world.ask(client, "GET foo"), "v");
    world.run(5 * MS);
    assert_eq!(world.connections(2), 0);
    world.run(50 * MS);
    assert_eq!(world.ask(client, "GET foo"), "nil");
}

#[test]
fn samaritan_33_nobody_waits_for_ever_when_a_node_hangs_with_a_full_pipeline() {
    let mut setup = Setup::cluster(1, 0);
    setup.settings().op_timeout = Duration::from_millis(100);
    setup.weather.network.capacity = 2000;
    setup.limits.upstream_requests = 100;
    let mut world = World::new(setup);
    let clients: Vec<usize> = (0..20).map(|_| world.connect()).collect();
    world.ask(clients[0], "GET foo");
    world.happen(Happening::Freeze { cluster: 0, node: 0, micros: 10_000 * MS });
    clients.iter().for_each(|client| world.send(*client, &"SET foo bar\n".repeat(20)));
    world.run(150 * MS);
    for client in clients {
        let heard = world.heard(client);
        assert_eq!(heard.len(), 20);
        let expected = [
            "-upstream failure: no reply within op_timeout",
            "-upstream failure: too much waits for cluster 'main' already",
        ];
        assert!(heard.iter().all(|reply| expected.contains(&reply.as_str())), "{heard:?}");
    }
    assert_eq!(world.stats[0].request_overflow.get(), 300);
    world.run(10_000 * MS);
    world.assert_idle();
}
