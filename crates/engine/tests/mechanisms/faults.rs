//! Injected faults.

use super::MS;
use crate::world::World;
use crate::world::pipe::End;
use crate::world::setup::Setup;
use meant::{Fault, FaultKind};
use std::time::Duration;

fn fault(kind: FaultKind, percent: u32, delay: u64, commands: &[&str]) -> Fault {
    let commands = commands.iter().map(|name| (*name).into()).collect();
    Fault { kind, percent, delay: Duration::from_millis(delay), commands }
}

fn world(faults: Vec<Fault>) -> (World, usize) {
    let mut setup = Setup::cluster(3, 0);
    setup.proxies[0].faults = faults;
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

const ERROR: &str = "-Fault Injected: Error";

fn counters(world: &World, name: &str) -> [u64; 5] {
    let counted = world.filter_stats[0].command(command::lookup(name.as_bytes()).unwrap());
    [
        counted.total.get(),
        counted.success.get(),
        counted.error.get(),
        counted.error_fault.get(),
        counted.delay_fault.get(),
    ]
}

#[test]
fn an_error_fault_is_the_reply_and_the_node_sees_nothing() {
    let (mut world, client) = world(vec![fault(FaultKind::Error, 100, 0, &["get"])]);
    assert_eq!(world.ask(client, "GET foo"), ERROR);
    assert_eq!(world.ask(client, "SET foo bar"), "+OK");
    assert_eq!(world.seen(2), ["SET foo bar"]);
    assert_eq!(counters(&world, "get"), [1, 0, 1, 1, 0]);
    assert_eq!(counters(&world, "set"), [1, 1, 0, 0, 0]);
    world.assert_idle();
}

#[test]
fn a_delay_fault_delays_the_reply_and_what_comes_behind_it() {
    let (mut world, client) = world(vec![fault(FaultKind::Delay, 100, 50, &["get"])]);
    let start = world.now;
    world.send(client, "GET foo\nPING\nSET foo bar");
    world.run(49 * MS);
    assert_eq!(world.heard(client), Vec::<String>::new());
    assert_eq!(world.seen(2), ["GET foo", "SET foo bar"], "only the reply waits");
    world.run(3 * MS);
    assert_eq!(world.heard(client), ["nil", "+PONG", "+OK"]);
    assert!(world.now - start < 53 * MS);
    assert_eq!(counters(&world, "get"), [1, 1, 0, 0, 1]);
    world.assert_idle();
}

#[test]
fn an_error_may_come_late() {
    let (mut world, client) = world(vec![fault(FaultKind::Error, 100, 20, &[])]);
    let start = world.now;
    assert_eq!(world.ask(client, "MGET a b c"), ERROR);
    assert!((20 * MS..22 * MS).contains(&(world.now - start)));
    assert_eq!(counters(&world, "mget"), [1, 0, 1, 1, 1]);
    world.assert_idle();
}

#[test]
fn percentages_add_up_over_the_faults_that_apply() {
    let faults = vec![
        fault(FaultKind::Error, 30, 0, &["get"]),
        fault(FaultKind::Error, 100, 0, &["set"]),
        fault(FaultKind::Delay, 20, 1, &["get"]),
        fault(FaultKind::Delay, 50, 2, &[]),
    ];
    let (mut world, client) = world(faults);
    world.send(client, &"GET foo\n".repeat(2000));
    world.run(2000 * MS);
    let replies = world.heard(client);
    let errors = replies.iter().filter(|reply| *reply == ERROR).count();
    assert_eq!(replies.len(), 2000);
    assert!((500..700).contains(&errors), "{errors}");
    // Nothing is left to chance: 30, 20 and 50 percent are everything.
    let [total, .., error_fault, delay_fault] = counters(&world, "get");
    assert_eq!((total, error_fault + delay_fault), (2000, 2000));
    world.assert_idle();
}

#[test]
fn what_the_proxy_answers_itself_has_no_faults() {
    let (mut world, client) = world(vec![fault(FaultKind::Error, 100, 10, &[])]);
    for request in ["PING", "ECHO x", "TIME", "SELECT 0", "CLIENT ID", "HELLO 2"] {
        assert!(!world.ask(client, request).starts_with('-'), "{request}");
    }
    assert_eq!(world.ask(client, "KEYS *"), ERROR);
    assert_eq!(world.ask(client, "SCAN 0"), ERROR);
    assert_eq!(world.ask(client, "RANDOMKEY"), ERROR);
}

#[test]
fn a_client_that_leaves_takes_its_held_replies_along() {
    let (mut world, client) = world(vec![fault(FaultKind::Delay, 100, 1000, &[])]);
    world.send(client, "GET foo\nMGET a b c\nGET foo");
    world.run(20 * MS);
    world.leave(client, End::Reset);
    world.run(20 * MS);
    world.assert_idle();
    world.run(2000 * MS);
    world.assert_idle();
}

#[test]
fn replies_that_are_held_back_count_against_the_bounds_of_their_client() {
    let mut setup = Setup::cluster(1, 0);
    setup.proxies[0].faults = vec![fault(FaultKind::Delay, 100, 1000, &["get"])];
    setup.buffer_limit = 10_000;
    let mut world = World::new(setup);
    let client = world.connect();
    world.ask(client, &format!("SET foo {}", "x".repeat(1000)));
    for _ in 0..100 {
        world.send(client, "GET foo");
        world.run(MS);
    }
    let usage = world.engine.usage();
    assert!(usage.places < 15 && (10_000..15_000).contains(&usage.bytes), "{usage:?}");
    world.run(20_000 * MS);
    assert_eq!(world.heard(client).len(), 100);
    world.assert_idle();
}
