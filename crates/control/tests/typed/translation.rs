//! Typed resources as EnvoyFilters and back, with the same configuration at the end.

use crate::full;
use crate::mesh::{CLIENT, Mesh, SCHEMA, examples, resource};
use control::typed::translate::{Input, Translated, from_envoy_filters, to_envoy_filters};
use serde_json::json;
use std::fs;

const LISTENER: &str = "10.96.0.10_6379";
const CLUSTER: &str = "outbound|6379||redis-cluster.redis.svc.cluster.local";

fn text(path: &str) -> String {
    fs::read_to_string(examples().join(path)).unwrap()
}

fn input(more: &[&str]) -> Input {
    let mut input = Input::default();
    for path in ["tutorial/redis-cluster.yaml", "tutorial/pods.yaml", "tutorial-mirror/redis-mirror.yaml"] {
        input.add(path, &text(path));
    }
    more.iter().for_each(|text| input.add("given.yaml", text));
    assert_eq!(input.problems, []);
    input
}

fn laid_over(mut mesh: Mesh, translated: &Translated) -> Mesh {
    for (index, document) in translated.documents.iter().enumerate() {
        mesh = mesh.with(&format!("translated-{index}.json"), &document.to_string());
    }
    mesh
}

/// The same listener and cluster, whether a proxy gets them of typed resources or of the EnvoyFilters made of these.
fn same_forth(typed: &[&str], listeners: &[&str], clusters: &[&str]) -> Translated {
    let translated = to_envoy_filters(&input(typed));
    assert!(translated.documents.iter().all(|document| document["kind"] == "EnvoyFilter"));
    let mut one = Mesh::tutorial();
    for (index, text) in typed.iter().enumerate() {
        one = one.with(&format!("typed-{index}.yaml"), text);
    }
    let (one, other) = (one.fine(CLIENT), laid_over(Mesh::tutorial(), &translated).fine(CLIENT));
    for name in listeners {
        assert_eq!(one.redis(name), other.redis(name), "{name}");
        assert_eq!(one.listener(name), other.listener(name), "{name}");
    }
    for name in clusters {
        assert!(one.cluster(name).is_object());
        assert_eq!(one.cluster(name), other.cluster(name), "{name}");
    }
    translated
}

#[test]
fn the_tutorials_typed_resources_are_envoy_filters_of_the_same_effect() {
    let typed = [text("tutorial-typed/redis-service.yaml"), text("tutorial-typed/redis-route.yaml")];
    let translated = same_forth(&[&typed[0], &typed[1]], &[LISTENER], &[CLUSTER]);
    assert_eq!(translated.lost, [""; 0]);
    assert_eq!(translated.notes.len(), 2, "{:?}", translated.notes);
    assert_eq!(translated.documents[0]["metadata"]["namespace"], "istio-system");
}

#[test]
fn other_forms_are_translated_too() {
    let named = json!({"host": "redis-cluster", "mode": "CLUSTER", "clusterName": "mine", "seeds": ["a"]});
    let labels = json!({"matchLabels": {}, "namespaces": ["redis"]});
    let single = json!({"host": "redis-mirror", "clients": labels, "settings": {"opTimeout": "1s"}});
    let nodes = json!({"host": "redis-cluster-nodes", "mode": "SINGLE"});
    same_forth(&[&resource("RedisService", "a", &named)], &[LISTENER], &["mine", CLUSTER]);
    let mirror = "outbound|6379||redis-mirror.redis.svc.cluster.local";
    let translated = same_forth(&[&resource("RedisService", "a", &single)], &["10.96.0.20_6379"], &[mirror]);
    assert_eq!(translated.documents[0]["metadata"]["namespace"], "redis");
    let of_nodes = "outbound|6379||redis-cluster-nodes.redis.svc.cluster.local";
    same_forth(&[&resource("RedisService", "a", &nodes)], &["10.244.0.11_6379", "10.244.0.16_6379"], &[of_nodes]);
}

#[test]
fn a_secret_is_not_shown_in_an_envoy_filter() {
    let typed = [resource("RedisService", "f", &full::service()), resource("RedisRoute", "f", &full::route())];
    let translated = to_envoy_filters(&input(&[full::SECRET, &typed[0], &typed[1]]));
    assert_eq!(translated.lost.len(), 5, "{:#?}", translated.lost);
    let shown = format!("{:?}", translated.documents);
    assert!(!shown.contains("swordfish") && shown.contains("environment_variable"));
}

