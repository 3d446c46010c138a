//! Configuration that changes while clients are there.

use super::MS;
use crate::world::World;
use crate::world::happening::Happening;
use crate::world::node::Door;
use crate::world::redis::Redis;
use crate::world::setup::{Setup, cluster, proxy, redis, route};
use engine::{Change, ClusterId, NewCluster, NewFilter};
use meant::{Auth, Balance, Credentials, Fraction, Mirror, RedisProxy, Secret};
use std::sync::Arc;

const NO_CLUSTER: &str = "-no upstream host: cluster 'second' is not in the configuration";

/// So many microseconds after it was sent a request has reached the proxy, and no reply has.
const UNDER_WAY: u64 = 150;

/// Two clusters; the filter routes to `main`.
fn world() -> (World, usize) {
    let mut world = World::new(Setup::cluster(3, 0).and("second", Redis::hosts(2, 1), Balance::RoundRobin));
    let client = world.connect();
    (world, client)
}

fn filter(world: &World, meant: RedisProxy) -> Change {
    let stats = Arc::clone(&world.filter_stats[0]);
    let filter = NewFilter { meant: meant.into(), buffer_limit: 1 << 20, stats };
    Change { filters: vec![(world.filters[0], Some(filter))], ..Change::default() }
}

fn of_cluster(world: &World, place: usize, meant: meant::Cluster) -> Change {
    let new = NewCluster { meant: meant.into(), stats: Arc::clone(&world.stats[place]) };
    Change { clusters: vec![(world.ids[place], Some(new))], ..Change::default() }
}

fn mirrored() -> RedisProxy {
    let mut proxy = proxy();
    let mirror = Mirror { cluster: "second".into(), fraction: Fraction::ALL, exclude_reads: true };
    proxy.routes.catch_all.as_mut().unwrap().mirrors.push(mirror);
    proxy
}

fn routed_to(cluster: &str) -> RedisProxy {
    let mut proxy = proxy();
    proxy.routes.catch_all = Some(route("", cluster));
    proxy
}

fn change(world: &mut World, change: Change) {
    world.happens(1, Happening::Change(change));
    world.run(2);
}

#[test]
fn a_mirror_comes_and_goes_between_two_requests_of_a_living_client() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "SET foo 1"), "+OK");
    let connections = world.conns.len();
    let with = filter(&world, mirrored());
    change(&mut world, with);
    assert_eq!(world.ask(client, "SET foo 2"), "+OK");
    assert_eq!(world.ask(client, "GET foo"), "2");
    world.run(5 * MS);
    assert_eq!(world.seen_by(1, 0), ["SET foo 2"]);
    let without = filter(&world, proxy());
    change(&mut world, without);
    assert_eq!(world.ask(client, "SET foo 3"), "+OK");
    world.run(5 * MS);
    assert_eq!(world.seen_by(1, 0), [""; 0]);
    assert_eq!(world.conns.len(), connections + 1, "only the mirror's connection is new");
    assert!(world.clients[client].session.is_some());
    world.assert_idle();
}

#[test]
fn what_is_under_way_ends_as_it_began() {
    let (mut world, client) = world();
    world.send(client, "SET foo 1\nGET foo\nMGET a b c");
    world.run(UNDER_WAY);
    assert!(world.engine.usage().places > 0);
    let other = filter(&world, routed_to("second"));
    change(&mut world, other);
    world.send(client, "GET foo");
    world.run(10 * MS);
    assert_eq!(world.heard(client), ["+OK", "1", "[nil, nil, nil]", "nil"]);
    assert_eq!(world.seen_by(1, 0), ["GET foo"]);
    world.assert_idle();
}

