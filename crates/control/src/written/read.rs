//! From the text of a file to objects, with every fault by file, line and field.
//!
//! A kind that means nothing here (a ConfigMap, a ServiceAccount) is skipped; so is an unknown field of a Kubernetes
//! kind, of which only a small part is read. An unknown field of an Istio kind or of the mesh settings is told, since
//! it is either misspelt or of no effect here.

use super::fault::{Step, ignored, line, spelt, steps};
use super::istio::{PeerAuthentication, ServiceEntry, Sidecar, Workload};
use super::kubernetes::{EndpointSlice, Endpoints, Pod, Service, WorkloadSpec};
use super::lineless::lineless;
use super::mesh::Mesh;
use crate::typed::{Declared, Secret, What};

use crate::object::{Body, Meta, Object};
use config::Problem;
use config::text::{Node, Plain, Shape, documents};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What a text holds.
#[derive(Debug, Default)]
pub(crate) struct Read<T> {
    pub(crate) found: T,
    /// What keeps the text from being used.
    pub(crate) problems: Vec<Problem>,
    /// What is written but has no effect.
    pub(crate) notes: Vec<Problem>,
}

/// The objects that the text of `file` holds.
pub(crate) fn objects(text: &str, file: &str) -> Read<Vec<Object>> {
    let mut reader = Reader::new(file);
    let mut found = Vec::new();
    for document in reader.documents(text) {
        reader.document(&document, &mut found);
    }
    reader.end(found)
}

/// The object that `value` is, from a source that has no lines; `None` if it cannot be used or means nothing here.
pub(crate) fn object(value: &Value, source: &str) -> Read<Option<Object>> {
    let mut reader = Reader::new(source);
    let mut found = Vec::new();
    reader.document(&lineless(value), &mut found);
    reader.end(found.pop())
}

/// The mesh settings that the text of `file` holds.
pub(crate) fn mesh(text: &str, file: &str) -> Read<Mesh> {
    let mut reader = Reader::new(file);
    let roots = reader.documents(text);
    if let Some(second) = roots.get(1) {
        reader.problem(second.line, &[], "a second document begins here: the mesh has one");
    }
    let mesh = roots.first().and_then(|root| reader.typed(root, &[], json(root), true));
    reader.end(mesh.unwrap_or_default())
}

struct Reader {
    file: Arc<str>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

impl Reader {
    fn new(file: &str) -> Self {
        Self { file: file.into(), problems: Vec::new(), notes: Vec::new() }
    }

    fn end<T>(self, found: T) -> Read<T> {
        Read { found, problems: self.problems, notes: self.notes }
    }

    fn documents(&mut self, text: &str) -> Vec<Node> {
        let is_json = self.file.ends_with(".json");
        documents(text, is_json).unwrap_or_else(|malformed| {
            self.problem(malformed.line, &[], &malformed.text);
            Vec::new()
        })
    }

    /// An object, or a list of objects as `kubectl get -o yaml` writes it.
    fn document(&mut self, node: &Node, found: &mut Vec<Object>) {
        let kind = text_of(node, "kind");
        if kind.is_some_and(|kind| kind.ends_with("List"))
            && let Some(items) = child(node, "items")
        {
            let Shape::List(items) = &items.shape else {
                return self.problem(items.line, &[Step::Key("items".to_owned())], "a list is expected");
            };
            return items.iter().for_each(|item| self.document(item, found));
        }
        let (Some(kind), Some(version)) = (kind, text_of(node, "apiVersion")) else {
            return self.problem(node.line, &[], "needs an `apiVersion` and a `kind`, as every Kubernetes object");
        };
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let Some(read) = reader_of(group, kind) else {
            self.notes.extend(odd_kind(group, kind).map(|odd| self.fault(node.line, &[], &odd)));
            return;
        };
        let before = self.problems.len();
        let meta = self.meta(node);
        let body = read(self, node);
        // What could be read of a faulty object is of no use.
        if let (Some(meta), Some(body), true) = (meta, body, self.problems.len() == before) {
            found.push(Object { meta, body, file: Arc::clone(&self.file), line: node.line });
        }
    }

    fn meta(&mut self, node: &Node) -> Option<Meta> {
        let path = [Step::Key("metadata".to_owned())];
        let value = child(node, "metadata").map_or(Value::Object(Map::new()), json);
        let mut meta: Meta = self.typed(node, &path, value, false)?;
        if meta.name.is_empty() {
            self.problem(line(node, &path), &[path[0].clone(), Step::Key("name".to_owned())], "is missing");
            return None;
        }
        if meta.namespace.is_empty() {
            "default".clone_into(&mut meta.namespace);
        }
        Some(meta)
    }

