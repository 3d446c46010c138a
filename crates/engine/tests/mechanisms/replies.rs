//! Replies that come too early, or are too large.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::Answer;
use crate::world::setup::Setup;

#[test]
fn a_reply_before_the_request_is_wholly_written_answers_nothing() {
    let mut setup = Setup::cluster(1, 0);
    setup.weather.network.capacity = 100;
    let mut world = World::new(setup);
    let (client, other) = (world.connect(), world.connect());
    world.ask(client, "GET foo");
    world.happen(Happening::Freeze { cluster: 0, node: 0, micros: 20 * MS });
    world.send(client, &format!("SET foo v#1{}", "x".repeat(500)));
    world.run(5 * MS);
    world.send(other, "SET bar w#2");
    world.run(5 * MS);
    world.happen(Happening::Blurt { cluster: 0, node: 0, text: "-ERR out of order\r\n" });
    world.run(15 * MS);
    // Neither was wholly sent; what was sent of the first cannot become a part of the second.
    let expected = "-upstream failure: 10.0.0.1:7000 sent bytes that are no reply \
                    (nobody asked for it: -ERR out of order)";
    assert_eq!((world.heard(client), world.heard(other)), (vec![expected.into()], vec![expected.to_string()]));
    world.run(100 * MS);
    assert_eq!(world.clusters[0].executed.len(), 0);
    assert_eq!(world.ask(other, "SET bar w#2"), "+OK");
    world.assert_idle();
}

#[test]
fn a_reply_that_is_too_large_is_refused_and_not_asked_for_again() {
    let mut setup = Setup::cluster(1, 0);
    setup.limits.reply = 1000;
    setup.weather.scratch = 1..=200;
    let mut world = World::new(setup);
    let (client, other) = (world.connect(), world.connect());
    world.ask(client, "GET foo");
    for large in ["$100000000\r\nxxx", array(300)] {
        world.teach(0, "GET large", Answer::Say(large));
        world.send(client, "GET large");
        world.send(other, "GET foo\nSET foo bar#1\nGET foo");
        world.run(50 * MS);
        let problem = "-upstream failure: 10.0.0.1:7000 sent a reply of more than 1000 bytes";
        assert_eq!(world.heard(client), [problem]);
        // The others are not to blame, and nor is the node: reads are asked again at once.
        let heard = world.heard(other);
        assert_eq!((heard.len(), heard[1].as_str()), (3, problem));
        assert!(!heard[0].starts_with('-') && !heard[2].starts_with('-'), "{heard:?}");
        let asked = world.seen(0).iter().filter(|words| *words == "GET large").count();
        assert_eq!(asked, 1);
        world.assert_idle();
        world.clusters[0].executed.clear();
    }
    world.teach(0, "GET large", Answer::Say(array(40)));
    assert!(world.ask(client, "GET large").starts_with("[aaaa"));
}

#[test]
fn a_reply_that_only_passes_through_may_have_more_elements_than_one_that_is_joined() {
    let mut setup = Setup::cluster(1, 0);
    setup.limits.frames.elements = 3;
    let mut world = World::new(setup);
    let client = world.connect();
    world.teach(0, "GET list", Answer::Say("*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n"));
    assert_eq!(world.ask(client, "GET list"), "[:1, :2, :3, :4, :5]");
    assert_eq!(engine::Limits::default().replies.elements, 256 << 20);
    assert_eq!(engine::Limits::default().frames.elements, resp::Limits::default().elements);
    assert_eq!(engine::Limits::default().reply, 1 << 30);
}

/// An array of which each element is small; the whole is not, if there are many.
fn array(elements: usize) -> &'static str {
    format!("*{elements}\r\n{}", "$4\r\naaaa\r\n".repeat(elements)).leak()
}
