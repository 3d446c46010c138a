//! A cluster: who its members are, how one is chosen, how to greet it.

use crate::{ClientTls, ConfigSource, Secret};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// `envoy.config.cluster.v3.Cluster`.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The name that routes use.
    pub name: String,
    /// `connect_timeout`. Default 5 s.
    pub connect_timeout: Duration,
    /// Where members come from.
    pub discovery: Discovery,
    /// The endpoints written in `load_assignment`; for a Redis Cluster they are only seeds.
    pub endpoints: Vec<Endpoint>,
    /// `dns_lookup_family`.
    pub dns_family: DnsFamily,
    /// How often names are resolved again. Default 5 s.
    pub dns_refresh_rate: Duration,
    /// How to greet its nodes (`RedisProtocolOptions` under `typed_extension_protocol_options`).
    pub upstream: Upstream,
    /// `upstream_connection_options.tcp_keepalive`, if given.
    pub keepalive: Option<Keepalive>,
    /// `upstream_bind_config.source_address`: where connections come from, if not left to the system.
    pub source: Option<SocketAddr>,
    /// TLS towards its nodes.
    pub sockets: Sockets,
}

/// `transport_socket` and `transport_socket_matches`. The default is plain TCP to every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// `transport_socket`; `None` is plain TCP.
    pub default: Option<Arc<ClientTls>>,
    /// `transport_socket_matches`: the first whose labels an endpoint all has.
    pub matches: Vec<SocketMatch>,
}

/// `Cluster.TransportSocketMatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketMatch {
    /// What an endpoint's metadata must have under `envoy.transport_socket_match`; none fits every endpoint.
    pub labels: Vec<(String, String)>,
    /// TLS, or plain TCP (`raw_buffer`).
    pub socket: Option<Arc<ClientTls>>,
}

impl Sockets {
    /// Which socket an endpoint with these labels is reached by: 0 the default, else a match's place and 1.
    pub fn number(&self, labels: &[(String, String)]) -> u16 {
        let fits = |entry: &SocketMatch| entry.labels.iter().all(|wanted| labels.contains(wanted));
        self.matches.iter().position(fits).map_or(0, |place| place as u16 + 1)
    }

    /// TLS of every socket that has it.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ClientTls>> {
        self.default.iter().chain(self.matches.iter().filter_map(|entry| entry.socket.as_ref()))
    }

    /// The socket of a number that [`Sockets::number`] gave.
    pub fn at(&self, number: u16) -> Option<&Arc<ClientTls>> {
        match usize::from(number).checked_sub(1) {
            Some(place) => self.matches.get(place).and_then(|entry| entry.socket.as_ref()),
            None => self.default.as_ref(),
        }
    }
}

/// Where the members of a cluster come from, and how a key finds one.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// `envoy.clusters.redis`: asked from the nodes themselves.
    Redis(RedisCluster),
    /// `STATIC`: the endpoints are IP addresses.
    Static(Balance),
    /// `STRICT_DNS`: every address of every name is a member.
    StrictDns(Balance),
    /// `LOGICAL_DNS`: the first address of the one name is the member.
    LogicalDns(Balance),
    /// `EDS`: delivered by a control plane.
    Delivered {
        /// The name they are asked for by: `service_name`, else the cluster's own.
        service: String,
        /// `eds_config`.
        source: ConfigSource,
        /// How one is chosen.
        balance: Balance,
    },
    /// `ORIGINAL_DST`: wherever the client wanted to go before it was redirected. For bytes that pass through; a Redis
    /// filter has no use for it.
    Original,
}

impl Discovery {
    /// How a member is chosen, where there is a choice.
    pub fn balance(&self) -> Option<Balance> {
        match self {
            Self::Static(balance) | Self::StrictDns(balance) | Self::LogicalDns(balance) => Some(*balance),
            Self::Delivered { balance, .. } => Some(*balance),
            Self::Redis(_) | Self::Original => None,
        }
    }
}

