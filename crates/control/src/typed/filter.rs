//! The `redis_proxy` of a service: what takes the place of its `tcp_proxy`.

use super::bound::Target;
use super::spec::{DnsCache, Fault, LookupFamily, Mode, Percent, ProtocolVersion, ReadPolicy, Settings, Unmatched};
use super::traffic::{Share, Traffic, Way};
use crate::written::value::Span;
use serde_json::{Map, Value, json};

/// The type of the filter.
pub(crate) const REDIS_PROXY: &str = "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";

/// How long a request may take where nobody says.
const OP_TIMEOUT: &str = "5s";

/// What a filter is made of.
pub(super) struct Parts<'a> {
    pub(super) settings: &'a Settings,
    pub(super) traffic: &'a Traffic,
    pub(super) mode: Mode,
    /// The resource's own name, for what needs one.
    pub(super) name: String,
    /// Its namespace.
    pub(super) namespace: String,
}

/// The filter, ready for a chain; `own` is the service's cluster, `cluster` names that of any other.
pub(super) fn filter(parts: &Parts, own: &str, cluster: impl Fn(&Target) -> String) -> Value {
    let Parts { settings, traffic, .. } = parts;
    let mut typed = Map::new();
    typed.insert("@type".to_owned(), REDIS_PROXY.into());
    typed.insert("stat_prefix".to_owned(), settings.stat_prefix.as_ref().unwrap_or(&parts.name).as_str().into());
    typed.insert("settings".to_owned(), pool(parts));
    put(&mut typed, "latency_in_micros", settings.latency_in_micros);
    put(&mut typed, "protocol_version", settings.protocol_version.map(version));
    if !settings.custom_commands.is_empty() {
        typed.insert("custom_commands".to_owned(), json!(settings.custom_commands));
    }
    typed.insert("prefix_routes".to_owned(), routes(traffic, own, &cluster));
    put(&mut typed, "downstream_auth_username", traffic.username.clone());
    put(&mut typed, "downstream_auth_passwords", list(traffic.passwords.clone()));
    put(&mut typed, "faults", list(traffic.faults.iter().map(fault).collect()));
    if let Some(external) = &traffic.external {
        let mut service = json!({"envoy_grpc": {"cluster_name": cluster(&external.to)}});
        if let Some(timeout) = external.timeout {
            service["timeout"] = timeout.to_string().into();
        }
        let mut provider = json!({"grpc_service": service});
        if external.expires {
            provider["enable_auth_expiration"] = true.into();
        }
        typed.insert("external_auth_provider".to_owned(), provider);
    }
    json!({"name": "envoy.filters.network.redis_proxy", "typed_config": typed})
}

/// Sets a field that is given.
pub(super) fn put<T: Into<Value>>(map: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.into());
    }
}

fn list(values: Vec<Value>) -> Option<Value> {
    (!values.is_empty()).then_some(Value::Array(values))
}

pub(super) fn span(span: Option<Span>) -> Option<String> {
    span.map(|span| span.to_string())
}

fn pool(parts: &Parts) -> Value {
    let written = parts.settings;
    let mut pool = Map::new();
    let timeout = span(written.op_timeout).unwrap_or_else(|| OP_TIMEOUT.to_owned());
    pool.insert("op_timeout".to_owned(), timeout.into());
    let redirection = written.enable_redirection.or((parts.mode == Mode::Cluster).then_some(true));
    put(&mut pool, "enable_redirection", redirection.filter(|on| *on));
    put(&mut pool, "enable_hashtagging", written.enable_hashtagging.filter(|on| *on));
    put(&mut pool, "enable_command_stats", written.enable_command_stats.filter(|on| *on));
    put(&mut pool, "max_buffer_size_before_flush", written.max_buffer_size_before_flush);
    put(&mut pool, "buffer_flush_timeout", span(written.buffer_flush_timeout));
    put(&mut pool, "max_upstream_unknown_connections", written.max_upstream_unknown_connections);
    put(&mut pool, "read_policy", written.read_policy.map(policy));
    let limit = |limit: u32| json!({"connection_rate_limit_per_sec": limit});
    put(&mut pool, "connection_rate_limit", written.connection_rate_limit_per_sec.map(limit));
    put(&mut pool, "dns_cache_config", written.dns_cache.as_ref().map(|cache| dns_cache(cache, parts)));
    pool.into()
}

