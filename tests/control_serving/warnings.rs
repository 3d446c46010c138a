//! What Istio is silent about: a patch that does nothing, a result that was held back, a refusal and its cause.

use crate::plane::{PATIENT, Plane, Sidecar, example, tutorial};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::wait;
use xds::Kind::{Endpoints, Listener};
use xds::server::Dialect;

const VIP: &str = "10.96.0.10_6379";
const PATCH: &str = "{envoyfilter=\"istio-system/add-redis-proxy\",patch=\"0\"}";

fn add_redis_proxy(plane: &Plane) -> Value {
    let page = plane.json("/debug/envoyfilters");
    let filters = page["envoy_filters"].as_array().unwrap();
    filters.iter().find(|filter| filter["name"] == "add-redis-proxy").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_moved_is_told_with_its_new_address() {
    let plane = Plane::start(&tutorial(false));
    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    assert!(sidecar.holds(Listener, VIP, "custom-redis-cluster"));
    let patch = &add_redis_proxy(&plane)["patches"][0];
    assert_eq!((&patch["hit_count"], &patch["hits"][0]["name"]), (&json!(1), &json!(VIP)));
    assert_eq!(plane.metric(&format!("slotmesh_envoyfilter_idle{PATCH}")), Some(0.0));
    assert_eq!(plane.metric(&format!("slotmesh_envoyfilter_hits{PATCH}")), Some(1.0));

    let own = plane.json("/debug/envoyfilters?proxy=redis-client-0.redis");
    assert_eq!(own["envoy_filters"][0]["patches"][0]["hits"][0]["name"], VIP);
    let stranger = testkit::http::get(plane.address("http"), "/debug/envoyfilters?proxy=x").unwrap();
    assert!(stranger.status == 404 && stranger.body.contains("no proxy named x is connected"), "{}", stranger.body);

    plane.replace("redis-cluster.yaml", &example("tutorial/redis-cluster.yaml", "10.96.0.10", "10.96.0.12"));
    let (kind, changed, removed) = sidecar.next().await;
    assert_eq!((kind, changed.len(), removed.len()), (Listener, 2, 2));
    assert!(!sidecar.holds(Listener, "10.96.0.12_6379", "custom-redis-cluster"));
    let told = plane.logged("was applied nowhere");
    let place = format!("{}:3)", plane.at("envoyfilter-redis-proxy.yaml").display());
    for text in [
        "WARN",
        "EnvoyFilter istio-system/add-redis-proxy",
        place.as_str(),
        "configPatches[0] was applied nowhere: no listener is named 10.96.0.10_6379; \
         the service redis-cluster.redis.svc.cluster.local is now at 10.96.0.12; \
         near: 10.96.0.12_6379 (to outbound|6379||redis-cluster.redis.svc.cluster.local)",
    ] {
        assert!(told.contains(text), "{text} is not in {told}");
    }
    let patch = &add_redis_proxy(&plane)["patches"][0];
    assert!(patch["nothing"].as_str().unwrap().ends_with("is now at 10.96.0.12"), "{patch:#}");
    assert!(patch["nearest"][0].as_str().unwrap().starts_with("10.96.0.12_6379"), "{patch:#}");
    assert_eq!(plane.metric(&format!("slotmesh_envoyfilter_idle{PATCH}")), Some(1.0));
    // Once, whatever else changes.
    plane.replace("pods.yaml", &example("tutorial/pods.yaml", "10.244.0.16", "10.244.0.17"));
    while sidecar.next().await.0 != Endpoints {}
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(plane.times("was applied nowhere"), 1, "{}", plane.log());
    // Mended.
    let mended = example("tutorial/envoyfilter-redis-proxy.yaml", "10.96.0.10", "10.96.0.12");
    plane.replace("envoyfilter-redis-proxy.yaml", &mended);
    while !sidecar.holds(Listener, "10.96.0.12_6379", "custom-redis-cluster") {
        sidecar.next().await;
    }
    plane.logged("no longer: EnvoyFilter istio-system/add-redis-proxy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_with_the_patch_that_caused_it() {
    let plane = Plane::start(&tutorial(false));
    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    sidecar.refuses = Some((VIP.to_owned(), "RedisProxy is not to its taste".to_owned()));
    plane.replace(
        "envoyfilter-redis-proxy.yaml",
        &example("tutorial/envoyfilter-redis-proxy.yaml", "op_timeout: 5s", "op_timeout: 6s"),
    );
    assert_eq!(sidecar.next().await, (Listener, vec![VIP.to_owned()], Vec::new()));
    let told = plane.logged("what was refused was patched by EnvoyFilter");
    assert!(told.contains("EnvoyFilter istio-system/add-redis-proxy configPatches[0]"), "{told}");
    assert!(told.contains("redis-client-0.redis") && told.contains(VIP), "{told}");
    let row = &plane.json("/debug/syncz")[0]["resources"][Listener.url()];
    assert!(row["lastError"].as_str().unwrap().contains("is not to its taste"), "{row:#}");
    assert_eq!(row["lastErrorResources"], json!([VIP]));
    assert_eq!(row["lastErrorPatches"], json!(["istio-system/add-redis-proxy configPatches[0]"]));
    let page = plane.json("/debug/envoyfilters");
    assert_eq!(page["nacks"][0]["resources"], json!([VIP]));
    assert_eq!(add_redis_proxy(&plane)["patches"][0]["refused_by"], json!(["redis-client-0.redis"]));
    assert_eq!(plane.metric(&format!("slotmesh_envoyfilter_refused_by{PATCH}")), Some(1.0));
    assert_eq!(plane.metric("pilot_total_xds_rejects{type=\"lds\"}"), Some(1.0));
    // Accepted again: nothing is left of it.
    sidecar.refuses = None;
    // The proxy has this one, so that its client need not be told.
    plane.replace("envoyfilter-redis-proxy.yaml", &example("tutorial/envoyfilter-redis-proxy.yaml", "", ""));
    wait::until_true("it is forgotten", PATIENT, || {
        Ok(plane.json("/debug/envoyfilters")["nacks"] == json!([]) && !plane.page("/debug/syncz").contains("lastError"))
    })
    .unwrap();
    // So it is if the proxy leaves.
    sidecar.refuses = Some((VIP.to_owned(), "still not".to_owned()));
    plane.replace(
        "envoyfilter-redis-proxy.yaml",
        &example("tutorial/envoyfilter-redis-proxy.yaml", "op_timeout: 5s", "op_timeout: 7s"),
    );
    sidecar.next().await;
    wait::until_true("it is refused again", PATIENT, || Ok(plane.json("/debug/envoyfilters")["nacks"] != json!([])))
        .unwrap();
    drop(sidecar);
    wait::until_true("it has left", PATIENT, || Ok(plane.json("/debug/envoyfilters")["nacks"] == json!([]))).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_proxy_would_refuse_is_held_back_with_its_reason() {
    let plane = Plane::start(&tutorial(false));
    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    // Without op_timeout, which Envoy's rules ask for; and beside it one field that vanishes.
    let text = example("tutorial/envoyfilter-redis-proxy.yaml", "op_timeout: 5s", "op_timeuot: 5s");
    plane.replace("envoyfilter-redis-proxy.yaml", &text);
    assert_eq!(sidecar.next().await, (Listener, vec![VIP.to_owned()], Vec::new()));
    assert!(!sidecar.holds(Listener, VIP, "custom-redis-cluster"), "it goes out without the patch");
    assert!(sidecar.holds(Listener, VIP, "tcp_proxy"));
    let told = plane.logged("goes out without EnvoyFilter istio-system/add-redis-proxy configPatches[0]");
    assert!(told.contains(&format!("listener {VIP}")) && told.contains("op_timeout"), "{told}");
    assert!(plane.logged("op_timeuot").contains("did you mean `op_timeout`"));
    let page = plane.json("/debug/envoyfilters");
    assert_eq!(page["held_back"][0]["resource"], format!("listener {VIP}"));
    assert_eq!(plane.metric(&format!("slotmesh_envoyfilter_held_back{PATCH}")), Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_version_of_a_refused_filter_stays_in_force() {
    let plane = Plane::start(&tutorial(false));
    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    let text = example("tutorial/envoyfilter-redis-proxy.yaml", "operation: REPLACE", "operation: INVALID");
    plane.replace("envoyfilter-redis-proxy.yaml", &text);
    let told = plane.logged("Envoy filter: missing patch operation");
    assert!(told.contains("ERROR") && told.contains("envoyfilter-redis-proxy.yaml:3: "), "{told}");
    assert!(told.contains("its version before stays in force"), "{told}");
    assert!(sidecar.is_left_alone(Duration::from_millis(600)).await);
    assert!(sidecar.holds(Listener, VIP, "custom-redis-cluster"));
    assert_eq!(plane.metric("slotmesh_envoyfilters_refused"), Some(1.0));
    let filter = add_redis_proxy(&plane);
    assert_eq!(
        (&filter["refused"][0], &filter["patches"][0]["hit_count"]),
        (&json!("Envoy filter: missing patch operation"), &json!(1))
    );
}

const ODD: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: odd, namespace: istio-system}
spec:
  configPatches:
  - applyTo: LISTENER
    match: {context: SIDECAR_OUTBOUND, listener: {portName: tcp-client}}
    patch: {operation: MERGE, value: {per_connection_buffer_limit_bytes: 4096}}
  - applyTo: CLUSTER
    match: {cluster: {name: outbound|6379||redis-cluster.redis.svc.cluster.local}}
    patch: {operation: MERGE, value: {lb_policy: ROUND_ROBIN}}
  - applyTo: NETWORK_FILTER
    match: {listener: {name: 10.96.0.10_16379, filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}}
    patch:
      operation: MERGE
      value:
        name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: x
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: nobody, namespace: istio-system}
spec:
  workloadSelector: {labels: {app: redis-cleint}}
  configPatches:
  - {applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7s}}}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_patch_says_and_does_not_do_is_told() {
    let mut files = tutorial(false);
    files.push(("odd.yaml".to_owned(), ODD.to_owned()));
    let plane = Plane::start(&files);
    let _sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    for told in [
        "configPatches[0]: match.listener.portName is documented but not looked at",
        "configPatches[1]: lb_policy is set to its default, which a MERGE cannot do",
        "configPatches[2] was applied nowhere: it could not be carried out where it matches",
        "filter_chains[0].filters[0] of 10.96.0.10_16379 holds envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "istio-system/nobody",
    ] {
        plane.logged(told);
    }
    assert!(
        plane.logged("istio-system/nobody").contains("concerns no proxy so far: its workloadSelector wants label app")
    );
    let of =
        |patch: usize| format!("slotmesh_envoyfilter_warnings{{envoyfilter=\"istio-system/odd\",patch=\"{patch}\"}}");
    assert_eq!([1, 2].map(|patch| plane.metric(&of(patch))), [Some(1.0), Some(1.0)]);
}
