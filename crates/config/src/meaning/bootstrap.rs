//! The whole bootstrap.

use super::reader::Reader;
use super::{address, cluster, listener};
use std::collections::HashMap;
use std::sync::Arc;

/// What `envoy.config.bootstrap.v3.Bootstrap` means.
pub(super) fn proxy(bootstrap: &Reader<'_>) -> meant::Proxy {
    bootstrap
        .refuse("dynamic_resources", "configuration over xDS is not supported yet: write it under static_resources");
    bootstrap.only_empty("layered_runtime");
    bootstrap.only_empty("cluster_manager");
    let mut proxy = meant::Proxy { node: node(bootstrap), admin: admin(bootstrap), ..meant::Proxy::default() };
    if let Some(resources) = bootstrap.one("static_resources") {
        proxy.listeners = listeners(&resources);
        proxy.clusters = clusters(&resources);
    }
    proxy
}

fn node(bootstrap: &Reader<'_>) -> meant::Node {
    let Some(node) = bootstrap.one("node") else { return meant::Node::default() };
    // What else a node says of itself is for a control plane, and there is none.
    node.without_effect(&["metadata", "dynamic_parameters", "user_agent_name", "user_agent_version"]);
    node.without_effect(&["user_agent_build_version", "extensions", "client_features", "listening_addresses"]);
    let locality = node.one("locality");
    let zone = locality.as_ref().map(|locality| {
        locality.without_effect(&["region", "sub_zone"]);
        locality.text("zone")
    });
    let zone = zone.filter(|zone| !zone.is_empty());
    meant::Node { id: node.text("id"), cluster: node.text("cluster"), zone, message: Vec::new() }
}

/// As in Envoy, there is no HTTP face without an address.
fn admin(bootstrap: &Reader<'_>) -> Option<meant::Admin> {
    let admin = bootstrap.one("admin")?;
    Some(meant::Admin { address: address::bound(&admin, "address")? })
}

fn listeners(resources: &Reader<'_>) -> Vec<Arc<meant::Listener>> {
    let mut listeners: Vec<Arc<meant::Listener>> = Vec::new();
    let mut first = HashMap::new();
    for reader in resources.all("listeners") {
        let name = reader.text("name");
        if !name.is_empty() {
            unique(&mut first, &reader, name);
        }
        let Some(mut listener) = listener::listener(&reader) else { continue };
        if listener.name.is_empty() {
            listener.name = unused_name(&listener.address.to_string(), &listeners);
        }
        listeners.push(Arc::new(listener));
    }
    listeners
}

/// No two listeners, and no two clusters, have the same name.
fn unique(first: &mut HashMap<String, String>, reader: &Reader<'_>, name: String) {
    if let Some(earlier) = first.get(&name) {
        reader.wrong("name", format!("`{name}` is also the name of {earlier}: names must differ"));
    }
    first.entry(name).or_insert_with(|| reader.path().to_owned());
}

/// The address names a listener that has no name; several may share `127.0.0.1:0`.
fn unused_name(address: &str, listeners: &[Arc<meant::Listener>]) -> String {
    let taken = |name: &str| listeners.iter().any(|listener| listener.name == name);
    let numbered = (2..).map(|number| format!("{address}#{number}"));
    std::iter::once(address.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

fn clusters(resources: &Reader<'_>) -> Vec<Arc<meant::Cluster>> {
    let mut clusters = Vec::new();
    let mut first = HashMap::new();
    for reader in resources.all("clusters") {
        let cluster = cluster::cluster(&reader);
        unique(&mut first, &reader, cluster.name.clone());
        clusters.push(Arc::new(cluster));
    }
    clusters
}
