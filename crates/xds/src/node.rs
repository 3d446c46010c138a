//! Who asks: the node, and the identity that Istio writes into its id.

use std::net::IpAddr;

use prost_types::value::Kind as Written;
use prost_types::{ListValue, Struct, Value as WrittenValue};
use serde_json::{Map, Number, Value};

use crate::proto;

/// A proxy as it introduces itself in the first request of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Unique among proxies.
    pub id: String,
    /// The group of proxies that this one is of.
    pub cluster: String,
    /// Free-form; Istio's keys are upper case.
    pub metadata: Map<String, Value>,
    /// Region, zone and sub-zone where it runs.
    pub locality: proto::Locality,
    /// The program and its version, as in `envoy 1.40.0`; empty if it does not say.
    pub user_agent: String,
}

impl Node {
    /// From its message.
    pub fn read(written: &proto::Node) -> Node {
        Node {
            id: written.id.clone(),
            cluster: written.cluster.clone(),
            metadata: written.metadata.as_ref().map(object).unwrap_or_default(),
            locality: written.locality.clone().unwrap_or_default(),
            user_agent: user_agent(written),
        }
    }

    /// From its encoded message.
    ///
    /// # Errors
    /// The bytes are no `envoy.config.core.v3.Node`; in words.
    pub fn decode(bytes: &[u8]) -> Result<Node, String> {
        let written = <proto::Node as prost::Message>::decode(bytes).map_err(|error| error.to_string())?;
        Ok(Node::read(&written))
    }

    /// To its message.
    pub fn write(&self) -> proto::Node {
        let (name, version) = self.user_agent.split_once(' ').unwrap_or((&self.user_agent, ""));
        proto::Node {
            id: self.id.clone(),
            cluster: self.cluster.clone(),
            metadata: Some(written_object(&self.metadata)),
            locality: Some(self.locality.clone()),
            user_agent_name: name.to_owned(),
            user_agent_version: version.to_owned(),
            user_agent_build_version: None,
            client_features: Vec::new(),
        }
    }

    /// A metadata value that is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }

    /// The labels of its pod: metadata `LABELS`, values that are not text left out.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.metadata.get("LABELS").and_then(Value::as_object);
        labels.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// The identity in its id. An error for a node that is not Istio's; it may be served all the same.
    pub fn identity(&self) -> Result<Identity, NotIstio> {
        Identity::of(self)
    }

    /// How istiod names a proxy in its tables: `<pod>.<namespace>`; the id where it is not Istio's.
    pub fn short(&self) -> &str {
        self.id.split('~').nth(2).unwrap_or(&self.id)
    }
}

/// The facts in an id `<type>~<ip>~<pod>.<namespace>~<dns domain>`, completed by metadata as istiod does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What the proxy is used as.
    pub role: Role,
    /// Its addresses: metadata `INSTANCE_IPS`, else the one in the id. Never empty.
    pub addresses: Vec<IpAddr>,
    /// The pod's name.
    pub pod: String,
    /// The namespace whose resources apply to it: metadata `NAMESPACE`, else the one of the id, else of the domain.
    pub namespace: String,
    /// For example `redis.svc.cluster.local`.
    pub domain: String,
}

/// What a proxy is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Beside one application.
    Sidecar,
    /// At the edge of the mesh.
    Router,
    /// In front of services, for an ambient mesh.
    Waypoint,
}

/// Why an id is not one of Istio's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIstio {
    /// Another number of parts.
    #[error("the node's id {0:?} is not of the form <type>~<ip>~<pod>.<namespace>~<domain>")]
    Form(String),
    /// A type this control plane does not serve.
    #[error("the node's type {0:?} is none of sidecar, router, waypoint")]
    Role(String),
    /// No address.
    #[error("the node {0:?} has no valid address, neither in its id nor in the metadata INSTANCE_IPS")]
    Address(String),
}

impl Identity {
    fn of(node: &Node) -> Result<Identity, NotIstio> {
        let parts: Vec<&str> = node.id.split('~').collect();
        let [role, address, name, domain] = parts[..] else { return Err(NotIstio::Form(node.id.clone())) };
        let role = match role {
            "sidecar" => Role::Sidecar,
            "router" => Role::Router,
            "waypoint" => Role::Waypoint,
            other => return Err(NotIstio::Role(other.to_owned())),
        };
        let listed = node.text("INSTANCE_IPS").filter(|listed| !listed.is_empty()).unwrap_or(address);
        let addresses: Vec<IpAddr> = listed.split(',').filter_map(|ip| ip.trim().parse().ok()).collect();
        if addresses.is_empty() {
            return Err(NotIstio::Address(node.id.clone()));
        }
        let (pod, in_id) = name.split_once('.').unwrap_or((name, ""));
        let in_domain = domain.split_once('.').map_or("", |(first, _)| first);
        let known = [node.text("NAMESPACE").unwrap_or_default(), in_id, in_domain];
        let namespace = known.into_iter().find(|namespace| !namespace.is_empty()).unwrap_or_default().to_owned();
        Ok(Identity { role, addresses, pod: pod.to_owned(), namespace, domain: domain.to_owned() })
    }
}

