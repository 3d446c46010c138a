//! When bytes leave, and how often connections are opened.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::pipe::End;
use crate::world::setup::Setup;
use meant::{Credentials, ReadPolicy, Secret, Upstream};
use std::time::Duration;

fn collecting(bytes: u32, millis: u64) -> Setup {
    let mut setup = Setup::cluster(1, 0);
    setup.settings().max_buffer_size_before_flush = bytes;
    setup.settings().buffer_flush_timeout = Duration::from_millis(millis);
    setup
}

/// When a node saw its requests, in milliseconds.
fn moments(world: &mut World) -> Vec<u64> {
    world.clusters[0].nodes[0].seen.drain(..).map(|seen| seen.at / MS).collect()
}

#[test]
fn all_requests_of_a_turn_leave_in_one_write() {
    let mut world = World::new(Setup::cluster(1, 0));
    let clients: Vec<usize> = (0..10).map(|_| world.connect()).collect();
    world.ask(clients[0], "GET foo");
    world.clusters[0].nodes[0].seen.clear();
    clients.iter().for_each(|client| world.send(*client, "GET foo\nGET bar"));
    world.run(5 * MS);
    let seen = &world.clusters[0].nodes[0].seen;
    assert_eq!(seen.len(), 20);
    assert!(seen.iter().all(|seen| seen.at == seen_at(&world)));
}

fn seen_at(world: &World) -> u64 {
    world.clusters[0].nodes[0].seen[0].at
}

#[test]
fn requests_may_be_collected_until_there_are_enough_or_their_time_is_up() {
    let mut world = World::new(collecting(100, 10));
    let client = world.connect();
    world.ask(client, "GET foo");
    moments(&mut world);
    let start = world.now / MS;
    // 22 bytes each: four are not enough, five are.
    world.send(client, &"GET foo\n".repeat(4));
    world.run(15 * MS);
    world.send(client, &"GET foo\n".repeat(5));
    world.run(15 * MS);
    let moments: Vec<u64> = moments(&mut world).into_iter().map(|at| at - start).collect();
    assert_eq!(moments, [10, 10, 10, 10, 15, 15, 15, 15, 15]);
    assert_eq!(world.heard(client).len(), 9);
    // Two halves: the second makes it enough.
    let start = world.now / MS;
    world.send(client, &"GET foo\n".repeat(3));
    world.run(3 * MS);
    world.send(client, &"GET foo\n".repeat(2));
    world.run(20 * MS);
    assert!(world.clusters[0].nodes[0].seen.iter().all(|seen| seen.at / MS - start == 3));
    world.assert_idle();
}

#[test]
fn a_new_connection_does_not_wait_with_its_greeting() {
    let mut setup = collecting(10_000, 500);
    setup.meant[0].upstream =
        Upstream { credentials: Credentials { username: None, password: Some(Secret::new("p")) }, nodes: vec![] };
    let mut world = World::new(setup);
    let client = world.connect();
    let start = world.now;
    assert_eq!(world.ask(client, "GET foo"), "nil");
    assert!(world.now - start < 5 * MS);
}

#[test]
fn overlord_19_connections_are_opened_at_a_limited_rate() {
    let mut setup = Setup::cluster(2, 0);
    setup.settings().connection_rate_limit = Some(3);
    setup.settings().read_policy = ReadPolicy::Primary;
    let mut world = World::new(setup);
    let client = world.connect();
    let mut replies = Vec::new();
    for _ in 0..10 {
        replies.push(world.ask(client, "GET b"));
        world.happen(Happening::Cut { cluster: 0, node: 0, end: End::Finished });
        world.run(MS);
    }
    let limited = "-no upstream host: connection_rate_limit is used up for 10.0.0.1:7000";
    assert_eq!(replies[..3], ["nil", "nil", "nil"]);
    assert!(replies[3..].iter().all(|reply| reply == limited), "{replies:?}");
    assert_eq!(world.stats[0].connection_rate_limited.get(), 7);
    // Another node has its own allowance; after a third of a second there is one more here.
    assert_eq!(world.ask(client, "GET foo"), "nil");
    world.run(340 * MS);
    assert_eq!(world.ask(client, "GET b"), "nil");
    world.assert_idle();
}
