//! The CRDs and the webhook against a cluster: the one that `KUBECONFIG` names (`make test-kube`), and a simulated one.
//! Nothing is stored but a namespace with a Service, the CRDs if they are not there, and a configuration of its own; all of
//! it is taken away again, also after a failure.

use super::api::Api;
use super::hooks::Hooks;
use super::place::{Answer, Place, wait};
use super::scene::Control;
use config::text::documents;
use control::kube::{Access, Patience};
use control::webhook::{Settings, serve};
use http::Request;
use serde_json::{Value, json};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;

const NAMESPACE: &str = "slotmesh-test-webhook";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const SECOND: Duration = Duration::from_secs(1);

/// The configuration of the webhook, which is taken away again.
struct Registration<'p>(&'p Place);

impl Registration<'_> {
    fn path() -> String {
        format!("{CONFIGURATIONS}/{NAMESPACE}")
    }

    fn remove(&self) {
        self.0.ask("DELETE", &Self::path(), &json!({}));
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

fn resource(spec: Value) -> Value {
    json!({"apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService", "metadata": {"name": "cache"}, "spec": spec})
}

/// What the CRDs allow and the control plane does not.
fn bad() -> Value {
    resource(json!({"host": "redis", "seeds": ["a:b"]}))
}

fn is_denied(answer: &Answer) -> bool {
    answer.code == 422 && answer.message().contains("denied the request: spec.seeds[0]: `a:b` is not HOST or HOST:PORT")
}

/// What the CRDs alone refuse.
fn refused_by_schema(place: &Place) {
    let text = include_str!("../deploy/refused.yaml");
    let mut refused = 0;
    for node in documents(text, false).unwrap() {
        let mut resource = config::dynamic::json(&node);
        let name = resource["metadata"]["name"].as_str().unwrap().to_owned();
        resource["metadata"] = json!({"name": name});
        let answer = place.tried(&resource);
        assert!([400, 422].contains(&answer.code), "{name}: {answer:?}");
        refused += 1;
    }
    println!("the schemas refused {refused} of {refused} bad resources");
}

/// The addresses by which an API server may find this process: what is said, what leads to it, and what leads out.
fn addresses(server: Option<(String, u16)>) -> Vec<IpAddr> {
    if let Some(said) = std::env::var("SLOTMESH_TEST_HOST").ok().and_then(|text| text.parse().ok()) {
        return vec![said];
    }
    let towards = |target: (String, u16)| {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect((target.0.as_str(), target.1)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let outside = ("192.0.2.1".to_owned(), 9);
    let mut all: Vec<IpAddr> = [server, Some(outside)].into_iter().flatten().filter_map(towards).collect();
    all.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    all.dedup();
    all
}

/// Registers the webhook under the first address at which the server finds it.
fn register(registration: &Registration, addresses: &[IpAddr], port: u16) -> Option<String> {
    for address in addresses {
        let url = format!("https://{}/validate", std::net::SocketAddr::new(*address, port));
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": NAMESPACE},
            "webhooks": [{
                "name": "validate.slotmesh.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Ignore", "timeoutSeconds": 3, "clientConfig": {"url": url},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "rules": [{
                    "apiGroups": ["slotmesh.io"], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["redisservices", "redisroutes"], "scope": "Namespaced",
                }],
            }],
        });
        // What a run that was cut has left asks somebody who is gone.
        registration.remove();
        let made = registration.0.ask("POST", CONFIGURATIONS, &configuration);
        assert_eq!(made.code, 201, "{made:?}");
        let began = Instant::now();
        while began.elapsed() < 12 * SECOND {
            if is_denied(&registration.0.tried(&bad())) {
                return Some(url);
            }
            std::thread::sleep(SECOND / 5);
        }
    }
    None
}

fn webhook_test(place: &Place, control: &Control, addresses: &[IpAddr], life: Duration) {
    let listener = place.runtime.block_on(TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings {
        names: addresses.iter().map(ToString::to_string).collect(),
        configuration: NAMESPACE.to_owned(),
        life,
        pause: SECOND / 5,
        grace: life / 9,
    };
    let (plane, client) = (Arc::clone(&control.plane), place.rest.clone());
    let serving = place.runtime.spawn(async move { serve(listener, plane, client, settings).await });
    let registration = Registration(place);
    let Some(url) = register(&registration, addresses, port) else {
        return println!("webhook: SKIPPED, since the API server does not find this process at any of {addresses:?}");
    };
    println!("webhook: asked at {url}");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "redis", "namespace": NAMESPACE},
        "spec": {"clusterIP": "None", "ports": [{"name": "tcp-redis", "port": 6379}]},
    });
    place.put("/api/v1", "services", &service);
    let host = format!("redis.{NAMESPACE}.svc.cluster.local");
    control.wait("the service", |control| control.hosts().contains(&host));
    let good = place.tried(&resource(json!({"host": "redis"})));
    assert_eq!((good.code, good.warnings.as_str()), (201, ""), "{good:?}");
    let later = place.tried(&resource(json!({"host": "rediss"})));
    assert!(later.code == 201 && later.warnings.contains(&format!("is no service; near: {host}")), "{later:?}");
    // A new certificate comes, and nobody notices.
    let (began, mut asked) = (Instant::now(), 0);
    while began.elapsed() < life {
        let answer = place.tried(&bad());
        assert!(is_denied(&answer), "after {:?} and {asked} requests: {answer:?}", began.elapsed());
        asked += 1;
        std::thread::sleep(SECOND / 20);
    }
    println!("webhook: {asked} of {asked} were judged while the certificate was made anew");
    let empty = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string().into_bytes();
    let path = Registration::path();
    let emptied = Request::patch(&path).header("content-type", "application/json-patch+json").body(empty).unwrap();
    place.runtime.block_on(place.rest.request::<Value>(emptied)).unwrap();
    wait("the bundle is written again", || {
        place.ask("GET", &path, &Value::Null).body["webhooks"][0]["clientConfig"]["caBundle"].is_string()
    });
    wait("it is asked again", || is_denied(&place.tried(&bad())));
    serving.abort();
    wait("nobody waits for a webhook that is away", || place.tried(&bad()).code == 201);
    println!("webhook: as expected");
}

