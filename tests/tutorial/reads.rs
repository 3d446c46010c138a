//! The read policies.

use super::*;

/// Sets `key`, waits until the replica has it, reads it so often; where the reads went, owner and replica.
fn read(policy: &str, key: &str, times: usize) -> (Vec<usize>, usize, usize) {
    let proxy = slotmesh(&before_the_cluster().setting(&format!("read_policy: {policy}")));
    let owner = cluster().owner_of(key).unwrap();
    let replica = cluster().replicas_of(owner).unwrap()[0];
    let monitors = everywhere(cluster());
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask(&format!("SET {key} b")).unwrap(), Reply::ok());
    monitors[replica].wait_for_count(&format!("set {key} b"), 1, SOON).unwrap();
    for _ in 0..times {
        assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::bulk("b"));
    }
    (counts(&monitors, &format!("get {key}")), owner, replica)
}

#[test]
fn replica_serves_them_under_replica() {
    let (seen, _, replica) = read("REPLICA", "policy:replica", 3);
    assert_eq!(seen, only_at(replica, 3));
}

#[test]
fn replica_serves_them_under_prefer_replica() {
    let (seen, _, replica) = read("PREFER_REPLICA", "policy:prefer-replica", 3);
    assert_eq!(seen, only_at(replica, 3));
}

#[test]
fn primary_serves_them_under_master_and_prefer_master() {
    for policy in ["MASTER", "PREFER_MASTER"] {
        let (seen, owner, _) = read(policy, &format!("policy:{policy}"), 3);
        assert_eq!(seen, only_at(owner, 3), "{policy}");
    }
}

/// Of 100 fair throws fewer than 20 on one side happen once in ten thousand million runs.
#[test]
fn both_serve_them_under_any() {
    let (seen, owner, replica) = read("ANY", "policy:any", 100);
    assert_eq!(seen.iter().sum::<usize>(), 100);
    assert!(seen[owner] >= 20 && seen[replica] >= 20, "{seen:?}");
}

#[test]
fn a_write_goes_to_the_primary_and_is_read_back() {
    let proxy = slotmesh(&before_the_cluster().setting("read_policy: REPLICA"));
    let owner = cluster().owner_of("write:b").unwrap();
    let replica = cluster().replicas_of(owner).unwrap()[0];
    let monitors = everywhere(cluster());
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("SET write:b bb").unwrap(), Reply::ok());
    let seen = monitors[replica].wait_for(SOON, |seen| seen.text().eq_ignore_ascii_case("set write:b bb")).unwrap();
    assert_eq!(seen.source, cluster().node(owner).address().to_string(), "the replica has it from its primary");
    assert_eq!(client.ask("GET write:b").unwrap(), Reply::bulk("bb"));
    assert_eq!(monitors[owner].count("set write:b bb").unwrap(), 1);
}

/// A cursor means something only to the member that gave it out.
#[test]
fn scans_under_any_find_every_key_once() {
    let cluster = Cluster::start(2, 1).unwrap();
    let config = Bootstrap::new().redis_cluster("redis", &cluster.addresses()).setting("read_policy: ANY");
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    for i in 0..500 {
        client.ask(&format!("SET scanned:{i} x")).unwrap();
    }
    for (index, primary) in cluster.primaries().unwrap().into_iter().enumerate() {
        let wanted = cluster.node(primary).ask("DBSIZE").unwrap();
        let replica = cluster.node(cluster.replicas_of(primary).unwrap()[0]);
        testkit::wait::until_true("the replica has all keys", SOON, || Ok(replica.ask("DBSIZE")? == wanted))
            .unwrap_or_else(|error| panic!("shard {index}: {error}"));
    }
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let reply = client.ask(&format!("SCAN {cursor} MATCH scanned:* COUNT 50")).unwrap();
        found.extend(reply.items()[1].items().iter().map(Reply::text));
        cursor = reply.items()[0].text();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 500);
}
