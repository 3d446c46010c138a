//! The Redis filter: pool settings and downstream authentication.

use super::reader::Reader;
use super::{faults, routes, source};
use meant::{Auth, ReadPolicy, RedisProxy, Settings};
use std::time::Duration;

/// `buffer_flush_timeout`, if not written.
const BUFFER_FLUSH_TIMEOUT: Duration = Duration::from_millis(3);

/// `max_upstream_unknown_connections`, if not written.
const MAX_UPSTREAM_UNKNOWN_CONNECTIONS: u32 = 100;

/// What `envoy.extensions.filters.network.redis_proxy.v3.RedisProxy` means.
pub(super) fn redis_proxy(filter: &Reader<'_>) -> RedisProxy {
    filter.refuse("external_auth_provider", "not supported yet: use downstream_auth_passwords");
    filter.refuse("custom_commands", "not supported yet: remove them");
    if filter.choice("protocol_version") == "RESP3" {
        filter.report().unsupported(&filter.at("protocol_version"), "RESP3 is not supported yet: remove it");
    }
    RedisProxy {
        stat_prefix: filter.text("stat_prefix"),
        settings: settings(filter),
        latency_in_micros: filter.flag("latency_in_micros"),
        routes: routes::routes(filter),
        auth: auth(filter),
        faults: faults::faults(filter),
    }
}

fn settings(filter: &Reader<'_>) -> Settings {
    let Some(settings) = filter.one("settings") else { return nothing_set() };
    settings.refuse("dns_cache_config", "host names in MOVED and ASK are not supported yet: remove it");
    let defaults = nothing_set();
    Settings {
        op_timeout: settings.duration("op_timeout").unwrap_or(defaults.op_timeout),
        enable_hashtagging: settings.flag("enable_hashtagging"),
        enable_redirection: settings.flag("enable_redirection"),
        max_buffer_size_before_flush: settings.number("max_buffer_size_before_flush"),
        buffer_flush_timeout: settings.duration("buffer_flush_timeout").unwrap_or(defaults.buffer_flush_timeout),
        max_upstream_unknown_connections: settings
            .wrapped_u32("max_upstream_unknown_connections")
            .unwrap_or(defaults.max_upstream_unknown_connections),
        read_policy: read_policy(&settings),
        enable_command_stats: settings.flag("enable_command_stats"),
        connection_rate_limit: settings
            .one("connection_rate_limit")
            .map(|limit| limit.number("connection_rate_limit_per_sec")),
    }
}

/// Settings that are required and missing were already reported by the rules.
fn nothing_set() -> Settings {
    Settings {
        op_timeout: Duration::ZERO,
        enable_hashtagging: false,
        enable_redirection: false,
        max_buffer_size_before_flush: 0,
        buffer_flush_timeout: BUFFER_FLUSH_TIMEOUT,
        max_upstream_unknown_connections: MAX_UPSTREAM_UNKNOWN_CONNECTIONS,
        read_policy: ReadPolicy::Primary,
        enable_command_stats: false,
        connection_rate_limit: None,
    }
}

fn read_policy(settings: &Reader<'_>) -> ReadPolicy {
    match settings.choice("read_policy").as_str() {
        "MASTER" => ReadPolicy::Primary,
        "PREFER_MASTER" => ReadPolicy::PreferPrimary,
        "REPLICA" => ReadPolicy::Replica,
        "PREFER_REPLICA" => ReadPolicy::PreferReplica,
        "ANY" => ReadPolicy::Any,
        other => {
            let text =
                format!("{other} is not supported yet: use MASTER, PREFER_MASTER, REPLICA, PREFER_REPLICA or ANY");
            settings.report().unsupported(&settings.at("read_policy"), text);
            ReadPolicy::Primary
        }
    }
}

/// The deprecated single password is one more of the list, as in Envoy.
fn auth(filter: &Reader<'_>) -> Auth {
    let mut passwords = source::secrets(filter, "downstream_auth_passwords");
    passwords.extend(source::secret(filter, "downstream_auth_password"));
    Auth { username: source::secret(filter, "downstream_auth_username"), passwords }
}
