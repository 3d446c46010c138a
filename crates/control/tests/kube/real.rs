//! The same calls against a cluster: the one that `KUBECONFIG` names (`make test-kube`), and the simulated one.

use super::api::Api;
use super::place::Place;
use super::scene::{Control, meaning};
use control::kube::{Access, Patience};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const NAMESPACE: &str = "slotmesh-test-registry";
const SLICES: &str = "/apis/discovery.k8s.io/v1";

/// What a user does, and that it arrives.
fn registry_test(access: Access) {
    let control = || Control::start(access.clone(), &[], None, Patience::default(), TempDir::new().unwrap());
    let watching = control();
    watching.wait("all kinds are listed", |control| control.state().is_some());
    println!("{}", watching.mirror.prometheus());
    let place = Place::make(&access, &access, NAMESPACE);
    place.put("/api/v1", "services", &service());
    place.put(SLICES, "endpointslices", &slice());
    let host = format!("redis.{NAMESPACE}.svc.cluster.local");
    let endpoints = |control: &Control| {
        let state = control.state()?;
        let service = state.services.iter().find(|service| service.host == host)?;
        Some(service.endpoints.iter().map(|endpoint| endpoint.address.clone()).collect::<Vec<_>>())
    };
    watching.wait("the endpoint", |control| endpoints(control).is_some_and(|all| all == ["192.0.2.1"]));
    let fresh = control();
    fresh.wait("a fresh start", |control| control.state().is_some());
    watching
        .wait("the same as afresh", |control| meaning(&control.state().unwrap()) == meaning(&fresh.state().unwrap()));
    let gone = |path: String| assert_eq!(place.core("DELETE", &path, &json!({})).code, 200, "{path}");
    gone(format!("{SLICES}/namespaces/{NAMESPACE}/endpointslices/redis-1"));
    watching.wait("no endpoint", |control| endpoints(control).is_some_and(|all| all.is_empty()));
    gone(format!("/api/v1/namespaces/{NAMESPACE}/services/redis"));
    watching.wait("no service", |control| endpoints(control).is_none());
    println!("registry: as expected");
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "redis", "namespace": NAMESPACE},
        "spec": {"clusterIP": "None", "ports": [{"name": "tcp-redis", "port": 6379}]},
    })
}

fn slice() -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "redis-1", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "redis"}},
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "tcp-redis", "port": 6379, "protocol": "TCP"}],
    })
}

#[test]
fn registry_of_the_cluster_that_is_named() {
    if std::env::var_os("SLOTMESH_TEST_KUBE").is_none() {
        println!("skipped: `make test-kube` runs it against the cluster that KUBECONFIG names");
        return;
    }
    registry_test(Access::default());
}

#[test]
fn registry_of_the_simulated_cluster() {
    let api = Api::start();
    let folder = TempDir::new().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    registry_test(Access { kubeconfig: Some(kubeconfig), context: None });
}
