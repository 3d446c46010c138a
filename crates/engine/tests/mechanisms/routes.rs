//! Which cluster takes a key, and what becomes of the key on its way.

use crate::world::World;
use crate::world::redis::Redis;
use crate::world::setup::{Setup, route};
use meant::{Balance, KeyFormat, KeyPart, Route};

/// `main` takes what no prefix fits, `a` what begins with `a:`, `ab` what begins with `a:b:`; each is one plain node.
fn setup() -> Setup {
    let mut setup = Setup::hosts(1, Balance::RoundRobin).and("a", Redis::hosts(2, 1), Balance::RoundRobin).and(
        "ab",
        Redis::hosts(3, 1),
        Balance::RoundRobin,
    );
    setup.proxies[0].routes.routes = vec![route("a:", "a"), route("a:b:", "ab")];
    setup
}

fn start(setup: Setup) -> (World, usize) {
    let mut world = World::new(setup);
    let client = world.connect();
    (world, client)
}

fn first(setup: &mut Setup) -> &mut Route {
    &mut setup.proxies[0].routes.routes[0]
}

#[test]
fn the_longest_prefix_wins_and_the_rest_goes_to_the_catch_all() {
    let (mut world, client) = start(setup());
    ["a:1", "a:b:1", "a:b", "b", ""].iter().for_each(|key| drop(world.ask(client, &format!("SET {key} v"))));
    assert_eq!(world.seen_by(1, 0), ["SET a:1 v", "SET a:b v"]);
    assert_eq!(world.seen_by(2, 0), ["SET a:b:1 v"]);
    assert_eq!(world.seen_by(0, 0), ["SET b v", "SET  v"]);
}

#[test]
fn a_key_that_no_route_takes_is_an_error_and_so_is_one_whose_cluster_is_missing() {
    let mut setup = setup();
    setup.proxies[0].routes.catch_all = None;
    setup.proxies[0].routes.routes.push(route("x:", "nowhere"));
    let (mut world, client) = start(setup);
    let no_route = "-no upstream host: no route takes this key, and there is no catch_all_route";
    assert_eq!(world.ask(client, "GET b"), no_route);
    assert_eq!(world.ask(client, "KEYS *"), no_route);
    assert_eq!(world.ask(client, "SCAN 0"), no_route);
    assert_eq!(world.ask(client, "EVAL x 0"), no_route);
    let missing = "-no upstream host: cluster 'nowhere' is not in the configuration";
    assert_eq!(world.ask(client, "GET x:1"), missing);
    assert_eq!(world.ask(client, "MGET a:1 b x:1 a:b:1"), format!("[nil, {no_route}, {missing}, nil]"));
    assert_eq!(world.ask(client, "MGET b c"), no_route);
    assert_eq!(world.ask(client, "DEL a:1 b x:1"), "-finished with 2 error(s)");
    world.assert_idle();
}

#[test]
fn one_request_may_be_cut_over_several_clusters() {
    let (mut world, client) = start(setup());
    assert_eq!(world.ask(client, "MSET a:1 one b two a:b:1 three a:2 four"), "+OK");
    assert_eq!(world.seen_by(1, 0), ["MSET a:1 one a:2 four"]);
    assert_eq!(world.seen_by(2, 0), ["MSET a:b:1 three"]);
    assert_eq!(world.seen_by(0, 0), ["MSET b two"]);
    assert_eq!(world.ask(client, "MGET a:b:1 b a:2 none a:1"), "[three, two, four, nil, one]");
    assert_eq!(world.ask(client, "EXISTS a:b:1 b a:2 none a:1 b"), ":5");
    world.assert_idle();
}

#[test]
fn a_prefix_may_be_removed_from_every_key() {
    let mut setup = setup();
    first(&mut setup).remove_prefix = true;
    let (mut world, client) = start(setup);
    for (request, expected) in [
        ("SET a:1 a:v", "SET 1 a:v"),
        ("MSET a:2 v a:3 w", "MSET 2 v 3 w"),
        ("MGET a:3 a:2", "MGET 3 2"),
        ("RENAME a:1 a:4", "RENAME 1 4"),
        ("EVAL script 2 a:4 a:2 a:argument", "EVAL script 2 4 2 a:argument"),
        ("ZUNIONSTORE a:d 2 a:x a:y WEIGHTS 1 2", "ZUNIONSTORE d 2 x y WEIGHTS 1 2"),
        ("SORT a:l BY a:w STORE a:r", "SORT l BY a:w STORE r"),
        ("BITOP AND a:d a:x a:y", "BITOP AND d x y"),
        ("OBJECT ENCODING a:2", "OBJECT ENCODING 2"),
        ("SET a: v", "SET  v"),
    ] {
        world.ask(client, request);
        assert_eq!(world.seen_by(1, 0), [expected]);
    }
    assert_eq!(world.ask(client, "GET a:4"), "a:v");
}

