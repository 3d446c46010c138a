//! What is wrong with a resource whatever else there is: values that mean nothing, that contradict each other, or that a
//! proxy would refuse.

use super::fault::Fault;
use super::spec::{Auth, Health, Percent, RedisRoute, RedisService, Settings, TlsMode};
use super::upstream::host_port;
use crate::written::value::Span;
use std::collections::HashSet;

/// The longest that a password of Amazon's IAM may hold, in seconds.
const LONGEST_IAM: u64 = 900;
/// The longest prefix in bytes, as Envoy's `PrefixRoutes.Route` has it.
const LONGEST_PREFIX: usize = 1000;
/// The least part of a hundred that Envoy's `FractionalPercent` can say.
const LEAST_PERCENT: f64 = 0.0001;

/// What is wrong with a service.
pub(super) fn service(written: &RedisService) -> Vec<Fault> {
    let mut found = Vec::new();
    for (index, seed) in written.seeds.iter().enumerate().filter(|(_, seed)| host_port(seed).is_none()) {
        found.push(Fault::new(format!("spec.seeds[{index}]"), format!("`{seed}` is not HOST or HOST:PORT")));
    }
    found.extend(written.cluster_name.as_deref().and_then(cluster_name));
    found.extend(written.settings.iter().flat_map(settings));
    if let Some(discovery) = &written.discovery {
        found.extend(nothing("spec.discovery.clusterRefreshRate", discovery.cluster_refresh_rate));
        found.extend(nothing("spec.discovery.clusterRefreshTimeout", discovery.cluster_refresh_timeout));
    }
    if let Some(connection) = &written.connection {
        found.extend(nothing("spec.connection.connectTimeout", connection.connect_timeout));
    }
    found.extend(written.auth.iter().flat_map(auth));
    if let Some(tls) = &written.tls
        && tls.mode == Some(TlsMode::Mutual)
        && (tls.client_certificate.is_none() || tls.private_key.is_none())
    {
        found.push(Fault::new("spec.tls.mode", "MUTUAL needs clientCertificate and privateKey"));
    }
    found.extend(written.health.iter().flat_map(health));
    found
}

/// A name for a cluster of one's own that is nobody else's.
fn cluster_name(name: &str) -> Option<Fault> {
    let is_made = name.contains('|') || crate::generate::FIXED_CLUSTERS.contains(&name);
    let text = match name {
        "" => "is empty".to_owned(),
        _ if is_made => format!("`{name}` is the name of a cluster that is made anyway: leave it out, or take another"),
        _ => return None,
    };
    Some(Fault::new("spec.clusterName", text))
}

fn settings(written: &Settings) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut say = |path: String, text: &str| found.push(Fault::new(format!("spec.settings.{path}"), text));
    if written.stat_prefix.as_deref() == Some("") {
        say("statPrefix".to_owned(), "is empty");
    }
    for (index, _) in written.custom_commands.iter().enumerate().filter(|(_, name)| name.is_empty()) {
        say(format!("customCommands[{index}]"), "is empty");
    }
    if written.connection_rate_limit_per_sec == Some(0) {
        say("connectionRateLimitPerSec".to_owned(), "must be at least 1");
    }
    let Some(cache) = &written.dns_cache else { return found };
    if cache.name.as_deref() == Some("") {
        say("dnsCache.name".to_owned(), "is empty");
    }
    if cache.max_hosts == Some(0) {
        say("dnsCache.maxHosts".to_owned(), "must be at least 1");
    }
    if cache.dns_refresh_rate.is_some_and(|time| time.0.as_millis() == 0) {
        say("dnsCache.dnsRefreshRate".to_owned(), "must be at least 1ms");
    }
    found.extend(nothing("spec.settings.dnsCache.hostTtl", cache.host_ttl));
    found
}

fn auth(written: &Auth) -> Vec<Fault> {
    let mut found = Vec::new();
    for (index, node) in written.credentials.iter().enumerate() {
        if host_port(&node.address).is_none() {
            found.push(Fault::new(format!("spec.auth.credentials[{index}].address"), "is not HOST:PORT"));
        }
    }
    let Some(iam) = &written.aws_iam else { return found };
    if iam.cache_name.is_empty() {
        found.push(Fault::new("spec.auth.awsIam.cacheName", "is empty"));
    }
    if iam.expiration_time.is_some_and(|time| time.0.as_secs() > LONGEST_IAM) {
        found.push(Fault::new("spec.auth.awsIam.expirationTime", "is longer than 900s"));
    }
    found
}

fn health(written: &Health) -> Vec<Fault> {
    let times = [("spec.health.interval", written.interval), ("spec.health.timeout", written.timeout)];
    let counts = [
        ("spec.health.healthyThreshold", written.healthy_threshold),
        ("spec.health.unhealthyThreshold", written.unhealthy_threshold),
    ];
    let zero = |(path, count): (&str, Option<u32>)| (count == Some(0)).then(|| Fault::new(path, "must be at least 1"));
    let of_times = times.into_iter().filter_map(|(path, time)| nothing(path, time));
    of_times.chain(counts.into_iter().filter_map(zero)).collect()
}

fn nothing(path: &str, time: Option<Span>) -> Option<Fault> {
    time.is_some_and(|time| time.0.is_zero()).then(|| Fault::new(path, "must be longer than nothing"))
}

/// What is wrong with a route.
pub(super) fn route(route: &RedisRoute) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut prefixes = HashSet::new();
    for (index, one) in route.routes.iter().enumerate() {
        let at = format!("spec.routes[{index}]");
        let prefix = one.prefix.as_deref().unwrap_or_default();
        let known = if route.case_insensitive == Some(true) { prefix.to_ascii_lowercase() } else { prefix.to_owned() };
        if !prefixes.insert(known) {
            let text =
                if prefix.is_empty() { "a second route without a prefix" } else { "another route has this prefix" };
            found.push(Fault::new(format!("{at}.prefix"), text));
        }
        if prefix.len() > LONGEST_PREFIX {
            found.push(Fault::new(format!("{at}.prefix"), "is longer than 1000 bytes"));
        }
        for (index, mirror) in one.mirrors.iter().enumerate() {
            found.extend(percent(mirror.percent, &format!("{at}.mirrors[{index}]")));
        }
    }
    for (index, fault) in route.faults.iter().enumerate() {
        found.extend(percent(fault.percent, &format!("spec.faults[{index}]")));
    }
    if route.auth.as_ref().is_some_and(|auth| auth.passwords.is_empty()) {
        let text = "are missing: nobody would be asked for a password; name one, or leave spec.auth out";
        found.push(Fault::new("spec.auth.passwords", text));
    }
    found
}

fn percent(percent: Option<Percent>, at: &str) -> Option<Fault> {
    let Percent(value) = percent?;
    let text = match value {
        value if !(0.0..=100.0).contains(&value) => format!("`{value}` is not between 0 and 100"),
        value if value > 0.0 && value < LEAST_PERCENT => format!("`{value}` is less than 0.0001, and more than 0"),
        _ => return None,
    };
    Some(Fault::new(format!("{at}.percent"), text))
}