    /// `spec`, of which every field counts if `strict`.
    fn spec<T: DeserializeOwned>(&mut self, node: &Node, strict: bool) -> Option<T> {
        let value = child(node, "spec").map_or(Value::Object(Map::new()), json);
        self.typed(node, &[Step::Key("spec".to_owned())], value, strict)
    }

    /// A typed Redis resource, of which every field must be known.
    fn redis<T: DeserializeOwned>(&mut self, node: &Node, what: fn(T) -> What) -> Option<Body> {
        let notes = self.notes.len();
        let written = self.spec::<T>(node, true);
        let kind = text_of(node, "kind").unwrap_or_default();
        let is_ours = text_of(node, "apiVersion").is_some_and(|version| version.starts_with("slotmesh.io/"));
        if is_ours {
            let unknown = self.notes.drain(notes..);
            self.problems.extend(unknown.map(|note| Problem { text: no_field(kind, &note.path), ..note }));
        }
        let declared = Declared { what: what(written?), document: Arc::new(node.clone()) };
        for fault in declared.faults() {
            let path = crate::typed::steps(&fault.path);
            self.problem(line(node, &path), &path, &fault.text);
        }
        Some(Body::Redis(Box::new(declared)))
    }

    /// Fields of the object itself.
    fn whole<T: DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        self.typed(node, &[], json(node), false)
    }

    fn typed<T: DeserializeOwned>(&mut self, root: &Node, at: &[Step], value: Value, strict: bool) -> Option<T> {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
        let result: Result<T, _> = serde_ignored::deserialize(deserializer, |path| unknown.push(ignored(&path)));
        let full = |rest: Vec<Step>| at.iter().cloned().chain(rest).collect::<Vec<_>>();
        if strict {
            for path in unknown.into_iter().map(full) {
                self.notes.push(self.fault(line(root, &path), &path, "is unknown, or has no effect in slotmesh"));
            }
        }
        result
            .map_err(|error| {
                let path = full(steps(&track.path()));
                let text = error.to_string();
                let is_auth = |step: &Step| matches!(step, Step::Key(key) if key == "auth");
                let is_secret = text_of(root, "kind") == Some("Secret") || path.iter().any(is_auth);
                let text = if is_secret { concealed(&text) } else { advised(text) };
                self.problem(line(root, &path), &path, &text);
            })
            .ok()
    }

    fn problem(&mut self, line: u32, path: &[Step], text: &str) {
        let fault = self.fault(line, path, text);
        self.problems.push(fault);
    }

    fn fault(&self, line: u32, path: &[Step], text: &str) -> Problem {
        Problem { file: self.file.to_string(), line, path: spelt(path), text: text.to_owned() }
    }
}

/// That a typed resource has no field of this name, and the one that is like it.
fn no_field(kind: &str, path: &str) -> String {
    let fields = crate::typed::fields_beside(kind, path);
    let written = path.rsplit('.').next().unwrap_or_default();
    let near = config::dynamic::nearest_name(written, fields.iter().map(String::as_str));
    let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("is no field of {kind}{meant}")
}

/// What is said of a field that may hold a secret in clear: what should be there, and not what is.
fn concealed(text: &str) -> String {
    match text.rsplit_once("expected ") {
        Some((_, "struct Source")) => {
            "holds a value in clear: give one of secretKeyRef, file and environmentVariable".to_owned()
        }
        Some((_, expected)) => format!("cannot be read: expected {expected}"),
        None => "cannot be read".to_owned(),
    }
}

/// A name such as `y` or `010` is no text to YAML.
fn advised(text: String) -> String {
    let is_plain = text.starts_with("invalid type: boolean") || text.starts_with("invalid type: integer");
    if is_plain && text.ends_with("expected a string") { text + ": put it in quotes" } else { text }
}

type ReadBody = fn(&mut Reader, &Node) -> Option<Body>;

