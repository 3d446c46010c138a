//! What the tests of several modules need.

use meant::{Filter, Identity, Proxy, Secret};

/// Everything of a proxy, its secrets as well, which `Debug` hides.
pub(crate) fn whole(proxy: &Proxy) -> String {
    let mut secrets: Vec<Secret> = Vec::new();
    for listener in &proxy.listeners {
        for filter in listener.all_chains().filter_map(|chain| match &chain.filter {
            Filter::Redis(filter) => Some(filter),
            Filter::Tcp(_) => None,
        }) {
            secrets.extend(filter.auth.username.clone());
            secrets.extend(filter.auth.passwords.clone());
        }
        let tls = listener.all_chains().filter_map(|chain| chain.tls.as_ref());
        secrets.extend(tls.filter_map(|tls| match &tls.shared.identity {
            Some(Identity::Written { key, .. }) => Some(key.clone()),
            _ => None,
        }));
    }
    for cluster in &proxy.clusters {
        let of_nodes = cluster.upstream.nodes.iter().map(|node| &node.credentials);
        for credentials in of_nodes.chain([&cluster.upstream.credentials]) {
            secrets.extend(credentials.username.clone());
            secrets.extend(credentials.password.clone());
        }
    }
    let revealed: Vec<&[u8]> = secrets.iter().map(Secret::reveal).collect();
    format!("{proxy:#?} {revealed:?}")
}
