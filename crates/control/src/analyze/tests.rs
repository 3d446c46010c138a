//! One test a code: a folder that has it, and the same folder without it.

use super::{codes, of};
use crate::written::mesh::Mesh;
use config::Schema;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

fn schema() -> &'static Arc<Schema> {
    static SCHEMA: OnceLock<Arc<Schema>> = OnceLock::new();
    SCHEMA.get_or_init(|| Arc::new(Schema::load_mesh().unwrap()))
}

/// A service of three shards with replicas behind sidecars, and a client.
const WORLD: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: redis, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: cluster, namespace: redis}
spec: {clusterIP: 10.96.0.10, selector: {app: cluster}, ports: [{name: tcp, port: 6379}]}
---
apiVersion: v1
kind: Service
metadata: {name: nodes, namespace: redis}
spec: {clusterIP: None, selector: {app: cluster}, ports: [{name: tcp, port: 6379}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: cluster, namespace: redis}
spec:
  serviceName: nodes
  replicas: 6
  template:
    metadata: {labels: {app: cluster}}
    spec: {containers: [{name: redis, args: [--cluster-enabled, "yes", --cluster-announce-ip, $(POD_IP)]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cluster-0, namespace: redis, labels: {app: cluster}}
status: {podIP: 10.244.0.11}
---
apiVersion: v1
kind: Pod
metadata: {name: client-0, namespace: redis, labels: {app: client}}
status: {podIP: 10.244.0.31}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: cluster, namespace: redis}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_OUTBOUND}
    patch:
      operation: ADD
      value:
        name: custom
        connect_timeout: 0.5s
        lb_policy: CLUSTER_PROVIDED
        cluster_type:
          name: envoy.clusters.redis
          typed_config: {"@type": type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig}
        load_assignment:
          cluster_name: custom
          endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address:
            {address: cluster-0.nodes.redis.svc.cluster.local, port_value: 6379}}}}]}]
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: proxy, namespace: redis}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener: {name: 10.96.0.10_6379, filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}
    patch:
      operation: REPLACE
      value:
        name: envoy.filters.network.redis_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: redis
          settings: {op_timeout: 5s, read_policy: REPLICA, enable_redirection: true}
          prefix_routes:
            catch_all_route: {cluster: custom, request_mirror_policy: [{cluster: "outbound|6379||cluster.redis.svc.cluster.local"}]}
"#;

/// The codes that are found, once one text of the world stands for another and more is added to it.
fn found(from: &str, to: &str, more: &str) -> BTreeSet<&'static str> {
    assert!(WORLD.contains(from), "{from}");
    let files = [("world.yaml".to_owned(), WORLD.replacen(from, to, 1)), ("more.yaml".to_owned(), more.to_owned())];
    of(schema(), &files, Mesh::default()).into_iter().map(|finding| finding.code).collect()
}

/// The world has nothing but `code` after the change.
#[track_caller]
fn only(code: &str, from: &str, to: &str, more: &str) {
    assert_eq!(found(from, to, more), BTreeSet::from([code]));
}

#[test]
fn a_sound_world_has_no_findings() {
    let files = [("world.yaml".to_owned(), WORLD.to_owned())];
    assert_eq!(of(schema(), &files, Mesh::default()), []);
}

#[test]
fn sm0001_bad_files() {
    only("SM0001", "", "", "kind: Service\n");
}

#[test]
fn sm0002_without_effect() {
    only("SM0002", "", "", WITHOUT_ADDRESS);
}

/// A service without an address, in a file: Kubernetes would give it one.
const WITHOUT_ADDRESS: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1}]}\n";

#[test]
fn sm0003_declared_twice() {
    let more = "apiVersion: v1\nkind: Namespace\nmetadata: {name: redis}\n";
    only("SM0003", "", "", more);
}

#[test]
fn sm0101_nowhere() {
    only("SM0101", "10.96.0.10_6379", "10.96.0.10_6380", "");
}

#[test]
fn sm0102_moved() {
    only("SM0102", "clusterIP: 10.96.0.10", "clusterIP: 10.96.0.12", "");
    let files = [("world.yaml".to_owned(), WORLD.replace("10.96.0.10,", "10.96.0.12,"))];
    let [only] = &of(schema(), &files, Mesh::default())[..] else { panic!("one finding") };
    assert_eq!(only.about, "EnvoyFilter redis/proxy configPatches[0]");
    assert!(only.text.ends_with("on that port are 10.96.0.12_6379 (cluster.redis.svc.cluster.local)"), "{}", only.text);
}

#[test]
fn sm0103_refused() {
    let more = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a, namespace: redis}\nspec: {configPatches: [{applyTo: CLUSTER, patch: {operation: ADD, value: {name: false}}}]}\n";
    only("SM0103", "", "", more);
}

#[test]
fn sm0104_for_nobody() {
    let more = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a, namespace: redis}\nspec: {workloadSelector: {labels: {app: nobody}}, configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 1s}}}]}\n";
    only("SM0104", "", "", more);
    let somebody = more.replace("nobody", "client");
    assert_eq!(found("", "", &somebody), BTreeSet::new());
}

