//! A cluster: where its members come from and how its nodes are reached.

use super::reader::Reader;
use super::{address, balance, config_source, endpoints, redis_cluster, sockets, upstream};
use crate::schema::names;
use meant::{Balance, Cluster, ConfigSource, Discovery, DnsFamily, Keepalive};
use std::time::Duration;

/// `connect_timeout`, if not written.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `dns_refresh_rate`, if not written.
const DNS_REFRESH_RATE: Duration = Duration::from_secs(5);

/// What a control plane puts on any cluster, whether it is one of Redis or not.
const DRESSING: [&str; 16] = [
    "circuit_breakers",
    "common_http_protocol_options",
    "common_lb_config",
    "dns_failure_refresh_rate",
    "dns_jitter",
    "filters",
    "http2_protocol_options",
    "http_protocol_options",
    "lb_subset_config",
    "max_requests_per_connection",
    "per_connection_buffer_limit_bytes",
    "protocol_selection",
    "respect_dns_ttl",
    "track_cluster_stats",
    "typed_dns_resolver_config",
    "upstream_http_protocol_options",
];

/// What `envoy.config.cluster.v3.Cluster` means.
pub(super) fn cluster(written: &Reader<'_>) -> Cluster {
    // The options under it are Redis's or nobody's, whatever the cluster.
    let upstream = upstream::upstream(written);
    written.harmless(&["alt_stat_name", "cleanup_interval"]);
    let undressed = undressed(written);
    let cluster = undressed.as_ref().unwrap_or(written);
    refuse(cluster);
    let discovery = discovery(cluster);
    balance::refuse_other_settings(cluster, &discovery);
    if !matches!(discovery, Discovery::Delivered { .. }) {
        cluster.refuse("eds_cluster_config", "only a cluster of type EDS has members delivered: remove it");
    }
    let bind = cluster.one("upstream_bind_config");
    Cluster {
        name: cluster.text("name"),
        connect_timeout: cluster.duration("connect_timeout").unwrap_or(CONNECT_TIMEOUT),
        endpoints: endpoints::endpoints(cluster, &discovery),
        dns_family: dns_family(cluster),
        dns_refresh_rate: cluster.duration("dns_refresh_rate").unwrap_or(DNS_REFRESH_RATE),
        upstream,
        keepalive: keepalive(cluster),
        source: bind.and_then(|bind| address::source(&bind, "source_address")),
        sockets: sockets::sockets(cluster),
        discovery,
    }
}

/// Whether the circuit breakers only say that there are none, as istiod writes it.
fn has_no_limits(cluster: &Reader<'_>) -> bool {
    let Some(breakers) = cluster.one("circuit_breakers").filter(Reader::covers) else { return true };
    let limits = ["max_connections", "max_pending_requests", "max_requests", "max_retries"];
    let is_open = |threshold: Reader<'_>| {
        threshold.covered();
        limits.iter().all(|limit| threshold.wrapped_u32(limit) == Some(u32::MAX))
    };
    breakers.all("thresholds").into_iter().all(is_open)
}

/// A delivered cluster of Redis without what any cluster is dressed with: the rest is read strictly.
fn undressed<'a>(cluster: &Reader<'a>) -> Option<Reader<'a>> {
    let subject = cluster.subject()?;
    let kind = cluster.one("cluster_type").filter(Reader::covers)?;
    if kind.text("name") != redis_cluster::NAME {
        return None;
    }
    let says_nothing = |name: &str| !cluster.has(name) || name == "circuit_breakers" && has_no_limits(cluster);
    for name in DRESSING.into_iter().filter(|name| !says_nothing(name)) {
        subject.ignored(&cluster.at(name));
    }
    Some(cluster.strict_twin(&DRESSING))
}

/// Fields with a better answer than "remove it", and fields that may say what is so anyway.
fn refuse(cluster: &Reader<'_>) {
    // Nothing here reads metadata: subsets and logs, which could, are refused or told.
    cluster.without_effect(&["metadata"]);
    if !has_no_limits(cluster) {
        cluster.refuse("circuit_breakers", "circuit breakers are not supported yet: remove them");
    }
    cluster.refuse("health_checks", "active health checks are not supported yet: remove them");
    cluster.refuse("outlier_detection", "outlier detection is not supported yet: remove it");
    cluster.refuse("load_balancing_policy", "not supported yet: use lb_policy");
}

