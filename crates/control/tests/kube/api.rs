//! An API server that is simulated: lists in pages, watches with bookmarks, streaming lists, and every fault on demand.

use super::world::{Faults, World, Write};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

type Asked = HashMap<String, String>;

/// The server; it ends with the value.
pub struct Api {
    pub port: u16,
    world: Arc<Mutex<World>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Api {
    /// Starts with an empty cluster that has Istio's kinds.
    pub fn start() -> Self {
        let mut api = Self { port: 0, world: Arc::new(Mutex::new(World::new())), runtime: None };
        api.come_up();
        api
    }

    /// The cluster.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Sets what goes wrong from now on.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.world().faults);
    }

    /// Goes away: all connections break, and there is no answer.
    pub fn go_away(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }

    /// Is there again, on the same port, with the cluster as it has become.
    pub fn come_up(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            let began = Instant::now();
            loop {
                match TcpListener::bind(("127.0.0.1", self.port)).await {
                    Ok(listener) => return listener,
                    Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        self.port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&self.world));
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        self.runtime = Some(runtime);
    }

    /// A kubeconfig for it, with a second context that leads nowhere.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1
kind: Config
current-context: here
clusters:
- {{name: sim, cluster: {{server: 'http://127.0.0.1:{}'}}}}
- {{name: nowhere, cluster: {{server: 'http://127.0.0.1:1'}}}}
users:
- {{name: me, user: {{token: secret}}}}
contexts:
- {{name: here, context: {{cluster: sim, user: me}}}}
- {{name: there, context: {{cluster: nowhere, user: me}}}}
",
            self.port
        )
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// The parts of a path: group, version, namespace, plural, name, subresource.
struct Place<'p> {
    group: &'p str,
    version: &'p str,
    namespace: Option<&'p str>,
    plural: &'p str,
    name: Option<&'p str>,
    subresource: Option<&'p str>,
}

impl Place<'_> {
    fn key(&self) -> (String, String) {
        (self.namespace.unwrap_or_default().to_owned(), self.name.unwrap_or_default().to_owned())
    }
}