#[test]
fn sm0105_held_back() {
    // Envoy wants the settings.
    only("SM0105", "settings: {op_timeout: 5s, read_policy: REPLICA, enable_redirection: true}\n", "\n", "");
}

#[test]
fn sm0106_odd() {
    let more = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a, namespace: redis}\nspec: {configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: MERGE, value: {conect_timeout: 1s}}}]}\n";
    assert!(found("", "", more).contains("SM0106"), "{:?}", found("", "", more));
    let sound = more.replace("conect", "connect");
    assert!(!found("", "", &sound).contains("SM0106"));
}

#[test]
fn sm0201_undefined() {
    only("SM0201", "{cluster: custom, request", "{cluster: costum, request", "");
}

#[test]
fn sm0202_undefined_mirrors() {
    only("SM0202", "outbound|6379||cluster.redis", "outbound|6379||mirror.redis", "");
}

#[test]
fn sm0203_added_twice() {
    let more = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a, namespace: redis}\nspec: {configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: custom, connect_timeout: 1s, type: STATIC}}}]}\n";
    assert!(found("", "", more).contains("SM0203"));
    let sound = more.replace("name: custom", "name: other");
    assert_eq!(found("", "", &sound), BTreeSet::new());
}

#[test]
fn sm0204_replicas_missing() {
    only("SM0204", "replicas: 6", "replicas: 3", "");
}

/// A typed resource for the service, beside the EnvoyFilters of another port.
fn typed(spec: &str) -> String {
    format!(
        "apiVersion: slotmesh.io/v1alpha1\nkind: RedisService\nmetadata: {{name: a, namespace: redis}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn sm0107_no_such_place() {
    only("SM0107", "", "", &typed("host: nowhere"));
    only("SM0107", "", "", &typed("host: nodes, port: 1234"));
    assert_eq!(found("", "", &typed("host: nodes, mode: CLUSTER")), BTreeSet::new());
}

#[test]
fn sm0108_no_such_secret() {
    let more = typed("host: nodes, mode: CLUSTER, auth: {password: {secretKeyRef: {name: password, key: a}}}");
    only("SM0108", "", "", &more);
    let secret =
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: password, namespace: redis}\nstringData: {a: b}\n";
    assert_eq!(found("", "", &format!("{more}{secret}")), BTreeSet::new());
}

#[test]
fn sm0204_of_typed_resources() {
    let more = typed("host: nodes, mode: CLUSTER, settings: {readPolicy: REPLICA}");
    assert_eq!(found("", "", &more), BTreeSet::new());
    // Once for the patch, and once for the resource.
    let files =
        [("world.yaml".to_owned(), WORLD.replace("replicas: 6", "replicas: 3")), ("more.yaml".to_owned(), more)];
    let found = of(schema(), &files, Mesh::default());
    let about: Vec<&str> = found.iter().map(|finding| finding.about.as_str()).collect();
    assert_eq!(about, ["RedisService redis/a", "EnvoyFilter redis/proxy configPatches[0]"]);
}

#[test]
fn sm0205_mirrored_to_itself() {
    only("SM0205", "cluster: \"outbound|6379||cluster.redis.svc.cluster.local\"", "cluster: custom", "");
    let route = "---\napiVersion: slotmesh.io/v1alpha1\nkind: RedisRoute\nmetadata: {name: b, namespace: redis}\nspec: {host: nodes, routes: [{mirrors: [{to: {host: nodes}}]}]}\n";
    only("SM0205", "", "", &format!("{}{route}", typed("host: nodes, mode: CLUSTER")));
}

#[test]
fn sm0206_redirections_ignored() {
    only("SM0206", ", enable_redirection: true", "", "");
}

#[test]
fn sm0301_plaintext_to_strict() {
    let more = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: redis}\nspec: {mtls: {mode: STRICT}}\n";
    only("SM0301", "", "", more);
    assert_eq!(found("", "", &more.replace("STRICT", "PERMISSIVE")), BTreeSet::new());
    let secured = "lb_policy: CLUSTER_PROVIDED\n        transport_socket: {name: envoy.transport_sockets.tls, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}";
    assert_eq!(found("lb_policy: CLUSTER_PROVIDED", secured, more), BTreeSet::new());
}

#[test]
fn sm0302_announce_loopback() {
    only("SM0302", ", --cluster-announce-ip, $(POD_IP)", "", "");
    assert_eq!(found("istio-injection: enabled", "a: b", ""), BTreeSet::new());
}

#[test]
fn every_code_has_a_test_and_is_explained_in_the_documents() {
    let page = include_str!("../../../../docs/analyze.md");
    let mut known = BTreeSet::new();
    for (code, severity) in codes() {
        assert!(known.insert(code), "{code} is two rules, so that the test of one holds without the other");
        let severity = format!("{severity:?}").to_lowercase();
        assert!(page.contains(&format!("\n## {code} ({severity}): ")), "{code} ({severity}) has no section");
        let test = format!("\nfn {}_", code.to_lowercase());
        assert!(include_str!("tests.rs").contains(&test), "{code} has no test");
    }
    assert_eq!(page.matches("\n## SM").count(), known.len(), "a section is of no code");
}
