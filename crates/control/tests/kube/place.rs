//! A place in a cluster that a test has for itself: a namespace, and the CRDs if they are not there. All of it is taken away
//! again, also after a failure, and what a run that was cut has left is taken away before.

use control::kube::Access;
use control::typed::crds;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// A real cluster takes its time to empty a namespace.
const PATIENT: Duration = Duration::from_secs(120);

/// What a cluster answers.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
    /// The texts of its warnings.
    pub warnings: String,
}

impl Answer {
    /// The message of a refusal.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// A namespace in a cluster.
pub struct Place {
    pub runtime: Runtime,
    pub namespace: &'static str,
    /// Who has namespaces and services, and who the rest: in a real cluster the same.
    kinds: Client,
    pub rest: Client,
    /// What was made and is not in the namespace, as paths.
    made: Vec<String>,
}

impl Place {
    /// Makes the namespace, which no run but those of tests may have made.
    pub fn make(kinds: &Access, rest: &Access, namespace: &'static str) -> Self {
        assert!(namespace.starts_with("slotmesh-test-"), "{namespace} may be somebody's");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let client = |access: &Access| runtime.block_on(access.client()).unwrap();
        let (kinds, rest) = (client(kinds), client(rest));
        let place = Self { runtime, namespace, kinds, rest, made: Vec::new() };
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        wait("the namespace is made", || {
            let answer = place.core("POST", "/api/v1/namespaces", &body);
            if answer.code == 409 {
                place.core("DELETE", &format!("/api/v1/namespaces/{namespace}"), &json!({}));
            }
            assert!([201, 409].contains(&answer.code), "{answer:?}");
            answer.code == 201
        });
        place
    }

    fn send(&self, client: &Client, method: &str, path: &str, body: &Value) -> Answer {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header("content-type", content);
        let request = request.body(Body::from(body.to_string().into_bytes())).unwrap();
        self.runtime.block_on(async {
            let response = client.send(request).await.unwrap();
            let code = response.status().as_u16();
            let all = response.headers().get_all("warning").iter();
            let warnings = all.map(|text| text.to_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Answer { code, body: serde_json::from_slice(&body).unwrap_or_default(), warnings }
        })
    }

    /// Asks about Kubernetes' own kinds, and in a real cluster about any.
    pub fn core(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(&self.kinds, method, path, body)
    }

    /// Asks about the rest.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(&self.rest, method, path, body)
    }

    /// Makes something of the namespace among `group`'s resources.
    pub fn put(&self, group: &str, plural: &str, body: &Value) {
        let path = format!("{group}/namespaces/{}/{plural}", self.namespace);
        let answer = self.core("POST", &path, body);
        assert_eq!(answer.code, 201, "{path}: {answer:?}");
    }

    /// Sees to it that the CRDs are there, and that the server would take ours.
    pub fn install(&mut self) {
        for (_, crd) in crds() {
            let name = crd["metadata"]["name"].as_str().unwrap();
            let path = format!("{CRDS}/{name}");
            let made = self.ask("POST", CRDS, &crd);
            assert!([201, 409].contains(&made.code), "{name}: {made:?}");
            if made.code == 201 {
                self.made.push(path.clone());
            } else {
                // One is there: would this one be taken?
                let taken = self.ask("PATCH", &format!("{path}?dryRun=All"), &json!({"spec": crd["spec"]}));
                assert_eq!(taken.code, 200, "{name}: {taken:?}");
            }
            wait(&format!("{name} is established"), || self.is_established(&path));
            let example = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["example"];
            wait(&format!("the example of {name} is taken"), || {
                let answer = self.tried(example);
                assert!([201, 404].contains(&answer.code), "{answer:?}");
                answer.code == 201
            });
            println!("{name}: taken, with its example");
        }
    }

    fn is_established(&self, path: &str) -> bool {
        let conditions = self.ask("GET", path, &Value::Null).body["status"]["conditions"].clone();
        let has = |kind: &str| {
            let mut all = conditions.as_array().into_iter().flatten();
            all.any(|one| one["type"] == kind && one["status"] == "True")
        };
        assert!(!has("NonStructuralSchema"), "{conditions}");
        has("Established")
    }

    /// What would become of a resource of ours; nothing is stored.
    pub fn tried(&self, resource: &Value) -> Answer {
        let plural = format!("{}s", resource["kind"].as_str().unwrap().to_lowercase());
        let place = format!("/apis/slotmesh.io/v1alpha1/namespaces/{}/{plural}", self.namespace);
        let mut resource = resource.clone();
        resource["metadata"]["namespace"] = self.namespace.into();
        self.ask("POST", &format!("{place}?dryRun=All&fieldValidation=Strict"), &resource)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let namespace = self.core("DELETE", &format!("/api/v1/namespaces/{}", self.namespace), &json!({})).code;
        println!("{}: taken away, {namespace}", self.namespace);
        for path in &self.made {
            self.ask("DELETE", path, &json!({}));
            // The next test would find one that is on its way out.
            let began = Instant::now();
            while self.ask("GET", path, &Value::Null).code == 200 && began.elapsed() < PATIENT {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }
}

/// Waits for something that a cluster does in its own time.
pub fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENT, "{what}: not so");
        std::thread::sleep(Duration::from_millis(100));
    }
}
