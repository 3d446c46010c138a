//! The messages of the discovery service, as far as they are needed.
//!
//! Written by hand: eleven messages instead of the 1,600 of Envoy's API, which would be compiled for nothing. Field
//! numbers are those of `envoy/service/discovery/v3/discovery.proto` and `envoy/config/core/v3/base.proto` (Envoy 1.40);
//! fields that neither side uses (resource locators, TTLs, the list of Envoy's extensions) are skipped when read.
//!
//! One liberty: a field of type `google.protobuf.Any` is declared as bytes, which is the same on the wire. So a resource
//! is encoded once, however many proxies it is sent to, and its bytes are shared and never copied before they are written.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost_types::Struct;

/// `google.rpc.Status`: why something was refused.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// A gRPC code; Envoy sends 13 (internal) with every refusal.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For an operator.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Any {
    /// The message's type, with its prefix.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// `envoy.config.core.v3.Locality`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Locality {
    /// For example a cloud's region.
    #[prost(string, tag = "1")]
    pub region: String,
    /// A part of the region.
    #[prost(string, tag = "2")]
    pub zone: String,
    /// A part of the zone.
    #[prost(string, tag = "3")]
    pub sub_zone: String,
}

/// `envoy.config.core.v3.Node`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    /// Unique among proxies; Istio packs four facts into it, see [`crate::node::Identity`].
    #[prost(string, tag = "1")]
    pub id: String,
    /// The group of proxies that this one is of, in Istio `<app>.<namespace>`.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Free-form.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Struct>,
    /// Where it runs.
    #[prost(message, optional, tag = "4")]
    pub locality: Option<Locality>,
    /// `envoy` for Envoy.
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    /// Only set by those that do not send a structured version; Envoy does not.
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    /// What Envoy sends instead of [`Node::user_agent_version`].
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
    /// Names of optional parts of the protocol that this client knows.
    #[prost(string, repeated, tag = "10")]
    pub client_features: Vec<String>,
}

/// `envoy.config.core.v3.BuildVersion`, without its metadata.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct BuildVersion {
    /// The version's three numbers.
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
}

/// `envoy.type.v3.SemanticVersion`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SemanticVersion {
    /// The 1 of 1.40.0.
    #[prost(uint32, tag = "1")]
    pub major: u32,
    /// The 40 of 1.40.0.
    #[prost(uint32, tag = "2")]
    pub minor: u32,
    /// The last 0 of 1.40.0.
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

/// `envoy.config.core.v3.ControlPlane`: who answers.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ControlPlane {
    /// Free text, shown by Envoy in its dump.
    #[prost(string, tag = "1")]
    pub identifier: String,
}

/// A request of the state-of-the-world protocol; also its ACK and NACK.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryRequest {
    /// The version of the last response that was accepted.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Required in the first request of a stream.
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    /// The names asked for; all of them every time.
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    /// The type asked for.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// Which response this one acknowledges or refuses.
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    /// Set: a refusal.
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<Status>,
}

/// A response of the state-of-the-world protocol.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DiscoveryResponse {
    /// The version of what is sent.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Each an encoded [`Any`].
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub resources: Vec<Bytes>,
    /// The type sent.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// To be repeated in the ACK or NACK.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Who answers.
    #[prost(message, optional, tag = "6")]
    pub control_plane: Option<ControlPlane>,
}

impl DiscoveryResponse {
    /// A response that holds these resources, each a type URL and an encoded message.
    pub fn of(version: String, resources: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let any = |(type_url, value): (String, Vec<u8>)| {
            prost::Message::encode_to_vec(&Any { type_url, value: value.into() }).into()
        };
        let resources = resources.into_iter().map(any).collect();
        Self { version_info: version, resources, ..Self::default() }
    }
}

/// A request of the incremental protocol; also its ACK and NACK.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryRequest {
    /// Required in the first request of a stream.
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    /// The type asked for.
    #[prost(string, tag = "2")]
    pub type_url: String,
    /// Names asked for from now on.
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    /// Names no longer asked for.
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    /// In the first request of a type: what the client still has from an earlier stream, name to version.
    #[prost(btree_map = "string, string", tag = "5")]
    pub initial_resource_versions: BTreeMap<String, String>,
    /// Which response this one acknowledges or refuses; may be empty.
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    /// Set: a refusal.
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<Status>,
}

/// A response of the incremental protocol.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryResponse {
    /// The version of the whole, for people.
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    /// New and changed resources.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<DeltaResource>,
    /// The type sent.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// To be repeated in the ACK or NACK.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Names of what is no more, or never was.
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
    /// Who answers.
    #[prost(message, optional, tag = "7")]
    pub control_plane: Option<ControlPlane>,
}

/// `envoy.service.discovery.v3.Resource`: a resource with its name and version. In the state-of-the-world protocol a
/// server may wrap resources in it too.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeltaResource {
    /// Opaque to the client.
    #[prost(string, tag = "1")]
    pub version: String,
    /// An encoded [`Any`].
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub resource: Option<Bytes>,
    /// The name under which it was asked for.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// The type of [`DeltaResource`] where it stands inside an [`Any`].
pub const WRAPPED: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// The first field of every resource this room knows, which is its name: `Listener.name`, `Cluster.name`,
/// `ClusterLoadAssignment.cluster_name`, `RouteConfiguration.name`, `Secret.name`, `TypedExtensionConfig.name`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct Named {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// The part of `envoy.config.cluster.v3.Cluster` that says under which name its endpoints are asked for.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct ClusterEndpointsName {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) eds_cluster_config: Option<EdsClusterConfig>,
}

#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct EdsClusterConfig {
    #[prost(string, tag = "2")]
    pub(crate) service_name: String,
}
