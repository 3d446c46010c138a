//! Redis filters that EnvoyFilters put somewhere, and the clusters that they name.

use super::Found;
use super::world::{Patch, World};
use crate::typed::Bound;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer servers than this are all primaries: a Redis Cluster has three at least.
const WITH_A_REPLICA: u64 = 4;

/// Routes to clusters that no sidecar gets.
pub(super) fn undefined(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for (patch, config) in filters(world) {
        let policies = routes(config).into_iter().map(|route| &route["read_command_policy"]);
        let named = routes(config).into_iter().chain(policies).filter_map(|place| place["cluster"].as_str());
        all.extend(unknown(world, named).into_iter().map(|text| patch.found(format!("routes to {text}"))));
    }
    all
}

/// Mirrors to clusters that no sidecar gets.
pub(super) fn undefined_mirrors(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for (patch, config) in filters(world) {
        let policies = routes(config).into_iter().filter_map(|route| route["request_mirror_policy"].as_array());
        let named = policies.flatten().filter_map(|mirror| mirror["cluster"].as_str());
        all.extend(unknown(world, named).into_iter().map(|text| patch.found(format!("mirrors to {text}"))));
    }
    all
}

/// Clusters of one name that are added more than once.
pub(super) fn added_twice(world: &World) -> Vec<Found> {
    let mut by_name: BTreeMap<&str, Vec<Patch<'_>>> = BTreeMap::new();
    for (patch, cluster) in added(world) {
        by_name.entry(cluster["name"].as_str().unwrap_or_default()).or_default().push(patch);
    }
    let mut all = Vec::new();
    for (name, patches) in by_name {
        for (other, patch) in patches.iter().zip(patches.iter().skip(1)) {
            // Other workloads may get the one than get the other.
            let selector = |patch: &Patch<'_>| patch.document.json["spec"]["workloadSelector"].clone();
            if selector(other) == selector(patch) && other.document.namespace() == patch.document.namespace() {
                let (file, line) = (&other.document.file, other.document.line);
                all.push(patch.found(format!(
                    "adds the cluster {name}, which {} ({file}:{line}) adds too",
                    other.document.about()
                )));
            }
        }
    }
    all
}

/// Reads that only replicas may serve, from clusters that can have none.
pub(super) fn replicas_missing(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for (patch, config) in filters(world).filter(|(_, config)| config["settings"]["read_policy"] == "REPLICA") {
        let names: BTreeSet<&str> = routes(config).into_iter().filter_map(|route| route["cluster"].as_str()).collect();
        for (_, cluster) in
            added(world).filter(|(_, cluster)| names.contains(cluster["name"].as_str().unwrap_or_default()))
        {
            let name = cluster["name"].as_str().unwrap_or_default();
            all.extend(too_few(name, servers(world, cluster)).map(|text| patch.found(text)));
        }
    }
    for (found, bound) in
        bounds(world).filter(|(_, bound)| bound.filter["typed_config"]["settings"]["read_policy"] == "REPLICA")
    {
        all.extend(too_few(&bound.at.host, behind(world, &bound.at.host)).map(|text| Found { text, ..found }));
    }
    all
}

fn too_few(name: &str, servers: Option<u64>) -> Option<String> {
    let servers = servers.filter(|servers| *servers < WITH_A_REPLICA)?;
    Some(format!(
        "reads by REPLICA from {name}, whose workload has {servers} servers: too few for three primaries and a replica"
    ))
}

/// Mirrors that are where the command goes anyway.
pub(super) fn mirrored_to_itself(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for (patch, config) in filters(world) {
        all.extend(itself(config).into_iter().map(|text| patch.found(text)));
    }
    for (found, bound) in bounds(world) {
        let texts = itself(&bound.filter["typed_config"]).into_iter();
        all.extend(texts.map(|text| Found { text, file: found.file.clone(), about: found.about.clone(), ..found }));
    }
    all
}

fn itself(config: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    for route in routes(config) {
        let mirrors = route["request_mirror_policy"].as_array().into_iter().flatten();
        for mirror in mirrors.filter(|mirror| mirror["cluster"].is_string() && mirror["cluster"] == route["cluster"]) {
            let cluster = mirror["cluster"].as_str().unwrap_or_default();
            texts.push(format!("mirrors to {cluster}, where the commands themselves go"));
        }
    }
    texts
}

