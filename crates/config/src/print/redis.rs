//! The Redis filter.

use super::listener::typed;
use super::yaml::{Map, Yaml};
use super::{Secrets, duration, source};
use crate::schema::names;
use meant::{
    Auth, Fault, FaultKind, Fraction, KeyFormat, KeyPart, Mirror, ReadPolicy, RedisProxy, Route, Routes, Settings,
};
use std::time::Duration;

pub(super) fn redis_proxy(filter: &RedisProxy, secrets: Secrets) -> Map {
    let map = typed(names::REDIS_PROXY)
        .text("stat_prefix", &filter.stat_prefix)
        .put("settings", settings(&filter.settings))
        .flag("latency_in_micros", filter.latency_in_micros)
        .put("prefix_routes", routes(&filter.routes))
        .list("faults", filter.faults.iter().map(fault));
    auth(map, &filter.auth, secrets)
}

fn auth(map: Map, auth: &Auth, secrets: Secrets) -> Map {
    map.some("downstream_auth_username", auth.username.as_ref().map(|name| source(name, secrets)))
        .list("downstream_auth_passwords", auth.passwords.iter().map(|password| source(password, secrets)))
}

fn settings(settings: &Settings) -> Map {
    let flush = (settings.buffer_flush_timeout != Duration::from_millis(3)).then_some(settings.buffer_flush_timeout);
    let rate = settings.connection_rate_limit.map(|rate| Map::new().word("connection_rate_limit_per_sec", rate));
    Map::new()
        .put("op_timeout", duration(settings.op_timeout))
        .flag("enable_hashtagging", settings.enable_hashtagging)
        .flag("enable_redirection", settings.enable_redirection)
        .word_unless("max_buffer_size_before_flush", settings.max_buffer_size_before_flush, 0)
        .some("buffer_flush_timeout", flush.map(duration))
        .word_unless("max_upstream_unknown_connections", settings.max_upstream_unknown_connections, 100)
        .word_unless("read_policy", read_policy(settings.read_policy), "MASTER")
        .flag("enable_command_stats", settings.enable_command_stats)
        .some("connection_rate_limit", rate)
}

fn read_policy(policy: ReadPolicy) -> &'static str {
    match policy {
        ReadPolicy::Primary => "MASTER",
        ReadPolicy::PreferPrimary => "PREFER_MASTER",
        ReadPolicy::Replica => "REPLICA",
        ReadPolicy::PreferReplica => "PREFER_REPLICA",
        ReadPolicy::Any => "ANY",
    }
}

fn routes(routes: &Routes) -> Map {
    Map::new()
        .list("routes", routes.routes.iter().map(|route| self::route(route).text("prefix", &prefix(route))))
        .flag("case_insensitive", routes.case_insensitive)
        .some("catch_all_route", routes.catch_all.as_ref().map(route))
}

fn prefix(route: &Route) -> String {
    String::from_utf8_lossy(&route.prefix).into_owned()
}

fn route(route: &Route) -> Map {
    let read_policy = route.read_cluster.as_ref().map(|cluster| Map::new().text("cluster", cluster));
    Map::new()
        .text("cluster", &route.cluster)
        .flag("remove_prefix", route.remove_prefix)
        .list("request_mirror_policy", route.mirrors.iter().map(mirror))
        .some("key_formatter", route.key_format.as_ref().map(key_format))
        .some("read_command_policy", read_policy)
}

fn mirror(mirror: &Mirror) -> Map {
    let part = (mirror.fraction != Fraction::ALL).then(|| fraction(mirror.fraction));
    Map::new()
        .text("cluster", &mirror.cluster)
        .some("runtime_fraction", part)
        .flag("exclude_read_commands", mirror.exclude_reads)
}

fn fraction(fraction: Fraction) -> Map {
    let denominator = match fraction.denominator {
        10_000 => "TEN_THOUSAND",
        1_000_000 => "MILLION",
        _ => "HUNDRED",
    };
    let value = Map::new().word("numerator", fraction.numerator).word("denominator", denominator);
    Map::new().put("default_value", value)
}

fn key_format(format: &KeyFormat) -> Yaml {
    let part = |part: &KeyPart| match part {
        KeyPart::Key => "%KEY%".to_owned(),
        KeyPart::Text(text) => String::from_utf8_lossy(text).replace('%', "%%"),
    };
    Yaml::Text(format.parts.iter().map(part).collect())
}

fn fault(fault: &Fault) -> Map {
    let kind = match fault.kind {
        FaultKind::Delay => "DELAY",
        FaultKind::Error => "ERROR",
    };
    let delay = (!fault.delay.is_zero()).then(|| duration(fault.delay));
    Map::new()
        .word("fault_type", kind)
        .put("fault_enabled", fraction(Fraction { numerator: fault.percent, denominator: 100 }))
        .some("delay", delay)
        .list("commands", fault.commands.iter().map(|command| Yaml::Text(command.clone())))
}
