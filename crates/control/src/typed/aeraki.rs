//! Aeraki's resources of `redis.aeraki.io/v1alpha1`, accepted as they are.
//!
//! Its RedisService decides settings and traffic, its RedisDestination the nodes. What Aeraki itself does wrong with
//! them (PREFER_REPLICA becomes PREFER_MASTER, a mirror goes to the main route's host) is done right here.

use super::spec::{
    Auth, Clear, ClientAuth, Connection, Destination, Fault, FaultKind, KeyRef, Mirror, Mode, Otherwise, Percent,
    Probes, ReadPolicy, RedisRoute, Route, Settings, Source, Unmatched,
};
use crate::written::value::Span;
use serde::Deserialize;
use std::time::Duration;

/// How long a request may take where nobody says.
const OP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take to come about where nobody says.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// `spec` of Aeraki's `RedisService`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RedisService {
    pub host: Vec<String>,
    pub settings: RedisSettings,
    pub redis: Vec<RedisEntry>,
    pub faults: Vec<RedisFault>,
}

/// `settings`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RedisSettings {
    pub case_insensitive: bool,
    pub op_timeout: Option<Span>,
    pub enable_command_stats: bool,
    pub max_buffer_size_before_flush: u32,
    pub buffer_flush_timeout: Option<Span>,
    pub max_upstream_unknown_connections: Option<u32>,
    pub enable_hashtagging: bool,
    pub enable_redirection: bool,
    pub read_policy: Option<ReadPolicy>,
    pub auth: Option<AerakiAuth>,
}

/// `auth`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiAuth {
    pub secret: Option<AerakiSecret>,
    pub plain: Option<AerakiPlain>,
}

/// `auth.secret`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiSecret {
    pub name: String,
    pub password_field: Option<String>,
    pub username_field: Option<String>,
}

/// `auth.plain`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AerakiPlain {
    pub username: Option<Clear>,
    pub password: Option<Clear>,
}

/// An entry of `redis`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RedisEntry {
    #[serde(rename = "match")]
    pub matching: Option<AerakiMatch>,
    pub route: Option<AerakiRoute>,
    pub mirror: Vec<AerakiMirror>,
}

/// `match`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AerakiMatch {
    pub key: Option<AerakiKey>,
}

/// `match.key`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiKey {
    pub prefix: String,
    pub remove_prefix: bool,
}

/// `route`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AerakiRoute {
    pub host: String,
    pub port: Option<u16>,
}

/// An entry of `mirror`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiMirror {
    pub route: AerakiRoute,
    pub percentage: Option<AerakiPercentage>,
    pub exclude_read_commands: bool,
}

/// `percentage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AerakiPercentage {
    pub value: f64,
}

/// An entry of `faults`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RedisFault {
    #[serde(rename = "type")]
    pub kind: FaultKind,
    pub percentage: Option<AerakiPercentage>,
    pub delay: Option<Span>,
    pub commands: Vec<String>,
}

/// `spec` of Aeraki's `RedisDestination`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RedisDestination {
    pub host: String,
    pub traffic_policy: AerakiPolicy,
}

/// `trafficPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiPolicy {
    pub connection_pool: AerakiPool,
}

/// `trafficPolicy.connectionPool`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AerakiPool {
    pub tcp: AerakiTcp,
    pub redis: AerakiRedis,
}

/// `trafficPolicy.connectionPool.tcp`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiTcp {
    pub max_connections: u32,
    pub connect_timeout: Option<Span>,
    pub tcp_keepalive: Option<AerakiProbes>,
}

/// `trafficPolicy.connectionPool.tcp.tcpKeepalive`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AerakiProbes {
    pub probes: u32,
    pub time: Option<Span>,
    pub interval: Option<Span>,
}

/// `trafficPolicy.connectionPool.redis`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AerakiRedis {
    pub mode: AerakiMode,
    pub auth: Option<AerakiAuth>,
    pub discovery_endpoints: Vec<String>,
}

/// `trafficPolicy.connectionPool.redis.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AerakiMode {
    #[default]
    Proxy,
    Cluster,
}

impl RedisService {
    /// Its settings in our words.
    pub(super) fn settings(&self) -> Settings {
        let written = &self.settings;
        Settings {
            op_timeout: written.op_timeout.or(Some(Span(OP_TIMEOUT))),
            read_policy: written.read_policy,
            enable_redirection: Some(written.enable_redirection),
            enable_hashtagging: Some(written.enable_hashtagging),
            enable_command_stats: Some(written.enable_command_stats),
            max_buffer_size_before_flush: Some(written.max_buffer_size_before_flush).filter(|most| *most > 0),
            buffer_flush_timeout: written.buffer_flush_timeout,
            max_upstream_unknown_connections: written.max_upstream_unknown_connections,
            ..Settings::default()
        }
    }

