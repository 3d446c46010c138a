//! What the tests share: resources from JSON, filters from YAML, and their application.

use config::Schema;
use config::dynamic::{Reader, json, to_json};
use patch::resources::{CLUSTER, LISTENER, ROUTES};
use patch::{EnvoyFilter, NotRead, ProxyInfo, Refused, Report, Resources, apply, filter};
use prost_reflect::DynamicMessage;
use serde_json::Value as Json;

/// The message `name` that `json` spells.
pub fn message(schema: &Schema, name: &str, json: &Json) -> DynamicMessage {
    let reader = Reader { schema, carries_unknown_types: true };
    let read = reader.read(&schema.message(name).unwrap(), json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(read.unknown, [], "{json}");
    read.message
}

/// `{listeners, clusters, routes}` as messages.
pub fn resources(schema: &Schema, json: &Json) -> Resources {
    let of = |key: &str, name: &str| {
        let list = json.get(key).and_then(Json::as_array);
        list.into_iter().flatten().map(|one| message(schema, name, one)).collect()
    };
    Resources { listeners: of("listeners", LISTENER), clusters: of("clusters", CLUSTER), routes: of("routes", ROUTES) }
}

/// Messages as JSON, for which the order of a map does not matter.
pub fn shown(schema: &Schema, messages: &[DynamicMessage]) -> Vec<Json> {
    messages.iter().map(|message| to_json(schema, message)).collect()
}

/// Every `EnvoyFilter` in `yaml`.
pub fn filters(schema: &Schema, yaml: &str) -> Vec<Result<EnvoyFilter, NotRead>> {
    let documents = config::text::documents(yaml, false).unwrap();
    documents.iter().flat_map(|document| filter::read_list(schema, &json(document))).collect()
}

/// Those of `filters` that are accepted, applied.
pub fn applied(
    schema: &Schema,
    base: Resources,
    filters: &[Result<EnvoyFilter, NotRead>],
    proxy: &ProxyInfo,
    refused: Refused,
) -> (Resources, Report) {
    let accepted: Vec<EnvoyFilter> = filters.iter().filter_map(|filter| filter.as_ref().ok().cloned()).collect();
    apply(schema, base, &accepted, proxy, refused)
}

/// A resource's name.
pub fn name(message: &DynamicMessage) -> String {
    message.get_field_by_name("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// One patch: `applyTo`, `match`, operation, value.
pub type Written = (&'static str, Json, &'static str, Json);

/// Each patch as an `EnvoyFilter` of its own, in the namespace of the proxy of [`proxy`].
pub fn each(schema: &Schema, patches: &[Written]) -> Vec<EnvoyFilter> {
    let one = |(index, written): (usize, &Written)| of_spec(schema, &format!("test-{index:03}"), &spec(written));
    patches.iter().enumerate().map(one).collect()
}

/// The `spec` with one patch.
pub fn spec((apply_to, matching, operation, value): &Written) -> Json {
    let mut patch = serde_json::json!({"operation": operation});
    if !value.is_null() {
        patch["value"] = value.clone();
    }
    serde_json::json!({"configPatches": [{"applyTo": apply_to, "match": matching, "patch": patch}]})
}

/// An `EnvoyFilter` in the namespace of the proxy of [`proxy`].
pub fn of_spec(schema: &Schema, name: &str, spec: &Json) -> EnvoyFilter {
    let metadata = serde_json::json!({"name": name, "namespace": "not-default"});
    let resource = serde_json::json!({"kind": "EnvoyFilter", "metadata": metadata, "spec": spec});
    filter::read(schema, &resource).unwrap_or_else(|refused| panic!("{refused}"))
}

/// The proxy of istiod's own tests.
pub fn proxy(role: patch::proxy::Role) -> ProxyInfo {
    let texts =
        |entries: &[(&str, &str)]| entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    ProxyInfo {
        role,
        namespace: "not-default".into(),
        version: "1.2.2".into(),
        metadata: texts(&[("foo", "sidecar"), ("bar", "proxy")]),
        root_namespace: "istio-system".into(),
        ..ProxyInfo::default()
    }
}

/// What the filters make of a base, as JSON: `{listeners, clusters, routes}`.
pub fn outcome(schema: &Schema, base: &Json, filters: &[EnvoyFilter], proxy: &ProxyInfo) -> (Json, Report) {
    let (after, report) = apply(schema, resources(schema, base), filters, proxy, Refused::Kept);
    let of = |messages: &[DynamicMessage]| shown(schema, messages);
    let json = serde_json::json!({
        "listeners": of(&after.listeners), "clusters": of(&after.clusters), "routes": of(&after.routes)
    });
    (json, report)
}

/// The names in a list.
pub fn names(list: &Json) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|one| one["name"].as_str().unwrap_or("")).collect()
}

/// `typed_config` of a type in Envoy's extensions.
pub fn typed(of: &str, config: Json) -> Json {
    let mut config = config;
    config["@type"] = Json::from(format!("type.googleapis.com/{of}"));
    config
}