#[test]
fn a_cluster_that_is_missing_is_named_and_found_when_it_comes() {
    let (mut world, client) = world();
    let gone = Change { clusters: vec![(world.ids[1], None)], ..filter(&world, routed_to("second")) };
    change(&mut world, gone);
    assert_eq!(world.ask(client, "GET foo"), NO_CLUSTER);
    let back = of_cluster(&world, 1, cluster("second", meant::Discovery::Static(Balance::RoundRobin)));
    change(&mut world, back);
    world.send(client, "SET foo 5");
    world.run(5 * MS);
    assert_eq!(world.engine.usage().parked, 1, "it has no members yet");
    world.happens(1, Happening::View(1));
    world.run(5 * MS);
    assert_eq!(world.heard(client), ["+OK"]);
    assert_eq!(world.seen_by(1, 0), ["SET foo 5"]);
}

#[test]
fn requests_that_wait_for_a_cluster_learn_that_it_has_gone() {
    let mut setup = Setup::cluster(1, 0).and("second", Redis::hosts(2, 1), Balance::RoundRobin);
    setup.known = false;
    setup.catch_all().cluster = "second".into();
    let mut world = World::new(setup);
    let client = world.connect();
    world.send(client, "GET foo\nMGET a b");
    world.run(5 * MS);
    let gone = Change { clusters: vec![(world.ids[1], None)], ..Change::default() };
    change(&mut world, gone);
    world.run(MS);
    assert_eq!(world.heard(client), [NO_CLUSTER, NO_CLUSTER]);
    world.assert_idle();
}

#[test]
fn a_cluster_that_goes_still_answers_what_it_was_asked() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "SET foo 1"), "+OK");
    world.send(client, "GET foo");
    world.run(UNDER_WAY);
    let gone = Change { clusters: vec![(world.ids[0], None)], ..Change::default() };
    change(&mut world, gone);
    world.run(10 * MS);
    assert_eq!(world.heard(client), ["1"]);
    assert_eq!(world.engine.connections(), 0);
    assert!(world.ask(client, "GET foo").contains("'main' is not in the configuration"));
}

#[test]
fn another_way_to_connect_needs_other_connections_and_loses_nothing() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "SET foo 1"), "+OK");
    world.send(client, "INCR foo\nINCR foo");
    world.run(UNDER_WAY);
    let mut main = cluster("main", redis());
    main.keepalive = Some(meant::Keepalive::default());
    let other = of_cluster(&world, 0, main.clone());
    change(&mut world, other);
    world.send(client, "INCR foo");
    world.run(20 * MS);
    assert_eq!(world.heard(client), [":2", ":3", ":4"]);
    assert_eq!(world.conns.len(), 2, "one before, one after");
    let again = of_cluster(&world, 0, main.clone());
    change(&mut world, again);
    assert_eq!(world.ask(client, "INCR foo"), ":5");
    assert_eq!(world.conns.len(), 2, "nothing has changed");
    main.upstream.credentials = Credentials { username: None, password: Some(Secret::new("secret")) };
    world.clusters[0].nodes.iter_mut().for_each(|node| node.password = Some((None, "secret")));
    let secret = of_cluster(&world, 0, main);
    change(&mut world, secret);
    assert_eq!(world.ask(client, "INCR foo"), ":6");
    world.assert_idle();
}

#[test]
fn nodes_that_failed_are_tried_at_once_in_another_way() {
    let (mut world, client) = world();
    for node in 0..3 {
        world.happen(Happening::Door { cluster: 0, node, door: Door::Refuses });
    }
    assert!(world.ask(client, "GET foo").starts_with("-upstream failure"));
    for node in 0..3 {
        world.happen(Happening::Door { cluster: 0, node, door: Door::Open });
    }
    assert!(world.ask(client, "GET foo").starts_with("-upstream failure"), "they are left alone for a while");
    let mut main = cluster("main", redis());
    main.keepalive = Some(meant::Keepalive::default());
    let other = of_cluster(&world, 0, main);
    change(&mut world, other);
    assert_eq!(world.ask(client, "GET foo"), "nil");
}

