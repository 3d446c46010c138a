//! An API server that is simulated: objects in lists, watches that have nothing to tell, JSON patches, and ports of pods.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, accept_hdr};

/// Objects of a page.
const PAGE: usize = 2;

#[derive(Default)]
struct World {
    /// By plural.
    objects: HashMap<String, Vec<Value>>,
    /// Where a port of a pod really is, by `POD.NAMESPACE:PORT`.
    ports: HashMap<String, SocketAddr>,
    forbidden: Vec<String>,
    requests: Vec<String>,
}

/// The server; it ends with the value.
pub struct Api {
    address: SocketAddr,
    folder: TempDir,
    world: Arc<Mutex<World>>,
    ended: Arc<AtomicBool>,
}

impl Api {
    /// Starts with the objects of files.
    pub fn start(files: &[(String, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, folder) = (listener.local_addr().unwrap(), TempDir::new().unwrap());
        let (world, ended) = (Arc::new(Mutex::new(World::default())), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (Arc::clone(&world), Arc::clone(&ended));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let world = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &world));
            }
        });
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             clusters: [{{name: sim, cluster: {{server: 'http://{address}'}}}}]\n\
             users: [{{name: me, user: {{token: secret}}}}]\n\
             contexts: [{{name: here, context: {{cluster: sim, user: me}}}}]\n"
        );
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        let api = Self { address, folder, world, ended };
        for (name, text) in files {
            let documents = config::text::documents(text, false).unwrap_or_else(|error| panic!("{name}: {error}"));
            documents.iter().for_each(|document| api.put(config::dynamic::json(document)));
        }
        api
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        self.folder.path().join("kubeconfig").display().to_string()
    }

    /// Adds an object.
    pub fn put(&self, mut object: Value) {
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let plural = match kind.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None if kind.ends_with('s') => kind,
            None => format!("{kind}s"),
        };
        let namespaced = !["namespaces", "nodes"].contains(&plural.as_str());
        if namespaced && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = "default".into();
        }
        // As in the lists of real ones.
        let fields = object.as_object_mut().unwrap();
        fields.remove("kind");
        fields.remove("apiVersion");
        self.world.lock().unwrap().objects.entry(plural).or_default().push(object);
    }

    /// Says where a port of a pod really is.
    pub fn listens(&self, port: &str, at: SocketAddr) {
        self.world.lock().unwrap().ports.insert(port.to_owned(), at);
    }

    /// The present object of that name, whatever its namespace.
    pub fn object(&self, plural: &str, name: &str) -> Option<Value> {
        let world = self.world.lock().unwrap();
        world.objects.get(plural)?.iter().find(|object| object["metadata"]["name"] == name).cloned()
    }

    /// Refuses to list a kind from now on.
    pub fn forbid(&self, plural: &str) {
        self.world.lock().unwrap().forbidden.push(plural.to_owned());
    }

    /// The paths that were asked for.
    pub fn requests(&self) -> Vec<String> {
        self.world.lock().unwrap().requests.clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// Somebody who has one page; a thread that ends with the test.
pub fn page(path: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = vec![0; 8192];
            let length = stream.read(&mut head).unwrap_or_default();
            let is_it = String::from_utf8_lossy(&head[..length]).starts_with(&format!("GET {path} "));
            let (status, body) = if is_it { (200, body) } else { (404, "") };
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n{body}");
        }
    });
    address
}

fn serve(mut stream: TcpStream, world: &Mutex<World>) {
    let mut head = vec![0; 8192];
    let length = loop {
        let Ok(length) = stream.peek(&mut head) else { return };
        if length == 0 || head[..length].windows(4).any(|four| four == b"\r\n\r\n") {
            break length;
        }
    };
    let text = String::from_utf8_lossy(&head[..length]).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    world.lock().unwrap().requests.push(path.clone());
    if path.contains("/portforward?") {
        return forward(stream, &path, world);
    }
    let written = body(&mut stream, &text);
    if path.contains("watch=") && !path.contains("sendInitialEvents") {
        return quiet(&mut stream);
    }
    let (status, body) = match text.split(' ').next() {
        Some("GET") => answer(&path, &world.lock().unwrap()),
        _ => write(&path, written, &mut world.lock().unwrap()),
    };
    let body = body.to_string();
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

/// Reads a request whose head was looked at, and returns its body.
fn body(stream: &mut TcpStream, head: &str) -> Vec<u8> {
    let length = head.find("\r\n\r\n").map_or(0, |end| end + 4);
    let lower = head[..length].to_lowercase();
    let more = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut bytes = vec![0; length + more];
    stream.read_exact(&mut bytes).map_or_else(|_| Vec::new(), |()| bytes.split_off(length))
}

/// A watch on which nothing happens, until the other side ends it.
fn quiet(stream: &mut TcpStream) {
    let _ = write!(stream, "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    while stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
}

/// A JSON patch of an object, of those steps that are used; anything else is taken and forgotten.
fn write(uri: &str, body: Vec<u8>, world: &mut World) -> (u16, Value) {
    let path = uri.split('?').next().unwrap_or(uri);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (Some(steps), [.., plural, name]) = (body.as_array(), &path.split('/').collect::<Vec<_>>()[..]) else {
        return (200, body);
    };
    let known = world.objects.get_mut(*plural).into_iter().flatten().find(|object| object["metadata"]["name"] == *name);
    let Some(object) = known else { return refusal(404, "NotFound", "there is none") };
    for step in steps {
        let path = step["path"].as_str().unwrap();
        if step["op"] == "test" && object.pointer(path) != Some(&step["value"]) {
            return refusal(422, "Invalid", "it is another by now");
        }
        if step["op"] == "add" {
            let (parent, key) = path.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = step["value"].clone();
        }
    }
    (200, object.clone())
}

fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {},
        "code": code, "reason": reason, "message": message});
    (code, status)
}

