//! What users of Redis under Istio have reported, by the number of the issue; `docs/from-istio.md` is the page for users.

use crate::Mesh;
use crate::mesh::{CLIENT, examples, resource};
use serde_json::{Value, json};
use std::fs;

const CLUSTER: &str = "outbound|6379||redis-cluster.redis.svc.cluster.local";
const NODES: &str = "outbound|6379||redis-cluster-nodes.redis.svc.cluster.local";

const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
";

fn example(path: &str) -> String {
    fs::read_to_string(examples().join(path)).unwrap()
}

/// Nodes are reached at the addresses of their pods, which have no metadata in a discovered cluster: Istio's automatic
/// choice by endpoint would always be plaintext.
#[test]
fn istio_37423_and_30022_nodes_are_spoken_to_by_mutual_tls() {
    let pods = example("tutorial/pods.yaml");
    let meshed = pods.replace(
        "  labels:\n    app: redis-cluster\n",
        "  labels:\n    app: redis-cluster\n    security.istio.io/tlsMode: istio\n",
    );
    assert_eq!(meshed.matches("tlsMode").count(), 6);
    let service = "tutorial-typed/redis-service.yaml";
    let mut mesh = Mesh::tutorial_with_auto_mtls().example(service).with("strict.yaml", STRICT);
    mesh.write("pods.yaml", &meshed);
    let given = mesh.fine(CLIENT);
    let cluster = given.cluster(CLUSTER);
    let tls = &cluster["transport_socket"]["typed_config"];
    assert_eq!(tls["sni"], "outbound_.6379_._.redis-cluster.redis.svc.cluster.local");
    // `istio-peer-exchange` would make the other side send what no Redis client understands.
    assert_eq!(tls["common_tls_context"]["alpn_protocols"], json!(["istio"]));
    assert_eq!(cluster["transport_socket_matches"], Value::Null);
    // Nodes without sidecars are spoken to as they are.
    mesh.write("pods.yaml", &pods);
    assert_eq!(mesh.fine(CLIENT).cluster(CLUSTER)["transport_socket"], Value::Null);
}

/// A proxy that no agent is beside has no certificates to show, and a cluster without Istio needs none.
#[test]
fn a_proxy_without_an_agent_is_offered_no_mutual_tls() {
    let chains = |given: &crate::mesh::Given| -> (usize, usize) {
        let listener = given.listener("virtualInbound").clone();
        let all = listener["filter_chains"].as_array().unwrap();
        (all.len(), all.iter().filter(|chain| !chain["transport_socket"].is_null()).count())
    };
    let mut mesh = Mesh::tutorial_with_auto_mtls();
    let (with, without) = (mesh.given(CLIENT), mesh.given_without_agent(CLIENT));
    let ((all, mutual), (rest, none)) = (chains(&with), chains(&without));
    assert!(mutual > 0 && none == 0, "{mutual} {none}");
    assert_eq!(rest, all - mutual, "nothing else is missing");
    assert!(with.cluster(CLUSTER)["transport_socket_matches"].is_array());
    assert_eq!(without.cluster(CLUSTER)["transport_socket_matches"], Value::Null);
    // What must be is not given up.
    let mut mesh = mesh.with("strict.yaml", STRICT);
    let strict = mesh.given_without_agent(CLIENT);
    assert!(chains(&strict).1 > 0);
}

#[test]
fn istio_26617_a_headless_service_that_grows_gets_a_listener_for_the_new_pod() {
    let spec = json!({"host": "redis-cluster-nodes", "mode": "CLUSTER"});
    let mut mesh = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &spec));
    assert_eq!(*mesh.fine(CLIENT).listener("10.244.0.17_6379"), Value::Null);
    let pods = example("tutorial/pods.yaml");
    let one = pods.split("---\n").next().unwrap();
    let seventh = one.replace("redis-cluster-0", "redis-cluster-6").replace("10.244.0.11", "10.244.0.17");
    mesh.write("more.yaml", &seventh);
    let given = mesh.fine(CLIENT);
    assert_eq!(given.redis("10.244.0.17_6379")["prefix_routes"]["catch_all_route"]["cluster"], NODES);
    assert_eq!(given.seeds(NODES).last().unwrap(), "10.244.0.17:6379");
}

#[test]
fn istio_50078_and_54539_a_pod_that_comes_back_elsewhere_is_found_there_and_not_where_it_was() {
    let spec = json!({"host": "redis-cluster-nodes", "mode": "CLUSTER"});
    let mut mesh = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &spec));
    mesh.fine(CLIENT);
    mesh.write("pods.yaml", &example("tutorial/pods.yaml").replace("podIP: 10.244.0.11\n", "podIP: 10.244.0.77\n"));
    let given = mesh.fine(CLIENT);
    assert_eq!(*given.listener("10.244.0.11_6379"), Value::Null);
    assert_eq!(given.redis("10.244.0.77_6379")["prefix_routes"]["catch_all_route"]["cluster"], NODES);
    let seeds = given.seeds(NODES);
    assert!(seeds.contains(&"10.244.0.77:6379".to_owned()) && !seeds.contains(&"10.244.0.11:6379".to_owned()));
}

