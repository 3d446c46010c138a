//! The CRDs and the webhook against a cluster: the one that `KUBECONFIG` names (`make test-kube`), and a simulated one.
//! Nothing is stored but a namespace with a Service, the CRDs if they are not there, and a configuration of its own; all of
//! it is taken away again, also after a failure.

use super::api::Api;
use super::hooks::Hooks;
use super::scene::Control;
use config::text::documents;
use control::kube::{Access, Patience};
use control::typed::crds;
use control::webhook::{Settings, serve};
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const NAMESPACE: &str = "slotmesh-test-webhook";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const SECOND: Duration = Duration::from_secs(1);

/// What a cluster answers.
#[derive(Debug)]
struct Answer {
    code: u16,
    message: String,
    /// The texts of its warnings.
    warnings: String,
}

/// A cluster.
struct Cluster {
    runtime: Runtime,
    /// Who has namespaces and services, and who the rest: in a real cluster the same.
    kinds: Client,
    rest: Client,
    /// The CRDs that were not there.
    made: Vec<String>,
}

impl Cluster {
    fn ask(&self, client: &Client, method: &str, path: &str, body: &Value) -> Answer {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header("content-type", content);
        let request = request.body(Body::from(body.to_string().into_bytes())).unwrap();
        self.runtime.block_on(async {
            let response = client.send(request).await.unwrap();
            let code = response.status().as_u16();
            let all = response.headers().get_all("warning").iter();
            let warnings = all.map(|text| text.to_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            Answer { code, message: body["message"].as_str().unwrap_or_default().to_owned(), warnings }
        })
    }

    fn get(&self, path: &str) -> Value {
        let request = Request::get(path).body(Vec::new()).unwrap();
        self.runtime.block_on(self.rest.request(request)).unwrap_or_default()
    }

    /// What would become of a resource of ours; nothing is stored.
    fn tried(&self, resource: &Value) -> Answer {
        let plural = format!("{}s", resource["kind"].as_str().unwrap().to_lowercase());
        let place = format!("/apis/slotmesh.io/v1alpha1/namespaces/{NAMESPACE}/{plural}");
        let mut resource = resource.clone();
        resource["metadata"]["namespace"] = NAMESPACE.into();
        self.ask(&self.rest, "POST", &format!("{place}?dryRun=All&fieldValidation=Strict"), &resource)
    }

    /// Sees to it that the CRDs are there, and that a server takes them.
    fn install(&mut self) {
        for (_, crd) in crds() {
            let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
            let made = self.ask(&self.rest, "POST", CRDS, &crd);
            assert!([201, 409].contains(&made.code), "{name}: {made:?}");
            if made.code == 201 {
                self.made.push(name.clone());
            } else {
                // One is there: would this one be taken?
                let spec = json!({"spec": crd["spec"]});
                let taken = self.ask(&self.rest, "PATCH", &format!("{CRDS}/{name}?dryRun=All"), &spec);
                assert_eq!(taken.code, 200, "{name}: {taken:?}");
            }
            wait(&format!("{name} is established"), || {
                let conditions = self.get(&format!("{CRDS}/{name}"))["status"]["conditions"].clone();
                let has = |kind: &str| {
                    let mut all = conditions.as_array().into_iter().flatten();
                    all.any(|one| one["type"] == kind && one["status"] == "True")
                };
                assert!(!has("NonStructuralSchema"), "{conditions}");
                has("Established")
            });
            let example = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["example"];
            wait(&format!("the example of {name} is taken"), || {
                let answer = self.tried(example);
                assert!([201, 404].contains(&answer.code), "{answer:?}");
                answer.code == 201
            });
            println!("{name}: taken, with its example");
        }
    }

    /// Takes everything away.
    fn tidy(&self) {
        let gone = |client: &Client, path: &str| self.ask(client, "DELETE", path, &json!({})).code;
        println!("tidied: {}", gone(&self.rest, &format!("{CONFIGURATIONS}/{NAMESPACE}")));
        gone(&self.kinds, &format!("/api/v1/namespaces/{NAMESPACE}"));
        for name in &self.made {
            gone(&self.rest, &format!("{CRDS}/{name}"));
        }
    }
}

fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < 30 * SECOND, "{what}: not so");
        std::thread::sleep(SECOND / 10);
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
    answer.code == 422 && answer.message.contains("denied the request: spec.seeds[0]: `a:b` is not HOST or HOST:PORT")
}