fn user_agent(node: &proto::Node) -> String {
    let version = match node.user_agent_build_version.and_then(|build| build.version) {
        Some(version) => format!("{}.{}.{}", version.major, version.minor, version.patch),
        None => node.user_agent_version.clone(),
    };
    [node.user_agent_name.as_str(), version.as_str()].join(" ").trim().to_owned()
}

fn object(written: &Struct) -> Map<String, Value> {
    written.fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

fn plain(written: &WrittenValue) -> Value {
    match &written.kind {
        None | Some(Written::NullValue(_)) => Value::Null,
        Some(Written::BoolValue(yes)) => Value::Bool(*yes),
        Some(Written::NumberValue(number)) => number_of(*number),
        Some(Written::StringValue(text)) => Value::String(text.clone()),
        Some(Written::ListValue(list)) => list.values.iter().map(plain).collect(),
        Some(Written::StructValue(inner)) => Value::Object(object(inner)),
    }
}

/// Protobuf knows only floating numbers; what was written as a whole one is shown as a whole one.
fn number_of(number: f64) -> Value {
    let whole = number as i64;
    if whole as f64 == number {
        Value::from(whole)
    } else {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

fn written_object(map: &Map<String, Value>) -> Struct {
    Struct { fields: map.iter().map(|(name, value)| (name.clone(), written_value(value))).collect() }
}

fn written_value(value: &Value) -> WrittenValue {
    let kind = match value {
        Value::Null => Written::NullValue(0),
        Value::Bool(yes) => Written::BoolValue(*yes),
        Value::Number(number) => Written::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Written::StringValue(text.clone()),
        Value::Array(list) => Written::ListValue(ListValue { values: list.iter().map(written_value).collect() }),
        Value::Object(inner) => Written::StructValue(written_object(inner)),
    };
    WrittenValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(id: &str, metadata: Value) -> Node {
        let Value::Object(metadata) = metadata else { panic!("metadata is an object") };
        Node { id: id.to_owned(), metadata, ..Node::default() }
    }

    #[test]
    fn an_id_of_istio_is_taken_apart() {
        let identity = node("sidecar~10.0.0.7~client-1.redis~redis.svc.cluster.local", json!({})).identity().unwrap();
        assert_eq!(identity.role, Role::Sidecar);
        assert_eq!(identity.addresses, [IpAddr::from([10, 0, 0, 7])]);
        assert_eq!((identity.pod.as_str(), identity.namespace.as_str()), ("client-1", "redis"));
        assert_eq!(identity.domain, "redis.svc.cluster.local");
    }

    #[test]
    fn metadata_has_the_last_word() {
        let metadata = json!({"INSTANCE_IPS": "10.1.1.1, fd00::1,x", "NAMESPACE": "other"});
        let identity = node("router~1.2.3.4~gw.edge~edge.svc.cluster.local", metadata).identity().unwrap();
        assert_eq!(identity.addresses, ["10.1.1.1".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
        assert_eq!(identity.namespace, "other");
        let bare = node("sidecar~1.2.3.4~pod~ns.svc.cluster.local", json!({})).identity().unwrap();
        assert_eq!((bare.pod.as_str(), bare.namespace.as_str()), ("pod", "ns"));
    }

    #[test]
    fn what_is_not_istios_says_why() {
        assert_eq!(node("envoy-1", json!({})).identity(), Err(NotIstio::Form("envoy-1".to_owned())));
        assert_eq!(node("ztunnel~1.1.1.1~a.b~c", json!({})).identity(), Err(NotIstio::Role("ztunnel".to_owned())));
        assert!(matches!(node("sidecar~~a.b~c", json!({})).identity(), Err(NotIstio::Address(_))));
        assert_eq!(node("envoy-1", json!({})).short(), "envoy-1");
        assert_eq!(node("sidecar~1.1.1.1~a.b~c", json!({})).short(), "a.b");
    }

    #[test]
    fn a_node_is_written_as_it_was_read() {
        let metadata =
            json!({"LABELS": {"app": "redis", "n": 3}, "PORT": 15090, "RATIO": 0.5, "LIST": [null, true, "x"]});
        let mut node = node("sidecar~1.1.1.1~a.b~b.svc", metadata);
        node.locality.zone = "z1".to_owned();
        node.user_agent = "slotmesh 0.1.0".to_owned();
        assert_eq!(Node::read(&node.write()), node);
        assert_eq!(node.labels().collect::<Vec<_>>(), [("app", "redis")]);
    }

    #[test]
    fn envoy_says_its_version_in_numbers() {
        let version = Some(proto::SemanticVersion { major: 1, minor: 40, patch: 0 });
        let build = Some(proto::BuildVersion { version });
        let written =
            proto::Node { user_agent_name: "envoy".into(), user_agent_build_version: build, ..proto::Node::default() };
        assert_eq!(Node::read(&written).user_agent, "envoy 1.40.0");
    }
}