/// Filters that leave redirections to clients, before a Redis Cluster.
pub(super) fn redirections_ignored(world: &World) -> Vec<Found> {
    let slotted: BTreeSet<&str> = redis_clusters(world).filter_map(|(_, cluster)| cluster["name"].as_str()).collect();
    let mut all = Vec::new();
    for (patch, config) in filters(world).filter(|(_, config)| {
        let settings = &config["settings"];
        settings.is_object() && settings["enable_redirection"] != true
    }) {
        let named = routes(config).into_iter().filter_map(|route| route["cluster"].as_str());
        let named: BTreeSet<&str> = named.filter(|name| slotted.contains(name)).collect();
        let text = |name: &str| format!("leads to the Redis Cluster {name} and does not follow its redirections");
        all.extend(named.into_iter().map(|name| patch.found(text(name))));
    }
    all
}

/// What typed resources make of services, with the first resource that it is made of.
fn bounds(world: &World) -> impl Iterator<Item = (Found, &Bound)> {
    world.state.typed.bounds.iter().map(|bound| {
        let source = bound.sources.iter().max_by_key(|source| source.starts_with("RedisService")).cloned();
        let about = source.unwrap_or_default();
        let document = world.documents.iter().find(|document| document.about() == about);
        let (file, line) = document.map_or_else(Default::default, |document| (document.file.clone(), document.line));
        (Found { file, line, about, text: String::new() }, &**bound)
    })
}

/// How many servers stand behind a service; `None` if the files do not say.
fn behind(world: &World, host: &str) -> Option<u64> {
    let service = world.state.services.iter().find(|service| service.host == host)?;
    let replicas = world.workloads_of(service).map(|one| one.json["spec"]["replicas"].as_u64().unwrap_or(1));
    replicas.reduce(|sum, more| sum + more)
}

/// How many servers a cluster has, by the replicas of the workload behind its seeds; `None` if the files do not say.
fn servers(world: &World, cluster: &Value) -> Option<u64> {
    let mut workloads = BTreeMap::new();
    for (address, _) in seeds(cluster) {
        for workload in world.workloads_of(world.service_at(&address)?) {
            workloads.insert(workload.about(), workload.json["spec"]["replicas"].as_u64().unwrap_or(1));
        }
    }
    (!workloads.is_empty()).then(|| workloads.values().sum())
}

/// Clusters of Envoy's type for Redis that EnvoyFilters add.
pub(super) fn redis_clusters(world: &World) -> impl Iterator<Item = (Patch<'_>, &Value)> {
    added(world).filter(|(_, cluster)| cluster["cluster_type"]["name"] == "envoy.clusters.redis")
}

fn added(world: &World) -> impl Iterator<Item = (Patch<'_>, &Value)> {
    world.patches().filter_map(|patch| {
        let is_added = patch.json["applyTo"] == "CLUSTER" && patch.json["patch"]["operation"] == "ADD";
        is_added.then(|| (patch, &patch.json["patch"]["value"]))
    })
}

/// The hosts and ports of a cluster's own endpoints.
pub(super) fn seeds(cluster: &Value) -> Vec<(String, u16)> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let endpoints = list(&cluster["load_assignment"], "endpoints");
    let seeds = endpoints.iter().flat_map(|endpoint| list(endpoint, "lb_endpoints"));
    let address = |seed: Value| {
        let socket = &seed["endpoint"]["address"]["socket_address"];
        let port = socket["port_value"].as_u64().and_then(|port| u16::try_from(port).ok())?;
        Some((socket["address"].as_str()?.trim_end_matches('.').to_owned(), port))
    };
    seeds.filter_map(address).collect()
}

/// Every Redis filter in a patch, with the patch.
fn filters(world: &World) -> impl Iterator<Item = (Patch<'_>, &Value)> {
    world.patches().flat_map(|patch| {
        let mut found = Vec::new();
        search(&patch.json["patch"]["value"], &mut found);
        found.into_iter().map(move |config| (patch, config))
    })
}

/// A `RedisProxy` at any depth: a patch may add a whole chain or listener.
fn search<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    let kind = value["@type"].as_str().unwrap_or_default();
    if kind.ends_with(".redis_proxy.v3.RedisProxy") {
        return found.push(value);
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| search(field, found)),
        Value::Array(items) => items.iter().for_each(|item| search(item, found)),
        _ => {}
    }
}

fn routes(config: &Value) -> Vec<&Value> {
    let routes = &config["prefix_routes"];
    routes["routes"].as_array().into_iter().flatten().chain(routes.get("catch_all_route")).collect()
}

/// What is said of each cluster that no sidecar gets.
fn unknown<'v>(world: &World, named: impl Iterator<Item = &'v str>) -> Vec<String> {
    if !world.has_sidecars {
        return Vec::new();
    }
    let missing: BTreeSet<&str> = named.filter(|name| !world.clusters.contains(*name)).collect();
    let told = |name: &str| {
        let near = world.clusters.iter().min_by_key(|known| strsim::levenshtein(known, name));
        let near = near.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
        format!("the cluster {name}, which no sidecar gets{near}")
    };
    missing.into_iter().map(told).collect()
}
