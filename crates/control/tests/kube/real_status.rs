//! Conditions written into the cluster that `KUBECONFIG` names (`make test-kube`), and into the simulated one.

use super::api::Api;
use super::place::{Place, wait};
use super::scene::{Control, condition};
use control::kube::{Access, Manners, Patience};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const NAMESPACE: &str = "slotmesh-test-status";
const OURS: &str = "slotmesh.io/v1alpha1";
const ISTIO: &str = "networking.istio.io/v1alpha3";

/// Waits until a condition of an object is this, and about the object's present generation.
fn has_condition(place: &Place, path: &str, which: &str, expected: (&str, &str)) {
    let text = |value: &Value| value.to_string().trim_matches('"').to_owned();
    wait(&format!("{path}: {which} is {expected:?}"), || {
        let object = place.core("GET", path, &Value::Null).body;
        let status = &object["status"];
        let found = condition(&status["conditions"], which);
        let (observed, generation) = (&status["observedGeneration"], &object["metadata"]["generation"]);
        let is_current = generation.is_null() || text(observed) == text(generation);
        let is_so = (found.0.as_str(), found.1.as_str()) == expected && is_current;
        if is_so {
            println!("{path}: {which} {} {}: {}", found.0, found.1, found.2);
        }
        is_so
    });
}

fn status_test(access: Access, install: bool) {
    let mut place = Place::make(&access, &access, NAMESPACE);
    if install {
        place.install();
    }
    // Nobody else's resources are written to.
    let control = Control::start(access.clone(), &[NAMESPACE], None, Patience::default(), TempDir::new().unwrap());
    control.write(access, Manners::default());
    let meta = |name: &str| json!({"name": name, "namespace": NAMESPACE});
    let spec = json!({"host": "redis"});
    let service = json!({"apiVersion": OURS, "kind": "RedisService", "metadata": meta("one"), "spec": spec});
    place.put(&format!("/apis/{OURS}"), "redisservices", &service);
    let one = format!("/apis/{OURS}/namespaces/{NAMESPACE}/redisservices/one");
    has_condition(&place, &one, "Accepted", ("False", "Invalid"));
    let ports = json!([{"name": "tcp-redis", "port": 6379}]);
    let spec = json!({"clusterIP": "None", "ports": ports});
    place.put(
        "/api/v1",
        "services",
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("redis"), "spec": spec}),
    );
    has_condition(&place, &one, "Accepted", ("True", "Valid"));
    has_condition(&place, &one, "Programmed", ("Unknown", "NoProxies"));
    filter(&place, &meta("two"));
    let path = format!("/api/v1/namespaces/{NAMESPACE}/events");
    wait("an Event of ours", || {
        let events = place.core("GET", &path, &Value::Null).body;
        let mut all = events["items"].as_array().unwrap().iter();
        all.any(|event| event["source"]["component"] == "slotmesh-control")
    });
    println!("status: as expected");
}

/// The same of an EnvoyFilter, where the cluster knows them.
fn filter(place: &Place, meta: &Value) {
    let filters = format!("/apis/{ISTIO}/namespaces/{NAMESPACE}/envoyfilters");
    if place.core("GET", &filters, &Value::Null).code == 404 {
        return println!("EnvoyFilters are skipped: their CustomResourceDefinition is not installed");
    }
    let patch = json!({"applyTo": "CLUSTER", "patch": {"operation": "MERGE", "value": {"connect_timeout": "7s"}}});
    let spec = json!({"configPatches": [patch]});
    place.put(
        &format!("/apis/{ISTIO}"),
        "envoyfilters",
        &json!({"apiVersion": ISTIO, "kind": "EnvoyFilter", "metadata": meta, "spec": spec}),
    );
    has_condition(place, &format!("{filters}/two"), "Accepted", ("True", "Valid"));
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