    /// Its traffic in our words, for one of its hosts.
    pub(super) fn as_route(&self, host: &str) -> RedisRoute {
        let auth = self.settings.auth.as_ref().map(|auth| {
            let (username, password) = auth.sources();
            ClientAuth { username, passwords: password.into_iter().collect() }
        });
        let fault = |fault: &RedisFault| Fault {
            kind: Some(fault.kind),
            percent: fault.percentage.map(|percentage| Percent(percentage.value)),
            delay: fault.delay,
            commands: fault.commands.clone(),
            ..Fault::default()
        };
        RedisRoute {
            host: host.to_owned(),
            routes: self.redis.iter().map(RedisEntry::as_route).collect(),
            unmatched: Some(if self.redis.is_empty() { Unmatched::Forward } else { Unmatched::Refuse }),
            case_insensitive: Some(self.settings.case_insensitive),
            faults: self.faults.iter().map(fault).collect(),
            auth,
            ..RedisRoute::default()
        }
    }
}

impl RedisEntry {
    fn as_route(&self) -> Route {
        let key = self.matching.as_ref().and_then(|matching| matching.key.as_ref());
        let to = |route: &AerakiRoute| Destination { host: route.host.clone(), port: route.port };
        let mirror = |mirror: &AerakiMirror| Mirror {
            to: to(&mirror.route),
            percent: mirror.percentage.map(|percentage| Percent(percentage.value)),
            exclude_read_commands: Some(mirror.exclude_read_commands),
            ..Mirror::default()
        };
        Route {
            prefix: key.map(|key| key.prefix.clone()),
            remove_prefix: key.map(|key| key.remove_prefix),
            to: self.route.as_ref().map(to),
            mirrors: self.mirror.iter().map(mirror).collect(),
            ..Route::default()
        }
    }
}

impl RedisDestination {
    /// The same in our words.
    pub(super) fn as_service(&self) -> super::spec::RedisService {
        let AerakiPool { tcp, redis } = &self.traffic_policy.connection_pool;
        let (username, password) = redis.auth.as_ref().map(AerakiAuth::sources).unwrap_or_default();
        let probes =
            |probes: AerakiProbes| Probes { probes: Some(probes.probes), time: probes.time, interval: probes.interval };
        super::spec::RedisService {
            host: self.host.clone(),
            mode: Some(if redis.mode == AerakiMode::Cluster { Mode::Cluster } else { Mode::Single }),
            seeds: redis.discovery_endpoints.clone(),
            connection: Some(Connection {
                connect_timeout: tcp.connect_timeout.or(Some(Span(CONNECT_TIMEOUT))),
                max_connections: Some(tcp.max_connections).filter(|most| *most > 0),
                tcp_keepalive: tcp.tcp_keepalive.map(probes),
            }),
            auth: redis.auth.as_ref().map(|_| Auth { username, password, ..Auth::default() }),
            ..super::spec::RedisService::default()
        }
    }
}

impl AerakiAuth {
    /// Where the user and the password stand.
    fn sources(&self) -> (Option<Source>, Option<Source>) {
        if let Some(plain) = &self.plain {
            let clear = |text: &Option<Clear>| {
                let given = text.clone().filter(|text| !text.0.is_empty());
                given.map(|text| Source { plain: Some(text), ..Source::default() })
            };
            return (clear(&plain.username), clear(&plain.password));
        }
        let Some(secret) = &self.secret else { return (None, None) };
        let key = |field: &Option<String>, usual: &str, otherwise| Source {
            secret_key_ref: Some(KeyRef {
                name: secret.name.clone(),
                key: field.clone().unwrap_or_else(|| usual.to_owned()),
            }),
            otherwise: if field.is_some() { Otherwise::Refuse } else { otherwise },
            ..Source::default()
        };
        let username = key(&secret.username_field, "username", Otherwise::Nothing);
        (Some(username), Some(key(&secret.password_field, "password", Otherwise::Take("token"))))
    }
}

/// Where Aeraki's resource has what ours has at `path`.
pub(super) fn path(path: &str) -> String {
    let path = path.replace("spec.auth", "spec.settings.auth").replace("spec.routes[", "spec.redis[");
    path.replace(".mirrors[", ".mirror[").replace(".to.", ".route.")
}
