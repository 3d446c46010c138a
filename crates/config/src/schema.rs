//! Every message and field of Envoy's API: what a proxy's configuration can hold, or all of it.
//!
//! The descriptors are Envoy's own (`descriptors/*.binpb.gz`, made by `descriptors/regenerate.sh`). They take a few
//! megabytes once unpacked, so a [`Schema`] is a value that its holder drops when it is done, never a static.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use std::io::Read;

/// What a proxy's bootstrap can hold.
const BOOTSTRAP: &[u8] = include_bytes!("../descriptors/envoy.binpb.gz");
/// The whole v3 API, and the messages of Istio that stand beside it.
const MESH: &[u8] = include_bytes!("../descriptors/mesh.binpb.gz");

/// Where the type of a `google.protobuf.Any` is said to be described.
const URL: &str = "type.googleapis.com/";

/// Far above the real size: a guard against a damaged file only.
const MOST_BYTES: u64 = 16 << 20;

/// Envoy's descriptors, ready to read configuration by.
pub struct Schema {
    pool: DescriptorPool,
}

/// The descriptors inside this program are damaged: a fault of the build, not of any configuration.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the Envoy descriptors inside this program are damaged, rebuild it: {0}")]
pub struct Damaged(String);

impl Damaged {
    /// Nothing was read at all.
    pub(crate) fn unread() -> Self {
        Self("they were not read".to_owned())
    }
}

impl Schema {
    /// The descriptors of what a proxy's bootstrap can hold: enough to run a proxy, a third of the whole.
    ///
    /// # Errors
    /// Only if this program was built wrongly.
    pub fn load() -> Result<Self, Damaged> {
        Self::unpacked(BOOTSTRAP)
    }

    /// The descriptors of Envoy's whole v3 API, of the Istio extensions that istiod configures by default, and of the
    /// resource `EnvoyFilter`: what a control plane may be asked to patch.
    ///
    /// # Errors
    /// Only if this program was built wrongly.
    pub fn load_mesh() -> Result<Self, Damaged> {
        Self::unpacked(MESH)
    }

    fn unpacked(descriptors: &[u8]) -> Result<Self, Damaged> {
        let mut bytes = Vec::new();
        let unpacked = flate2::read::GzDecoder::new(descriptors).take(MOST_BYTES).read_to_end(&mut bytes);
        unpacked.map_err(|error| Damaged(error.to_string()))?;
        let pool = DescriptorPool::decode(bytes.as_slice()).map_err(|error| Damaged(error.to_string()))?;
        Ok(Self { pool })
    }

    /// All descriptors.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The message `name`, written in full with its package.
    pub fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(name)
    }

    /// What a `google.protobuf.Any` holds, if its type is known and its bytes are of that type.
    pub fn unpack(&self, any: &DynamicMessage) -> Option<DynamicMessage> {
        let message = self.message(&type_in(any))?;
        let bytes = any.get_field_by_name("value")?;
        DynamicMessage::decode(message, bytes.as_bytes()?.clone()).ok()
    }

    /// `message` inside a `google.protobuf.Any`; `None` only if this schema does not know `Any`.
    pub fn pack(&self, message: &DynamicMessage) -> Option<DynamicMessage> {
        let mut any = DynamicMessage::new(self.message(names::ANY)?);
        any.set_field_by_name("type_url", Value::String(format!("{URL}{}", message.descriptor().full_name())));
        any.set_field_by_name("value", Value::Bytes(message.encode_to_vec().into()));
        Some(any)
    }
}

/// The type that a `google.protobuf.Any` says it holds, without the part before the slash.
pub fn type_in(any: &DynamicMessage) -> String {
    let url = any.get_field_by_name("type_url");
    let url = url.as_ref().and_then(|url| url.as_str()).unwrap_or("");
    url.rsplit_once('/').map_or(url, |(_, name)| name).to_owned()
}

