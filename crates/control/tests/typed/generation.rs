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

#[test]
fn our_own_proxy_takes_it() {
    let mut mesh = tutorial().example("tutorial-typed/redis-route.yaml");
    assert_eq!(mesh.refused_by_us(CLIENT), [""; 0]);
    let single = json!({"host": "redis-mirror", "settings": {"opTimeout": "1s"}});
    mesh.write("single.json", &resource("RedisService", "single", &single));
    assert_eq!(mesh.told(), [""; 0]);
    assert_eq!(mesh.refused_by_us(CLIENT), [""; 0]);
    // What only Envoy has is refused by its name, and nothing else of all that can be said.
    let refused = crate::full::mesh().refused_by_us(CLIENT);
    for told in &refused {
        let known = [
            "dns_cache_config",
            "custom_commands",
            "external_auth",
            "protocol_version",
            "aws_iam",
            "read_policy",
            "enable_zone_discovery",
            "health_checks",
            // A file that is not beside this proxy.
            "/etc/ca.pem",
        ];
        assert!(known.iter().any(|name| told.contains(name)), "{told}");
    }
    assert!(refused.len() >= 5, "{refused:?}");
}

#[test]
fn the_mode_is_found_out_by_the_cluster_bus() {
    let found = |host: &str| {
        let spec = json!({"host": host});
        let mut mesh = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &spec));
        let given = mesh.fine(CLIENT);
        given.cluster(&format!("outbound|6379||{host}.redis.svc.cluster.local"))["lb_policy"].clone()
    };
    // The mirror is one server; keys are spread if it is scaled.
    assert_eq!((found("redis-cluster"), found("redis-mirror")), (json!("CLUSTER_PROVIDED"), json!("MAGLEV")));
}

#[test]
fn a_headless_service_has_a_listener_for_each_endpoint() {
    let spec = json!({"host": "redis-cluster-nodes", "mode": "CLUSTER"});
    let mut mesh = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &spec));
    let given = mesh.fine(CLIENT);
    let name = "outbound|6379||redis-cluster-nodes.redis.svc.cluster.local";
    for last in 11..17 {
        let redis = given.redis(&format!("10.244.0.{last}_6379"));
        assert_eq!(redis["prefix_routes"]["catch_all_route"]["cluster"], name);
    }
    assert_eq!((given.cluster(name)["type"].clone(), given.seeds(name).len()), (Value::Null, 6));
    let single = json!({"host": "redis-cluster-nodes", "mode": "SINGLE"});
    mesh.write("a.json", &resource("RedisService", "a", &single));
    let given = mesh.fine(CLIENT);
    assert_eq!((&given.cluster(name)["type"], &given.cluster(name)["lb_policy"]), (&json!("EDS"), &json!("MAGLEV")));
    assert_eq!(given.endpoints(name)["endpoints"][0]["lb_endpoints"].as_array().map(Vec::len), Some(6));
    assert_eq!(mesh.refused_by_us(CLIENT), [""; 0]);
}

#[test]
fn what_lies_outside_needs_no_address() {
    let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: out, namespace: redis}\nspec:\n  hosts: [redis.example.com]\n  ports: [{number: 6380, name: tls-redis, protocol: TLS}]\n  resolution: DNS\n";
    let spec = json!({"host": "redis.example.com", "mode": "CLUSTER", "tls": {"sni": "redis.example.com"}});
    let mut mesh = Mesh::tutorial().with("e.yaml", entry).with("a.json", &resource("RedisService", "a", &spec));
    let given = mesh.fine(CLIENT);
    let name = "outbound|6380||redis.example.com";
    assert_eq!(given.redis("0.0.0.0_6380")["prefix_routes"]["catch_all_route"]["cluster"], name);
    assert_eq!(given.seeds(name), ["redis.example.com:6380"]);
    assert_eq!(given.cluster(name)["transport_socket"]["typed_config"]["sni"], "redis.example.com");
    let single = json!({"host": "redis.example.com", "mode": "SINGLE"});
    mesh.write("a.json", &resource("RedisService", "a", &single));
    assert_eq!(mesh.fine(CLIENT).cluster(name)["type"], "STRICT_DNS");
}

#[test]
fn a_cluster_may_have_a_name_of_its_own_and_holds_what_is_said_and_no_more() {
    let spec = json!({"host": "redis-cluster", "mode": "CLUSTER", "clusterName": "mine", "seeds": ["a", "b:1"]});
    let given = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &spec)).fine(CLIENT);
    let fields: Vec<&String> = given.cluster("mine").as_object().unwrap().keys().collect();
    assert_eq!(fields, ["cluster_type", "connect_timeout", "lb_policy", "load_assignment", "name"]);
    assert_eq!(given.cluster(CLUSTER)["type"], "EDS");
    assert_eq!(given.seeds("mine"), ["a:6379", "b:1"]);
    assert_eq!(given.redis(LISTENER)["prefix_routes"]["catch_all_route"]["cluster"], "mine");
}

#[test]
fn an_envoy_filter_is_applied_after_them() {
    let filter = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: later, namespace: istio-system}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match: {listener: {name: 10.96.0.10_6379, filterChain: {filter: {name: envoy.filters.network.redis_proxy}}}}
    patch:
      operation: MERGE
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: patched
"#;
    let given = tutorial().with("z.yaml", filter).fine(CLIENT);
    let redis = given.redis(LISTENER);
    assert_eq!((&redis["stat_prefix"], &redis["settings"]["read_policy"]), (&json!("patched"), &json!("REPLICA")));
}
