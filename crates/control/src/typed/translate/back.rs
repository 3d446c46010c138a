//! From EnvoyFilters to typed resources.
//!
//! What is understood is a `redis_proxy` in the place of a service's `tcp_proxy`, and clusters of Envoy's type for Redis.
//! The result is made into configuration again and compared: every difference is listed.

use super::words::words_of;
use super::{Input, Made, Translated, made};
use crate::object::{Body, Labels, Object};
use crate::registry::State;
use crate::registry::service::{Resolution, Service};
use crate::typed::bound::Target;
use config::Schema;
use config::dynamic::to_json;
use patch::filter::{ApplyTo, Operation, Patch, read};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The end of the type of a filter for Redis.
const REDIS_PROXY: &str = "redis_proxy.v3.RedisProxy";

/// A `redis_proxy` that takes a listener's `tcp_proxy`'s place.
struct Found {
    whose: String,
    listener: String,
    filter: Value,
    namespace: String,
    selector: Labels,
}

/// The typed resources that do what the EnvoyFilters of `input` do. The services must be among the files.
#[must_use]
pub fn from_envoy_filters(schema: &Schema, input: &Input) -> Translated {
    let state = input.state();
    let mut found = Translated::default();
    let (mut filters, mut clusters) = (Vec::new(), BTreeMap::new());
    for object in &state.envoy_filters {
        take(schema, object, &mut filters, &mut clusters, &mut found);
    }
    let places: Vec<(Found, Target, String)> = filters
        .into_iter()
        .filter_map(|filter| match place(&state, &filter.listener) {
            Some((service, port)) => {
                Some((filter, Target { host: service.host.clone(), port }, service.namespace.clone()))
            }
            None => {
                let text = format!("{}: no service of the files has the listener {}", filter.whose, filter.listener);
                found.lost.push(text);
                None
            }
        })
        .collect();
    let owners: BTreeMap<String, Target> = places
        .iter()
        .filter_map(|(filter, at, _)| {
            let main = main_cluster(&filter.filter)?;
            clusters.contains_key(main).then(|| (main.to_owned(), at.clone()))
        })
        .collect();
    let mut seen = Vec::new();
    for (filter, at, home) in &places {
        // A headless service has a listener for each endpoint, all with the same filter.
        if !seen.contains(&at) {
            seen.push(at);
            let words = Words { state: &state, at, home, clusters: &clusters, owners: &owners };
            words.write(filter, &mut found);
        }
    }
    for name in clusters.keys().filter(|name| !owners.contains_key(*name)) {
        found.lost.push(format!("the cluster {name}: no redis_proxy sends everything to it"));
    }
    compare(schema, input, &places, &clusters, &mut found);
    found
}

/// Sorts the patches of an EnvoyFilter.
fn take(
    schema: &Schema,
    object: &Object,
    filters: &mut Vec<Found>,
    clusters: &mut BTreeMap<String, Value>,
    found: &mut Translated,
) {
    let Body::EnvoyFilter(document) = &object.body else { return };
    let filter = match read(schema, &config::dynamic::json(document)) {
        Ok(filter) => filter,
        Err(refused) => return found.lost.push(refused.to_string()),
    };
    for (index, patch) in filter.patches.iter().enumerate() {
        let whose = format!("EnvoyFilter {}/{} configPatches[{index}]", filter.namespace, filter.name);
        let value = patch.value.as_ref().map(|value| plain(to_json(schema, value))).unwrap_or_default();
        match (patch.apply_to, patch.operation) {
            (ApplyTo::NetworkFilter, Operation::Replace) if is_redis(&value) => filters.push(Found {
                whose,
                listener: listener_of(patch),
                filter: value,
                namespace: filter.namespace.clone(),
                selector: filter.selector.clone(),
            }),
            (ApplyTo::Cluster, Operation::Add) if is_of_redis(&value) || is_of_service(&value) => {
                clusters.insert(value["name"].as_str().unwrap_or_default().to_owned(), value);
            }
            // What comes before an ADD of the same name.
            (ApplyTo::Cluster, Operation::Remove) if is_removed_to_be_added(patch, &filter.patches) => {}
            (applied, operation) => {
                found.lost.push(format!("{whose}: {operation:?} of {applied:?} is not translated back"));
            }
        }
    }
}

fn is_of_redis(cluster: &Value) -> bool {
    cluster["cluster_type"]["name"] == "envoy.clusters.redis"
}

