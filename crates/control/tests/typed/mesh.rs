//! A folder of files, and what proxies get of it.

use control::Schema;
use control::files::{Files, Refreshed};
use control::generator::Generator;
use control::node::Node;
use control::print;
use prost::Message as _;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

pub static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::load_mesh().unwrap()));

/// The client of the tutorial.
pub const CLIENT: &str = "10.244.0.31~redis-client-0.redis";
/// One of its nodes.
pub const SERVER: &str = "10.244.0.11~redis-cluster-0.redis";

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

pub struct Mesh {
    folder: TempDir,
    files: Files,
    pub generator: Generator,
}

impl Mesh {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let files = Files::new(folder.path(), None);
        Self { folder, files, generator: Generator::new(Arc::clone(&SCHEMA)) }
    }

    /// The tutorial without its EnvoyFilters, with the mirror's service.
    pub fn tutorial() -> Self {
        Self::new().filled()
    }

    /// The same under a mesh with automatic mutual TLS, as Istio's installation sets it.
    pub fn tutorial_with_auto_mtls() -> Self {
        let mut mesh = Self::new();
        // A name that begins with a dot is none of the folder's files.
        let settings = mesh.folder.path().join(".mesh.yaml");
        fs::write(&settings, "enableAutoMtls: true\n").unwrap();
        mesh.files = Files::new(mesh.folder.path(), Some(&settings));
        mesh.filled()
    }

    fn filled(self) -> Self {
        let mesh = self;
        for folder in ["tutorial", "tutorial-mirror"] {
            for entry in fs::read_dir(examples().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if !name.starts_with("envoyfilter") {
                    mesh.write(&name, &fs::read_to_string(&path).unwrap());
                }
            }
        }
        mesh
    }

    pub fn with(self, name: &str, text: &str) -> Self {
        self.write(name, text);
        self
    }

    pub fn example(self, path: &str) -> Self {
        let text = fs::read_to_string(examples().join(path)).unwrap();
        self.with(path.rsplit('/').next().unwrap(), &text)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        // Long ago, so that it is not taken for one that is being written.
        let past = std::time::SystemTime::now() - std::time::Duration::from_secs(10 + text.len() as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    pub fn read(&mut self) -> Refreshed {
        let read = self.files.refresh().unwrap();
        assert!(!read.waits);
        read
    }

    /// What is wrong, without the folder's name.
    pub fn told(&mut self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        self.read().problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }

    /// What the proxy `IP~POD.NAMESPACE` with `labels` gets.
    pub fn given_with(&mut self, who: &str, labels: &Value) -> Given {
        self.given_to(who, json!({"ISTIO_VERSION": "1.31.0", "PROXY_CONFIG": {}, "LABELS": labels}))
    }

    /// What a proxy without Istio's agent would get in its place.
    pub fn given_without_agent(&mut self, who: &str) -> Given {
        self.given_to(who, json!({"ISTIO_VERSION": "1.31.0"}))
    }

    fn given_to(&mut self, who: &str, metadata: Value) -> Given {
        let read = self.read();
        let namespace = who.rsplit('.').next().unwrap();
        let id = format!("sidecar~{who}~{namespace}.svc.cluster.local");
        let node = json!({"id": id, "user_agent_name": "envoy", "metadata": metadata});
        let snapshot = self.generator.snapshot(&read.state, &Node::from_json(&node).unwrap()).unwrap();
        Given(print::json(&SCHEMA, &node, &snapshot))
    }

    /// What slotmesh's own proxy refuses of what the proxy gets.
    pub fn refused_by_us(&mut self, who: &str) -> Vec<String> {
        let read = self.read();
        let id = format!("sidecar~{who}~x.svc.cluster.local");
        let node = json!({"id": id, "user_agent_name": "slotmesh", "metadata": {"NAMESPACE": "redis"}});
        let snapshot = self.generator.snapshot(&read.state, &Node::from_json(&node).unwrap()).unwrap();
        let sources = config::delivered::Sources::default();
        let listeners = snapshot
            .listeners
            .iter()
            .filter_map(|one| config::delivered::listener(&SCHEMA, &sources, &one.message.encode_to_vec()).err());
        let clusters = snapshot
            .clusters
            .iter()
            .filter_map(|one| config::delivered::cluster(&SCHEMA, &sources, &one.message.encode_to_vec()).err());
        let told = |problems: config::Problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        listeners.chain(clusters).flat_map(told).collect()
    }

    pub fn given(&mut self, who: &str) -> Given {
        self.given_with(who, &json!({}))
    }

    /// The same, if nothing is wrong.
    pub fn fine(&mut self, who: &str) -> Given {
        assert_eq!(self.told(), [""; 0]);
        self.given(who)
    }
}

/// What a proxy gets.
pub struct Given(pub Value);

impl Given {
    fn of(&self, kind: &str, name: &str) -> &Value {
        let found: Vec<&Value> = self.0[kind]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["name"] == name || one["cluster_name"] == name)
            .collect();
        assert!(found.len() < 2, "{name} twice");
        found.first().copied().unwrap_or(&Value::Null)
    }

    pub fn listener(&self, name: &str) -> &Value {
        self.of("listeners", name)
    }

    pub fn cluster(&self, name: &str) -> &Value {
        self.of("clusters", name)
    }

    pub fn endpoints(&self, name: &str) -> &Value {
        self.of("endpoints", name)
    }

    /// The only filter of a listener.
    pub fn filter(&self, listener: &str) -> &Value {
        let listener = self.listener(listener);
        let chain = if listener["filter_chains"].is_array() {
            &listener["filter_chains"][0]
        } else {
            &listener["default_filter_chain"]
        };
        assert_eq!(chain["filters"].as_array().map(Vec::len), Some(1), "{listener}");
        &chain["filters"][0]
    }

    /// The `redis_proxy` of a listener.
    pub fn redis(&self, listener: &str) -> &Value {
        let filter = self.filter(listener);
        assert_eq!(filter["name"], "envoy.filters.network.redis_proxy", "{filter}");
        &filter["typed_config"]
    }

    pub fn is_plain(&self, listener: &str) -> bool {
        self.filter(listener)["name"] == "envoy.filters.network.tcp_proxy"
    }

    /// The seeds of a cluster as HOST:PORT.
    pub fn seeds(&self, cluster: &str) -> Vec<String> {
        let endpoints = &self.cluster(cluster)["load_assignment"]["endpoints"][0]["lb_endpoints"];
        let one = |endpoint: &Value| {
            let address = &endpoint["endpoint"]["address"]["socket_address"];
            format!("{}:{}", address["address"].as_str().unwrap(), address["port_value"])
        };
        endpoints.as_array().unwrap().iter().map(one).collect()
    }
}

/// A typed resource of the namespace `redis`.
pub fn resource(kind: &str, name: &str, spec: &Value) -> String {
    let api = "slotmesh.io/v1alpha1";
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "redis"}, "spec": spec}).to_string()
}

impl Mesh {
    /// What is told without being a fault, without the folder's name.
    pub fn notes(&mut self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        self.read().notes.iter().map(|note| note.to_string().replace(&folder, "")).collect()
    }

    /// All bytes that the proxy is sent as clusters and listeners.
    pub fn sent(&mut self, who: &str) -> Vec<u8> {
        let read = self.read();
        let node = json!({"id": format!("sidecar~{who}~x.svc.cluster.local"), "metadata": {"NAMESPACE": "redis"}});
        let snapshot = self.generator.snapshot(&read.state, &Node::from_json(&node).unwrap()).unwrap();
        let all = snapshot.clusters.iter().chain(snapshot.listeners.iter());
        all.flat_map(|one| one.message.encode_to_vec()).collect()
    }
}