#[test]
fn a_removed_prefix_does_not_count_for_the_slot() {
    let mut setup = Setup::cluster(3, 0);
    let mut prefixed = route("a:", "main");
    prefixed.remove_prefix = true;
    setup.proxies[0].routes.routes = vec![prefixed];
    let (mut world, client) = start(setup);
    assert_eq!(world.ask(client, "SET a:foo 1"), "+OK");
    assert_eq!(world.seen(2), ["SET foo 1"]);
    assert_eq!(world.ask(client, "MGET a:foo foo a:b b a:c"), "[1, 1, nil, nil, nil]");
    let seen = [world.seen(0), world.seen(1), world.seen(2)];
    assert_eq!(seen, [vec!["MGET b", "MGET b"], vec!["MGET c"], vec!["MGET foo", "MGET foo"]]);
}

#[test]
fn a_key_may_be_formatted_after_its_prefix_was_removed() {
    let mut setup = setup();
    let parts = vec![KeyPart::Text(b"x-".to_vec()), KeyPart::Key, KeyPart::Text(b"-y".to_vec())];
    first(&mut setup).key_format = Some(KeyFormat { parts });
    first(&mut setup).remove_prefix = true;
    let (mut world, client) = start(setup);
    assert_eq!(world.ask(client, "MSET a:k v a:l w"), "+OK");
    assert_eq!(world.ask(client, "GET a:k"), "v");
    assert_eq!(world.seen_by(1, 0), ["MSET x-k-y v x-l-y w", "GET x-k-y"]);
}

#[test]
fn prefixes_may_be_compared_without_regard_to_case() {
    let mut setup = setup();
    setup.proxies[0].routes.case_insensitive = true;
    first(&mut setup).remove_prefix = true;
    let (mut world, client) = start(setup);
    world.ask(client, "SET A:Key v");
    world.ask(client, "SET a:B:Key v");
    assert_eq!(world.seen_by(1, 0), ["SET Key v"]);
    assert_eq!(world.seen_by(2, 0), ["SET a:B:Key v"]);
}

#[test]
fn reads_may_go_to_a_cluster_of_their_own() {
    let mut setup = setup();
    setup.catch_all().read_cluster = Some("a".into());
    first(&mut setup).read_cluster = Some("gone".into());
    let (mut world, client) = start(setup);
    assert_eq!(world.ask(client, "SET k v"), "+OK");
    assert_eq!(world.ask(client, "GET k"), "nil");
    assert_eq!(world.ask(client, "MGET k l"), "[nil, nil]");
    assert_eq!(world.ask(client, "DEL k l"), ":1");
    assert_eq!(world.ask(client, "KEYS *"), "[]");
    assert_eq!(world.ask(client, "FLUSHALL"), "+OK");
    assert_eq!(world.seen_by(0, 0), ["SET k v", "DEL k l", "FLUSHALL"]);
    assert_eq!(world.seen_by(1, 0), ["GET k", "MGET k l", "KEYS *"]);
    assert_eq!(world.ask(client, "GET a:1"), "-no upstream host: cluster 'gone' is not in the configuration");
}

#[test]
fn requests_without_a_key_go_where_the_empty_key_goes() {
    let (mut world, client) = start(setup());
    for request in ["RANDOMKEY", "EVAL script 0", "KEYS *", "PUBLISH channel message", "FLUSHALL"] {
        world.ask(client, request);
        assert_eq!(world.seen_by(0, 0), [request]);
    }
    let mut prefixed = setup();
    prefixed.proxies[0].routes.routes.push(route("", "ab"));
    let (mut world, client) = start(prefixed);
    world.ask(client, "RANDOMKEY");
    world.ask(client, "GET k");
    assert_eq!(world.seen_by(2, 0), ["RANDOMKEY", "GET k"]);
}

#[test]
fn keys_along_different_routes_in_one_request_that_cannot_be_cut_are_refused_if_they_would_be_changed() {
    let mut setup = setup();
    first(&mut setup).remove_prefix = true;
    let (mut world, client) = start(setup);
    world.ask(client, "SET a:1 v");
    world.seen_by(1, 0);
    let refused = "-CROSSSLOT Keys in request go along different routes";
    for request in ["RENAME a:1 other", "RENAME a:1 a:b:1", "SINTERSTORE a:1 a:2 b"] {
        assert_eq!(world.ask(client, request), refused, "{request}");
    }
    assert_eq!(world.seen_by(1, 0), Vec::<String>::new());
    assert_eq!(world.clusters[1].stores[0].len(), 1);
    world.assert_idle();
}
