//! A delivered Redis cluster is asked for its nodes once somebody needs them: in a mesh most sidecars never do.

use crate::driven::{DIALECTS, bootstrap, eventually, launch, stat};
use crate::resources::{all_to, redis_cluster, redis_listener, settings};
use crate::scripted::Plane;
use serde_json::json;
use std::time::Duration;
use testkit::{Client, Cluster, Proxy, Reply, ports};

/// How often a proxy looked at the topology of a cluster.
fn looks(proxy: &Proxy, name: &str) -> u64 {
    stat(proxy, &format!("cluster.{name}.update_attempt"))
}

fn asked_when_needed(dialect: &str) {
    let nodes = Cluster::start(3, 0).unwrap();
    let seeds: Vec<String> = nodes.addresses();
    let port = ports::one().unwrap();
    let mut mirrored = all_to("used");
    mirrored["catch_all_route"]["request_mirror_policy"] = json!([{ "cluster": "mirror" }]);
    let plane = Plane::start(&[
        redis_cluster("used", &seeds),
        redis_cluster("unused", &seeds),
        redis_cluster("mirror", &seeds),
        redis_listener("in", port, settings(json!({})), all_to("used")),
    ]);
    let proxy = launch(&bootstrap(plane.address(), dialect), &[]);
    proxy.wait_ready().unwrap();
    plane.settled();
    // Longer than the refresh rate of the clusters.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(["used", "unused", "mirror"].map(|name| looks(&proxy, name)), [0; 3]);
    let page = proxy.get("/ready").unwrap().body;
    assert!(!page.contains("missing"), "{page}");
    // The first request waits for the map, and is served.
    let mut client = Client::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(client.ask("SET first 1").unwrap(), Reply::ok());
    assert!(looks(&proxy, "used") >= 1);
    assert_eq!(looks(&proxy, "unused"), 0);
    // Copies wait for nobody: the nodes of a mirror are known before the first one.
    plane.put(&[redis_listener("in", port, settings(json!({})), mirrored)]);
    plane.settled();
    testkit::wait::until_true("the mirror is asked", Duration::from_secs(10), || Ok(looks(&proxy, "mirror") >= 1))
        .unwrap();
    assert_eq!(looks(&proxy, "unused"), 0);
    // A change of a cluster in use: the new one begins at once, and nobody waits for a first request again.
    let before = looks(&proxy, "used");
    plane.put(&[redis_cluster("used", &seeds[..1])]);
    plane.settled();
    testkit::wait::until_true("it is asked again", Duration::from_secs(10), || Ok(looks(&proxy, "used") > before))
        .unwrap();
    eventually(&mut client, "GET first", &Reply::bulk("1"));
}

#[test]
fn nodes_are_asked_when_they_are_needed_incrementally() {
    asked_when_needed(DIALECTS[0]);
}

#[test]
fn nodes_are_asked_when_they_are_needed_in_the_state_of_the_world() {
    asked_when_needed(DIALECTS[1]);
}
