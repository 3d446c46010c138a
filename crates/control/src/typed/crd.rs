//! The CustomResourceDefinitions of the two kinds, made from their types.

use super::spec::{RedisRoute, RedisService};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The group and its version.
const GROUP: &str = "slotmesh.io";
const VERSION: &str = "v1alpha1";

/// A kind, as a cluster is to know it.
struct Kind {
    name: &'static str,
    plural: &'static str,
    short: &'static str,
    spec: fn() -> Value,
    columns: &'static [(&'static str, &'static str, &'static str)],
    example: fn() -> Value,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "RedisService",
        plural: "redisservices",
        short: "rds",
        spec: schema::<RedisService>,
        columns: &[
            ("Host", ".spec.host", "The service that is Redis"),
            ("Mode", ".spec.mode", "What runs behind it"),
            ("Reads", ".spec.settings.readPolicy", "Which member of a shard serves reads"),
        ],
        example: || {
            json!({
                "host": "redis-cluster",
                "mode": "CLUSTER",
                "settings": {"readPolicy": "PREFER_REPLICA", "opTimeout": "2s"},
                "auth": {"password": {"secretKeyRef": {"name": "redis-auth", "key": "password"}}},
            })
        },
    },
    Kind {
        name: "RedisRoute",
        plural: "redisroutes",
        short: "rdr",
        spec: schema::<RedisRoute>,
        columns: &[
            ("Host", ".spec.host", "The service that clients connect to"),
            // Of several results an API server shows the first.
            ("Mirror", ".spec.routes[*].mirrors[*].to.host", "Who gets copies, or the first of those"),
        ],
        example: || {
            json!({
                "host": "redis-cluster",
                "routes": [
                    {"prefix": "session:", "removePrefix": true, "to": {"host": "redis-mirror"}},
                    {"mirrors": [{"to": {"host": "redis-mirror"}, "percent": 12.5, "excludeReadCommands": true}]},
                ],
            })
        },
    },
];

/// The file name of each and what it holds.
#[must_use]
pub fn crds() -> Vec<(String, Value)> {
    KINDS.iter().map(|kind| (format!("{GROUP}_{}.yaml", kind.plural), crd(kind))).collect()
}

/// The names of the fields that stand beside the last step of `path`, as in `spec.settings.opTimeout`.
pub(crate) fn fields_beside(kind: &str, path: &str) -> Vec<String> {
    // Made once: it is asked for every field that is unknown.
    static SPECS: LazyLock<Vec<(&'static str, Value)>> =
        LazyLock::new(|| KINDS.iter().map(|kind| (kind.name, (kind.spec)())).collect());
    let Some((_, mut at)) = SPECS.iter().find(|(known, _)| *known == kind).map(|(name, whole)| (name, whole)) else {
        return Vec::new();
    };
    let steps: Vec<&str> = path.split('.').skip(1).collect();
    for step in &steps[..steps.len().saturating_sub(1)] {
        let name = step.split('[').next().unwrap_or_default();
        at = &at["properties"][name];
        if step.contains('[') {
            at = &at["items"];
        }
    }
    at["properties"].as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

fn crd(kind: &Kind) -> Value {
    let accepted = |word: &str| format!(".status.conditions[?(@.type=='{word}')].status");
    let column = |(name, path, text): &(&str, &str, &str)| json!({"name": name, "type": "string", "jsonPath": path, "description": text});
    let mut columns: Vec<Value> = kind.columns.iter().map(column).collect();
    columns.push(json!({"name": "Accepted", "type": "string", "jsonPath": accepted("Accepted")}));
    columns.push(json!({"name": "Programmed", "type": "string", "jsonPath": accepted("Programmed")}));
    columns.push(json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}));
    let mut spec = (kind.spec)();
    let description = spec["description"].take();
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("description");
    }
    let example = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": kind.name,
        "metadata": {"name": "example", "namespace": "redis"},
        "spec": (kind.example)(),
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{GROUP}", kind.plural), "labels": {"app.kubernetes.io/part-of": "slotmesh"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name, "listKind": format!("{}List", kind.name), "plural": kind.plural,
                "singular": kind.name.to_lowercase(), "shortNames": [kind.short], "categories": ["slotmesh"],
            },
            "versions": [{
                "name": VERSION, "served": true, "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": description,
                    "required": ["spec"],
                    "example": example,
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                        "status": status(),
                    },
                }},
            }],
        },
    })
}

/// What the control plane says of a resource.
fn status() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "description": "What the control plane makes of it.",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64"},
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
                    "properties": {
                        "type": text, "reason": text, "message": text,
                        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                        "lastTransitionTime": {"type": "string", "format": "date-time"},
                        "observedGeneration": {"type": "integer", "format": "int64"},
                    },
                },
            },
        },
    })
}

fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    structural(&mut schema);
    schema
}

/// Rewrites a schema to the forms that an API server takes.
fn structural(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    ["$schema", "title", "default", "nullable", "components"].iter().for_each(|name| drop(fields.remove(*name)));
    if fields.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        fields.remove("format");
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        // Lines of source code are nobody else's.
        *text = text.split('\n').collect::<Vec<_>>().join(" ");
    }
    // An optional one: itself, or null.
    for word in ["anyOf", "allOf"] {
        let Some(Value::Array(choices)) = fields.remove(word) else { continue };
        let is_real = |choice: &&Value| choice["type"] != "null" && choice["enum"] != json!([null]);
        if let Some(Value::Object(real)) = choices.iter().find(is_real) {
            let mut real = real.clone();
            if let (Some(Value::String(outer)), Some(Value::Array(_))) = (fields.get("description"), real.get("oneOf"))
            {
                real.insert("description".to_owned(), outer.clone().into());
            }
            for (name, value) in real {
                fields.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(variants)) = fields.remove("oneOf") {
        variants_of(&variants, fields);
    }
    if fields.get("type").and_then(Value::as_str) == Some("object")
        && let Some(Value::Object(properties)) = fields.get_mut("properties")
    {
        properties.values_mut().for_each(structural);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(inner) {
            structural(inner);
        }
    }
}

/// Variants with a description each, as one list of words with one description.
fn variants_of(variants: &[Value], fields: &mut Map<String, Value>) {
    let word = |variant: &Value| variant["const"].as_str().or_else(|| variant["enum"][0].as_str()).map(str::to_owned);
    let words: Vec<String> = variants.iter().filter_map(word).collect();
    let told = variants
        .iter()
        .zip(&words)
        .filter_map(|(variant, word)| Some(format!("{word}: {}", variant["description"].as_str()?)));
    let told = told.collect::<Vec<_>>().join("; ");
    let before = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = if told.is_empty() { before.to_owned() } else { format!("{before} {told}.").trim().to_owned() };
    fields.insert("type".to_owned(), "string".into());
    fields.insert("enum".to_owned(), json!(words));
    fields.insert("description".to_owned(), description.into());
}
