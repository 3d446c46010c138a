//! A cluster: its objects, how they came to be, and what goes wrong with telling of them.

use super::recording::version;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong.
pub struct Faults {
    /// Kinds that are answered with a code, a reason and a message.
    pub refuse: HashMap<String, (u16, &'static str, String)>,
    /// Whether there are streaming lists.
    pub streams: bool,
    /// Whether watches have bookmarks.
    pub bookmarks: bool,
    /// How many tokens of pages are too old.
    pub expire_tokens: usize,
    /// How many watches are cut in the middle of a line, after so many bytes.
    pub cuts: usize,
    pub cut_watches_after: Option<usize>,
    /// Bytes of a watch that are sent at once, and the pause before each piece.
    pub piece: usize,
    pub pause: Duration,
    /// Before each answer.
    pub hold: Duration,
    /// How many writes of status another's is ahead of.
    pub conflicts: usize,
    /// Whether a status loses all but what an old CRD knows.
    pub prunes: bool,
    /// After so many more writes of status there is no answer.
    pub silent_after: usize,
}

/// What was written into a status, or as an Event.
pub struct Write {
    pub path: String,
    pub body: Value,
}

/// A cluster.
pub struct World {
    pub version: u64,
    /// Watches from before this are too old.
    pub floor: u64,
    /// Moves when all watches are to end.
    pub epoch: u64,
    pub faults: Faults,
    /// What was asked.
    pub requests: Vec<String>,
    /// What was written.
    pub writes: Vec<Write>,
    kinds: Vec<(String, String, String)>,
    log: BTreeMap<String, Vec<Entry>>,
    /// The present objects of each kind.
    latest: BTreeMap<String, BTreeMap<(String, String), Arc<Value>>>,
}

#[derive(Clone)]
struct Entry {
    version: u64,
    event: String,
    object: Arc<Value>,
}

const CORE: [(&str, &str, &str); 12] = [
    ("", "v1", "events"),
    ("slotmesh.io", "v1alpha1", "redisservices"),
    ("slotmesh.io", "v1alpha1", "redisroutes"),
    ("", "v1", "secrets"),
    ("", "v1", "namespaces"),
    ("", "v1", "nodes"),
    ("", "v1", "services"),
    ("", "v1", "endpoints"),
    ("", "v1", "pods"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("apps", "v1", "statefulsets"),
    ("apps", "v1", "deployments"),
];

/// In older versions, as an older Istio has them.
const ISTIO: [(&str, &str, &str); 6] = [
    ("networking.istio.io", "v1beta1", "serviceentries"),
    ("networking.istio.io", "v1alpha3", "workloadentries"),
    ("networking.istio.io", "v1", "destinationrules"),
    ("networking.istio.io", "v1", "sidecars"),
    ("networking.istio.io", "v1alpha3", "envoyfilters"),
    ("security.istio.io", "v1beta1", "peerauthentications"),
];

impl World {
    pub fn new() -> Self {
        let faults = Faults {
            refuse: HashMap::new(),
            streams: true,
            bookmarks: true,
            expire_tokens: 0,
            cuts: 0,
            cut_watches_after: None,
            piece: usize::MAX,
            pause: Duration::ZERO,
            hold: Duration::ZERO,
            conflicts: 0,
            prunes: false,
            silent_after: usize::MAX,
        };
        let mut world = Self {
            version: 1,
            floor: 0,
            epoch: 0,
            faults,
            requests: Vec::new(),
            writes: Vec::new(),
            kinds: Vec::new(),
            log: BTreeMap::new(),
            latest: BTreeMap::new(),
        };
        CORE.iter().chain(&ISTIO).for_each(|(group, version, plural)| world.install(group, version, plural));
        world
    }

    pub fn install(&mut self, group: &str, version: &str, plural: &str) {
        self.kinds.push((group.to_owned(), version.to_owned(), plural.to_owned()));
    }

    /// The kind is no more, and none of its objects; its watches end.
    pub fn uninstall(&mut self, plural: &str) {
        self.kinds.retain(|(_, _, known)| known != plural);
        self.log.remove(plural);
        self.latest.remove(plural);
        self.epoch += 1;
    }

    pub fn has(&self, group: &str, version: &str, plural: &str) -> bool {
        self.kinds
            .iter()
            .any(|known| (known.0.as_str(), known.1.as_str(), known.2.as_str()) == (group, version, plural))
    }

    /// Something happened, as it was recorded, with its version.
    pub fn happen(&mut self, plural: &str, event: &str, object: Value) {
        self.version = self.version.max(version(&object));
        let entry = Entry { version: version(&object), event: event.to_owned(), object: Arc::new(object) };
        let latest = self.latest.entry(plural.to_owned()).or_default();
        match event {
            "DELETED" => drop(latest.remove(&name(&entry.object))),
            _ => drop(latest.insert(name(&entry.object), Arc::clone(&entry.object))),
        }
        self.log.entry(plural.to_owned()).or_default().push(entry);
    }

    /// An object comes, or becomes another.
    pub fn put(&mut self, plural: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let is_known = self.get(plural, &name(&object)).is_some();
        self.happen(plural, if is_known { "MODIFIED" } else { "ADDED" }, object);
    }

    /// The same, for many objects that are known to be new.
    pub fn add(&mut self, plural: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.happen(plural, "ADDED", object);
    }

    pub fn delete(&mut self, plural: &str, namespace: &str, called: &str) {
        if let Some(object) = self.get(plural, &(namespace.to_owned(), called.to_owned())) {
            let mut object = Value::clone(&object);
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.happen(plural, "DELETED", object);
        }
    }

    /// An object as it is.
    pub fn get(&self, plural: &str, name: &(String, String)) -> Option<Arc<Value>> {
        self.latest.get(plural)?.get(name).cloned()
    }

    /// A change of an object's status, as a server takes it: only of the version and the object that are meant.
    pub fn change_status(&mut self, plural: &str, name: &(String, String), body: &Value) -> Result<Value, u16> {
        let mut object = Value::clone(&*self.get(plural, name).ok_or(404_u16)?);
        if self.faults.conflicts > 0 {
            // Another is quicker.
            self.faults.conflicts -= 1;
            let other =
                json!({"type": "Other", "status": "True", "reason": "Quick", "message": self.version.to_string()});
            let mut conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.retain(|condition| condition["type"] != "Other");
            conditions.push(other);
            object["status"]["conditions"] = json!(conditions);
            self.put(plural, object);
            return Err(409);
        }
        for key in ["uid", "resourceVersion"] {
            if !body["metadata"][key].is_null() && body["metadata"][key] != object["metadata"][key] {
                return Err(409);
            }
        }
        merge(&mut object["status"], &body["status"]);
        if self.faults.prunes {
            prune(&mut object["status"]);
        }
        if self.get(plural, name).is_none_or(|known| *known != object) {
            self.put(plural, object);
        }
        Ok(Value::clone(&*self.get(plural, name).ok_or(404_u16)?))
    }

    /// Forgets what led to the present: whoever asks for it is too late.
    pub fn compact(&mut self) {
        self.version += 1;
        self.floor = self.version;
        self.epoch += 1;
    }

    /// The objects of a kind as of a version, by name.
    pub fn at(&self, plural: &str, namespace: Option<&str>, version: u64) -> Vec<Arc<Value>> {
        let mut found: BTreeMap<(String, String), &Arc<Value>> = BTreeMap::new();
        for entry in self.log.get(plural).into_iter().flatten().filter(|entry| entry.version <= version) {
            match entry.event.as_str() {
                "DELETED" => drop(found.remove(&name(&entry.object))),
                _ => drop(found.insert(name(&entry.object), &entry.object)),
            }
        }
        let is_in = |(place, _): &(String, String)| namespace.is_none_or(|namespace| namespace == place);
        found.into_iter().filter(|(name, _)| is_in(name)).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// What happened to a kind after a version.
    pub fn since(&self, plural: &str, namespace: Option<&str>, version: u64) -> Vec<(String, Arc<Value>)> {
        let log = self.log.get(plural).map_or(&[][..], Vec::as_slice);
        let from = log.partition_point(|entry| entry.version <= version);
        let is_in =
            |entry: &&Entry| namespace.is_none_or(|namespace| entry.object["metadata"]["namespace"] == namespace);
        log[from..].iter().filter(is_in).map(|entry| (entry.event.clone(), Arc::clone(&entry.object))).collect()
    }
}

fn name(object: &Value) -> (String, String) {
    let of = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (of("namespace"), of("name"))
}

/// RFC 7396.
fn merge(to: &mut Value, from: &Value) {
    match from {
        Value::Object(fields) => {
            if !to.is_object() {
                *to = json!({});
            }
            for (name, value) in fields {
                match value {
                    Value::Null => drop(to.as_object_mut().map(|to| to.remove(name))),
                    value => merge(&mut to[name.as_str()], value),
                }
            }
        }
        other => to.clone_from(other),
    }
}

fn prune(status: &mut Value) {
    let out = |value: &mut Value| drop(value.as_object_mut().map(|fields| fields.remove("observedGeneration")));
    out(status);
    status["conditions"].as_array_mut().into_iter().flatten().for_each(out);
}

/// Many services, and pods of about seven kilobytes each, ten of a service or so.
pub fn fill(world: &mut World, pods: usize, services: usize) {
    let recorded = super::recording::events("watch-pods");
    let pod = recorded.into_iter().rev().find(|(event, _)| event == "MODIFIED").map(|(_, pod)| pod).unwrap_or_default();
    let name_of = |i: usize| format!("redis-{i}");
    let ip_of = |i: usize| format!("10.{}.{}.{}", 100 + i / 65_536, i / 256 % 256, i % 256);
    for i in 0..services {
        let ports = json!([{"name": "tcp-redis", "port": 6379, "protocol": "TCP", "targetPort": "tcp-client"}]);
        world.add("services", json!({
            "metadata": {"name": name_of(i), "namespace": "many", "uid": "x", "creationTimestamp": "2026-11-23T02:32:20Z"},
            "spec": {"clusterIP": format!("10.96.{}.{}", i / 256, i % 256), "selector": {"app": name_of(i)}, "ports": ports},
        }));
        let own = (i..pods).step_by(services);
        let endpoints: Vec<Value> = own
            .map(|pod| {
                json!({
                    "addresses": [ip_of(pod)], "conditions": {"ready": true, "serving": true}, "nodeName": "node1",
                    "targetRef": {"kind": "Pod", "name": format!("pod-{pod}"), "namespace": "many"},
                })
            })
            .collect();
        world.add("endpointslices", json!({
            "metadata": {"name": format!("{}-x", name_of(i)), "namespace": "many", "labels": {"kubernetes.io/service-name": name_of(i)}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "tcp-redis", "port": 6379, "protocol": "TCP"}],
        }));
    }
    for i in 0..pods {
        let mut pod = pod.clone();
        let meta = &mut pod["metadata"];
        (meta["name"], meta["namespace"]) = (json!(format!("pod-{i}")), json!("many"));
        meta["labels"]["app"] = json!(name_of(i % services));
        pod["status"]["podIP"] = json!(ip_of(i));
        pod["status"]["podIPs"] = json!([{"ip": ip_of(i)}]);
        world.add("pods", pod);
    }
}