/// The names of messages that this room treats by name.
pub(crate) mod names {
    pub(crate) const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
    pub(crate) const REDIS_PROXY: &str = "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";
    pub(crate) const REDIS_PROTOCOL_OPTIONS: &str =
        "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions";
    pub(crate) const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    pub(crate) const REDIS_CLUSTER: &str = "envoy.extensions.clusters.redis.v3.RedisClusterConfig";
    pub(crate) const LISTENER: &str = "envoy.config.listener.v3.Listener";
    pub(crate) const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
    pub(crate) const ASSIGNMENT: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";
    pub(crate) const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.Secret";
    pub(crate) const DISCOVERY_RESPONSE: &str = "envoy.service.discovery.v3.DiscoveryResponse";
    pub(crate) const RESOURCE: &str = "envoy.service.discovery.v3.Resource";
    pub(crate) const HTTP: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    pub(crate) const ORIGINAL_DST: &str = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    pub(crate) const TLS_INSPECTOR: &str = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    pub(crate) const HTTP_INSPECTOR: &str = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";
    pub(crate) const RAW_BUFFER: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    pub(crate) const SERVER_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    pub(crate) const CLIENT_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    /// Messages that spell another one as a `google.protobuf.Struct`.
    pub(crate) const TYPED_STRUCTS: [&str; 2] = ["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"];
    pub(crate) const ANY: &str = "google.protobuf.Any";
    pub(crate) const STRUCT: &str = "google.protobuf.Struct";
    pub(crate) const LIST_VALUE: &str = "google.protobuf.ListValue";
    pub(crate) const VALUE: &str = "google.protobuf.Value";
    pub(crate) const DURATION: &str = "google.protobuf.Duration";
    pub(crate) const EMPTY: &str = "google.protobuf.Empty";
    pub(crate) const TIMESTAMP: &str = "google.protobuf.Timestamp";
    /// The messages of one field that give a scalar a presence.
    pub(crate) const WRAPPERS: [&str; 9] = [
        "google.protobuf.BoolValue",
        "google.protobuf.BytesValue",
        "google.protobuf.DoubleValue",
        "google.protobuf.FloatValue",
        "google.protobuf.Int32Value",
        "google.protobuf.Int64Value",
        "google.protobuf.StringValue",
        "google.protobuf.UInt32Value",
        "google.protobuf.UInt64Value",
    ];
}

#[cfg(test)]
mod tests {
    use super::{Schema, names};

    #[test]
    fn knows_what_this_room_names() {
        let schema = Schema::load().unwrap();
        let roots = [names::BOOTSTRAP, names::REDIS_PROXY, names::REDIS_PROTOCOL_OPTIONS, names::TCP_PROXY];
        let known = [names::REDIS_CLUSTER, names::ANY, names::STRUCT, names::LIST_VALUE, names::VALUE];
        let delivered = [names::LISTENER, names::CLUSTER, names::ASSIGNMENT, names::SECRET, names::DISCOVERY_RESPONSE];
        let chains = [names::HTTP, names::ORIGINAL_DST, names::TLS_INSPECTOR, names::HTTP_INSPECTOR];
        let sockets = [names::RAW_BUFFER, names::SERVER_TLS, names::CLIENT_TLS];
        let plain = [names::DURATION, names::TIMESTAMP];
        let mesh = Schema::load_mesh().unwrap();
        let more = delivered.iter().chain(&chains).chain(&sockets).chain(&names::TYPED_STRUCTS);
        for name in roots.iter().chain(&known).chain(&plain).chain(&names::WRAPPERS).chain(more) {
            assert!(schema.message(name).is_some(), "{name}");
            assert!(mesh.message(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_mesh_knows_every_extension_that_istiod_configures_by_default() {
        let mesh = Schema::load_mesh().unwrap();
        for name in [
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "envoy.extensions.filters.http.router.v3.Router",
            "envoy.tcp.metadataexchange.config.MetadataExchange",
            "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
            "istio.networking.v1alpha3.EnvoyFilter",
            "stats.PluginConfig",
            "udpa.type.v1.TypedStruct",
            "xds.type.v3.TypedStruct",
        ] {
            assert!(mesh.message(name).is_some(), "{name}");
        }
    }
}
