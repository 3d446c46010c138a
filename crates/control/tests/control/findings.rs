//! What became of EnvoyFilters over all proxies, whoever asks first.
use crate::world::{node, read};
use control::Schema;
use control::findings::{Filter, Findings};
use control::plane::Plane;
use serde_json::{Value, json};
use std::sync::Arc;

const WORLD: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: server, namespace: a}
spec: {clusterIP: 10.0.0.1, selector: {app: server}, ports: [{name: tcp, port: 6379}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: coming-in, namespace: a}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_INBOUND, cluster: {service: server.a.svc.cluster.local}}
    patch: {operation: MERGE, value: {connect_timeout: 7s}}
  - applyTo: NETWORK_FILTER
    match: {listener: {name: 10.0.0.9_6379, filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}}
    patch: {operation: REMOVE}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: nobody, namespace: a}
spec:
  workloadSelector: {labels: {app: srever}}
  configPatches:
  - {applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7s}}}
"#;

fn ask(plane: &Plane, ip: &str, app: &str) {
    let Value::Object(written) = node(ip, json!({"app": app})) else { panic!("a node is an object") };
    let metadata = written["metadata"].as_object().unwrap().clone();
    let id = written["id"].as_str().unwrap().to_owned();
    plane.given(&xds::Node { id, metadata, ..xds::Node::default() }).unwrap();
}

fn named<'f>(findings: &'f Findings, name: &str) -> &'f Filter {
    findings.envoy_filters.iter().find(|filter| filter.name == name).unwrap()
}

#[test]
fn a_patch_is_idle_if_it_is_so_everywhere() {
    let proxies = [("10.1.0.1", "client"), ("10.1.0.2", "server"), ("10.1.0.3", "other")];
    let schema = Arc::new(Schema::load_mesh().unwrap());
    let mut told: Vec<String> = Vec::new();
    for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1]] {
        let plane = Plane::new(Arc::clone(&schema));
        plane.publish(read(WORLD));
        assert_eq!(plane.findings().kinds_of_proxies, 0);
        for at in order {
            ask(&plane, proxies[at].0, proxies[at].1);
        }
        let findings = plane.findings();
        let filter = named(&findings, "coming-in");
        assert_eq!((filter.concerns, filter.line), (2, 7), "servers are one kind of proxy, all others another");
        assert_eq!((filter.patches[0].hit_count, &filter.patches[0].nothing), (1, &None));
        assert_eq!(filter.patches[1].nothing.as_deref(), Some("no listener is named 10.0.0.9_6379"));
        assert!(filter.patches[1].nearest[0].starts_with("10.0.0.1_6379"));
        let nobody = named(&findings, "nobody");
        assert_eq!((nobody.concerns, nobody.patches.len()), (0, 0));
        assert!(nobody.not_for.as_deref().unwrap().contains("wants label app = \"srever\""));
        told.push(serde_json::to_string(&filter.patches).unwrap());
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:#?}");
}

#[test]
fn a_patch_for_others_is_idle_until_they_ask() {
    let plane = Plane::new(Arc::new(Schema::load_mesh().unwrap()));
    plane.publish(read(WORLD));
    ask(&plane, "10.1.0.1", "client");
    let first = plane.findings();
    assert!(named(&first, "coming-in").patches[0].nothing.is_some());
    assert!(Arc::ptr_eq(&first, &plane.findings()), "nothing has happened");
    ask(&plane, "10.1.0.2", "server");
    assert_eq!(named(&plane.findings(), "coming-in").patches[0].nothing, None);
}
