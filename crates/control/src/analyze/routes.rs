//! Redis filters that EnvoyFilters put somewhere, and the clusters that they name.

use super::Found;
use super::world::{Patch, World};
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
    for (patch, config) in filters(world) {
        if config["settings"]["read_policy"] != "REPLICA" {
            continue;
        }
        let names: BTreeSet<&str> = routes(config).into_iter().filter_map(|route| route["cluster"].as_str()).collect();
        for (_, cluster) in
            added(world).filter(|(_, cluster)| names.contains(cluster["name"].as_str().unwrap_or_default()))
        {
            if let Some(servers) = servers(world, cluster).filter(|servers| *servers < WITH_A_REPLICA) {
                let name = cluster["name"].as_str().unwrap_or_default();
                all.push(patch.found(format!(
                    "reads by REPLICA from {name}, whose workload has {servers} servers: too few for three primaries and a replica"
                )));
            }
        }
    }
    all
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