/// How a kind is read; `None` for one that means nothing here.
fn reader_of(group: &str, kind: &str) -> Option<ReadBody> {
    Some(match (group, kind) {
        ("", "Namespace") => |_, _| Some(Body::Namespace),
        ("", "Node") => |_, _| Some(Body::Machine),
        ("", "Service") => |reader, node| reader.spec::<Service>(node, false).map(Body::Service),
        ("", "Secret") => |reader, node| reader.whole::<Secret>(node).map(Body::Secret),
        ("slotmesh.io", "RedisService") => {
            |reader, node| reader.redis(node, |written| What::Service(Box::new(written)))
        }
        ("slotmesh.io", "RedisRoute") => |reader, node| reader.redis(node, What::Route),
        ("redis.aeraki.io", "RedisService") => |reader, node| reader.redis(node, What::AerakiService),
        ("redis.aeraki.io", "RedisDestination") => |reader, node| reader.redis(node, What::AerakiDestination),
        ("", "Endpoints") => |reader, node| reader.whole::<Endpoints>(node).map(Body::Endpoints),
        ("", "Pod") => |reader, node| reader.whole::<Pod>(node).map(Body::Pod),
        ("discovery.k8s.io", "EndpointSlice") => {
            |reader, node| reader.whole::<EndpointSlice>(node).map(Body::EndpointSlice)
        }
        ("apps", "StatefulSet" | "Deployment") => |reader, node| {
            reader.spec::<WorkloadSpec>(node, false).map(|spec| Body::Template(spec.template.metadata.labels))
        },
        ("networking.istio.io", "ServiceEntry") => {
            |reader, node| reader.spec::<ServiceEntry>(node, true).map(Body::ServiceEntry)
        }
        ("networking.istio.io", "WorkloadEntry") => {
            |reader, node| reader.spec::<Workload>(node, true).map(Body::WorkloadEntry)
        }
        ("networking.istio.io", "DestinationRule") => {
            |reader, node| reader.spec(node, true).map(|rule| Body::DestinationRule(Box::new(rule)))
        }
        ("networking.istio.io", "Sidecar") => |reader, node| reader.spec::<Sidecar>(node, true).map(Body::Sidecar),
        ("networking.istio.io", "EnvoyFilter") => |_, node| Some(Body::EnvoyFilter(Arc::new(node.clone()))),
        ("security.istio.io", "PeerAuthentication") => {
            |reader, node| reader.spec::<PeerAuthentication>(node, true).map(Body::PeerAuthentication)
        }
        _ => return None,
    })
}

/// The kinds that are read, for those who misspell one.
pub(crate) const KINDS: [(&str, &str); 16] = [
    ("slotmesh.io", "RedisService"),
    ("slotmesh.io", "RedisRoute"),
    ("", "Namespace"),
    ("", "Node"),
    ("", "Service"),
    ("", "Endpoints"),
    ("", "Pod"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("apps", "StatefulSet"),
    ("apps", "Deployment"),
    ("networking.istio.io", "ServiceEntry"),
    ("networking.istio.io", "WorkloadEntry"),
    ("networking.istio.io", "DestinationRule"),
    ("networking.istio.io", "Sidecar"),
    ("networking.istio.io", "EnvoyFilter"),
    ("security.istio.io", "PeerAuthentication"),
];

/// Why a kind that is skipped may not be meant to be: it is Istio's, or nearly one that is read.
fn odd_kind(group: &str, kind: &str) -> Option<String> {
    let near = |(_, known): &&(&str, &str)| known.len() > 5 && strsim::osa_distance(known, kind) <= 2;
    if let Some((group, known)) = KINDS.iter().find(near) {
        let place = if group.is_empty() { String::new() } else { format!(" of {group}") };
        return Some(format!("the kind `{kind}` is skipped: did you mean {known}{place}?"));
    }
    group.ends_with("istio.io").then(|| format!("the kind `{kind}` has no effect in slotmesh"))
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Shape::Map(entries) = &node.shape else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value).filter(|value| !value.is_null())
}

fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match child(node, key)?.plain()? {
        Plain::Text(text) => Some(text),
        _ => None,
    }
}

/// The tree as JSON; a key without a value is as good as not written.
pub(crate) fn json(node: &Node) -> Value {
    match &node.shape {
        Shape::List(items) => items.iter().map(json).collect(),
        Shape::Map(entries) => {
            let given = entries.iter().filter(|entry| !entry.value.is_null());
            Value::Object(given.map(|entry| (entry.key.clone(), json(&entry.value))).collect())
        }
        Shape::Scalar { text, quoted } => match node.plain() {
            Some(Plain::Bool(value)) => value.into(),
            Some(Plain::Int(value)) => i64::try_from(value).map_or_else(|_| text.as_str().into(), Value::from),
            Some(Plain::Text(text)) if !quoted => fraction(text).unwrap_or_else(|| text.into()),
            Some(Plain::Text(text)) => text.into(),
            Some(Plain::Null) | None => Value::Null,
        },
    }
}

