//! Conditions written into the cluster that `KUBECONFIG` names (`make test-kube`), and into the simulated one.

use super::api::Api;
use super::scene::{Control, condition};
use control::kube::{Access, Client, Manners, Patience};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const NAMESPACE: &str = "slotmesh-test-status";

/// Who asks.
struct Asker {
    runtime: Runtime,
    client: Client,
}

impl Asker {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string().into_bytes())).unwrap();
        self.runtime.block_on(async {
            let response = self.client.send(request).await.unwrap();
            let code = response.status().as_u16();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (code, serde_json::from_slice(&bytes).unwrap_or_default())
        })
    }

    fn make(&self, path: &str, body: &Value) {
        let (code, answer) = self.ask("POST", path, body);
        assert!([200, 201, 409].contains(&code), "{path}: {code} {answer}");
    }

    /// Waits until a condition of an object is this, and about the object's present generation.
    fn wait(&self, path: &str, which: &str, expected: (&str, &str)) {
        let began = Instant::now();
        loop {
            let (_, object) = self.ask("GET", path, &Value::Null);
            let status = &object["status"];
            let found = condition(&status["conditions"], which);
            let (observed, generation) = (&status["observedGeneration"], &object["metadata"]["generation"]);
            let text = |value: &Value| value.to_string().trim_matches('"').to_owned();
            let is_current = generation.is_null() || text(observed) == text(generation);
            if (found.0.as_str(), found.1.as_str()) == expected && is_current {
                return println!("{path}: {which} {} {}: {}", found.0, found.1, found.2);
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{path} {which}: {object:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn status_test(access: Access, install: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(access.client()).unwrap();
    let asker = Asker { runtime, client };
    if install {
        for (_, crd) in control::typed::crds() {
            asker.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd);
        }
    }
    let meta = |name: &str| json!({"name": name, "namespace": NAMESPACE});
    asker
        .make("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    let control = Control::start(access.clone(), &[], None, Patience::default(), TempDir::new().unwrap());
    control.write(access, Manners::default());
    let resources = format!("/apis/slotmesh.io/v1alpha1/namespaces/{NAMESPACE}/redisservices");
    let version = "slotmesh.io/v1alpha1";
    let spec = json!({"host": "redis"});
    asker.make(
        &resources,
        &json!({"apiVersion": version, "kind": "RedisService", "metadata": meta("one"), "spec": spec}),
    );
    let one = format!("{resources}/one");
    asker.wait(&one, "Accepted", ("False", "Invalid"));
    let ports = json!([{"name": "tcp-redis", "port": 6379}]);
    asker.make(
        &format!("/api/v1/namespaces/{NAMESPACE}/services"),
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("redis"), "spec": {"clusterIP": "None", "ports": ports}}),
    );
    asker.wait(&one, "Accepted", ("True", "Valid"));
    asker.wait(&one, "Programmed", ("Unknown", "NoProxies"));
    filter(&asker, &meta("two"));
    let (_, events) = asker.ask("GET", &format!("/api/v1/namespaces/{NAMESPACE}/events"), &Value::Null);
    let is_ours = |event: &&Value| event["source"]["component"] == "slotmesh-control";
    assert!(events["items"].as_array().unwrap().iter().any(|event| is_ours(&event)), "{events:#}");
    asker.ask("DELETE", &one, &json!({}));
    asker.ask("DELETE", &format!("/api/v1/namespaces/{NAMESPACE}"), &json!({}));
    println!("status: as expected");
}

/// The same of an EnvoyFilter, where the cluster knows them.
fn filter(asker: &Asker, meta: &Value) {
    let filters = format!("/apis/networking.istio.io/v1alpha3/namespaces/{NAMESPACE}/envoyfilters");
    if asker.ask("GET", &filters, &Value::Null).0 == 404 {
        return println!("EnvoyFilters are skipped: their CustomResourceDefinition is not installed");
    }
    let patch = json!({"applyTo": "CLUSTER", "patch": {"operation": "MERGE", "value": {"connect_timeout": "7s"}}});
    let spec = json!({"configPatches": [patch]});
    let version = "networking.istio.io/v1alpha3";
    asker.make(&filters, &json!({"apiVersion": version, "kind": "EnvoyFilter", "metadata": meta, "spec": spec}));
    asker.wait(&format!("{filters}/two"), "Accepted", ("True", "Valid"));
    asker.ask("DELETE", &format!("{filters}/two"), &json!({}));
}

#[test]
fn status_in_the_cluster_that_is_named() {
    if std::env::var_os("SLOTMESH_TEST_KUBE").is_none() {
        println!("skipped: `make test-kube` runs it against the cluster that KUBECONFIG names");
        return;
    }
    status_test(Access::default(), true);
}

#[test]
fn status_in_the_simulated_cluster() {
    let api = Api::start();
    let folder = TempDir::new().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    status_test(Access { kubeconfig: Some(kubeconfig), context: None }, false);
}
