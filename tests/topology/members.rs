//! Nodes that leave, join, and return elsewhere.

use super::*;

/// The same node, by its id, on another port: a pod that was restarted.
#[test]
fn a_node_that_returns_on_another_port_is_found() {
    let timeout = Duration::from_secs(2);
    let mut cluster = Cluster::builder(3, 0).node_timeout(timeout).start().unwrap();
    let proxy = slotmesh(&before(&cluster).setting("op_timeout: 1s"));
    let mut client = proxy.client().unwrap();
    let key = key_where(|slot| slot < 5000);
    assert_eq!(client.ask(&format!("SET {key} 1")).unwrap(), Reply::ok());
    cluster.kill(0).unwrap();
    let folder = format!("dir {}", cluster.node(0).folder().display());
    let returned = Server::builder().cluster(timeout).config(folder).start().unwrap();
    assert_ne!(returned.port(), cluster.node(0).port());
    wait::until_true("the others know its new port", Duration::from_secs(30), || {
        Ok(cluster.view()?.iter().any(|node| node.port == returned.port() && node.serves()))
    })
    .unwrap();
    wait::until_true("the proxy does", SOON, || Ok(client.ask(&format!("SET {key} 2"))? == Reply::ok())).unwrap();
    assert_eq!(returned.ask(&format!("GET {key}")).unwrap(), Reply::bulk("2"));
}

/// What remains of a node that was removed: nothing.
#[test]
fn a_removed_node_is_forgotten() {
    let mut cluster = Cluster::start(1, 2).unwrap();
    let proxy = slotmesh(&before(&cluster).setting("read_policy: REPLICA"));
    let mut client = proxy.client().unwrap();
    for _ in 0..50 {
        assert_eq!(client.ask("GET removed").unwrap(), Reply::NilBulk);
    }
    let gone = cluster.node(2).address().to_string();
    let shown = || -> testkit::error::Result<bool> { Ok(proxy.get("/clusters")?.body.contains(&gone)) };
    assert!(shown().unwrap());
    cluster.remove_node(2).unwrap();
    wait::until_true("it is shown no more", SOON, || Ok(!shown()?)).unwrap();
    for _ in 0..50 {
        assert_eq!(client.ask("GET removed").unwrap(), Reply::NilBulk);
    }
    assert_eq!(counter(&proxy, "membership_total"), 2);
    assert_eq!(counter(&proxy, "upstream_cx_active"), 1, "to the replica that remains");
}

/// A member that left while a request was on its way to it: that reply still comes, and then the connection closes.
#[test]
fn a_node_that_leaves_the_map_may_finish() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use testkit::fake::{shards_reply, slots_reply};
    let slow = Fake::start(|request| match request.name().as_str() {
        "GET" => Act::SendAfter(Duration::from_millis(1500), b"$4\r\nlate\r\n".to_vec()),
        _ => Act::say("+OK\r\n"),
    })
    .unwrap();
    let (left, slow_at) = (Arc::new(AtomicBool::new(false)), slow.address());
    let flag = Arc::clone(&left);
    let other = Fake::cluster_of_one(move |request| {
        if flag.load(Ordering::SeqCst) || request.name() != "CLUSTER" {
            return None;
        }
        let layout = [(0, 16_383, vec![slow_at])];
        let shards = request.text().to_uppercase().ends_with("SHARDS");
        Some(Act::say(&if shards { shards_reply(&layout) } else { slots_reply(&layout) }))
    })
    .unwrap();
    let refresh = "cluster_refresh_rate: 0.1s";
    let proxy = slotmesh(&Bootstrap::new().redis_cluster_with("redis", &[other.address().to_string()], refresh, ""));
    let mut client = proxy.client().unwrap();
    client.send(&["GET", "a"]).unwrap();
    slow.wait_for(SOON, |request| request.name() == "GET").unwrap();
    left.store(true, Ordering::SeqCst);
    wait::until_true("the map has changed", SOON, || {
        Ok(proxy.get("/clusters")?.body.contains(&other.address().to_string()))
    })
    .unwrap();
    assert_eq!(client.read_reply().unwrap(), Reply::bulk("late"));
    assert_eq!(client.ask("SET a 1").unwrap(), Reply::ok());
    assert_eq!(answers_of(&other, "SET"), 1);
    wait::until_true("its connection is closed", SOON, || {
        Ok(counter(&proxy, "redis_cluster.upstream_cx_drained") == 1 && counter(&proxy, "upstream_cx_active") == 1)
    })
    .unwrap();
}

fn answers_of(fake: &Fake, name: &str) -> usize {
    super::answers::asked(fake, name)
}

#[test]
fn a_node_that_joins_takes_its_share() {
    let mut cluster = Cluster::start(1, 1).unwrap();
    let proxy = slotmesh(&before(&cluster).setting("read_policy: REPLICA"));
    let mut client = proxy.client().unwrap();
    client.ask("GET joined").unwrap();
    let new = cluster.add_node().unwrap();
    cluster.replicate(new, 0).unwrap();
    let monitor = Monitor::start(cluster.node(new)).unwrap();
    wait::until_true("it serves reads", SOON, || {
        client.ask("GET joined")?;
        Ok(monitor.count("get joined")? > 0)
    })
    .unwrap();
}

#[test]
fn the_first_and_the_last_slot_are_served() {
    let cluster = Cluster::start(3, 0).unwrap();
    let proxy = slotmesh(&before(&cluster));
    let mut client = proxy.client().unwrap();
    for (wanted, owner) in [(0, 0), (16_383, 2)] {
        let key = key_where(|slot| slot == wanted);
        assert_eq!(cluster.slot_of(&key).unwrap(), wanted, "the server's own opinion");
        assert_eq!(client.ask(&format!("SET {key} 1")).unwrap(), Reply::ok());
        assert_eq!(cluster.node(owner).ask(&format!("GET {key}")).unwrap(), Reply::bulk("1"));
        assert_eq!(client.ask(&format!("GET {key}")).unwrap(), Reply::bulk("1"));
    }
}