/// What the CRDs alone refuse.
fn refused_by_schema(cluster: &Cluster) {
    let text = include_str!("../deploy/refused.yaml");
    let mut refused = 0;
    for node in documents(text, false).unwrap() {
        let mut resource = config::dynamic::json(&node);
        let name = resource["metadata"]["name"].as_str().unwrap().to_owned();
        resource["metadata"] = json!({"name": name});
        let answer = cluster.tried(&resource);
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
fn register(cluster: &Cluster, addresses: &[IpAddr], port: u16) -> Option<String> {
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
        let made = cluster.ask(&cluster.rest, "POST", CONFIGURATIONS, &configuration);
        assert_eq!(made.code, 201, "{made:?}");
        let began = Instant::now();
        while began.elapsed() < 12 * SECOND {
            if is_denied(&cluster.tried(&bad())) {
                return Some(url);
            }
            std::thread::sleep(SECOND / 5);
        }
        cluster.ask(&cluster.rest, "DELETE", &format!("{CONFIGURATIONS}/{NAMESPACE}"), &json!({}));
    }
    None
}

fn webhook_test(cluster: &Cluster, control: &Control, addresses: &[IpAddr], life: Duration) {
    let listener = cluster.runtime.block_on(TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings {
        names: addresses.iter().map(ToString::to_string).collect(),
        configuration: NAMESPACE.to_owned(),
        life,
        pause: SECOND / 5,
        grace: life / 9,
    };
    let (plane, client) = (Arc::clone(&control.plane), cluster.rest.clone());
    let serving = cluster.runtime.spawn(async move { serve(listener, plane, client, settings).await });
    let Some(url) = register(cluster, addresses, port) else {
        return println!("webhook: SKIPPED, since the API server does not find this process at any of {addresses:?}");
    };
    println!("webhook: asked at {url}");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "redis", "namespace": NAMESPACE},
        "spec": {"clusterIP": "None", "ports": [{"name": "tcp-redis", "port": 6379}]},
    });
    let place = format!("/api/v1/namespaces/{NAMESPACE}/services");
    assert_eq!(cluster.ask(&cluster.kinds, "POST", &place, &service).code, 201);
    let host = format!("redis.{NAMESPACE}.svc.cluster.local");
    control.wait("the service", |control| control.hosts().contains(&host));
    let good = cluster.tried(&resource(json!({"host": "redis"})));
    assert_eq!((good.code, good.warnings.as_str()), (201, ""), "{good:?}");
    let later = cluster.tried(&resource(json!({"host": "rediss"})));
    assert!(later.code == 201 && later.warnings.contains(&format!("is no service; near: {host}")), "{later:?}");
    // A new certificate comes, and nobody notices.
    let (began, mut asked) = (Instant::now(), 0);
    while began.elapsed() < life {
        let answer = cluster.tried(&bad());
        assert!(is_denied(&answer), "after {:?} and {asked} requests: {answer:?}", began.elapsed());
        asked += 1;
        std::thread::sleep(SECOND / 20);
    }
    println!("webhook: {asked} of {asked} were judged while the certificate was made anew");
    let empty = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string().into_bytes();
    let path = format!("{CONFIGURATIONS}/{NAMESPACE}");
    let emptied = Request::patch(&path).header("content-type", "application/json-patch+json").body(empty).unwrap();
    cluster.runtime.block_on(cluster.rest.request::<Value>(emptied)).unwrap();
    wait("the bundle is written again", || cluster.get(&path)["webhooks"][0]["clientConfig"]["caBundle"].is_string());
    wait("it is asked again", || is_denied(&cluster.tried(&bad())));
    serving.abort();
    wait("nobody waits for a webhook that is away", || cluster.tried(&bad()).code == 201);
    println!("webhook: as expected");
}

/// Runs it, and takes everything away whatever happens.
fn run(kinds: Access, rest: Access, addresses: &[IpAddr], life: Duration, has_schemas: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = |access: &Access| runtime.block_on(access.client()).unwrap();
    let (of_kinds, of_rest) = (client(&kinds), client(&rest));
    let mut cluster = Cluster { kinds: of_kinds, rest: of_rest, runtime, made: Vec::new() };
    let control = Control::start(kinds, &[], None, Patience::default(), TempDir::new().unwrap());
    let ended = catch_unwind(AssertUnwindSafe(|| {
        control.wait("all kinds are listed", |control| control.state().is_some());
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        // That of an earlier run may be still on its way out.
        let place = "/api/v1/namespaces";
        wait("the namespace is made", || cluster.ask(&cluster.kinds, "POST", place, &namespace).code == 201);
        cluster.install();
        if has_schemas {
            refused_by_schema(&cluster);
        }
        webhook_test(&cluster, &control, addresses, life);
    }));
    cluster.tidy();
    ended.unwrap_or_else(|error| resume_unwind(error));
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
    run(Access::default(), Access::default(), &addresses(server), 45 * SECOND, true);
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
    run(kinds, rest, &[IpAddr::V4(Ipv4Addr::LOCALHOST)], 9 * SECOND, false);
    let left = hooks.held(|held| (held.configuration.take(), held.crds.len()));
    assert_eq!(left, (None, 0), "something is left");
}