/// `lb_policy` of a cluster that is not a Redis Cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each member in turn.
    RoundRobin,
    /// The less loaded of two random members.
    LeastRequest,
    /// Any member.
    Random,
    /// Consistent hashing on a ring (`ring_hash_lb_config`).
    RingHash {
        /// `minimum_ring_size`, default 1024.
        minimum: u64,
        /// `maximum_ring_size`, default 8 Mi.
        maximum: u64,
        /// `hash_function: MURMUR_HASH_2` instead of `XX_HASH`.
        murmur: bool,
        /// `consistent_hashing_lb_config.use_hostname_for_hashing`.
        by_hostname: bool,
    },
    /// Consistent hashing by Maglev tables (`maglev_lb_config`).
    Maglev {
        /// `table_size`, a prime; default 65537.
        table: u64,
        /// `consistent_hashing_lb_config.use_hostname_for_hashing`.
        by_hostname: bool,
    },
}

/// `dns_lookup_family`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsFamily {
    /// `AUTO`, the default: IPv6 addresses if there are any, else IPv4.
    #[default]
    Auto,
    /// `V4_ONLY`.
    V4Only,
    /// `V6_ONLY`.
    V6Only,
    /// `V4_PREFERRED`.
    V4Preferred,
    /// `ALL`.
    All,
}

/// `upstream_connection_options.tcp_keepalive`; `None` fields keep the system's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// `keepalive_probes`.
    pub probes: Option<u32>,
    /// `keepalive_time`.
    pub time: Option<Duration>,
    /// `keepalive_interval`.
    pub interval: Option<Duration>,
}

/// One written endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An IP address or a host name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `load_balancing_weight`. Default 1.
    pub weight: u32,
    /// `endpoint.hostname`, if given.
    pub hostname: Option<String>,
    /// `priority` of its locality: members of the lowest number serve as long as there are any.
    pub priority: u32,
    /// Its metadata under `envoy.transport_socket_match`.
    pub labels: Vec<(String, String)>,
}

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`, as delivered: what is healthy of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The name it is asked for by.
    pub service: String,
    /// The members that may be used.
    pub endpoints: Vec<Endpoint>,
}

/// `envoy.extensions.clusters.redis.v3.RedisClusterConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisCluster {
    /// The pause between the end of one topology read and the next. Default 5 s.
    pub refresh_rate: Duration,
    /// How long one topology read may take. Default 3 s.
    pub refresh_timeout: Duration,
    /// The shortest gap between two triggered reads. Default 5 s.
    pub redirect_refresh_interval: Duration,
    /// Followed redirects that trigger a read; 0 is never. Default 5.
    pub redirect_refresh_threshold: u32,
    /// Failed requests that trigger a read; 0 (the default) is never.
    pub failure_refresh_threshold: u32,
    /// Nodes that turned unhealthy that trigger a read; 0 (the default) is never.
    pub host_degraded_refresh_threshold: u32,
}

/// `envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// `auth_username` and `auth_password`.
    pub credentials: Credentials,
    /// `credentials`: the first entry whose address is the node's wins over the above.
    pub nodes: Vec<NodeCredentials>,
}

/// What AUTH is sent with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Sent before the password, if given.
    pub username: Option<Secret>,
    /// No password, no AUTH.
    pub password: Option<Secret>,
}

/// `RedisProtocolOptions.Credential`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCredentials {
    /// The host as written: an IP address or a name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What this node is greeted with.
    pub credentials: Credentials,
}

impl Upstream {
    /// What to greet the node at `address` with, where `names` are the host names it is known by.
    pub fn for_node<'a>(&'a self, address: SocketAddr, names: &[String]) -> &'a Credentials {
        let host = address.ip().to_string();
        let fits = |entry: &&NodeCredentials| {
            entry.port == address.port() && (entry.host == host || names.contains(&entry.host))
        };
        self.nodes.iter().find(fits).map_or(&self.credentials, |entry| &entry.credentials)
    }
}