#[test]
fn the_tutorials_envoy_filters_are_typed_resources_of_the_same_effect() {
    let cluster = text("tutorial/envoyfilter-custom-redis-cluster.yaml");
    for filter in ["tutorial", "tutorial-mirror"] {
        let filter = text(&format!("{filter}/envoyfilter-redis-proxy.yaml"));
        let translated = from_envoy_filters(&SCHEMA, &input(&[&cluster, &filter]));
        assert_eq!(translated.lost, [""; 0]);
        let one = Mesh::tutorial().with("c.yaml", &cluster).with("f.yaml", &filter).fine(CLIENT);
        let other = laid_over(Mesh::tutorial(), &translated).fine(CLIENT);
        for listener in one.0["listeners"].as_array().unwrap() {
            let name = listener["name"].as_str().unwrap();
            assert_eq!(listener, other.listener(name), "{name}");
        }
        for cluster in one.0["clusters"].as_array().unwrap() {
            let name = cluster["name"].as_str().unwrap();
            assert_eq!(cluster, other.cluster(name), "{name}");
        }
        assert_eq!(one.0["endpoints"], other.0["endpoints"]);
    }
}

#[test]
fn what_has_no_words_is_listed() {
    let cluster = text("tutorial/envoyfilter-custom-redis-cluster.yaml")
        .replace("connect_timeout: 0.5s", "connect_timeout: 0.5s\n        dns_lookup_family: V6_ONLY");
    let filter = text("tutorial/envoyfilter-redis-proxy.yaml").replace("10.96.0.10", "10.96.0.20");
    let other = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: x, namespace: redis}\nspec: {configPatches: [{applyTo: LISTENER, patch: {operation: MERGE, value: {transparent: true}}}]}\n";
    let lost = from_envoy_filters(&SCHEMA, &input(&[&cluster, &filter, other])).lost;
    assert_eq!(lost.len(), 2, "{lost:#?}");
    assert!(
        lost[0].starts_with("EnvoyFilter redis/x configPatches[0]: Merge of Listener is not translated back"),
        "{lost:?}"
    );
    assert!(lost[1].ends_with(": cluster.dns_lookup_family is not translated back"), "{lost:?}");
    let moved = text("tutorial/envoyfilter-redis-proxy.yaml").replace("10.96.0.10", "10.96.0.77");
    let lost = from_envoy_filters(&SCHEMA, &input(&[&moved])).lost;
    assert_eq!(lost.len(), 1);
    assert!(lost[0].ends_with("no service of the files has the listener 10.96.0.77_6379"), "{lost:?}");
}

/// Everything that can be said but for Secrets, whose values are not in EnvoyFilters, forth and back again.
#[test]
fn what_can_be_said_comes_back() {
    let file = json!({"file": "/etc/password"});
    let probes = json!({"probes": 3, "time": "30s", "interval": "5s"});
    let spec = json!({
        "host": "redis-cluster", "mode": "CLUSTER", "seeds": ["a:7000", "[fd00::1]:7001"],
        "connection": {"connectTimeout": "1s", "maxConnections": 5, "tcpKeepalive": probes},
        "auth": {"password": file, "credentials": [{"address": "b:7002", "password": file}]},
        "tls": {"mode": "MUTUAL", "clientCertificate": "/c.pem", "privateKey": "/k.pem", "caCertificates": "/ca.pem",
            "subjectAltNames": ["redis"], "sni": "redis"},
        "health": {"interval": "3s", "healthyThreshold": 2, "key": "ill"},
        "discovery": {"clusterRefreshRate": "7s"},
    });
    let single = json!({"host": "redis-mirror", "mode": "SINGLE", "connection": {"maxConnections": 7}});
    let outside = json!({"host": "redis-mirror", "port": 6379});
    let route = json!({"host": "redis-cluster", "externalAuth": {"to": outside, "timeout": "2s", "enableAuthExpiration": true}});
    let typed = [
        resource("RedisService", "a", &spec),
        resource("RedisService", "b", &single),
        resource("RedisRoute", "a", &route),
    ];
    let filters = to_envoy_filters(&input(&[&typed[0], &typed[1], &typed[2]]));
    assert_eq!(filters.lost, [""; 0]);
    let filters: Vec<String> = filters.documents.iter().map(ToString::to_string).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let back = from_envoy_filters(&SCHEMA, &input(&filters));
    assert_eq!(back.lost, [""; 0]);
    let kinds: Vec<(&str, &str)> = back
        .documents
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["spec"]["mode"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(kinds, [("RedisService", "CLUSTER"), ("RedisRoute", ""), ("RedisService", "SINGLE")]);
}

#[test]
fn services_of_one_name_in_two_namespaces_get_filters_of_two_names() {
    let mut given = Input::default();
    for (namespace, ip) in [("a", "10.96.7.1"), ("b", "10.96.7.2")] {
        let meta = json!({"name": "redis", "namespace": namespace});
        let ports = json!([{"name": "tcp-redis", "port": 6379}]);
        let service =
            json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIP": ip, "ports": ports}});
        let typed = json!({"apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService", "metadata": meta, "spec": {"host": "redis"}});
        given.add(namespace, &service.to_string());
        given.add(namespace, &typed.to_string());
    }
    let translated = to_envoy_filters(&given);
    let names: Vec<&serde_json::Value> = translated.documents.iter().map(|one| &one["metadata"]["name"]).collect();
    assert_eq!(names, ["redis-redis-a-6379", "redis-redis-b-6379"]);
}
