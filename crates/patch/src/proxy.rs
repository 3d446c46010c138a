//! What is known of the proxy that asks.

use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The label by which a pod of a Kubernetes Gateway is known.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// What a proxy is for, as its node id begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Beside an application.
    #[default]
    Sidecar,
    /// A gateway.
    Router,
    /// A waypoint of the ambient mesh.
    Waypoint,
}

/// What decides which `EnvoyFilter`s concern a proxy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyInfo {
    /// What it is for.
    pub role: Role,
    /// Its namespace.
    pub namespace: String,
    /// The labels of its pod.
    pub labels: BTreeMap<String, String>,
    /// Its version (node metadata `ISTIO_VERSION`); empty if unknown.
    pub version: String,
    /// The texts in its node metadata.
    pub metadata: BTreeMap<String, String>,
    /// The namespace whose `EnvoyFilter`s concern every proxy: `istio-system` unless the mesh says otherwise.
    pub root_namespace: String,
}

impl ProxyInfo {
    /// What Envoy's `node` (as JSON) says, with `root_namespace` of the mesh.
    pub fn of_node(node: &Json, root_namespace: &str) -> Self {
        let metadata = node.get("metadata").and_then(Json::as_object);
        let of = |key: &str| metadata.and_then(|metadata| metadata.get(key));
        let id = node.get("id").and_then(Json::as_str).unwrap_or("");
        let mut parts = id.split('~');
        let role = match parts.next() {
            Some("router") => Role::Router,
            Some("waypoint") => Role::Waypoint,
            _ => Role::Sidecar,
        };
        let of_domain = || parts.nth(2).and_then(|domain| domain.split('.').next()).unwrap_or("").to_owned();
        Self {
            role,
            namespace: of("NAMESPACE").and_then(Json::as_str).map_or_else(of_domain, str::to_owned),
            labels: of("LABELS").map(texts).unwrap_or_default(),
            version: of("ISTIO_VERSION").and_then(Json::as_str).unwrap_or("").to_owned(),
            metadata: node.get("metadata").map(texts).unwrap_or_default(),
            root_namespace: root_namespace.to_owned(),
        }
    }

    /// The Kubernetes Gateway whose pod it is, if it is one.
    pub fn gateway(&self) -> Option<&str> {
        self.labels.get(GATEWAY_NAME).map(String::as_str)
    }
}

/// The entries of a mapping that are text.
fn texts(json: &Json) -> BTreeMap<String, String> {
    let entries = json.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::{ProxyInfo, Role};
    use serde_json::json;

    #[test]
    fn a_node_tells_who_it_is() {
        let id = "sidecar~10.0.0.7~client.redis~redis.svc.cluster.local";
        let metadata = json!({"LABELS": {"app": "x"}, "ISTIO_VERSION": "1.31.0", "n": 1, "foo": "bar"});
        let proxy = ProxyInfo::of_node(&json!({"id": id, "metadata": metadata}), "istio-system");
        assert_eq!((proxy.role, proxy.namespace.as_str(), proxy.version.as_str()), (Role::Sidecar, "redis", "1.31.0"));
        assert_eq!(proxy.labels["app"], "x");
        assert_eq!(proxy.metadata.keys().collect::<Vec<_>>(), ["ISTIO_VERSION", "foo"]);
        let gateway = json!({"id": "router~10.0.0.8~g.edge~edge.svc", "metadata": {"NAMESPACE": "other"}});
        let gateway = ProxyInfo::of_node(&gateway, "istio-system");
        assert_eq!((gateway.role, gateway.namespace.as_str(), gateway.gateway()), (Role::Router, "other", None));
    }
}