#[test]
fn a_cluster_may_become_one_of_another_kind() {
    let (mut world, client) = world();
    assert_eq!(world.ask(client, "SET foo 1"), "+OK");
    let plain = of_cluster(&world, 0, cluster("main", meant::Discovery::Static(Balance::RoundRobin)));
    change(&mut world, plain);
    world.send(client, "GET foo");
    world.run(5 * MS);
    assert_eq!(world.engine.usage().parked, 1);
    // Its members now are those of the other one.
    let hosts = world.clusters[1].view();
    world.happens(1, Happening::OldView(0, hosts));
    world.run(5 * MS);
    assert_eq!(world.heard(client).len(), 1);
}

#[test]
fn clients_of_a_filter_that_goes_get_their_replies_first() {
    let (mut world, client) = world();
    let idle = world.connect();
    world.send(client, "SET foo 1\nGET foo");
    world.run(UNDER_WAY);
    let gone = Change { filters: vec![(world.filters[0], None)], ..Change::default() };
    change(&mut world, gone);
    assert!(world.clients[idle].session.is_none());
    world.run(10 * MS);
    assert_eq!(world.heard(client), ["+OK", "1"]);
    assert!(world.clients[client].session.is_none());
    assert_eq!(world.filter_stats[0].downstream_cx_drain_close.get(), 2);
    world.assert_idle();
}

#[test]
fn a_password_that_comes_is_asked_for_and_one_that_changes_is_not_asked_for_again() {
    let (mut world, client) = world();
    let with = |world: &World, password: &str| {
        let auth = Auth { username: None, passwords: vec![Secret::new(password)] };
        filter(world, RedisProxy { auth, ..proxy() })
    };
    assert_eq!(world.ask(client, "GET foo"), "nil");
    let first = with(&world, "one");
    change(&mut world, first);
    assert_eq!(world.ask(client, "GET foo"), "-NOAUTH Authentication required.");
    assert_eq!(world.ask(client, "AUTH one"), "+OK");
    let second = with(&world, "two");
    change(&mut world, second);
    assert_eq!(world.ask(client, "GET foo"), "nil");
    let newcomer = world.connect();
    assert_eq!(world.ask(newcomer, "AUTH one"), "-ERR invalid password");
    let none = filter(&world, proxy());
    change(&mut world, none);
    assert_eq!(world.ask(newcomer, "GET foo"), "nil");
}

#[test]
fn figures_of_now_move_to_where_a_filter_counts_from_now_on() {
    let (mut world, client) = world();
    world.send(client, "GET foo\nGET bar");
    world.run(UNDER_WAY);
    let old = Arc::clone(&world.filter_stats[0]);
    let mut other = filter(&world, proxy());
    let new = Arc::new(observe::FilterStats::default());
    if let Some((_, Some(filter))) = other.filters.first_mut() {
        filter.stats = Arc::clone(&new);
    }
    change(&mut world, other);
    assert_eq!((old.downstream_cx_active.get(), old.downstream_rq_active.get()), (0, 0));
    assert_eq!((new.downstream_cx_active.get(), new.downstream_rq_active.get()), (1, 2));
    world.run(10 * MS);
    assert_eq!(world.heard(client).len(), 2);
    assert_eq!(new.downstream_rq_active.get(), 0);
}

#[test]
fn new_numbers_continue_the_old_ones() {
    let (mut world, client) = world();
    let third = ClusterId(world.ids.len() as u32);
    let meant = cluster("third", meant::Discovery::Static(Balance::RoundRobin)).into();
    let new = NewCluster { meant, stats: Arc::default() };
    let mut both = filter(&world, routed_to("third"));
    both.clusters.push((third, Some(new)));
    change(&mut world, both);
    let hosts = world.clusters[1].view();
    world.send(client, "SET foo 1");
    world.run(MS);
    world.engine.apply_view(third, &hosts);
    world.run(MS);
    assert_eq!(world.engine.usage().parked, 0);
}