fn place(path: &str) -> Option<Place<'_>> {
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let (group, rest) = match steps.as_slice() {
        ["api", rest @ ..] => ("", rest),
        ["apis", group, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (version, rest) = rest.split_first()?;
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, rest) = rest.split_first()?;
    let (name, subresource) = (rest.first().copied(), rest.get(1).copied());
    Some(Place { group, version, namespace, plural, name, subresource })
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Response {
    let Some(at) = place(uri.path()) else { return not_found() };
    let held = {
        let mut world = world.lock().unwrap();
        world.requests.push(uri.to_string());
        if !world.has(at.group, at.version, at.plural) {
            return not_found();
        }
        let what = at.subresource.map_or_else(|| at.plural.to_owned(), |sub| format!("{}/{sub}", at.plural));
        if let Some((code, reason, message)) = world.faults.refuse.get(&what) {
            return refuse(*code, reason, message);
        }
        world.faults.hold
    };
    tokio::time::sleep(held).await;
    match method {
        Method::GET if asked.contains_key("watch") => watch(world, &at, &asked),
        Method::GET if at.name.is_some() => match world.lock().unwrap().get(at.plural, &at.key()) {
            Some(object) => object.to_string().into_response(),
            None => refuse(404, "NotFound", "not found"),
        },
        Method::PATCH => change(&world, &at, &uri, &body).await,
        Method::GET => page(&mut world.lock().unwrap(), &at, &asked),
        Method::POST => {
            let mut object: Value = serde_json::from_slice(&body).unwrap();
            (object["metadata"]["uid"], object["metadata"]["generation"]) = (json!(uri.path()), json!(1));
            world.lock().unwrap().put(at.plural, object);
            (StatusCode::CREATED, "{}").into_response()
        }
        Method::DELETE => {
            world.lock().unwrap().delete(at.plural, at.namespace.unwrap_or_default(), at.name.unwrap());
            "{}".into_response()
        }
        _ => refuse(405, "MethodNotAllowed", "no"),
    }
}

/// A write of status, or of an Event, which is applied.
async fn change(world: &Mutex<World>, at: &Place<'_>, uri: &Uri, body: &[u8]) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap();
    let is_silent = {
        let mut world = world.lock().unwrap();
        world.writes.push(Write { path: uri.path().to_owned(), body: body.clone() });
        world.faults.silent_after = world.faults.silent_after.saturating_sub(1);
        world.faults.silent_after == 0
    };
    if is_silent {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    let mut world = world.lock().unwrap();
    if at.subresource == Some("status") {
        return match world.change_status(at.plural, &at.key(), &body) {
            Ok(object) => object.to_string().into_response(),
            Err(409) => refuse(409, "Conflict", "the object has been modified"),
            Err(code) => refuse(code, "NotFound", "not found"),
        };
    }
    if at.plural != "events" || !uri.query().unwrap_or_default().contains("fieldManager=") {
        return refuse(405, "MethodNotAllowed", "no");
    }
    assert_eq!(at.name, body["metadata"]["name"].as_str());
    assert_eq!(at.namespace, body["involvedObject"]["namespace"].as_str());
    world.put("events", body.clone());
    (StatusCode::CREATED, body.to_string()).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

fn refuse(code: u16, reason: &str, message: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code});
    (StatusCode::from_u16(code).unwrap(), status.to_string()).into_response()
}

fn page(world: &mut World, at: &Place<'_>, asked: &Asked) -> Response {
    let limit = asked.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let (version, offset) = match asked.get("continue") {
        None => (world.version, 0),
        Some(token) => {
            if world.faults.expire_tokens > 0 {
                world.faults.expire_tokens -= 1;
                return refuse(410, "Expired", "The provided continue parameter is too old");
            }
            let (version, offset) = token.split_once(':').unwrap();
            (version.parse().unwrap(), offset.parse().unwrap())
        }
    };
    let all = world.at(at.plural, at.namespace, version);
    let items: Vec<&Value> = all.iter().skip(offset).take(limit).map(AsRef::as_ref).collect();
    let end = offset + items.len();
    let token = if end < all.len() { format!("{version}:{end}") } else { String::new() };
    json!({"kind": "List", "metadata": {"resourceVersion": version.to_string(), "continue": token}, "items": items})
        .to_string()
        .into_response()
}

fn watch(world: Arc<Mutex<World>>, at: &Place<'_>, asked: &Asked) -> Response {
    let streaming = asked.contains_key("sendInitialEvents");
    let from: u64 = asked.get("resourceVersion").and_then(|from| from.parse().ok()).unwrap_or(0);
    {
        let world = world.lock().unwrap();
        if streaming && !world.faults.streams {
            let message = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            return refuse(422, "Invalid", message);
        }
    }
    let lasting = Duration::from_secs(asked["timeoutSeconds"].parse().unwrap());
    let (sender, receiver) = channel(16);
    let (plural, namespace) = (at.plural.to_owned(), at.namespace.map(str::to_owned));
    tokio::spawn(async move {
        let mut speaker = Speaker { world, sender, plural, namespace, bytes: 0 };
        let _ = speaker.speak(streaming, from, Instant::now() + lasting).await;
    });
    Body::from_stream(ReceiverStream::new(receiver)).into_response()
}

/// One who speaks to one watch. An error ends it.
struct Speaker {
    world: Arc<Mutex<World>>,
    sender: Sender<Result<Bytes, io::Error>>,
    plural: String,
    namespace: Option<String>,
    /// Said so far.
    bytes: usize,
}

impl Speaker {
    async fn speak(&mut self, streaming: bool, mut from: u64, end: Instant) -> Result<(), ()> {
        let epoch = self.world.lock().unwrap().epoch;
        if streaming {
            let (version, all) = {
                let world = self.world.lock().unwrap();
                (world.version, world.at(&self.plural, self.namespace.as_deref(), world.version))
            };
            for object in &all {
                self.say("ADDED", object).await?;
            }
            let marks = json!({"k8s.io/initial-events-end": "true"});
            self.bookmark(version, marks).await?;
            from = version;
        }
        while Instant::now() < end {
            let (events, version, too_old, bookmarks, over) = {
                let world = self.world.lock().unwrap();
                let events = world.since(&self.plural, self.namespace.as_deref(), from);
                (events, world.version, from < world.floor, world.faults.bookmarks, world.epoch != epoch)
            };
            if over {
                return Ok(());
            }
            if too_old {
                let message = format!("too old resource version: {from} ({version})");
                let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": "Expired", "code": 410});
                return self.say("ERROR", &status).await;
            }
            for (event, object) in events {
                self.say(&event, &object).await?;
            }
            if version > from && bookmarks {
                self.bookmark(version, json!({})).await?;
            }
            from = version;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn bookmark(&mut self, version: u64, marks: Value) -> Result<(), ()> {
        let meta = json!({"resourceVersion": version.to_string(), "annotations": marks});
        self.say("BOOKMARK", &json!({"kind": "X", "apiVersion": "v1", "metadata": meta})).await
    }

    /// One line, as the faults have it: in pieces, slowly, or cut off in the middle.
    async fn say(&mut self, event: &str, object: &Value) -> Result<(), ()> {
        let line = json!({"type": event, "object": object}).to_string() + "\n";
        let (piece, pause, cut) = {
            let mut world = self.world.lock().unwrap();
            let cut = world.faults.cut_watches_after.filter(|most| self.bytes + line.len() > *most);
            let cut = cut.filter(|_| world.faults.cuts > 0);
            world.faults.cuts -= usize::from(cut.is_some());
            (world.faults.piece, world.faults.pause, cut)
        };
        self.bytes += line.len();
        if cut.is_some() {
            let half = Bytes::copy_from_slice(&line.as_bytes()[..line.len() / 2]);
            let _ = self.sender.send(Ok(half)).await;
            let _ = self.sender.send(Err(io::Error::other("cut"))).await;
            return Err(());
        }
        for piece in line.as_bytes().chunks(piece) {
            tokio::time::sleep(pause).await;
            self.sender.send(Ok(Bytes::copy_from_slice(piece))).await.map_err(drop)?;
        }
        Ok(())
    }
}
