//! The servers of a Redis Cluster behind sidecars: what they accept, and what address they tell each other.

use super::Found;
use super::routes::{redis_clusters, seeds};
use super::world::{Document, World};
use crate::registry::service::Service;
use crate::written::istio::MtlsMode;
use crate::written::value::Target;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a server is told to announce, in its arguments, its environment or its configuration: `cluster-announce-ip`,
/// `REDIS_CLUSTER_ANNOUNCE_IP`, `cluster-announce-hostname`.
const ANNOUNCED: [&str; 2] = ["cluster-announce-", "CLUSTER_ANNOUNCE"];

/// Clusters without TLS whose servers' sidecars accept nothing else.
pub(super) fn plaintext_to_strict(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for (patch, cluster) in redis_clusters(world) {
        let name = cluster["name"].as_str().unwrap_or_default();
        if is_secured(world, cluster, name) {
            continue;
        }
        let strict = seeds(cluster)
            .into_iter()
            .find(|(address, port)| world.service_at(address).is_some_and(|service| is_strict(world, service, *port)));
        if let Some((address, port)) = strict {
            let text = format!(
                "adds the cluster {name} without TLS, but the sidecars of its servers ({address}:{port}) accept only mutual \
                 TLS (STRICT)"
            );
            all.push(patch.found(text));
        }
    }
    all
}

/// Whether a cluster has TLS, of its own or by another patch.
fn is_secured(world: &World, cluster: &Value, name: &str) -> bool {
    let has = |value: &Value| !value["transport_socket"].is_null() || !value["transport_socket_matches"].is_null();
    let by_patch = world.patches().any(|patch| {
        let wanted = patch.json["match"]["cluster"]["name"].as_str();
        patch.json["applyTo"] == "CLUSTER"
            && patch.json["patch"]["operation"] == "MERGE"
            && wanted.is_none_or(|wanted| wanted == name)
            && has(&patch.json["patch"]["value"])
    });
    has(cluster) || by_patch
}

fn is_strict(world: &World, service: &Service, number: u16) -> bool {
    let behind = service.endpoints.iter().any(|endpoint| endpoint.speaks_mtls)
        || world.workloads_of(service).any(|workload| world.is_injected(workload));
    let target = service.ports.iter().find(|port| port.number == number).map(|port| &port.target);
    let number = if let Some(Target::Number(target)) = target { *target } else { number };
    let labels = service.selector.clone().unwrap_or_default();
    behind && world.state.modes(&service.namespace, &labels).on(number) == MtlsMode::Strict
}

/// StatefulSets of a Redis Cluster behind a sidecar that say nothing of their address: each then sees the others at
/// 127.0.0.6, where the sidecar connects from, and tells so.
pub(super) fn announce_loopback(world: &World) -> Vec<Found> {
    let mut workloads: BTreeMap<String, &Document> = BTreeMap::new();
    for (_, cluster) in redis_clusters(world) {
        let services = seeds(cluster).into_iter().filter_map(|(address, _)| world.service_at(&address));
        workloads.extend(services.flat_map(|service| world.workloads_of(service)).map(|one| (one.about(), one)));
    }
    let own =
        world.kind("StatefulSet").filter(|one| one.json["spec"]["template"].to_string().contains("cluster-enabled"));
    workloads.extend(own.map(|one| (one.about(), one)));
    let silent = workloads.into_values().filter(|one| world.is_injected(one) && is_silent(world, one));
    silent
        .map(|one| {
            one.found("is a Redis Cluster behind sidecars whose servers do not say where they are: each sees its peers at 127.0.0.6, and tells clients so".to_owned())
        })
        .collect()
}

/// Whether neither the pods nor their ConfigMaps say what to announce; not if one of those is not in the files.
fn is_silent(world: &World, workload: &Document) -> bool {
    let pod = &workload.json["spec"]["template"]["spec"];
    let says = |value: &Value| {
        let text = value.to_string();
        ANNOUNCED.iter().any(|word| text.contains(word))
    };
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let named = volumes.filter_map(|volume| volume["configMap"]["name"].as_str());
    let silent = |name: &str| {
        let mut maps = world.kind("ConfigMap");
        let map = maps.find(|map| map.name() == name && map.namespace() == workload.namespace());
        map.is_some_and(|map| !says(&map.json))
    };
    let mut named = named.into_iter();
    !says(pod) && named.all(silent)
}
