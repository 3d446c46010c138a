//! The commands that reach a cluster: `status`, `config`, `explain` and `analyze` with `--kube`.
//!
//! The API server is simulated: it lists what it is given, in small pages, and forwards ports in the protocol
//! `v4.channel.k8s.io`, as real ones do. Where `make test-kube` names a real one, that is asked too.

#![cfg(test)]

// The real `slotmesh control` and its place.
#[allow(dead_code, reason = "the tests of the control plane use more of it")]
#[path = "control_serving/plane.rs"]
mod plane;

#[allow(dead_code, reason = "the test of the webhook uses more of it")]
#[path = "commands_kube/api.rs"]
mod api;

use api::Api;
use plane::{PATIENT, Plane, Sidecar, tutorial};
use serde_json::{Value, json};
use std::process::Command;
use testkit::{Proxy, wait};
use xds::server::Dialect;

const BIN: &str = env!("CARGO_BIN_EXE_slotmesh");

/// The exit status, what was printed, what was told.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BIN).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A pod of the control plane.
fn control(name: &str, phase: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": phase}, "metadata": {
        "name": name, "namespace": "slotmesh-system", "labels": {"app.kubernetes.io/name": "slotmesh-control"}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_finds_the_control_plane_by_its_label() {
    let plane = Plane::start(&tutorial(false));
    let _sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    let api = Api::start(&[]);
    let asked = ["status", "--kube", "--kubeconfig", &api.kubeconfig()];
    let (status, printed, told) = run(&asked);
    assert!(status == 2 && printed.is_empty() && told.contains("slotmesh-control in slotmesh-system"), "{told}");

    api.put(control("control-old", "Succeeded"));
    api.put(control("control-1", "Running"));
    api.listens("control-1.slotmesh-system:15014", plane.address("http"));
    wait::until_true("all is acknowledged", PATIENT, || Ok(run(&asked).0 == 0)).unwrap();
    let (_, printed, told) = run(&asked);
    assert!(printed.contains("redis-client-0.redis  SYNCED "), "{printed}{told}");
    let (_, printed, _) = run(&[&asked[..], &["-o", "json"]].concat());
    let answer: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(answer["control"], "control-1.slotmesh-system:15014");
    let elsewhere = run(&[&asked[..], &["--control-namespace", "nowhere"]].concat());
    assert!(elsewhere.0 == 2 && elsewhere.2.contains("in nowhere"), "{}", elsewhere.2);
}

/// istiod's page as it is, but for the names: it has no page about EnvoyFilters.
const SYNCZ: &str = r#"[{"cluster_id": "Kubernetes", "proxy": "client.redis", "proxy_type": "sidecar", "istio_version": "1.31.0",
  "resources": {
    "type.googleapis.com/envoy.config.cluster.v3.Cluster": {
      "sent": "2026-11-23T17:19:58Z/151a50712c-403b-41fe-85bc-36aed4371950",
      "acked": "2026-11-23T17:19:58Z/151a50712c-403b-41fe-85bc-36aed4371950"},
    "type.googleapis.com/envoy.config.listener.v3.Listener": {
      "sent": "2026-11-23T17:19:58Z/1575099c79-be02-4468-b12b-25fa8c273a38",
      "acked": "2026-11-23T17:19:51Z/148d08d080-61fa-4a14-904b-1252bc064df7",
      "lastError": "Error adding/updating listener(s) 10.96.0.10_6379: bad"}}}]"#;

#[test]
fn status_asks_istiod_where_there_is_no_other_control_plane() {
    let api = Api::start(&[]);
    let mut istiod = control("istiod-1", "Running");
    istiod["metadata"]["namespace"] = "istio-system".into();
    istiod["metadata"]["labels"] = json!({"app": "istiod"});
    api.put(istiod);
    api.listens("istiod-1.istio-system:15014", api::page("/debug/syncz", SYNCZ));
    let (status, printed, told) = run(&["status", "--kube", "--kubeconfig", &api.kubeconfig()]);
    assert_eq!(status, 1, "{printed}{told}");
    let row =
        "client.redis  SYNCED 2026-11-23T17:19:58Z/15  -    NACK 2026-11-23T17:19:58Z/15 (has 2026-11-23T17:19:51Z/14)";
    assert!(printed.contains(row), "{printed}");
    assert!(printed.contains("client.redis refuses LDS: Error adding/updating"), "{printed}");
}

#[test]
fn config_and_explain_ask_the_sidecar_of_a_pod() {
    let plane = Plane::start(&tutorial(false));
    let admin = testkit::ports::one().unwrap();
    let example = plane::example("sidecar.yaml", "port_value: 15000", &format!("port_value: {admin}"));
    let config = example.replace("port_value: 15010", &format!("port_value: {}", plane.address("xds").port()));
    let _proxy = Proxy::launch(BIN, &config, &[]).unwrap();
    let pods = plane::example("tutorial/pods.yaml", "", "");
    let api = Api::start(&[("pods.yaml".to_owned(), pods)]);
    api.listens("redis-client-0.redis:15000", ([127, 0, 0, 1], admin).into());
    let file = api.kubeconfig();
    let kube = ["--kube", "--kubeconfig", &file];

    let listeners = || run(&[&["config", "listeners", "redis-client-0.redis"], &kube[..]].concat());
    wait::until_true("the listener has come", PATIENT, || Ok(listeners().1.contains("redis: custom-redis"))).unwrap();
    let (status, printed, _) = run(&[&["config", "clusters", "redis-client-0", "-n", "redis"], &kube[..]].concat());
    assert!(status == 0 && printed.contains("custom-redis-cluster"), "{printed}");

    let explain = [&["explain", "SET foo 1", "--proxy", "redis-client-0.redis"], &kube[..]].concat();
    let (status, printed, told) = run(&explain);
    assert!(status == 0 && printed.contains("slot        12182"), "{printed}{told}");
    assert!(printed.contains("the control plane, version "), "{printed}");
    api.put(control("control-1", "Running"));
    api.listens("control-1.slotmesh-system:15014", plane.address("http"));
    let (_, printed, told) = run(&explain);
    assert!(printed.contains("EnvoyFilter istio-system/add-redis-proxy configPatches[0] ("), "{printed}{told}");
}