/// Whether it takes the place of a service's cluster: a single server's, of which `compare` says what differs.
fn is_of_service(cluster: &Value) -> bool {
    let is_made = cluster["name"].as_str().is_some_and(|name| name.starts_with("outbound|"));
    is_made && cluster["cluster_type"].is_null()
}

fn is_redis(value: &Value) -> bool {
    value["typed_config"]["@type"].as_str().is_some_and(|kind| kind.ends_with(REDIS_PROXY))
}

fn listener_of(patch: &Patch) -> String {
    patch.matching.listener().map(|listener| listener.name.clone()).unwrap_or_default()
}

fn is_removed_to_be_added(patch: &Patch, all: &[Patch]) -> bool {
    let patch::filter::Object::Cluster(of) = &patch.matching.object else { return false };
    let adds = |other: &&Patch| other.apply_to == ApplyTo::Cluster && other.operation == Operation::Add;
    let name = |other: &Patch| Some(other.value.as_ref()?.get_field_by_name("name")?.as_str()?.to_owned());
    all.iter().filter(adds).any(|other| name(other).as_deref() == Some(of.name.as_str()))
}

/// The value without the wrapping of a `TypedStruct`.
fn plain(mut value: Value) -> Value {
    for path in ["/typed_config", "/cluster_type/typed_config"] {
        let Some(config) = value.pointer_mut(path) else { continue };
        if config["@type"].as_str().is_some_and(|kind| kind.ends_with("TypedStruct")) {
            let mut inner = config["value"].take();
            inner["@type"] = config["type_url"].take();
            *config = inner;
        }
    }
    value
}

/// The service and port that have a listener of this name.
fn place<'s>(state: &'s State, listener: &str) -> Option<(&'s Service, u16)> {
    let (address, port) = listener.rsplit_once('_')?;
    let port: u16 = port.parse().ok()?;
    let has = |service: &&Arc<Service>| {
        let is_at = service.ips().any(|ip| ip.to_string() == address);
        let by_endpoint = service.resolution == Resolution::Headless;
        let stands = || service.endpoints.iter().any(|endpoint| endpoint.address == address);
        (is_at || (by_endpoint && stands())) && service.ports.iter().any(|known| known.number == port)
    };
    state.services.iter().find(has).map(|service| (service.as_ref(), port))
}

/// The cluster that everything without a prefix goes to.
fn main_cluster(filter: &Value) -> Option<&str> {
    filter["typed_config"]["prefix_routes"]["catch_all_route"]["cluster"].as_str()
}

/// What is needed to find words.
struct Words<'a> {
    state: &'a State,
    at: &'a Target,
    home: &'a str,
    clusters: &'a BTreeMap<String, Value>,
    /// The services whose clusters have names of their own.
    owners: &'a BTreeMap<String, Target>,
}

