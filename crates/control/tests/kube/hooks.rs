//! An API server that has a `ValidatingWebhookConfiguration`, CRDs, and resources of ours that it never stores: it asks the
//! webhook about them, as far as the configuration can be followed.

use super::asking::Asker;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use control::kube::{Access, Client};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tempfile::TempDir;
use tokio::net::TcpListener;

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const OURS: &str = "/apis/slotmesh.io/v1alpha1/namespaces/{namespace}/{plural}";

/// What it has.
#[derive(Default)]
pub struct Held {
    pub configuration: Option<Value>,
    /// Names of CRDs.
    pub crds: BTreeSet<String>,
    /// Answered instead, with a message.
    pub refuse: Option<(u16, &'static str)>,
    /// Somebody else writes before each of so many patches.
    pub others: usize,
    /// What was asked: the method, and when.
    pub asked: Vec<(&'static str, Instant)>,
}

/// The server; it lives as long as its runtime.
#[derive(Clone)]
pub struct Hooks {
    port: u16,
    held: Arc<Mutex<Held>>,
}

impl Hooks {
    /// Starts with the configuration as `deploy/` has it: two webhooks, no bundles.
    pub async fn start() -> Self {
        let webhook = |name: &str| json!({"name": name, "clientConfig": {"service": {"name": "s", "namespace": "n"}}});
        let configuration = json!({
            "kind": "ValidatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1",
            "metadata": {"name": "slotmesh", "resourceVersion": "1"},
            "webhooks": [webhook("validate.slotmesh.io"), webhook("other.slotmesh.io")],
        });
        let held = Arc::new(Mutex::new(Held { configuration: Some(configuration), ..Held::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new()
            .route(CONFIGURATIONS, post(make))
            .route(&format!("{CONFIGURATIONS}/{{name}}"), get(read).patch(write).delete(remove))
            .route(CRDS, post(install))
            .route(&format!("{CRDS}/{{name}}"), get(established).delete(uninstall))
            .route(OURS, post(admit))
            .with_state(Arc::clone(&held));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, held }
    }

    /// Who talks to it.
    pub async fn client(&self) -> Client {
        self.access(&TempDir::new().unwrap()).client().await.unwrap()
    }

    /// How to reach it, by a file in `folder`.
    pub fn access(&self, folder: &TempDir) -> Access {
        let file = folder.path().join("kubeconfig-of-hooks");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "sim", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "me", "user": {"token": "secret"}}],
            "contexts": [{"name": "here", "context": {"cluster": "sim", "user": "me"}}],
        });
        fs::write(&file, text.to_string()).unwrap();
        Access { kubeconfig: Some(file), context: None }
    }

    /// Looks at what it has, or changes it.
    pub fn held<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.held.lock().unwrap())
    }

    /// The bundle of a webhook, as PEM; empty if there is none.
    pub fn bundle(&self, index: usize) -> String {
        self.held(|held| {
            let configuration = held.configuration.clone().unwrap_or_default();
            let coded =
                configuration["webhooks"][index]["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned();
            String::from_utf8(BASE64_STANDARD.decode(coded).unwrap()).unwrap()
        })
    }

    /// As `kubectl replace` with the manifest does it.
    pub fn empty(&self) {
        self.held(|held| {
            let configuration = held.configuration.as_mut().unwrap();
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
            }
            touch(configuration);
        });
    }
}

fn touch(configuration: &mut Value) {
    let version: u64 = configuration["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    configuration["metadata"]["resourceVersion"] = (version + 1).to_string().into();
}

fn refuse(code: u16, message: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code});
    (StatusCode::from_u16(code).unwrap(), status.to_string()).into_response()
}

fn ready(held: &mut Held, method: &'static str, name: &str) -> Result<Value, Box<Response>> {
    held.asked.push((method, Instant::now()));
    if let Some((code, message)) = held.refuse {
        return Err(Box::new(refuse(code, message)));
    }
    let absent = || Box::new(refuse(404, &format!("validatingwebhookconfigurations \"{name}\" not found")));
    held.configuration.clone().filter(|known| known["metadata"]["name"] == name).ok_or_else(absent)
}

async fn read(State(held): State<Arc<Mutex<Held>>>, Path(name): Path<String>) -> Response {
    match ready(&mut held.lock().unwrap(), "GET", &name) {
        Ok(configuration) => configuration.to_string().into_response(),
        Err(refusal) => *refusal,
    }
}

