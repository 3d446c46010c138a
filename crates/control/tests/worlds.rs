//! The measure is istiod: what it generates for ten small worlds, and what differs here on purpose.
#![cfg(test)]

use control::files::Files;
use control::generator::Generator;
use control::node::Node;
use control::{Schema, print};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const WORLDS: [&str; 10] = [
    "tutorial",
    "tutorial-sniffed",
    "port-names",
    "headless",
    "service-entries",
    "destination-rules",
    "scopes",
    "registry-only",
    "peer-authentication",
    "odd-services",
];

const PROXIES: [&str; 2] = ["redis-client", "redis-cluster-0"];

/// The tutorial on a real system, with automatic mutual TLS and its EnvoyFilters.
const REAL: &str = "../real";

/// Every difference: its name in `docs/generation.md`, and the worlds that show it, if not all do.
const DIFFERENCES: [(&str, &[&str]); 4] =
    [("http-at-l4", &[]), ("mtls-alpns", &[]), ("no-workload-metadata", &[]), ("target-port-filled-in", &["headless"])];

fn folder(world: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds").join(world)
}

fn recorded(world: &str, name: &str) -> Value {
    let text = std::fs::read_to_string(folder(world).join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn generated(world: &str, node: &Value, mesh: Option<&str>) -> Value {
    let folder = folder(world);
    let mesh = mesh.map(|name| folder.join(name)).filter(|path| path.exists());
    let read = Files::new(&folder.join("files"), mesh.as_deref()).refresh().unwrap();
    assert_eq!(read.problems, []);
    let schema = Arc::new(Schema::load_mesh().unwrap());
    let node_read = Node::from_json(node).unwrap();
    let snapshot = Generator::new(Arc::clone(&schema)).snapshot(&read.state, &node_read).unwrap();
    print::json(&schema, node, &snapshot)
}

/// Turns istiod's output into what is expected here, and notes which difference it met.
struct Expected {
    world: &'static str,
    met: RefCell<BTreeSet<&'static str>>,
}

impl Expected {
    fn differs(&self, name: &'static str) {
        let (_, worlds) = DIFFERENCES.iter().find(|(known, _)| *known == name).unwrap();
        assert!(worlds.is_empty() || worlds.contains(&self.world), "{name} is not listed for {}", self.world);
        self.met.borrow_mut().insert(name);
    }

    fn all(&self, mut recorded: Value) -> Value {
        for listener in recorded["listeners"].as_array_mut().unwrap() {
            self.listener(listener);
        }
        for set in recorded["endpoints"].as_array_mut().unwrap() {
            self.endpoints(set);
        }
        for cluster in recorded["clusters"].as_array_mut().unwrap() {
            cluster.get_mut("load_assignment").into_iter().for_each(|set| self.endpoints(set));
        }
        if self.world == "headless" && recorded["node"]["id"].as_str().unwrap().contains("cluster-0") {
            self.differs("target-port-filled-in");
            self.target_ports(&mut recorded);
        }
        recorded
    }

    fn listener(&self, listener: &mut Value) {
        let fields = listener.as_object_mut().unwrap();
        if let Some(chains) = fields.get_mut("filter_chains").and_then(Value::as_array_mut) {
            let before = chains.len();
            chains.retain(|chain| !chain["filters"].to_string().contains("http_connection_manager"));
            if chains.len() != before {
                self.differs("http-at-l4");
            }
            chains.iter_mut().for_each(|chain| self.chain(chain));
            if chains.is_empty() {
                fields.remove("filter_chains");
            }
        }
        if let Some(filters) = fields.get_mut("listener_filters").and_then(Value::as_array_mut) {
            let before = filters.len();
            filters.retain(|filter| filter["name"] != "envoy.filters.listener.http_inspector");
            if filters.len() != before {
                self.differs("http-at-l4");
            }
            if filters.is_empty() {
                fields.remove("listener_filters");
            }
        }
    }

    fn chain(&self, chain: &mut Value) {
        let matches = chain.get_mut("filter_chain_match").and_then(|matches| matches.get_mut("application_protocols"));
        if let Some(alpns) = matches.filter(|alpns| **alpns == json!(["istio-peer-exchange", "istio"])) {
            self.differs("mtls-alpns");
            *alpns = json!(["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]);
        }
    }

    fn endpoints(&self, set: &mut Value) {
        for place in set.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
            for endpoint in place["lb_endpoints"].as_array_mut().unwrap() {
                // What an EnvoyFilter adds has none.
                let Some(metadata) = endpoint.pointer_mut("/metadata/filter_metadata").and_then(Value::as_object_mut)
                else {
                    continue;
                };
                assert!(metadata.remove("istio").unwrap()["workload"].is_string());
                self.differs("no-workload-metadata");
                if metadata.is_empty() {
                    endpoint.as_object_mut().unwrap().remove("metadata");
                }
            }
        }
    }

    /// The API server would have filled in the target ports that this world leaves out; the recording was made without
    /// one. So the services lead to the ports of their own numbers, and not to port 0.
    fn target_ports(&self, recorded: &mut Value) {
        let service =
            |name: &str| json!({"host": format!("{name}.redis.svc.cluster.local"), "name": name, "namespace": "redis"});
        let clusters = recorded["clusters"].as_array_mut().unwrap();
        let zero = clusters.iter().position(|cluster| cluster["name"] == "inbound|0||").unwrap();
        clusters.remove(zero);
        let set = |cluster: &mut Value, names: &[&str]| {
            let services: Vec<Value> = names.iter().map(|name| service(name)).collect();
            cluster["metadata"]["filter_metadata"]["istio"]["services"] = services.into();
        };
        let both = ["redis-cluster-headless", "redis-cluster"];
        set(&mut clusters[zero], &["hl-two", "hl", both[0], both[1]]);
        set(&mut clusters[zero + 1], &["hl-two", both[0], both[1]]);
        for (index, port, name) in [(zero + 1, 6390, "hl-unready"), (zero + 2, 6391, "hl-unready-published")] {
            let text = clusters[zero].to_string().replace("|6379|", &format!("|{port}|"));
            let mut cluster: Value = serde_json::from_str(&text).unwrap();
            set(&mut cluster, &[name]);
            clusters.insert(index, cluster);
        }
        let listeners = recorded["listeners"].as_array_mut().unwrap();
        let inbound = listeners.iter_mut().find(|listener| listener["name"] == "virtualInbound").unwrap();
        let chains = inbound["filter_chains"].as_array_mut().unwrap();
        let first = chains.iter().position(|chain| chain["name"] == "0.0.0.0_6379").unwrap();
        for port in [6391, 6390] {
            for chain in (first..first + 3).rev() {
                let text = chains[chain].to_string().replace("6379", &port.to_string());
                chains.insert(first + 3, serde_json::from_str(&text).unwrap());
            }
        }
    }
}

/// Resources by name, where istiod's order is none.
fn sorted(of: &Value, kind: &str, key: &str) -> Vec<Value> {
    let mut resources = of[kind].as_array().unwrap().clone();
    resources.sort_by_key(|resource| resource[key].as_str().unwrap().to_owned());
    resources
}

fn named(resources: &[Value], key: &str) -> Vec<String> {
    resources.iter().map(|resource| resource[key].as_str().unwrap_or_default().to_owned()).collect()
}

/// Clusters in their order, but those of inbound ports, where istiod's order is none.
fn clusters(of: &Value) -> Vec<Value> {
    let mut clusters = of["clusters"].as_array().unwrap().clone();
    clusters.sort_by_key(|cluster| {
        let name = cluster["name"].as_str().unwrap().to_owned();
        match name.as_str() {
            _ if name.starts_with("inbound|") => (1, name),
            "InboundPassthroughCluster" => (2, name),
            _ => (0, String::new()),
        }
    });
    clusters
}

/// Every path at which two values differ.
fn differences(ours: &Value, theirs: &Value, at: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&of(a), &of(b), &format!("{at}.{key}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| differences(a, b, &format!("{at}[{i}]"), found));
        }
        _ if ours == theirs => {}
        _ => found.push(format!("{at}: {ours} here, {theirs} in istiod")),
    }
}

fn compare(world: &str, proxy: &str, ours: &[Value], theirs: &[Value], key: &str, found: &mut Vec<String>) {
    let (own, other) = (named(ours, key), named(theirs, key));
    if own != other {
        return found.push(format!("{world}/{proxy}: {own:?} here, {other:?} in istiod"));
    }
    for ((ours, theirs), name) in ours.iter().zip(theirs).zip(own) {
        differences(ours, theirs, &format!("{world}/{proxy}: {name}"), found);
    }
}

/// What is not as istiod has it, and not a listed difference.
fn unlisted(world: &'static str, proxies: &[&str], is_left_out: fn(&Value) -> bool) -> Vec<String> {
    let expected = Expected { world, met: RefCell::default() };
    let mut found = Vec::new();
    for proxy in proxies {
        let recorded = recorded(world, &format!("istiod-{proxy}.json"));
        let ours = generated(world, &recorded["node"], Some("mesh.yaml"));
        let theirs = expected.all(recorded);
        let listeners = |of: &Value| {
            let mut listeners = sorted(of, "listeners", "name");
            listeners.retain(|listener| !is_left_out(listener));
            listeners
        };
        compare(world, proxy, &listeners(&ours), &listeners(&theirs), "name", &mut found);
        compare(world, proxy, &clusters(&ours), &clusters(&theirs), "name", &mut found);
        let sets = |of: &Value| sorted(of, "endpoints", "cluster_name");
        compare(world, proxy, &sets(&ours), &sets(&theirs), "cluster_name", &mut found);
    }
    let listed = DIFFERENCES.iter().filter(|(_, worlds)| worlds.is_empty() || worlds.contains(&world));
    let listed: BTreeSet<&str> = listed.map(|(name, _)| *name).collect();
    assert_eq!(*expected.met.borrow(), listed, "{world}: a listed difference is not there any more");
    found
}

#[test]
fn ten_worlds_are_as_istiod_generates_them() {
    let found: Vec<String> = WORLDS.iter().flat_map(|world| unlisted(world, &PROXIES, |_| false)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_tutorial_is_as_a_real_istiod_pushes_it() {
    // Two ports of istiod's own service that speak HTTP, which istiod shares among all services.
    let is_http = |listener: &Value| {
        let name = listener["name"].as_str().unwrap();
        ["0.0.0.0", "10.96.39.210"].iter().any(|ip| name == format!("{ip}_15010") || name == format!("{ip}_15014"))
    };
    let found = unlisted(REAL, &["client", "redis-cluster-0"], is_http);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_difference_is_in_the_documents() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generation.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: BTreeSet<&str> = rows.map(|(name, _)| name).collect();
    assert_eq!(rows, DIFFERENCES.iter().map(|(name, _)| *name).collect());
}
