//! A: requests whose keys lie in several slots.

use super::*;

/// A7. In the order of the keys, with duplicates, missing keys and the empty key; Redis itself is the judge.
#[test]
fn overlord_21ea287_mget_merges_as_one_server_would() {
    let (proxy, server) = (slotmesh(&before_the_cluster()), Server::start().unwrap());
    let (mut ours, mut theirs) = (proxy.client().unwrap(), server.client().unwrap());
    let words = |line: &str| -> Vec<String> {
        line.split(' ').map(|word| if word == "EMPTY" { String::new() } else { word.to_owned() }).collect()
    };
    let dialogue = [
        "MSET m:a 1 m:b 2 m:c 3 EMPTY none m:a 4",
        "MGET m:a m:b m:c",
        "MGET m:c m:a m:c m:a m:c",
        "MGET EMPTY m:none EMPTY m:b",
        "MGET m:none",
        "LPUSH m:list x",
        "MGET m:list m:a",
        "EXISTS m:a m:a m:a m:none m:list",
        "TOUCH m:a m:b m:none",
        "MSET m:list now-a-string m:d 5",
        "MGET m:list m:d",
        "UNLINK m:d m:none",
        "DEL m:a m:a m:b EMPTY",
        "MGET m:a m:b m:c m:d EMPTY",
        "DEL m:c m:list",
        "EXISTS m:c m:list",
    ];
    for line in dialogue {
        let command = words(line);
        assert_eq!(ours.call(&command).unwrap(), theirs.call(&command).unwrap(), "{line}");
    }
}

#[test]
fn a_thousand_keys_come_back_in_their_order() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    let keys: Vec<String> = (0..1000).map(|i| format!("thousand:{i}")).collect();
    let pairs = keys.iter().flat_map(|key| [key.as_str(), key.as_str()]);
    assert_eq!(client.call(&["MSET"].into_iter().chain(pairs).collect::<Vec<_>>()).unwrap(), Reply::ok());
    let all: Vec<&str> = ["MGET"].into_iter().chain(keys.iter().rev().map(String::as_str)).collect();
    let reversed: Vec<&String> = keys.iter().rev().collect();
    assert_eq!(client.call(&all).unwrap(), Reply::bulks(&reversed));
    let all: Vec<&str> = ["DEL"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(client.call(&all).unwrap(), Reply::Int(1000));
}

/// A7. One shard fails: its keys read why, in their places; sums say how many keys failed.
#[test]
fn one_shard_that_fails_is_seen_in_its_places() {
    let mut cluster = Cluster::builder(3, 0)
        .config("cluster-require-full-coverage no")
        .node_timeout(Duration::from_secs(60))
        .start()
        .unwrap();
    let config = Bootstrap::new().redis_cluster("redis", &cluster.addresses()).setting("op_timeout: 1s");
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    let (dead, alive) = (key_where("dead", |slot| slot < 5000), key_where("alive", |slot| slot > 11_000));
    client.ask(&format!("MSET {dead} 1 {alive} 2")).unwrap();
    cluster.kill(0).unwrap();
    let reply = client.ask(&format!("MGET {alive} {dead} {alive}")).unwrap();
    let [first, failed, third] = reply.items() else { panic!("{reply:?}") };
    assert!(
        *first == Reply::bulk("2") && *third == Reply::bulk("2") && failed.is_error("upstream failure"),
        "{reply:?}"
    );
    for command in ["DEL", "EXISTS", "UNLINK", "TOUCH"] {
        let reply = client.ask(&format!("{command} {alive} {dead}")).unwrap();
        assert_eq!(reply, Reply::Error("finished with 1 error(s)".into()), "{command}");
    }
    let reply = client.ask(&format!("MSET {alive} 1 {dead} 1")).unwrap();
    assert_eq!(reply, Reply::Error("finished with 1 error(s)".into()));
    assert_eq!(client.ask(&format!("GET {alive}")).unwrap(), Reply::bulk("1"), "what could be done was done");
}

/// A7. What must be atomic is not cut: Redis refuses it, and nothing has happened.
#[test]
fn msetnx_across_slots_is_refused() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    assert!(client.ask("MSETNX nx:a 1 nx:b 2 nx:c 3").unwrap().is_error("CROSSSLOT"));
    assert_eq!(client.ask("EXISTS nx:a nx:b nx:c").unwrap(), Reply::Int(0));
    assert_eq!(client.ask("MSETNX {nx}a 1 {nx}b 2").unwrap(), Reply::Int(1));
    assert!(client.ask("RENAME nx:a nx:b").unwrap().is_error("CROSSSLOT"));
    assert!(client.ask("SUNIONSTORE nx:a nx:b nx:c").unwrap().is_error("CROSSSLOT"));
}

/// Envoy cuts MGET into one GET a key; here the keys of a slot stay together.
#[test]
fn envoy_32069_keys_of_one_slot_are_not_cut() {
    let proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    client.ask("MSET {slot}a 1 {slot}b 2 {slot}c 3").unwrap();
    let owner = cluster().node(cluster().owner_of("{slot}").unwrap());
    let monitor = testkit::Monitor::start(owner).unwrap();
    assert_eq!(client.ask("MGET {slot}a {slot}b {slot}c").unwrap(), Reply::bulks(&["1", "2", "3"]));
    assert_eq!(client.ask("DEL {slot}a {slot}b {slot}c").unwrap(), Reply::Int(3));
    assert_eq!(monitor.count("mget {slot}a {slot}b {slot}c").unwrap(), 1);
    assert_eq!(monitor.count("del {slot}a {slot}b {slot}c").unwrap(), 1);
}