/// A JSON patch, as far as it is used.
async fn write(
    State(held): State<Arc<Mutex<Held>>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(headers["content-type"], "application/json-patch+json");
    let mut held = held.lock().unwrap();
    let mut configuration = match ready(&mut held, "PATCH", &name) {
        Ok(configuration) => configuration,
        Err(refusal) => return *refusal,
    };
    if held.others > 0 {
        held.others -= 1;
        touch(&mut configuration);
        held.configuration = Some(configuration.clone());
    }
    for step in serde_json::from_slice::<Vec<Value>>(&body).unwrap() {
        let path = step["path"].as_str().unwrap();
        if step["op"] == "test" {
            if configuration.pointer(path) != Some(&step["value"]) {
                return refuse(422, "the server rejected our request due to an error in our request");
            }
            continue;
        }
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = configuration.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match step["op"].as_str().unwrap() {
            "add" => drop(parent.insert(key.to_owned(), step["value"].clone())),
            "remove" => drop(parent.remove(key).unwrap()),
            other => panic!("{other}"),
        }
    }
    touch(&mut configuration);
    held.configuration = Some(configuration.clone());
    configuration.to_string().into_response()
}

async fn make(State(held): State<Arc<Mutex<Held>>>, body: Bytes) -> Response {
    let mut configuration: Value = serde_json::from_slice(&body).unwrap();
    configuration["metadata"]["resourceVersion"] = "1".into();
    held.lock().unwrap().configuration = Some(configuration);
    (StatusCode::CREATED, "{}").into_response()
}

async fn remove(State(held): State<Arc<Mutex<Held>>>) -> Response {
    held.lock().unwrap().configuration = None;
    "{}".into_response()
}

async fn install(State(held): State<Arc<Mutex<Held>>>, body: Bytes) -> Response {
    let crd: Value = serde_json::from_slice(&body).unwrap();
    held.lock().unwrap().crds.insert(crd["metadata"]["name"].as_str().unwrap().to_owned());
    (StatusCode::CREATED, "{}").into_response()
}

async fn established(State(held): State<Arc<Mutex<Held>>>, Path(name): Path<String>) -> Response {
    match held.lock().unwrap().crds.contains(&name) {
        true => {
            json!({"status": {"conditions": [{"type": "Established", "status": "True"}]}}).to_string().into_response()
        }
        false => refuse(404, "not found"),
    }
}

async fn uninstall(State(held): State<Arc<Mutex<Held>>>, Path(name): Path<String>) -> Response {
    held.lock().unwrap().crds.remove(&name);
    "{}".into_response()
}

/// Asks the webhook, if one is registered by a URL; one that does not answer is ignored.
async fn admit(State(held): State<Arc<Mutex<Held>>>, uri: Uri, body: Bytes) -> Response {
    assert!(uri.query().unwrap().contains("dryRun=All"), "{uri}");
    let object: Value = serde_json::from_slice(&body).unwrap();
    let client = held.lock().unwrap().configuration.as_ref().map(|one| one["webhooks"][0]["clientConfig"].clone());
    let asked = match client.filter(|client| client["url"].is_string()) {
        Some(client) => ask(&client, &super::webhook::review("CREATE", true, &object)).await.ok(),
        None => None,
    };
    let Some(response) = asked else { return (StatusCode::CREATED, "{}").into_response() };
    if response["allowed"] != true {
        let message = response["status"]["message"].as_str().unwrap();
        return refuse(422, &format!("admission webhook \"validate.slotmesh.io\" denied the request: {message}"));
    }
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let warning = |text: &Value| (HeaderName::from_static("warning"), format!("299 - {text}").parse().unwrap());
    (StatusCode::CREATED, warnings.map(warning).collect::<HeaderMap>(), "{}").into_response()
}

async fn ask(client: &Value, review: &str) -> Result<Value, String> {
    let url: Uri = client["url"].as_str().unwrap().parse().unwrap();
    let bundle = BASE64_STANDARD.decode(client["caBundle"].as_str().unwrap_or_default()).unwrap();
    let (host, port) = (url.host().unwrap(), url.port_u16().unwrap());
    let address = format!("{host}:{port}").parse().unwrap();
    let mut asker = Asker::connect(address, host, &String::from_utf8(bundle).unwrap()).await?;
    Ok(asker.post(review).await?.response())
}
