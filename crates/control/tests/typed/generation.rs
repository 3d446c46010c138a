//! What becomes of the tutorial, and of services of other kinds.

use crate::Mesh;
use crate::mesh::{CLIENT, SERVER, resource};
use serde_json::{Value, json};

const LISTENER: &str = "10.96.0.10_6379";
const CLUSTER: &str = "outbound|6379||redis-cluster.redis.svc.cluster.local";
const MIRROR: &str = "outbound|6379||redis-mirror.redis.svc.cluster.local";

fn tutorial() -> Mesh {
    Mesh::tutorial().example("tutorial-typed/redis-service.yaml")
}

#[test]
fn one_short_resource_makes_the_tutorials_listener_and_cluster() {
    let given = tutorial().fine(CLIENT);
    let expected = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "redis-cluster",
        "settings": {
            "op_timeout": "5s", "enable_redirection": true, "enable_command_stats": true, "read_policy": "REPLICA"
        },
        "prefix_routes": {"catch_all_route": {"cluster": CLUSTER}},
    });
    assert_eq!(*given.redis(LISTENER), expected);
    let cluster = given.cluster(CLUSTER);
    assert_eq!(
        (&cluster["cluster_type"]["name"], &cluster["lb_policy"]),
        (&json!("envoy.clusters.redis"), &json!("CLUSTER_PROVIDED"))
    );
    assert_eq!((&cluster["type"], &cluster["connect_timeout"]), (&Value::Null, &json!("0.500s")));
    let seeds: Vec<String> = (11..17).map(|last| format!("10.244.0.{last}:6379")).collect();
    assert_eq!(given.seeds(CLUSTER), seeds);
    assert_eq!(*given.endpoints(CLUSTER), Value::Null);
    assert!(given.is_plain("10.96.0.10_16379") && given.is_plain("10.96.0.20_6379"));
}

#[test]
fn one_more_makes_the_mirror() {
    let given = tutorial().example("tutorial-typed/redis-route.yaml").fine(CLIENT);
    let mirrors = json!([{"cluster": MIRROR, "exclude_read_commands": true}]);
    let route = &given.redis(LISTENER)["prefix_routes"]["catch_all_route"];
    assert_eq!((&route["cluster"], &route["request_mirror_policy"]), (&json!(CLUSTER), &mirrors));
    assert_eq!(given.cluster(MIRROR)["type"], "EDS");
}

#[test]
fn the_listener_follows_the_service() {
    let mut mesh = tutorial();
    mesh.fine(CLIENT);
    let text = std::fs::read_to_string(crate::mesh::examples().join("tutorial/redis-cluster.yaml")).unwrap();
    mesh.write("redis-cluster.yaml", &text.replace("10.96.0.10", "10.96.0.99"));
    let given = mesh.fine(CLIENT);
    assert_eq!(*given.listener(LISTENER), Value::Null);
    assert_eq!(given.redis("10.96.0.99_6379")["settings"]["read_policy"], "REPLICA");
}

#[test]
fn only_those_who_need_it_get_it() {
    let mut mesh = tutorial();
    assert!(mesh.fine(SERVER).is_plain(LISTENER), "a node beside itself");
    let labels = json!({"app": "redis-client"});
    let who = json!({"host": "redis-cluster", "mode": "CLUSTER", "clients": {"namespaces": ["redis"], "matchLabels": labels}});
    mesh.write("redis-service.yaml", &resource("RedisService", "redis-cluster", &who));
    assert_eq!(mesh.given_with(CLIENT, &labels).redis(LISTENER)["stat_prefix"], "redis-cluster");
    for (who, labels) in [(CLIENT, json!({"app": "web"})), ("10.244.9.9~web.other", labels)] {
        let given = mesh.given_with(who, &labels);
        assert!(given.is_plain(LISTENER));
        assert_eq!(given.cluster(CLUSTER)["type"], "EDS", "nobody polls what he does not use");
    }
}
