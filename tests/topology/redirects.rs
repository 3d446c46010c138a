//! MOVED and ASK: followed, learnt from, bounded.

use super::*;

fn followed(proxy: &Proxy) -> u64 {
    counter(proxy, "upstream_internal_redirect_succeeded_total")
}

#[test]
fn moved_mends_the_map_at_once() {
    let cluster = Cluster::start(2, 0).unwrap();
    // Nothing but MOVED itself can tell the proxy.
    let proxy = slotmesh(&before_with(&cluster, &format!("{SELDOM}, redirect_refresh_threshold: 0")));
    let mut client = proxy.client().unwrap();
    let key = key_where(|slot| slot < 8000);
    assert_eq!(client.ask(&format!("SET {key} 1")).unwrap(), Reply::ok());
    cluster.migrate_slot(cluster.slot_of(&key).unwrap(), 1).unwrap();
    for _ in 0..20 {
        assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::bulk("1"));
    }
    // Once for each worker that this client did not use would be more; one client is one worker.
    assert_eq!(followed(&proxy), 1, "the first is redirected, the others go there");
    assert_eq!(counter(&proxy, "update_attempt"), 1, "without asking anybody");
    assert_eq!(client.ask(&format!("MGET {key} {key}")).unwrap(), Reply::bulks(&["1", "1"]));
}

#[test]
fn as_many_redirects_as_configured_trigger_a_refresh() {
    let cluster = Cluster::start(2, 0).unwrap();
    let refresh = format!("{SELDOM}, redirect_refresh_threshold: 3, redirect_refresh_interval: 0s");
    let proxy = slotmesh(&before_with(&cluster, &refresh));
    let mut client = proxy.client().unwrap();
    for n in 1..=3 {
        let key = key_where(|slot| (n * 1000..n * 1000 + 100).contains(&slot));
        client.ask(&format!("SET {key} 1")).unwrap();
        assert_eq!(counter(&proxy, "update_attempt"), 1, "{} redirects are not enough", n - 1);
        cluster.migrate_slot(cluster.slot_of(&key).unwrap(), 1).unwrap();
        assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::bulk("1"));
        assert_eq!(followed(&proxy), u64::from(n));
    }
    wait::until_true("a refresh", SOON, || Ok(counter(&proxy, "update_attempt") == 2)).unwrap();
}

#[test]
fn ask_is_followed_for_one_request_only() {
    let cluster = Cluster::start(2, 0).unwrap();
    let proxy = slotmesh(&before_with(&cluster, &format!("{SELDOM}, redirect_refresh_threshold: 0")));
    let mut client = proxy.client().unwrap();
    let slot = cluster.slot_of("{asked}").unwrap();
    let from = cluster.owner(slot).unwrap();
    client.ask("SET {asked}stays 1").unwrap();
    let migration = cluster.migration(slot, 1 - from).unwrap();
    migration.open().unwrap();
    let monitor = Monitor::start(cluster.node(1 - from)).unwrap();
    assert_eq!(client.ask("SET {asked}new 2").unwrap(), Reply::ok());
    assert_eq!(client.ask("GET {asked}new").unwrap(), Reply::bulk("2"));
    assert_eq!(followed(&proxy), 2);
    assert_eq!(client.ask("GET {asked}stays").unwrap(), Reply::bulk("1"));
    assert_eq!(followed(&proxy), 2, "what is still at home is served there");
    let seen: Vec<String> = monitor.everything().unwrap().iter().map(|seen| seen.name()).collect();
    let relevant: Vec<&str> =
        seen.iter().map(String::as_str).filter(|name| ["asking", "set", "get"].contains(name)).collect();
    assert_eq!(relevant, ["asking", "set", "asking", "get"]);
    migration.move_keys(usize::MAX).unwrap();
    migration.close().unwrap();
    assert_eq!(client.ask("MGET {asked}stays {asked}new").unwrap(), Reply::bulks(&["1", "2"]));
}

#[test]
fn redirects_reach_the_client_where_they_are_not_enabled() {
    let cluster = Cluster::start(2, 0).unwrap();
    let proxy = slotmesh(&before_with(&cluster, SELDOM).setting("enable_redirection: false"));
    wait_until_found(&proxy);
    let key = key_where(|slot| slot < 8000);
    let slot = cluster.slot_of(&key).unwrap();
    let migration = cluster.migration(slot, 1).unwrap();
    migration.open().unwrap();
    let mut client = proxy.client().unwrap();
    let to = cluster.node(1).address();
    assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::Error(format!("ASK {slot} {to}")));
    migration.close().unwrap();
    assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::Error(format!("MOVED {slot} {to}")));
}

