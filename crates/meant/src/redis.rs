//! The Redis filter: routes, read policy, mirrors, faults, downstream authentication.

use crate::Secret;
use std::time::Duration;

/// `envoy.extensions.filters.network.redis_proxy.v3.RedisProxy`.
#[derive(Clone, Debug)]
pub struct RedisProxy {
    /// Root of the filter's statistics, `redis.<stat_prefix>.`.
    pub stat_prefix: String,
    /// Pool settings, shared by every cluster this filter routes to.
    pub settings: Settings,
    /// Whether the filter's per-command latency is counted in microseconds (else milliseconds).
    pub latency_in_micros: bool,
    /// Where keys go.
    pub routes: Routes,
    /// Who may send commands.
    pub auth: Auth,
    /// Injected faults, in the order written.
    pub faults: Vec<Fault>,
}

/// `RedisProxy.ConnPoolSettings`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long one request may take, from when it is read to its reply. Zero is no limit.
    pub op_timeout: Duration,
    /// Hash tags for upstreams that are not Redis Clusters (for Redis Clusters they are always honoured).
    pub enable_hashtagging: bool,
    /// Follow MOVED and ASK.
    pub enable_redirection: bool,
    /// Flush an upstream once so many bytes wait; 0 flushes at the end of every turn.
    pub max_buffer_size_before_flush: u32,
    /// The longest that bytes wait under `max_buffer_size_before_flush`. Default 3 ms.
    pub buffer_flush_timeout: Duration,
    /// Per worker: how many nodes that only a redirect named may be connected to. Default 100.
    pub max_upstream_unknown_connections: u32,
    /// Which member of a shard serves reads.
    pub read_policy: ReadPolicy,
    /// Count every command sent upstream by its name.
    pub enable_command_stats: bool,
    /// New connections a second, per node and worker; `None` is unlimited.
    pub connection_rate_limit: Option<u32>,
}

/// `RedisProxy.ConnPoolSettings.ReadPolicy`, the kinds that need no zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadPolicy {
    /// `MASTER`: the primary only.
    #[default]
    Primary,
    /// `PREFER_MASTER`: the primary while it is healthy, else any member.
    PreferPrimary,
    /// `REPLICA`: replicas only.
    Replica,
    /// `PREFER_REPLICA`: a healthy replica, else any member.
    PreferReplica,
    /// `ANY`: any member.
    Any,
}

/// `RedisProxy.PrefixRoutes`.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// The routes with a prefix; the longest that fits a key wins. Prefixes are unique.
    pub routes: Vec<Route>,
    /// Compare prefixes without regard to ASCII case (prefixes are stored lower-case then).
    pub case_insensitive: bool,
    /// Where keys go that no prefix fits; its `prefix` is empty.
    pub catch_all: Option<Route>,
}

/// `RedisProxy.PrefixRoutes.Route`.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// The beginning of the keys it takes; may be empty.
    pub prefix: Vec<u8>,
    /// Cut the prefix off before the key is hashed and sent.
    pub remove_prefix: bool,
    /// The cluster that keys go to.
    pub cluster: String,
    /// Copies of requests.
    pub mirrors: Vec<Mirror>,
    /// How a key is rewritten (after `remove_prefix`), if at all.
    pub key_format: Option<KeyFormat>,
    /// `read_command_policy.cluster`: the cluster that reads go to instead.
    pub read_cluster: Option<String>,
}

/// `RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy`.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The cluster that copies go to.
    pub cluster: String,
    /// What part of the requests is copied. Default all.
    pub fraction: Fraction,
    /// Copy no reads.
    pub exclude_reads: bool,
}

/// A part of all requests (`envoy.type.v3.FractionalPercent`, or a runtime key's default).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// How many of `denominator`; may exceed it (then always).
    pub numerator: u32,
    /// 100, 10,000 or 1,000,000.
    pub denominator: u32,
}

impl Fraction {
    /// Every request.
    pub const ALL: Self = Self { numerator: 100, denominator: 100 };
}

/// A parsed `key_formatter`: `%KEY%` and literal text. Parsed once, at load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFormat {
    /// The parts in order.
    pub parts: Vec<KeyPart>,
}

/// One part of a [`KeyFormat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// `%KEY%`.
    Key,
    /// Text as it stands (`%%` is one `%`).
    Text(Vec<u8>),
}

/// Downstream authentication: `downstream_auth_username`, `downstream_auth_password(s)`.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// The user name a client must give with two arguments; `None` accepts `default`.
    pub username: Option<Secret>,
    /// Any of these is accepted; none means no authentication.
    pub passwords: Vec<Secret>,
}

/// `RedisProxy.RedisFault`.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Whole percents (0..=100) of the commands it applies to; denominators other than 100 are reduced, as Envoy does.
    pub percent: u32,
    /// How much later the reply comes. Default zero.
    pub delay: Duration,
    /// Lower-case command names; empty is every command.
    pub commands: Vec<String>,
}

/// `RedisProxy.RedisFault.RedisFaultType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The reply comes late.
    Delay,
    /// `Fault Injected: Error` instead of a reply (late as well, where a delay is given).
    Error,
}