/// Whatever the port is called, a service is Redis because a resource says so, and no other is.
#[test]
fn istio_37525_and_12139_the_name_of_a_port_decides_nothing() {
    for name in ["redis", "tcp-redis", "http-odd", "nameless"] {
        let services = example("tutorial/redis-cluster.yaml").replace("name: tcp-client", &format!("name: {name}"));
        let mut mesh = Mesh::tutorial().with("redis-cluster.yaml", &services);
        let plain = mesh.fine(CLIENT);
        assert!(plain.is_plain("10.96.0.10_6379"), "{name}");
        mesh.write("redis-service.yaml", &example("tutorial-typed/redis-service.yaml"));
        assert_eq!(mesh.fine(CLIENT).redis("10.96.0.10_6379")["stat_prefix"], "redis-cluster", "{name}");
    }
}

fn outside(host: &str, addresses: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: redis}}\nspec:\n  hosts: \
         [{host}]\n  ports: [{{number: 6379, name: tcp, protocol: TCP}}]\n  resolution: DNS\n{addresses}",
        name = host.replace('.', "-"),
    )
}

/// A service of the mesh has listeners of its own, so that it is not taken; and what happens to all others is told.
#[test]
fn istio_34585_a_service_entry_without_an_address_takes_no_other_services_connections_and_is_told() {
    let mut mesh = Mesh::tutorial().with("out.yaml", &outside("redis.example.com", ""));
    let given = mesh.fine(CLIENT);
    assert!(given.is_plain("0.0.0.0_6379") && given.is_plain("10.96.0.10_6379"));
    let to = |listener: &str| given.filter(listener)["typed_config"]["cluster"].clone();
    assert_eq!(
        (to("0.0.0.0_6379"), to("10.96.0.10_6379")),
        (json!("outbound|6379||redis.example.com"), json!(CLUSTER))
    );
    let notes = mesh.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("out.yaml:1: spec.addresses: are missing, so that every connection"), "{notes:?}");
    mesh.write("out.yaml", &outside("redis.example.com", "  addresses: [10.8.0.1]\n"));
    assert_eq!(mesh.notes(), [""; 0]);
}

#[test]
fn istio_11741_25491_42522_of_two_hosts_at_one_place_the_one_that_gets_nothing_is_told() {
    for (addresses, place) in [("", "port 6379 of every address"), ("  addresses: [10.8.0.1]\n", "10.8.0.1:6379")] {
        let mut mesh = Mesh::tutorial()
            .with("a.yaml", &outside("a.example.com", addresses))
            .with("b.yaml", &outside("b.example.com", addresses));
        let lost: Vec<String> = mesh.notes().into_iter().filter(|note| note.contains("share ")).collect();
        let expected = format!("b.yaml:1: spec.addresses: share {place} with a.example.com of the namespace redis");
        assert!(lost.len() == 1 && lost[0].starts_with(&expected), "{lost:?}");
    }
    // Addresses of their own: both are reached.
    let mut mesh = Mesh::tutorial()
        .with("a.yaml", &outside("a.example.com", "  addresses: [10.8.0.1]\n"))
        .with("b.yaml", &outside("b.example.com", "  addresses: [10.8.0.2]\n"));
    assert_eq!(mesh.notes(), [""; 0]);
    let given = mesh.fine(CLIENT);
    for (listener, host) in [("10.8.0.1_6379", "a.example.com"), ("10.8.0.2_6379", "b.example.com")] {
        assert_eq!(given.filter(listener)["typed_config"]["cluster"], format!("outbound|6379||{host}"));
    }
}

/// A typed resource makes the same of what lies outside, so that Redis there shards as well.
#[test]
fn istio_33337_a_managed_cluster_with_tls_is_one_resource() {
    let entry = outside("cache.example.com", "  addresses: [10.8.0.1]\n");
    let spec = json!({"host": "cache.example.com", "mode": "CLUSTER", "tls": {"sni": "cache.example.com"}});
    let mut mesh = Mesh::tutorial().with("out.yaml", &entry).with("a.json", &resource("RedisService", "a", &spec));
    let given = mesh.fine(CLIENT);
    let name = "outbound|6379||cache.example.com";
    assert_eq!(given.redis("10.8.0.1_6379")["settings"]["enable_redirection"], true);
    assert_eq!(given.seeds(name), ["cache.example.com:6379"]);
    // Whatever node a redirection names is reached by the same TLS.
    let tls = &given.cluster(name)["transport_socket"]["typed_config"];
    assert_eq!(tls["sni"], "cache.example.com");
    // Istio's agent reads certificates for its proxy; others read them themselves.
    let by_agent = &tls["common_tls_context"]["combined_validation_context"]["validation_context_sds_secret_config"];
    assert_eq!(by_agent["name"], "file-root:system");
    let given = mesh.given_without_agent(CLIENT);
    let tls = &given.cluster(name)["transport_socket"]["typed_config"];
    assert_eq!(tls["common_tls_context"]["validation_context"], json!({"system_root_certs": {}}));
    assert_eq!(mesh.refused_by_us(CLIENT), [""; 0]);
}
