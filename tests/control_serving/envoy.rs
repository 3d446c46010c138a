//! The real Envoy 1.40 under the control plane: the tutorial, step by step, from the files of the examples.

use crate::place::{Place, mesh};
use crate::plane::{PATIENT, Plane, tutorial};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::{Proxy, Reply, wait};

fn bootstrap(xds: SocketAddr, api: &str, pod: &str) -> String {
    format!(
        "
node:
  id: sidecar~{pod}.redis~redis.svc.cluster.local
  cluster: redis-client.redis
  metadata: {{ ISTIO_VERSION: 1.31.0, NAMESPACE: redis }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: $ADMIN }} }} }}
dynamic_resources:
  ads_config:
    api_type: {api}
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [ {{ envoy_grpc: {{ cluster_name: xds }} }} ]
  cds_config: {{ ads: {{}}, resource_api_version: V3, initial_fetch_timeout: 0s }}
  lds_config: {{ ads: {{}}, resource_api_version: V3, initial_fetch_timeout: 0s }}
static_resources:
  clusters:
  - name: xds
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: xds
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address:
        {{ address: {}, port_value: {} }} }} }} }} ] }} ]
",
        xds.ip(),
        xds.port()
    )
}

/// Waits until everything that was sent is acknowledged, and returns the row of the only proxy.
fn settled(plane: &Plane, what: &str) -> Value {
    let mut last = Value::Null;
    let settled = wait::until(what, PATIENT, || {
        last = plane.json("/debug/syncz")[0].clone();
        let kinds = last["resources"].as_object().filter(|kinds| kinds.len() >= 3);
        let all = kinds
            .is_some_and(|kinds| kinds.values().all(|kind| kind["sent"] == kind["acked"] && !kind["sent"].is_null()));
        Ok(all.then(|| last.clone()))
    });
    settled.unwrap_or_else(|error| panic!("{error}\n{last:#}\n{}", plane.log()))
}

/// The pod of the client.
const CLIENT: &str = "10.244.0.31~redis-client-0";

fn play(api: &str) {
    let place = Place::new();
    let folder = tempfile::TempDir::new().unwrap();
    let mesh_file = folder.path().join("mesh.yaml");
    std::fs::write(&mesh_file, mesh()).unwrap();
    let plane = Plane::start_with(&place.files(), &["--mesh", mesh_file.to_str().unwrap()]);
    let binary = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    let envoy = Proxy::envoy(&binary, &bootstrap(plane.address("xds"), api, CLIENT)).unwrap();
    let row = settled(&plane, "all is acknowledged");
    assert!(!row.to_string().contains("lastError"), "{row:#}");
    assert_eq!(envoy.stat("listener_manager.total_listeners_active").unwrap(), Some(16));

    // The client sees one plain Redis; each shard has its part.
    let mut client = place.client();
    wait::until_true("the nodes are known", PATIENT, || Ok(client.ask("SET a a")? == Reply::ok())).unwrap();
    for key in 'b'..='h' {
        assert_eq!(client.ask(&format!("SET {key} {key}")).unwrap(), Reply::ok());
    }
    for key in 'a'..='h' {
        let owner = place.redis.owner_of(&key.to_string()).unwrap();
        assert_eq!(place.redis.node(owner).ask(&format!("GET {key}")).unwrap(), Reply::bulk(key.to_string()));
    }
    mirror(&plane, &place);
    refusal(&plane);
    let (status, log) = plane.end();
    assert!(status.success(), "{log}");
    // The control plane is gone; what it gave stays.
    assert_eq!(place.client().ask("SET a after").unwrap(), Reply::ok());
}

/// The files of the later step: the first mirrored write comes soon, and all is acknowledged.
fn mirror(plane: &Plane, place: &Place) {
    for name in ["pods-mirror.yaml", "redis-mirror.yaml", "envoyfilter-redis-proxy.yaml"] {
        plane.replace(name, &place.file(&format!("tutorial-mirror/{name}")));
    }
    let applied = Instant::now();
    wait::until_true("a write is mirrored", PATIENT, || {
        // Envoy cuts its clients when their listener changes.
        let _ = place.client().ask("SET mirrored yes");
        Ok(place.mirror.ask("GET mirrored")? == Reply::bulk("yes"))
    })
    .unwrap();
    assert!(applied.elapsed() < Duration::from_secs(10), "{:?}", applied.elapsed());
    settled(plane, "the mirror is acknowledged");
}

/// The one thing of those recorded that cannot be foreseen without Envoy itself: options of an extension that it lacks.
fn refusal(plane: &Plane) {
    let bad = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: bad, namespace: istio-system}\nspec:\n  configPatches:\n  - applyTo: CLUSTER\n    match: {cluster: {name: outbound|6379||redis-mirror.redis.svc.cluster.local}}\n    patch:\n      operation: MERGE\n      value: {typed_extension_protocol_options: {no.such.extension: {\"@type\": type.googleapis.com/google.protobuf.Struct, value: {}}}}\n";
    plane.replace("bad.yaml", bad);
    let told = plane.logged("what was refused was patched by EnvoyFilter istio-system/bad configPatches[0]");
    assert!(told.contains("outbound|6379||redis-mirror"), "{told}");
    let clusters = &plane.json("/debug/syncz")[0]["resources"][xds::Kind::Cluster.url()];
    assert_eq!(clusters["lastErrorPatches"][0], "istio-system/bad configPatches[0]", "{clusters:#}");
    std::fs::remove_file(plane.at("bad.yaml")).unwrap();
    let mended = wait::until("the refusal is over", PATIENT, || {
        let row = plane.json("/debug/syncz")[0].clone();
        Ok((!row.to_string().contains("lastError")).then_some(()))
    });
    mended.unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
}

#[test]
fn envoy_acknowledges_the_examples_as_they_are_beside_every_workload() {
    let folder = tempfile::TempDir::new().unwrap();
    let mesh_file = folder.path().join("mesh.yaml");
    std::fs::write(&mesh_file, mesh()).unwrap();
    let plane = Plane::start_with(&tutorial(true), &["--mesh", mesh_file.to_str().unwrap()]);
    let binary = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    for (pod, listeners) in [(CLIENT, 17), ("10.244.0.11~redis-cluster-0", 15), ("10.244.0.21~redis-mirror-0", 17)] {
        wait::until_true("the one before is gone", PATIENT, || {
            Ok(plane.json("/debug/syncz").as_array().unwrap().is_empty())
        })
        .unwrap();
        let envoy = Proxy::envoy(&binary, &bootstrap(plane.address("xds"), "DELTA_GRPC", pod)).unwrap();
        let row = settled(&plane, pod);
        assert!(!row.to_string().contains("lastError"), "{row:#}");
        assert_eq!(envoy.stat("listener_manager.total_listeners_active").unwrap(), Some(listeners), "{pod}");
    }
    assert_eq!(plane.metric("pilot_total_xds_rejects{type=\"lds\"}"), Some(0.0));
    assert_eq!(plane.metric("pilot_total_xds_rejects{type=\"cds\"}"), Some(0.0));
}

#[test]
fn envoy_plays_the_tutorial_incrementally() {
    play("DELTA_GRPC");
}

#[test]
fn envoy_plays_the_tutorial_with_the_state_of_the_world() {
    play("GRPC");
}
