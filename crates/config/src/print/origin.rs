//! Where configuration comes from, and the clusters by which its servers are reached.

use super::yaml::Map;
use super::{Secrets, duration, host_port, tls};
use meant::{ConfigSource, ControlAddress, ControlPlane, Discovery, Dynamic, Identity, Proxy, Roots, Tls};
use std::collections::BTreeMap;
use std::path::Path;

/// A `ConfigSource`.
pub(super) fn config_source(source: &ConfigSource) -> Map {
    let map = match source {
        ConfigSource::Ads => Map::new().put("ads", Map::new()),
        ConfigSource::Server(server) => Map::new().put("api_config_source", api(server)),
        ConfigSource::File(path) => Map::new().put("path_config_source", Map::new().text("path", &shown(path))),
    };
    map.word("resource_api_version", "V3")
}

/// `dynamic_resources`.
pub(super) fn dynamic(dynamic: &Dynamic) -> Map {
    Map::new()
        .some("ads_config", dynamic.ads.as_ref().map(api))
        .some("lds_config", dynamic.listeners.as_ref().map(config_source))
        .some("cds_config", dynamic.clusters.as_ref().map(config_source))
}

fn api(server: &ControlPlane) -> Map {
    let envoy = Map::new()
        .text("cluster_name", &server.cluster)
        .text_if("authority", server.authority.as_deref().unwrap_or_default());
    let header = |(key, value): &(String, String)| Map::new().text("key", key).text("value", value);
    let service = Map::new().put("envoy_grpc", envoy).list("initial_metadata", server.metadata.iter().map(header));
    Map::new()
        .word("api_type", if server.delta { "DELTA_GRPC" } else { "GRPC" })
        .word("transport_api_version", "V3")
        .list("grpc_services", [service])
}

/// The clusters of every server that `proxy` names.
pub(super) fn servers(proxy: &Proxy, secrets: Secrets) -> Vec<Map> {
    let mut found = BTreeMap::new();
    let mut add = |source: &ConfigSource| {
        if let ConfigSource::Server(server) = source {
            found.insert(server.cluster.clone(), server.clone());
        }
    };
    if let Some(dynamic) = &proxy.dynamic {
        dynamic.ads.clone().map(ConfigSource::Server).iter().for_each(&mut add);
        dynamic.listeners.iter().chain(&dynamic.clusters).for_each(&mut add);
    }
    let chains = proxy.listeners.iter().flat_map(|listener| listener.all_chains());
    chains.filter_map(|chain| chain.tls.as_ref()).for_each(|tls| of_tls(&tls.shared, &mut add));
    for cluster in &proxy.clusters {
        if let Discovery::Delivered { source, .. } = &cluster.discovery {
            add(source);
        }
        let matched = cluster.sockets.matches.iter().filter_map(|entry| entry.socket.as_ref());
        cluster.sockets.default.iter().chain(matched).for_each(|tls| of_tls(&tls.shared, &mut add));
    }
    found.values().map(|server| cluster(server, secrets)).collect()
}

fn of_tls(tls: &Tls, add: &mut impl FnMut(&ConfigSource)) {
    if let Some(Identity::Delivered(delivery)) = &tls.identity {
        add(&delivery.source);
    }
    if let Roots::Delivered(delivery) = &tls.trust.roots {
        add(&delivery.source);
    }
}

fn cluster(server: &ControlPlane, secrets: Secrets) -> Map {
    let endpoint = |address: &ControlAddress| {
        let address = match address {
            ControlAddress::Tcp(host, port) => host_port(host, *port),
            ControlAddress::Unix(path) => Map::new().put("pipe", Map::new().text("path", &shown(path))),
        };
        Map::new().put("endpoint", Map::new().put("address", address))
    };
    let members = Map::new().list("lb_endpoints", server.addresses.iter().map(endpoint));
    let assignment = Map::new().text("cluster_name", &server.cluster).list("endpoints", [members]);
    Map::new()
        .text("name", &server.cluster)
        .word("type", "STRICT_DNS")
        .put("connect_timeout", duration(server.connect_timeout))
        .some("transport_socket", server.tls.as_ref().map(|tls| tls::control(tls, secrets)))
        .put("load_assignment", assignment)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