/// `/api/v1/pods`, `/api/v1/namespaces/a/pods/b`, `/apis/GROUP/VERSION/…`.
fn answer(uri: &str, world: &World) -> (u16, Value) {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let asked: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let rest = if steps[0] == "api" { &steps[2..] } else { &steps[3..] };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let plural = rest[0];
    if asked.contains_key("sendInitialEvents") {
        return refusal(
            422,
            "Invalid",
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        );
    }
    if world.forbidden.iter().any(|kind| kind == plural) {
        return refusal(403, "Forbidden", "forbidden to you");
    }
    let Some(known) = world.objects.get(plural) else {
        // Of Kubernetes' own kinds there is none; others are not installed.
        let own = steps[0] == "api" || steps[1] == "apps" || steps[1] == "discovery.k8s.io";
        return if own && rest.len() == 1 { (200, list(&[])) } else { refusal(404, "NotFound", "there is none") };
    };
    let label = asked.get("labelSelector").map(|text| text.replace("%2F", "/").replace("%3D", "="));
    let is_meant = |object: &&Value| {
        let meta = &object["metadata"];
        namespace.is_none_or(|namespace| meta["namespace"] == namespace)
            && label.as_ref().is_none_or(|label| {
                let (key, value) = label.split_once('=').unwrap();
                meta["labels"][key] == value
            })
    };
    let found: Vec<Value> = known.iter().filter(is_meant).cloned().collect();
    if let Some(name) = rest.get(1) {
        let one = found.into_iter().find(|object| object["metadata"]["name"] == *name);
        return one.map_or_else(|| refusal(404, "NotFound", "there is none"), |object| (200, object));
    }
    let from = asked.get("continue").and_then(|token| token.parse().ok()).unwrap_or(0);
    let end = found.len().min(from + PAGE);
    let mut page = list(&found[from..end]);
    if end < found.len() && asked.contains_key("limit") {
        page["metadata"]["continue"] = end.to_string().into();
    } else if !asked.contains_key("limit") {
        page = list(&found);
    }
    (200, page)
}

fn list(items: &[Value]) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// One connection to one port of a pod: channel 0 carries its bytes, channel 1 an error.
#[allow(clippy::result_large_err, reason = "the type of the library's callback")]
fn forward(stream: TcpStream, path: &str, world: &Mutex<World>) {
    let speak = |request: &Request, mut response: Response| {
        // More may be offered; this is what real ones take.
        let offered = request.headers()["sec-websocket-protocol"].to_str().unwrap();
        assert!(offered.split(", ").any(|protocol| protocol == "v4.channel.k8s.io"), "{offered}");
        response.headers_mut().insert("sec-websocket-protocol", "v4.channel.k8s.io".parse().unwrap());
        Ok(response)
    };
    let mut socket = accept_hdr(stream, speak).unwrap();
    let (place, query) = path.split_once("/portforward?").unwrap();
    let port = query.split('&').find_map(|pair| pair.strip_prefix("ports=")).unwrap();
    let port: u16 = port.parse().unwrap();
    let steps: Vec<&str> = place.split('/').collect();
    let [.., namespace, "pods", name] = steps.as_slice() else { panic!("{place}") };
    let at = world.lock().unwrap().ports.get(&format!("{name}.{namespace}:{port}")).copied();
    for channel in [0, 1] {
        let first = [&[channel][..], &port.to_le_bytes()].concat();
        socket.send(Message::binary(first)).unwrap();
    }
    let Some(mut pod) = at.and_then(|at| TcpStream::connect(at).ok()) else {
        let _ = socket.send(Message::binary([&[1][..], b"connection refused in the pod"].concat()));
        // What is closed with something unread is reset, and takes the words along.
        let _ = socket.read();
        let _ = socket.close(None);
        return;
    };
    // A request, and its answer up to the end of the connection.
    let mut bytes = vec![0; 32 << 10];
    while let Ok(message) = socket.read() {
        if !message.is_binary() {
            continue;
        }
        let request = message.into_data();
        pod.write_all(&request[1..]).unwrap();
        if request.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    while let Ok(length @ 1..) = pod.read(&mut bytes) {
        if socket.send(Message::binary([&[0][..], &bytes[..length]].concat())).is_err() {
            return;
        }
    }
    let _ = socket.close(None);
    while socket.read().is_ok() {}
}
