//! Values too large to be held pass through as they come.

use super::MS;
use crate::world::World;
use crate::world::client::Reading;
use crate::world::happening::Happening;
use crate::world::node::Answer;
use crate::world::pipe::End;
use crate::world::setup::Setup;

const VALUE: usize = 2_000_000;

/// Connections hold 5,000 bytes; what is above 10,000 is large; a client may leave 20,000 unread.
fn setup(shards: usize, replicas: usize) -> Setup {
    let mut setup = Setup::cluster(shards, replicas);
    setup.weather.network.capacity = 5_000;
    (setup.limits.large_request, setup.limits.large_reply) = (10_000, 10_000);
    setup.buffer_limit = 20_000;
    setup.settings().op_timeout = std::time::Duration::from_secs(3600);
    setup
}

fn set(value: usize) -> String {
    format!("*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n${value}\r\n{}\r\n", "x".repeat(value))
}

/// Runs until nothing happens any more; the most bytes that were held meanwhile.
fn most_held(world: &mut World) -> usize {
    let mut most = 0;
    for _ in 0..6_000 {
        world.run(MS / 2);
        most = most.max(world.engine.usage().bytes);
    }
    most
}

#[test]
fn a_value_that_is_set_and_read_is_never_held() {
    let mut world = World::new(setup(3, 0));
    let client = world.connect();
    world.send_raw(client, set(VALUE).as_bytes());
    let most = most_held(&mut world);
    assert!(most < 250_000, "{most} bytes were held");
    assert_eq!(world.heard(client), ["+OK"]);
    world.send(client, "GET foo");
    let most = most_held(&mut world);
    assert!(most < 200_000, "{most} bytes were held");
    assert_eq!(world.heard(client).last().map(String::len), Some(VALUE));
    assert_eq!(world.engine.connections(), 1, "the value's own connection is closed");
    world.assert_idle();
}

#[test]
fn what_stands_before_and_behind_it_stays_in_order() {
    let mut world = World::new(setup(3, 0));
    let client = world.connect();
    let both =
        ["SET foo old\r\nGET foo\r\n", &set(VALUE), "EXISTS foo\r\nGET foo\r\nSET foo new\r\nGET foo\r\n"].concat();
    world.send_raw(client, both.as_bytes());
    most_held(&mut world);
    let heard = world.heard(client);
    assert_eq!((&heard[..4], heard[4].len()), (&["+OK", "old", "+OK", ":1"].map(String::from)[..], VALUE));
    assert_eq!(heard[5..], ["+OK", "new"]);
    world.assert_idle();
}

#[test]
fn it_goes_where_a_redirect_leads() {
    let mut world = World::new(setup(3, 0));
    let client = world.connect();
    let slot = slots::Slot::of(b"foo").index();
    // `foo` belongs to shard 2, which gives it to shard 0 without the proxy's knowledge.
    world.happen(Happening::GiveSlot { slot, shard: 0 });
    world.send_raw(client, set(VALUE).as_bytes());
    most_held(&mut world);
    assert_eq!(world.heard(client), ["+OK"]);
    // On its way to shard 1 no key is left behind: only ASKING opens the door.
    world.happen(Happening::BeginMove { slot, shard: 1 });
    world.happen(Happening::MoveKey(slot));
    world.send_raw(client, set(VALUE).as_bytes());
    most_held(&mut world);
    assert_eq!(world.heard(client), ["+OK"]);
    world.assert_idle();
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let mut world = World::new(setup(3, 0));
    for end in [End::Finished, End::Reset] {
        let client = world.connect();
        let half = set(VALUE);
        world.send_raw(client, &half.as_bytes()[..VALUE / 2]);
        most_held(&mut world);
        world.leave(client, end);
        most_held(&mut world);
        assert_eq!(world.engine.clients(), 0);
    }
    world.assert_idle();
    let client = world.connect();
    assert_eq!(world.ask(client, "EXISTS foo"), ":0");
}

#[test]
fn a_node_that_fails_in_the_middle_of_a_request_is_an_error_and_of_a_reply_the_end() {
    let mut world = World::new(setup(3, 0));
    let client = world.connect();
    world.send_raw(client, &set(VALUE).as_bytes()[..VALUE / 2]);
    most_held(&mut world);
    world.happen(Happening::Cut { cluster: 0, node: 2, end: End::Reset });
    world.send_raw(client, &set(VALUE).as_bytes()[VALUE / 2..]);
    world.send(client, "PING");
    most_held(&mut world);
    let heard = world.heard(client);
    assert!(heard[0].starts_with("-upstream failure") && heard[1] == "+PONG", "{heard:?}");
    world.send_raw(client, set(VALUE).as_bytes());
    most_held(&mut world);
    world.clients[client].may_be_cut_off = true;
    world.clients[client].reading = Reading::Slowly { bytes: 500, every: MS };
    world.send(client, "GET foo");
    world.run(50 * MS);
    world.happen(Happening::Cut { cluster: 0, node: 2, end: End::Reset });
    most_held(&mut world);
    assert_eq!(world.clients[client].ended, Some(End::Finished));
    world.assert_idle();
}

#[test]
fn a_slow_reader_holds_up_nobody() {
    let mut world = World::new(setup(3, 0));
    let (slow, quick) = (world.connect(), world.connect());
    world.send_raw(slow, set(VALUE).as_bytes());
    most_held(&mut world);
    world.clients[slow].reading = Reading::Never;
    world.heard(slow);
    world.send(slow, "GET foo");
    world.run(50 * MS);
    for _ in 0..10 {
        // The same node: `a` and `foo` are there.
        assert_eq!(world.ask(quick, "SET a 1"), "+OK");
        world.run(10 * MS);
        assert!(world.engine.usage().bytes < 200_000, "{:?}", world.engine.usage());
    }
    world.clients[slow].reading = Reading::AtOnce;
    world.send(slow, "PING");
    most_held(&mut world);
    let heard = world.heard(slow);
    assert_eq!((heard[0].len(), heard[1].as_str()), (VALUE, "+PONG"));
    world.assert_idle();
}

#[test]
fn a_node_that_does_not_let_us_ask_gets_it_all_the_same() {
    let mut world = World::new(setup(1, 0));
    let client = world.connect();
    let refusals = ["-NOPERM this user has no permissions\r\n", "-ERR unknown command 'EXISTS'\r\n"];
    for refusal in refusals {
        world.teach(0, "EXISTS", Answer::Say(refusal));
        world.send_raw(client, set(VALUE).as_bytes());
        most_held(&mut world);
        assert_eq!(world.heard(client), ["+OK"], "{refusal}");
    }
    // Anything else is the answer, and the value is swallowed.
    world.teach(0, "EXISTS", Answer::Say("-ERR no\r\n"));
    world.send_raw(client, set(VALUE).as_bytes());
    world.send(client, "PING");
    most_held(&mut world);
    assert_eq!(world.heard(client), ["-ERR no", "+PONG"]);
    world.assert_idle();
}