fn discovery(cluster: &Reader<'_>) -> Discovery {
    if cluster.has("cluster_type") {
        return custom(cluster);
    }
    match cluster.choice("type").as_str() {
        "STRICT_DNS" => Discovery::StrictDns(balance::balance(cluster)),
        "LOGICAL_DNS" => Discovery::LogicalDns(balance::balance(cluster)),
        "EDS" => delivered(cluster),
        "ORIGINAL_DST" => original(cluster),
        _ => Discovery::Static(balance::balance(cluster)),
    }
}

fn delivered(cluster: &Reader<'_>) -> Discovery {
    let balance = balance::balance(cluster);
    let eds = cluster.one("eds_cluster_config");
    let service = eds.as_ref().map(|eds| eds.text("service_name")).filter(|name| !name.is_empty());
    let source = eds.as_ref().and_then(|eds| eds.one("eds_config"));
    if source.is_none() {
        cluster.wrong("eds_cluster_config", "`eds_config` is required: it says where the members come from");
    }
    let source = source.and_then(|source| config_source::source(&source)).unwrap_or(ConfigSource::Ads);
    Discovery::Delivered { service: service.unwrap_or_else(|| cluster.text("name")), source, balance }
}

fn original(cluster: &Reader<'_>) -> Discovery {
    let policy = cluster.choice("lb_policy");
    if policy != "CLUSTER_PROVIDED" {
        cluster.wrong("lb_policy", format!("an ORIGINAL_DST cluster needs CLUSTER_PROVIDED, has {policy}"));
    }
    Discovery::Original
}

/// `cluster_type`: a Redis Cluster.
fn custom(cluster: &Reader<'_>) -> Discovery {
    let defaults = || Discovery::Redis(redis_cluster::defaults());
    let Some(kind) = cluster.one("cluster_type") else { return defaults() };
    let name = kind.text("name");
    if name != redis_cluster::NAME {
        return unknown(cluster, &kind, &name);
    }
    provided(cluster);
    let config = kind.held("typed_config").and_then(|held| held.of_type(names::REDIS_CLUSTER));
    config.map_or_else(defaults, |config| Discovery::Redis(redis_cluster::redis_cluster(&config)))
}

/// A kind of cluster that is not known has no members.
fn unknown(cluster: &Reader<'_>, kind: &Reader<'_>, name: &str) -> Discovery {
    kind.without_effect(&["typed_config"]);
    if let Some(subject) = kind.subject() {
        subject.loud(format!("has no members: its cluster_type `{name}` is not supported"));
        cluster.without_effect(&["load_assignment", "lb_policy"]);
        return Discovery::Static(Balance::RoundRobin);
    }
    let text = format!("`{name}` is not supported yet: {} is, and `type` for plain clusters", redis_cluster::NAME);
    kind.report().unsupported(kind.path(), text);
    Discovery::Redis(redis_cluster::defaults())
}

/// Envoy accepts any other policy as well and then sends keys to the wrong nodes.
fn provided(cluster: &Reader<'_>) {
    let policy = cluster.choice("lb_policy");
    if policy != "CLUSTER_PROVIDED" {
        let name = redis_cluster::NAME;
        let text =
            format!("{name} needs `lb_policy: CLUSTER_PROVIDED`: {policy} would choose nodes without regard to slots");
        cluster.wrong("lb_policy", text);
    }
}

fn dns_family(cluster: &Reader<'_>) -> DnsFamily {
    match cluster.choice("dns_lookup_family").as_str() {
        "V4_ONLY" => DnsFamily::V4Only,
        "V6_ONLY" => DnsFamily::V6Only,
        "V4_PREFERRED" => DnsFamily::V4Preferred,
        "ALL" => DnsFamily::All,
        _ => DnsFamily::Auto,
    }
}

fn keepalive(cluster: &Reader<'_>) -> Option<Keepalive> {
    let options = cluster.one("upstream_connection_options")?;
    let keepalive = options.one("tcp_keepalive")?;
    let seconds = |name: &str| keepalive.wrapped_u32(name).map(|seconds| Duration::from_secs(u64::from(seconds)));
    let probes = keepalive.wrapped_u32("keepalive_probes");
    Some(Keepalive { probes, time: seconds("keepalive_time"), interval: seconds("keepalive_interval") })
}
