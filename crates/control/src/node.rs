//! Who asks: the identity that a proxy presents, as istiod reads it.

use crate::object::Labels;
use crate::registry::service::Locality;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The whole identity: `sidecar~10.0.0.7~client-1.redis~redis.svc.cluster.local`.
    pub id: String,
    /// The addresses of its workload, the chief one first; never empty.
    pub ips: Vec<IpAddr>,
    /// The name of its workload's pod.
    pub name: String,
    /// The namespace of its workload.
    pub namespace: String,
    /// The labels of its workload; empty if it does not say.
    pub labels: Labels,
    /// What Istio release it says it is.
    pub version: Option<String>,
    /// Where it stands.
    pub locality: Locality,
    /// The machine that it runs on; empty if it does not say.
    pub machine: String,
    /// Whether connections come to it by TPROXY, so that it must be transparent.
    pub transparent: bool,
    /// How long an idle TCP connection lives, where it says so itself, as in `1h`.
    pub idle_timeout: Option<String>,
    /// Whether Istio's agent is beside it, which has the certificates of the mesh (SDS of the cluster `sds-grpc`). The agent
    /// says so by `PROXY_CONFIG`; of a node that does not even say what proxy it is, it is taken for granted.
    pub has_agent: bool,
    /// Everything it says of itself.
    pub metadata: BTreeMap<String, Value>,
}

/// An identity that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// The identity has not four parts.
    #[error("the node's id `{0}` is not TYPE~IP~POD.NAMESPACE~NAMESPACE.svc.DOMAIN")]
    Form(String),
    /// Another kind of proxy.
    #[error("the node's id `{0}` is not a sidecar's: gateways and waypoints are not served")]
    Kind(String),
    /// No address, neither in the identity nor in the metadata's `INSTANCE_IPS`.
    #[error("the node `{0}` has no IP address")]
    Address(String),
}

impl Node {
    /// The proxy that presents `node`, Envoy's `core.v3.Node` as JSON with Envoy's field names.
    ///
    /// # Errors
    /// An identity that is not a sidecar's.
    pub fn from_json(node: &Value) -> Result<Self, Unidentified> {
        let id = node["id"].as_str().unwrap_or_default().to_owned();
        let parts: Vec<&str> = id.split('~').collect();
        let &[kind, ip, pod, domain] = parts.as_slice() else { return Err(Unidentified::Form(id)) };
        if kind != "sidecar" {
            return Err(Unidentified::Kind(id));
        }
        let metadata = node["metadata"].as_object().map(|map| map.clone().into_iter().collect()).unwrap_or_default();
        let ips = addresses(&metadata, ip);
        if ips.is_empty() {
            return Err(Unidentified::Address(id));
        }
        let (name, in_pod) = pod.rsplit_once('.').unwrap_or((pod, ""));
        let namespace = text(&metadata, "NAMESPACE").or_else(|| domain.split('.').next().map(str::to_owned));
        Ok(Self {
            name: name.to_owned(),
            namespace: namespace.filter(|name| !name.is_empty()).unwrap_or_else(|| in_pod.to_owned()),
            labels: labels(&metadata),
            version: text(&metadata, "ISTIO_VERSION"),
            locality: locality(&node["locality"]),
            machine: text(&metadata, "NODE_NAME").unwrap_or_default(),
            transparent: text(&metadata, "INTERCEPTION_MODE").as_deref() == Some("TPROXY"),
            idle_timeout: text(&metadata, "IDLE_TIMEOUT"),
            has_agent: metadata.contains_key("PROXY_CONFIG")
                || node["user_agent_name"].as_str().is_none_or(str::is_empty),
            ips,
            metadata,
            id,
        })
    }

    /// Whether it has an IPv4 address.
    #[must_use]
    pub fn speaks_v4(&self) -> bool {
        self.ips.iter().any(IpAddr::is_ipv4)
    }

    /// Whether it has an IPv6 address.
    #[must_use]
    pub fn speaks_v6(&self) -> bool {
        self.ips.iter().any(IpAddr::is_ipv6)
    }
}

fn addresses(metadata: &BTreeMap<String, Value>, ip: &str) -> Vec<IpAddr> {
    let said = text(metadata, "INSTANCE_IPS").unwrap_or_default();
    let said: Vec<IpAddr> = said.split(',').filter_map(|ip| ip.trim().parse().ok()).collect();
    if said.is_empty() { ip.parse().into_iter().collect() } else { said }
}

fn labels(metadata: &BTreeMap<String, Value>) -> Labels {
    let said = metadata.get("LABELS").and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    said.map(|labels| labels.iter().filter_map(pair).collect()).unwrap_or_default()
}

fn locality(said: &Value) -> Locality {
    let part = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    Locality { region: part("region"), zone: part("zone"), subzone: part("sub_zone") }
}

fn text(metadata: &BTreeMap<String, Value>, key: &str) -> Option<String> {
    metadata.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Node, Unidentified};
    use serde_json::json;

    #[test]
    fn a_sidecar_is_read_as_istiod_reads_it() {
        let id = "sidecar~10.0.0.7~client-1.redis~redis.svc.cluster.local";
        let plain = Node::from_json(&json!({"id": id})).unwrap();
        assert_eq!((plain.name.as_str(), plain.namespace.as_str()), ("client-1", "redis"));
        assert_eq!(plain.ips, ["10.0.0.7".parse::<std::net::IpAddr>().unwrap()]);
        let metadata = json!({"NAMESPACE": "other", "INSTANCE_IPS": "10.0.0.8,fd00::8", "LABELS": {"app": "a"}});
        let said = Node::from_json(&json!({"id": id, "metadata": metadata})).unwrap();
        assert_eq!((said.namespace.as_str(), said.ips.len(), said.speaks_v6()), ("other", 2, true));
        assert_eq!(said.labels["app"], "a");
        let agent = |name: &str, metadata: serde_json::Value| {
            let node = json!({"id": id, "user_agent_name": name, "metadata": metadata});
            Node::from_json(&node).unwrap().has_agent
        };
        assert!(agent("envoy", json!({"PROXY_CONFIG": {}})) && plain.has_agent);
        assert!(!agent("envoy", json!({"ISTIO_VERSION": "1.31.0"})) && !agent("slotmesh", json!({})));
    }

    #[test]
    fn others_are_refused() {
        let refused = |id: &str| Node::from_json(&json!({"id": id})).unwrap_err();
        assert!(matches!(refused("client"), Unidentified::Form(_)));
        assert!(matches!(refused("router~10.0.0.7~a.b~b.svc.x"), Unidentified::Kind(_)));
        assert!(matches!(refused("sidecar~~a.b~b.svc.x"), Unidentified::Address(_)));
    }
}