/// All of it; whatever happens, nothing is left.
fn run(kinds: Access, rest: &Access, addresses: &[IpAddr], life: Duration, has_schemas: bool) {
    let mut place = Place::make(&kinds, rest, NAMESPACE);
    let control = Control::start(kinds, &[], None, Patience::default(), TempDir::new().unwrap());
    control.wait("all kinds are listed", |control| control.state().is_some());
    place.install();
    if has_schemas {
        refused_by_schema(&place);
    }
    webhook_test(&place, &control, addresses, life);
}

#[test]
fn crds_and_webhook_of_the_cluster_that_is_named() {
    if std::env::var_os("SLOTMESH_TEST_KUBE").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(kube::Config::infer()).unwrap().cluster_url;
    let port = server.port_u16().unwrap_or(443);
    let server = server.host().map(|host| (host.trim_matches(['[', ']']).to_owned(), port));
    run(Access::default(), &Access::default(), &addresses(server), 45 * SECOND, true);
}

#[test]
fn crds_and_webhook_of_a_simulated_cluster() {
    let api = Api::start();
    let folder = TempDir::new().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let hooks = runtime.block_on(Hooks::start());
    let kinds = Access { kubeconfig: Some(kubeconfig), context: None };
    let rest = hooks.access(&folder);
    run(kinds, &rest, &[IpAddr::V4(Ipv4Addr::LOCALHOST)], 9 * SECOND, false);
    let left = hooks.held(|held| (held.configuration.take(), held.crds.len()));
    assert_eq!(left, (None, 0), "something is left");
}
