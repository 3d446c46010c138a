//! An API server that has nothing but a `ValidatingWebhookConfiguration`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use control::kube::{Access, Client};
use serde_json::{Value, json};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Where it is, by the name `slotmesh`.
const PATH: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}";

/// What it has.
#[derive(Default)]
pub struct Held {
    pub configuration: Option<Value>,
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
        let router = Router::new().route(PATH, get(read).patch(write)).with_state(Arc::clone(&held));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, held }
    }

    /// Who talks to it.
    pub async fn client(&self) -> Client {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "sim", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "me", "user": {"token": "secret"}}],
            "contexts": [{"name": "here", "context": {"cluster": "sim", "user": "me"}}],
        });
        fs::write(&file, text.to_string()).unwrap();
        Access { kubeconfig: Some(file), context: None }.client().await.unwrap()
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

fn ready(held: &mut Held, method: &'static str, name: &str) -> Result<Value, Response> {
    held.asked.push((method, Instant::now()));
    if let Some((code, message)) = held.refuse {
        return Err(refuse(code, message));
    }
    let absent = || refuse(404, &format!("validatingwebhookconfigurations \"{name}\" not found"));
    held.configuration.clone().filter(|_| name == "slotmesh").ok_or_else(absent)
}

async fn read(State(held): State<Arc<Mutex<Held>>>, Path(name): Path<String>) -> Response {
    match ready(&mut held.lock().unwrap(), "GET", &name) {
        Ok(configuration) => configuration.to_string().into_response(),
        Err(refusal) => refusal,
    }
}

/// A JSON patch, as far as it is used: `test`, then `add`.
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
        Err(refusal) => return refusal,
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
        assert_eq!(step["op"], "add");
        let (parent, key) = path.rsplit_once('/').unwrap();
        configuration.pointer_mut(parent).unwrap()[key] = step["value"].clone();
    }
    touch(&mut configuration);
    held.configuration = Some(configuration.clone());
    configuration.to_string().into_response()
}