#[test]
fn what_keeps_it_from_an_answer_is_told() {
    let pods = plane::example("tutorial/pods.yaml", "", "");
    let api = Api::start(&[("pods.yaml".to_owned(), pods)]);
    let file = api.kubeconfig();
    let kube = ["--kube", "--kubeconfig", &file];
    for (args, reason) in [
        (&["config", "redis", "nobody.redis"][..], "there is no pod nobody in the namespace redis"),
        (&["config", "redis", "redis-client-0.redis"], "connection refused in the pod"),
        (&["config", "redis"], "say whose"),
        (&["explain", "GET a"], "say whose"),
        (&["explain", "GET a", "--proxy", "nobody.redis"], "there is no pod nobody"),
    ] {
        let (status, printed, told) = run(&[args, &kube[..]].concat());
        assert!(status == 2 && printed.is_empty() && told.contains(reason), "{args:?}: {printed}{told}");
    }
    let (status, _, told) = run(&["status", "--kube", "--kubeconfig", "/no/such/file"]);
    assert!(status == 2 && told.contains("kubeconfig cannot be used"), "{told}");
    api.forbid("pods");
    let (status, _, told) = run(&[&["status"], &kube[..]].concat());
    assert!(status == 2 && told.contains("cannot be listed") && told.contains("forbidden to you"), "{told}");
}

#[test]
fn analyze_says_of_a_cluster_what_it_says_of_files() {
    let moved: Vec<(String, String)> = tutorial(true)
        .into_iter()
        .map(|(name, text)| (name, text.replace("clusterIP: 10.96.0.10", "clusterIP: 10.96.0.12")))
        .collect();
    let api = Api::start(&moved);
    let file = api.kubeconfig();
    let kube = ["analyze", "--kube", "--kubeconfig", &file];
    let codes = |args: &[&str]| {
        let (_, printed, told) = run(&[args, &["-o", "json"]].concat());
        let found: Vec<Value> =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{told}"));
        let codes = found.iter().map(|one| format!("{} {}", one["code"], one["about"]));
        codes.collect::<std::collections::BTreeSet<_>>()
    };
    let folder = tempfile::TempDir::new().unwrap();
    for (name, text) in &moved {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let of_files = codes(&["analyze", &folder.path().display().to_string()]);
    let of_cluster = codes(&kube);
    assert!(of_cluster.iter().any(|one| one.contains("SM0102")), "{of_cluster:?}");
    assert_eq!(of_cluster, of_files);
    let (status, printed, _) = run(&kube);
    assert!(status == 2 && printed.contains("kube:EnvoyFilter/istio-system/add-redis-proxy"), "{printed}");
    assert!(printed.contains(" objects: 1 errors"), "{printed}");
    assert!(!api.requests().iter().any(|path| path.contains("/secrets")), "{:?}", api.requests());

    let typed = "apiVersion: slotmesh.io/v1alpha1\nkind: RedisService\nmetadata: {name: a, namespace: redis}\n\
        spec: {host: redis-cluster, auth: {password: {secretKeyRef: {name: password, key: a}}}}\n";
    api.put(config::dynamic::json(&config::text::documents(typed, false).unwrap()[0]));
    assert!(!codes(&kube).iter().any(|one| one.contains("SM0108")));
    assert!(codes(&[&kube[..], &["--secrets"]].concat()).iter().any(|one| one.contains("SM0108")));

    api.forbid("envoyfilters");
    let (status, printed, told) = run(&kube);
    assert!(status == 2 && printed.is_empty(), "{printed}");
    assert!(told.contains("does not list envoyfilters.networking.istio.io: 403 forbidden to you"), "{told}");
}

/// `make test-kube` says so where `KUBECONFIG` names a cluster.
#[tokio::test]
async fn real_cluster() {
    use k8s_openapi::api::core::v1::Pod;
    if std::env::var_os("SLOTMESH_TEST_KUBE").is_none() {
        return;
    }
    let (_, printed, told) = run(&["analyze", "--kube", "-o", "json"]);
    let found: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{told}"));
    eprintln!("analyze: {} findings", found.as_array().unwrap().len());
    let client = kube::Client::try_default().await.unwrap();
    let pods = kube::Api::<Pod>::all(client).list(&kube::api::ListParams::default()).await.unwrap();
    let runs = |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    let Some(pod) = pods.items.iter().find(runs) else {
        return eprintln!("no pod runs there: forwarding was not tried");
    };
    let (name, namespace) = (pod.metadata.name.as_deref().unwrap(), pod.metadata.namespace.as_deref().unwrap());
    let (status, printed, told) = run(&["config", "listeners", &format!("{name}.{namespace}"), "--kube"]);
    eprintln!("config listeners {name}.{namespace}: {status} {printed}{told}");
    // Either it is a sidecar, or the node says that nobody listens there: both come through the forwarding.
    assert!(status == 0 || told.contains("15000"), "{told}");
}