/// A node that sends everybody back to itself: the number of hops is bounded, and the client reads the last one.
#[test]
fn redirects_are_bounded() {
    for word in ["MOVED", "ASK"] {
        let fake = Fake::cluster_of_one(move |request| {
            (request.name() == "GET").then(|| Act::say(&format!("-{word} 15495 127.0.0.1:{}\r\n", port_of(request))))
        })
        .unwrap();
        let config = Bootstrap::new().redis_cluster("redis", &[fake.address().to_string()]);
        let proxy = slotmesh(&config);
        let mut client = proxy.client().unwrap();
        // The key says where to: the fake has no other way to know its own port.
        let key = format!("a{}", fake.address().port());
        let reply = client.ask(&format!("GET {key}")).unwrap();
        assert!(reply.is_error(word), "{reply:?}");
        let asked = fake.requests().iter().filter(|request| request.name() == "GET").count();
        assert!((2..=10).contains(&asked), "{word}: {asked} times");
        assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG"));
    }
}

fn port_of(request: &testkit::Request) -> String {
    request.text().trim_start_matches("GET a").to_owned()
}

/// What no proxy can follow is for the client.
#[test]
fn nonsense_is_passed_on() {
    for text in [
        "MOVED 1",
        "MOVED x 127.0.0.1:1",
        "MOVED 99999 127.0.0.1:1",
        "ASK 1 127.0.0.1:x",
        "MOVED 1 nowhere.invalid:7",
        "MOVED",
    ] {
        let fake =
            Fake::cluster_of_one(move |request| (request.name() == "GET").then(|| Act::say(&format!("-{text}\r\n"))));
        let fake = fake.unwrap();
        let proxy = slotmesh(&Bootstrap::new().redis_cluster("redis", &[fake.address().to_string()]));
        let mut client = proxy.client().unwrap();
        assert_eq!(client.ask("GET a").unwrap(), Reply::Error(text.into()));
        assert_eq!(client.ask("SET a 1").unwrap(), Reply::ok());
    }
}

#[test]
fn a_slot_without_owner_is_named_and_served_again_when_it_has_one() {
    let cluster = Cluster::builder(2, 0).config("cluster-require-full-coverage no").start().unwrap();
    let key = key_where(|slot| slot < 8000);
    let slot = cluster.slot_of(&key).unwrap();
    for node in cluster.nodes() {
        node.ask(&format!("CLUSTER DELSLOTS {slot}")).unwrap();
    }
    let proxy = slotmesh(&before(&cluster));
    let mut client = proxy.client().unwrap();
    let reply = client.ask(&format!("GET {key}")).unwrap();
    assert!(
        reply.is_error("CLUSTERDOWN Hash slot not served") && reply.text().contains(&slot.to_string()),
        "{reply:?}"
    );
    let other = key_where(|own| own < 8000 && own != slot);
    assert_eq!(client.ask(&format!("SET {other} 1")).unwrap(), Reply::ok(), "other slots are served");
    let mixed = client.ask(&format!("MGET {other} {key}")).unwrap();
    assert!(mixed.items()[0] == Reply::bulk("1") && mixed.items()[1].is_error("CLUSTERDOWN"), "{mixed:?}");
    cluster.node(0).ask(&format!("CLUSTER ADDSLOTS {slot}")).unwrap();
    wait::until_true("the slot is served", SOON, || Ok(client.ask(&format!("SET {key} 1"))? == Reply::ok())).unwrap();
}

/// Unlimited connections to whatever a redirect names would be a hole: `max_upstream_unknown_connections` bounds them.
#[test]
fn connections_to_strangers_are_bounded() {
    let stranger =
        Fake::start(
            |request| {
                if request.name() == "GET" { Act::bulk("from the stranger") } else { Act::say("+OK\r\n") }
            },
        )
        .unwrap();
    let to = stranger.address();
    let fake = Fake::cluster_of_one(move |request| {
        (request.name() == "GET").then(|| Act::say(&format!("-MOVED 15495 {to}\r\n")))
    })
    .unwrap();
    let with = |limit: u32| {
        let config = Bootstrap::new().setting(&format!("max_upstream_unknown_connections: {limit}"));
        slotmesh(&config.redis_cluster_with("redis", &[fake.address().to_string()], SELDOM, ""))
    };
    let open = with(1);
    assert_eq!(open.client().unwrap().ask("GET a").unwrap(), Reply::bulk("from the stranger"));
    let closed = with(0);
    let reply = closed.client().unwrap().ask("GET a").unwrap();
    assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
    assert_eq!(counter(&closed, "redis_cluster.max_upstream_unknown_connections_reached"), 1);
}