/// A number with a fraction, as in `0.5`.
fn fraction(text: &str) -> Option<Value> {
    let numeric = text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || b".+-eE".contains(&byte));
    numeric.then(|| text.parse::<f64>().ok().map(Value::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::{mesh, objects};
    use crate::object::Body;

    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels:\nspec:\n  ports:\n";

    fn told(text: &str) -> Vec<String> {
        objects(text, "a.yaml").problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_kind_that_is_nearly_one_that_is_read_is_told() {
        let noted = |group: &str, kind: &str| {
            let text = format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: x}}\n");
            objects(&text, "a.yaml").notes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(noted("v1", "Servcie"), ["a.yaml:1: the kind `Servcie` is skipped: did you mean Service?"]);
        let meant = "a.yaml:1: the kind `EnvoyFilter` is skipped: did you mean EnvoyFilter of networking.istio.io?";
        assert_eq!(noted("networking.istio/v1", "EnvoyFilter"), [meant]);
        let other = noted("networking.istio.io/v1", "VirtualService");
        assert_eq!(other, ["a.yaml:1: the kind `VirtualService` has no effect in slotmesh"]);
        for kind in ["ConfigMap", "Secret", "ServiceAccount", "Ingress", "PodDisruptionBudget", "DaemonSet"] {
            assert_eq!(noted("v1", kind), [""; 0]);
        }
    }

    #[test]
    fn kinds_that_mean_nothing_are_skipped_and_lists_are_opened() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: s}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: home}}\n";
        let read = objects(&format!("{SERVICE}  - port: 6379\n---\n{list}"), "a.yaml");
        assert_eq!(read.problems, []);
        let kinds: Vec<&str> = read.found.iter().map(|object| object.body.kind()).collect();
        assert_eq!(kinds, ["Service", "Namespace"]);
        assert_eq!((read.found[0].meta.namespace.as_str(), read.found[1].line), ("default", 14));
    }

    #[test]
    fn a_fault_is_told_by_file_line_and_field() {
        let wrong = format!("{SERVICE}  - port: 6379\n  - name: b\n    port: many\n");
        assert_eq!(told(&wrong), ["a.yaml:10: spec.ports[1].port: invalid type: string \"many\", expected u16"]);
        assert_eq!(
            told("kind: Service\n"),
            ["a.yaml:1: needs an `apiVersion` and a `kind`, as every Kubernetes object"]
        );
        assert_eq!(told("apiVersion: v1\nkind: Pod\nmetadata: {}\n"), ["a.yaml:3: metadata.name: is missing"]);
        let quoted = told("apiVersion: v1\nkind: Pod\nmetadata: {name: y}\n");
        assert!(quoted[0].ends_with("expected a string: put it in quotes"), "{quoted:?}");
        assert!(told("a: [\n")[0].starts_with("a.yaml:2: not valid YAML"), "{:?}", told("a: [\n"));
        let nested = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: x}\n  spec:\n    clusterIP: 10.0.0\n";
        assert_eq!(told(nested), ["a.yaml:8: spec.clusterIP: `10.0.0` is no IP address"]);
    }

    #[test]
    fn fields_of_no_effect_are_told() {
        let text = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n  host: a\n  trafficPolicy:\n    connectionPol: {}\n";
        let read = objects(text, "a.yaml");
        assert!(matches!(read.found[0].body, Body::DestinationRule(_)));
        assert_eq!(
            read.notes[0].to_string(),
            "a.yaml:7: spec.trafficPolicy.connectionPol: is unknown, or has no effect in slotmesh"
        );
    }

    #[test]
    fn the_mesh_has_defaults() {
        let read = mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\naccessLogFile: /dev/stdout\n", "mesh.yaml");
        assert_eq!((read.problems.len(), read.found.root_namespace.as_str()), (0, "istio-system"));
        assert_eq!(read.notes[0].path, "accessLogFile");
        assert_eq!(mesh("", "mesh.yaml").found, super::Mesh::default());
        let wrong = mesh("\nconnectTimeout: 5\n", "mesh.yaml").problems;
        assert_eq!(wrong[0].line, 2);
    }
}
