//! The webhook as an API server meets it: over TLS, by the trust that stands in the cluster.

use super::asking::Asker;
use super::hooks::Hooks;
use super::recording;
use control::files::Files;
use control::plane::Plane;
use control::webhook::{Settings, serve};
use control::{Schema, kube};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const NAME: &str = "slotmesh-control.slotmesh-system.svc";
const MILLISECOND: Duration = Duration::from_millis(1);

fn schema() -> Arc<Schema> {
    static SCHEMA: OnceLock<Arc<Schema>> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| Arc::new(Schema::load_mesh().unwrap())))
}

/// A control plane with the tutorial.
pub fn tutorial() -> Arc<Plane> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tutorial");
    let plane = Plane::new(schema());
    plane.publish(Files::new(&folder, None).refresh().unwrap());
    Arc::new(plane)
}

/// A webhook; it ends with the value.
struct Webhook {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Webhook {
    async fn start(client: kube::Client, life: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Settings::of_service("slotmesh-control", "slotmesh-system", "slotmesh");
        let settings = Settings { life, pause: 50 * MILLISECOND, grace: 400 * MILLISECOND, ..service };
        let task = tokio::spawn(async move { serve(listener, tutorial(), client, settings).await.unwrap() });
        Self { address, task }
    }

    async fn asker(&self, hooks: &Hooks) -> Asker {
        wait("the bundle", || !hooks.bundle(0).is_empty()).await;
        Asker::connect(self.address, NAME, &hooks.bundle(0)).await.unwrap()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn wait(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: not so");
        tokio::time::sleep(10 * MILLISECOND).await;
    }
}

const DAYS: Duration = Duration::from_secs(90 * 24 * 3600);

/// A review of the form that a real API server sends.
pub fn review(operation: &str, dry: bool, object: &Value) -> String {
    let mut review: Value = serde_json::from_str(&recording::text("admission-pod.json")).unwrap();
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = json!({"group": group, "version": version, "kind": object["kind"]});
    let request = &mut review["request"];
    (request["kind"], request["requestKind"]) = (kind.clone(), kind);
    (request["operation"], request["dryRun"]) = (json!(operation), json!(dry));
    (request["namespace"], request["name"]) =
        (object["metadata"]["namespace"].clone(), object["metadata"]["name"].clone());
    request[if operation == "DELETE" { "oldObject" } else { "object" }] = object.clone();
    if operation == "DELETE" {
        request["object"] = Value::Null;
    }
    review.to_string()
}

pub fn service(host: &str, mode: &str) -> Value {
    json!({
        "apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService",
        "metadata": {"name": "cache", "namespace": "redis"}, "spec": {"host": host, "mode": mode},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_are_answered_on_one_connection() {
    let hooks = Hooks::start().await;
    let webhook = Webhook::start(hooks.client().await, DAYS).await;
    let mut asker = webhook.asker(&hooks).await;
    // As it was recorded: what an API server asks about other kinds.
    let pod = asker.post(&recording::text("admission-pod.json")).await.unwrap();
    assert_eq!(pod.status, 400);
    assert!(pod.body.starts_with("the kind `Pod` of `` is not judged here; judged are: EnvoyFilter of"), "{pod:?}");
    // EnvoyFilters as a real API server has stored them.
    for filter in recording::list("envoyfilters")["items"].as_array().unwrap() {
        let response = asker.post(&review("CREATE", false, filter)).await.unwrap().response();
        assert_eq!(response["allowed"], true, "{response}");
    }
    for dry in [false, true] {
        let good = asker.post(&review("CREATE", dry, &service("redis-cluster", "CLUSTER"))).await.unwrap().response();
        assert_eq!(good["allowed"], true);
        assert!(!good["uid"].as_str().unwrap().is_empty() && good["warnings"].is_null(), "{good}");
        let bad = asker.post(&review("UPDATE", dry, &service("redis-cluster", "CLUTSER"))).await.unwrap().response();
        assert_eq!((&bad["allowed"], &bad["status"]["reason"]), (&json!(false), &json!("Invalid")));
        let message = bad["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("spec.mode: unknown variant `CLUTSER`, expected"), "{message}");
        let later = asker.post(&review("CREATE", dry, &service("redis-clutser", "CLUSTER"))).await.unwrap().response();
        assert_eq!(later["allowed"], true);
        let warning = later["warnings"][0].as_str().unwrap();
        assert!(warning.contains("is no service; near: redis-cluster.redis.svc.cluster.local"), "{warning}");
    }
    let gone = asker.post(&review("DELETE", false, &service("x", "y"))).await.unwrap().response();
    assert_eq!(gone["allowed"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_review_is_refused_and_bounded() {
    let hooks = Hooks::start().await;
    let webhook = Webhook::start(hooks.client().await, DAYS).await;
    let mut asker = webhook.asker(&hooks).await;
    let junk = asker.post("{").await.unwrap();
    assert_eq!((junk.status, junk.body.starts_with("the body is no AdmissionReview")), (400, true));
    let old =
        review("CREATE", false, &service("a", "CLUSTER")).replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    assert_eq!(asker.post(&old).await.unwrap().status, 400);
    assert_eq!(asker.send(b"GET /validate HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap().status, 405);
    assert_eq!(asker.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap().status, 404);
    // A large object passes; what no API server would have taken does not.
    let mut large = service("redis-cluster", "CLUSTER");
    large["metadata"]["annotations"] = json!({"large": "x".repeat(3 << 20)});
    assert_eq!(asker.post(&review("CREATE", false, &large)).await.unwrap().response()["allowed"], true);
    large["metadata"]["annotations"] = json!({"large": "x".repeat(8 << 20)});
    // The answer may come before everything is sent.
    let refused = asker.post(&review("CREATE", false, &large)).await;
    assert!(refused.as_ref().is_err() || refused.as_ref().unwrap().status == 413, "{refused:?}");
    // Plain HTTP, and nothing at all, harm nobody.
    let mut plain = tokio::net::TcpStream::connect(webhook.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _silent = tokio::net::TcpStream::connect(webhook.address).await.unwrap();
    let mut other = webhook.asker(&hooks).await;
    let good = review("CREATE", false, &service("redis-cluster", "CLUSTER"));
    assert_eq!(other.post(&good).await.unwrap().response()["allowed"], true);
    // Another name than the one that it was made for.
    let wrong = Asker::connect(webhook.address, "elsewhere.svc", &hooks.bundle(0)).await;
    assert!(wrong.err().unwrap().contains("not valid for name"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_do_not_come_hold_nobody_up() {
    let hooks = Hooks::start().await;
    let webhook = Webhook::start(hooks.client().await, DAYS).await;
    let head = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 7000000\r\n\r\n{";
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut asker = webhook.asker(&hooks).await;
        stalled.push(tokio::spawn(async move { asker.send(head).await.unwrap() }));
    }
    tokio::time::sleep(300 * MILLISECOND).await;
    // There is room for some of them; what is small needs none.
    let began = Instant::now();
    let good = review("CREATE", false, &service("redis-cluster", "CLUSTER"));
    assert_eq!(webhook.asker(&hooks).await.post(&good).await.unwrap().response()["allowed"], true);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for answer in stalled {
        let answer = answer.await.unwrap();
        assert_eq!((answer.status, answer.body.ends_with("no verdict within 4 s\n")), (503, true), "{answer:?}");
    }
    // And the room is there again.
    let mut large = service("redis-cluster", "CLUSTER");
    large["metadata"]["annotations"] = json!({"large": "x".repeat(3 << 20)});
    let answer = webhook.asker(&hooks).await.post(&review("CREATE", false, &large)).await.unwrap();
    assert_eq!(answer.response(), json!({"uid": answer.response()["uid"], "allowed": true}));
}

/// What an API server knows of the bundle: what was there a little before.
#[derive(Default)]
struct Lagging {
    seen: Vec<(Instant, String)>,
}

impl Lagging {
    const BEHIND: Duration = Duration::from_millis(200);

    fn bundle(&mut self, hooks: &Hooks) -> String {
        let now = hooks.bundle(0);
        if self.seen.last().is_none_or(|(_, known)| *known != now) {
            self.seen.push((Instant::now(), now));
        }
        let old = self.seen.iter().rev().find(|(since, _)| since.elapsed() >= Self::BEHIND);
        old.unwrap_or(&self.seen[0]).1.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_is_made_anew_and_no_request_fails() {
    let hooks = Hooks::start().await;
    // Renewed after 6 s; what is written into a certificate has whole seconds.
    let webhook = Webhook::start(hooks.client().await, Duration::from_secs(9)).await;
    let mut kept = webhook.asker(&hooks).await;
    let body = review("CREATE", false, &service("redis-cluster", "CLUSTER"));
    let (mut lagging, mut bundles, mut asked): (_, Vec<String>, _) = (Lagging::default(), Vec::new(), 0);
    let began = Instant::now();
    // The first; the first and the second; the second.
    while bundles.len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "not renewed");
        let bundle = lagging.bundle(&hooks);
        let asker = Asker::connect(webhook.address, NAME, &bundle).await;
        let mut asker = asker.unwrap_or_else(|error| panic!("{:?}, {asked} requests: {error}", began.elapsed()));
        assert_eq!(asker.post(&body).await.unwrap().response()["allowed"], true);
        if bundles.last() != Some(&bundle) {
            bundles.push(bundle);
        }
        asked += 1;
    }
    println!("{asked} connections");
    let certificates: Vec<usize> = bundles.iter().map(|pem| pem.matches("BEGIN").count()).collect();
    assert_eq!(certificates, [1, 2, 1]);
    assert!(bundles[1].contains(&bundles[2]) && bundles[0] != bundles[2], "the first is gone");
    assert!(asked > 100, "{asked}");
    // A connection that was there all the time goes on.
    assert_eq!(kept.post(&body).await.unwrap().response()["allowed"], true);
    // And whoever still trusts the first only is not served.
    assert!(Asker::connect(webhook.address, NAME, &bundles[0]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bundle_is_mended_whatever_happens_to_it() {
    let hooks = Hooks::start().await;
    hooks.held(|held| held.others = 2);
    let webhook = Webhook::start(hooks.client().await, DAYS).await;
    wait("a bundle after conflicts", || !hooks.bundle(0).is_empty()).await;
    assert_eq!(hooks.bundle(0), hooks.bundle(1), "every webhook of the configuration");
    let patches = |hooks: &Hooks| hooks.held(|held| held.asked.iter().filter(|(method, _)| *method == "PATCH").count());
    assert_eq!(patches(&hooks), 3);
    hooks.empty();
    wait("the bundle again", || !hooks.bundle(0).is_empty()).await;
    // Away, forbidden, not there: it is there again later.
    for refusal in [(500, "no"), (403, "forbidden: User \"u\" cannot get")] {
        hooks.held(|held| held.refuse = Some(refusal));
        hooks.empty();
        tokio::time::sleep(200 * MILLISECOND).await;
        assert!(hooks.bundle(0).is_empty());
        hooks.held(|held| held.refuse = None);
        wait("the bundle after a refusal", || !hooks.bundle(0).is_empty()).await;
    }
    let configuration = hooks.held(|held| held.configuration.take());
    tokio::time::sleep(200 * MILLISECOND).await;
    hooks.held(|held| held.configuration = configuration);
    hooks.empty();
    wait("the bundle of what was not there", || !hooks.bundle(0).is_empty()).await;
    // What is well is only looked at.
    let before = patches(&hooks);
    tokio::time::sleep(300 * MILLISECOND).await;
    assert_eq!(patches(&hooks), before);
    webhook.asker(&hooks).await.post(&review("DELETE", false, &service("a", "b"))).await.unwrap().response();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_replicas_and_a_restart_share_a_bundle() {
    let hooks = Hooks::start().await;
    let one = Webhook::start(hooks.client().await, DAYS).await;
    let two = Webhook::start(hooks.client().await, DAYS).await;
    wait("two authorities", || hooks.bundle(0).matches("BEGIN").count() == 2).await;
    let body = review("CREATE", false, &service("redis-cluster", "CLUSTER"));
    for webhook in [&one, &two] {
        assert_eq!(webhook.asker(&hooks).await.post(&body).await.unwrap().response()["allowed"], true);
    }
    drop(one);
    let again = Webhook::start(hooks.client().await, DAYS).await;
    wait("three authorities", || hooks.bundle(0).matches("BEGIN").count() == 3).await;
    for webhook in [&two, &again] {
        assert_eq!(webhook.asker(&hooks).await.post(&body).await.unwrap().response()["allowed"], true);
    }
    let patches = hooks.held(|held| held.asked.iter().filter(|(method, _)| *method == "PATCH").count());
    assert!(patches <= 6, "{patches}: they do not write against each other");
}