impl Words<'_> {
    fn write(&self, filter: &Found, found: &mut Translated) {
        let typed = &filter.filter["typed_config"];
        let main = main_cluster(&filter.filter).filter(|main| self.owners.get(*main) == Some(self.at));
        let own = self.at.plain();
        let cluster = main.and_then(|main| self.clusters.get(main));
        let is_cluster = cluster.is_some_and(is_of_redis);
        let mut spec = Map::new();
        spec.insert("host".to_owned(), self.at.host.as_str().into());
        spec.insert("port".to_owned(), self.at.port.into());
        spec.insert("mode".to_owned(), if is_cluster { "CLUSTER" } else { "SINGLE" }.into());
        let is_wide = filter.namespace == self.state.mesh.root_namespace;
        let namespaces: Vec<&str> = if is_wide { Vec::new() } else { vec![&filter.namespace] };
        spec.insert("clients".to_owned(), json!({"namespaces": namespaces, "matchLabels": filter.selector}));
        if let Some(main) = main.filter(|main| is_cluster && *main != own) {
            spec.insert("clusterName".to_owned(), main.into());
        }
        if let Some(cluster) = cluster {
            spec.extend(words_of(cluster));
        }
        spec.insert("settings".to_owned(), settings(typed).into());
        let name = self.at.host.split('.').next().unwrap_or("redis");
        found.documents.push(self.document("RedisService", name, &spec));
        if let Some(route) = self.route(typed, main.unwrap_or(&own)) {
            found.documents.push(self.document("RedisRoute", name, &route));
        }
    }

    fn document(&self, kind: &str, name: &str, spec: &Map<String, Value>) -> Value {
        let metadata = json!({"name": name, "namespace": self.home});
        json!({"apiVersion": "slotmesh.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    }

    /// `None` if everything simply goes to the service itself.
    fn route(&self, typed: &Value, own: &str) -> Option<Map<String, Value>> {
        let written = &typed["prefix_routes"];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut routes: Vec<Value> = list(&written["routes"]).iter().map(|one| self.way(one, own)).collect();
        let rest = written.get("catch_all_route");
        if let Some(rest) = rest.map(|rest| self.way(rest, own)).filter(|rest| *rest != json!({})) {
            routes.push(rest);
        }
        let mut spec = Map::new();
        if !routes.is_empty() {
            spec.insert("routes".to_owned(), routes.into());
        }
        if rest.is_none() {
            spec.insert("unmatched".to_owned(), "REFUSE".into());
        }
        if written["case_insensitive"] == true {
            spec.insert("caseInsensitive".to_owned(), true.into());
        }
        let faults: Vec<Value> = list(&typed["faults"]).iter().map(fault).collect();
        if !faults.is_empty() {
            spec.insert("faults".to_owned(), faults.into());
        }
        let passwords: Vec<Value> = list(&typed["downstream_auth_passwords"]).iter().filter_map(source).collect();
        let username = source(&typed["downstream_auth_username"]);
        if username.is_some() || !passwords.is_empty() {
            spec.insert("auth".to_owned(), pruned(json!({"username": username, "passwords": passwords})));
        }
        let external = &typed["external_auth_provider"];
        if let Some(cluster) = external.pointer("/grpc_service/envoy_grpc/cluster_name") {
            let timeout = &external["grpc_service"]["timeout"];
            let expires = &external["enable_auth_expiration"];
            let said = json!({"to": self.to(cluster), "timeout": timeout, "enableAuthExpiration": expires});
            spec.insert("externalAuth".to_owned(), pruned(said));
        }
        if spec.is_empty() {
            return None;
        }
        spec.insert("host".to_owned(), self.at.host.as_str().into());
        spec.insert("port".to_owned(), self.at.port.into());
        Some(spec)
    }

    fn way(&self, route: &Value, own: &str) -> Value {
        let mirrors = route["request_mirror_policy"].as_array().into_iter().flatten();
        let mirror = |mirror: &Value| {
            let (percent, key) = share(&mirror["runtime_fraction"]);
            let writes = mirror["exclude_read_commands"].as_bool();
            pruned(
                json!({"to": self.to(&mirror["cluster"]), "percent": percent, "runtimeKey": key, "excludeReadCommands": writes}),
            )
        };
        let to = Some(&route["cluster"]).filter(|cluster| **cluster != *own).map(|cluster| self.to(cluster));
        let reads = &route["read_command_policy"]["cluster"];
        pruned(json!({
            "prefix": route["prefix"], "removePrefix": route["remove_prefix"], "keyFormatter": route["key_formatter"],
            "to": to, "mirrors": mirrors.map(mirror).collect::<Vec<_>>(),
            "readCommandsTo": if reads.is_null() { Value::Null } else { self.to(reads) },
        }))
    }

    /// The service that a cluster is of.
    fn to(&self, cluster: &Value) -> Value {
        let name = cluster.as_str().unwrap_or_default();
        if let Some(at) = self.owners.get(name) {
            return json!({"host": at.host, "port": at.port});
        }
        let parts: Vec<&str> = name.split('|').collect();
        match parts.as_slice() {
            ["outbound", port, "", host] => json!({"host": host, "port": port.parse::<u16>().ok()}),
            // No such service: it is told when the result is looked at.
            _ => json!({"host": name}),
        }
    }
}

fn settings(typed: &Value) -> Map<String, Value> {
    let mut found = camel(&typed["settings"], &["connection_rate_limit", "dns_cache_config"]);
    found.entry("enableRedirection").or_insert_with(|| false.into());
    let limit = &typed["settings"]["connection_rate_limit"]["connection_rate_limit_per_sec"];
    let cache = camel(&typed["settings"]["dns_cache_config"], &[]);
    let cache = if cache.is_empty() { Value::Null } else { cache.into() };
    let more = pruned(json!({
        "statPrefix": typed["stat_prefix"], "latencyInMicros": typed["latency_in_micros"], "dnsCache": cache,
        "customCommands": typed["custom_commands"], "protocolVersion": typed["protocol_version"],
        "connectionRateLimitPerSec": limit,
    }));
    found.extend(more.as_object().cloned().unwrap_or_default());
    found
}

fn fault(fault: &Value) -> Value {
    let (percent, key) = share(&fault["fault_enabled"]);
    let kind = fault["fault_type"].as_str().unwrap_or("DELAY");
    pruned(json!({
        "type": kind, "percent": percent.unwrap_or_else(|| 0.into()), "runtimeKey": key, "delay": fault["delay"],
        "commands": fault["commands"],
    }))
}

/// A `RuntimeFractionalPercent` as a part of a hundred, and its key.
fn share(fraction: &Value) -> (Option<Value>, Option<Value>) {
    if fraction.is_null() {
        return (None, None);
    }
    let part = &fraction["default_value"];
    let numerator = part["numerator"].as_f64().unwrap_or_default();
    let percent = match part["denominator"].as_str() {
        Some("TEN_THOUSAND") => numerator / 100.0,
        Some("MILLION") => numerator / 10_000.0,
        _ => numerator,
    };
    (Some(percent.into()), fraction.get("runtime_key").cloned())
}

/// A `DataSource` that holds nothing in clear.
pub(super) fn source(data: &Value) -> Option<Value> {
    let given = |from: &str, to: &str| data.get(from).map(|value| json!({to: value}));
    given("filename", "file").or_else(|| given("environment_variable", "environmentVariable"))
}

/// The fields of a message, but for some, by our names.
pub(super) fn camel(message: &Value, but: &[&str]) -> Map<String, Value> {
    let word = |name: &str| {
        let mut parts = name.split('_');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |found, part| found + &part[..1].to_ascii_uppercase() + &part[1..])
    };
    let fields = message.as_object().into_iter().flatten();
    let wanted = fields.filter(|(name, _)| *name != "@type" && !but.contains(&name.as_str()));
    wanted.map(|(name, value)| (word(name), value.clone())).collect()
}

/// Without what is null or empty.
pub(super) fn pruned(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let is_given = |value: &Value| !value.is_null() && *value != json!([]);
    fields.into_iter().filter(|(_, value)| is_given(value)).collect::<Map<_, _>>().into()
}

/// Makes configuration of the result, and lists what was said and is not said any more.
fn compare(
    schema: &Schema,
    input: &Input,
    places: &[(Found, Target, String)],
    clusters: &BTreeMap<String, Value>,
    found: &mut Translated,
) {
    let mut again = Input::default();
    again.objects.extend(input.objects.iter().filter(|object| !matches!(object.body, Body::EnvoyFilter(_))).cloned());
    for document in &found.documents {
        let name = format!("{} {}", document["kind"], document["metadata"]["name"]).replace('"', "");
        again.add(&name, &document.to_string());
    }
    let state = again.state();
    found.lost.extend(again.problems.iter().chain(&state.refused).map(ToString::to_string));
    for (filter, at, home) in places {
        let Some(bound) = state.typed.bounds.iter().find(|bound| bound.at == *at) else { continue };
        let wanted = &filter.filter["typed_config"];
        differences(wanted, &bound.filter["typed_config"], "redis_proxy", &filter.whose, &mut found.lost);
        let service = state.services.iter().find(|service| service.host == at.host);
        let made = service.and_then(|service| made(&state, bound, service, home));
        for cluster in made.into_iter().flat_map(|Made { clusters, .. }| clusters) {
            let Some(wanted) = clusters.get(cluster["name"].as_str().unwrap_or_default()) else { continue };
            let message = schema.message_from_json(patch::resources::CLUSTER, &cluster);
            let given = message.map(|message| to_json(schema, &message)).unwrap_or_default();
            differences(wanted, &given, "cluster", &filter.whose, &mut found.lost);
        }
    }
    found.lost.dedup();
}

/// Every field of `wanted` that `given` has not, or has otherwise.
fn differences(wanted: &Value, given: &Value, path: &str, whose: &str, lost: &mut Vec<String>) {
    match (wanted, given) {
        (Value::Object(fields), Value::Object(_)) => {
            for (name, inner) in fields {
                differences(inner, &given[name], &format!("{path}.{name}"), whose, lost);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (inner, other)) in items.iter().zip(others).enumerate() {
                differences(inner, other, &format!("{path}[{index}]"), whose, lost);
            }
        }
        _ if wanted == given || same_time(wanted, given) => {}
        _ => lost.push(format!("{whose}: {path} is not translated back")),
    }
}

/// `0.5s` and `0.500s`.
fn same_time(a: &Value, b: &Value) -> bool {
    let seconds = |value: &Value| value.as_str()?.strip_suffix('s')?.parse::<f64>().ok();
    seconds(a).is_some() && seconds(a) == seconds(b)
}
