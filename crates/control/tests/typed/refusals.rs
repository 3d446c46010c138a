//! What is refused, how it is told, and what is served meanwhile.

use crate::Mesh;
use crate::mesh::{CLIENT, resource};
use serde_json::json;

const LISTENER: &str = "10.96.0.10_6379";

fn service(host: &str, policy: &str) -> String {
    resource("RedisService", "cache", &json!({"host": host, "settings": {"readPolicy": policy}}))
}

#[test]
fn a_host_that_is_no_service_is_told_with_the_nearest_and_the_last_version_serves() {
    let mut mesh = Mesh::tutorial().with("a.json", &service("redis-cluster", "REPLICA"));
    assert_eq!(mesh.fine(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
    mesh.write("a.json", &service("redis-clutser", "MASTER"));
    let text = "a.json:1: spec.host: RedisService cache: host redis-clutser.redis.svc.cluster.local is no service; near: \
                redis-cluster.redis.svc.cluster.local, redis-mirror.redis.svc.cluster.local, \
                redis-cluster-nodes.redis.svc.cluster.local; its version before stays in force";
    assert_eq!(mesh.told(), [text]);
    assert_eq!(mesh.given(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
    // Again after another change of something else, and after a restart there is no version before.
    mesh.write("b.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: other}}");
    assert_eq!(mesh.given(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
    let mut mesh = Mesh::tutorial().with("a.json", &service("redis-clutser", "MASTER"));
    assert!(mesh.given(CLIENT).is_plain(LISTENER));
    mesh.write("a.json", &service("redis-cluster", "ANY"));
    assert_eq!(mesh.fine(CLIENT).redis(LISTENER)["settings"]["read_policy"], "ANY");
    mesh.remove("a.json");
    assert!(mesh.fine(CLIENT).is_plain(LISTENER));
}
