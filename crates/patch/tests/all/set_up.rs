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