fn dns_cache(cache: &DnsCache, parts: &Parts) -> Value {
    let own = || format!("{}/{}", parts.namespace, parts.name);
    let mut found = Map::new();
    found.insert("name".to_owned(), cache.name.clone().unwrap_or_else(own).into());
    put(&mut found, "dns_lookup_family", Some(family(cache.dns_lookup_family.unwrap_or_default())));
    put(&mut found, "dns_refresh_rate", span(cache.dns_refresh_rate));
    put(&mut found, "host_ttl", span(cache.host_ttl));
    put(&mut found, "max_hosts", cache.max_hosts);
    found.into()
}

fn routes(traffic: &Traffic, own: &str, cluster: &impl Fn(&Target) -> String) -> Value {
    let route = |way: &Way| {
        let mut route = Map::new();
        put(&mut route, "prefix", way.prefix.clone());
        put(&mut route, "remove_prefix", Some(true).filter(|_| way.remove_prefix));
        route.insert("cluster".to_owned(), way.to.as_ref().map_or_else(|| own.to_owned(), cluster).into());
        put(&mut route, "key_formatter", way.key_formatter.clone());
        put(&mut route, "read_command_policy", way.reads.as_ref().map(|to| json!({"cluster": cluster(to)})));
        let mirrors = way.mirrors.iter().map(|mirror| {
            let mut found = json!({"cluster": cluster(&mirror.to)});
            if let Some(share) = &mirror.share {
                found["runtime_fraction"] = fraction(share);
            }
            if mirror.writes_only {
                found["exclude_read_commands"] = true.into();
            }
            found
        });
        put(&mut route, "request_mirror_policy", list(mirrors.collect()));
        Value::from(route)
    };
    let (some, rest): (Vec<&Way>, Vec<&Way>) = traffic.ways.iter().partition(|way| way.prefix.is_some());
    let mut found = Map::new();
    put(&mut found, "routes", list(some.into_iter().map(route).collect()));
    put(&mut found, "case_insensitive", Some(true).filter(|_| traffic.case_insensitive));
    let forward = || (traffic.unmatched == Unmatched::Forward).then(|| json!({"cluster": own}));
    put(&mut found, "catch_all_route", rest.first().map(|way| route(way)).or_else(forward));
    found.into()
}

/// A part of all commands, as Envoy spells it.
fn fraction(share: &Share) -> Value {
    let Percent(percent) = share.percent;
    let exact = |of: f64| (percent * of).fract().abs() < 1e-6;
    let (factor, word) = match () {
        () if exact(1.0) => (1.0, "HUNDRED"),
        () if exact(100.0) => (100.0, "TEN_THOUSAND"),
        () => (10_000.0, "MILLION"),
    };
    // Checked to lie between 0 and 100.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let numerator = (percent * factor).round() as u32;
    let mut found = json!({"default_value": {"numerator": numerator, "denominator": word}});
    if let Some(key) = &share.runtime_key {
        found["runtime_key"] = key.as_str().into();
    }
    found
}

fn fault(fault: &Fault) -> Value {
    let share = Share { percent: fault.percent.unwrap_or(Percent(100.0)), runtime_key: fault.runtime_key.clone() };
    let mut found = Map::new();
    put(&mut found, "fault_type", Some(word(&fault.kind.unwrap_or_default())));
    found.insert("fault_enabled".to_owned(), fraction(&share));
    put(&mut found, "delay", span(fault.delay));
    put(&mut found, "commands", list(fault.commands.iter().map(|name| name.as_str().into()).collect()));
    found.into()
}

/// A variant as it is written.
fn word<T: serde::Serialize>(variant: &T) -> Value {
    serde_json::to_value(variant).unwrap_or_default()
}

fn policy(policy: ReadPolicy) -> Value {
    word(&policy)
}

fn version(version: ProtocolVersion) -> Value {
    word(&version)
}

fn family(family: LookupFamily) -> Value {
    match family {
        LookupFamily::V4Only => "V4_ONLY".into(),
        LookupFamily::V6Only => "V6_ONLY".into(),
        LookupFamily::V4Preferred => "V4_PREFERRED".into(),
        LookupFamily::Auto => "AUTO".into(),
        LookupFamily::All => "ALL".into(),
    }
}
