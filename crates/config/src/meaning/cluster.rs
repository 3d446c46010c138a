//! A cluster: where its members come from and how its nodes are reached.

use super::reader::Reader;
use super::{balance, endpoints, redis_cluster, upstream};
use crate::schema::names;
use meant::{Cluster, Discovery, DnsFamily, Keepalive, Sockets};
use std::time::Duration;

/// `connect_timeout`, if not written.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `dns_refresh_rate`, if not written.
const DNS_REFRESH_RATE: Duration = Duration::from_secs(5);

/// What `envoy.config.cluster.v3.Cluster` means.
pub(super) fn cluster(cluster: &Reader<'_>) -> Cluster {
    refuse(cluster);
    let discovery = discovery(cluster);
    balance::refuse_other_settings(cluster, &discovery);
    Cluster {
        name: cluster.text("name"),
        connect_timeout: cluster.duration("connect_timeout").unwrap_or(CONNECT_TIMEOUT),
        endpoints: endpoints::endpoints(cluster, &discovery),
        dns_family: dns_family(cluster),
        dns_refresh_rate: cluster.duration("dns_refresh_rate").unwrap_or(DNS_REFRESH_RATE),
        upstream: upstream::upstream(cluster),
        keepalive: keepalive(cluster),
        source: None,
        sockets: Sockets::default(),
        discovery,
    }
}

/// Fields with a better answer than "remove it", and fields that may say what is so anyway.
fn refuse(cluster: &Reader<'_>) {
    // Nothing here reads metadata: subsets and logs, which could, are refused.
    cluster.without_effect(&["metadata"]);
    cluster.only_empty("circuit_breakers");
    cluster.only_empty("eds_cluster_config");
    cluster.refuse("transport_socket", "TLS to Redis is not supported yet: remove it");
    cluster.refuse("health_checks", "active health checks are not supported yet: remove them");
    cluster.refuse("outlier_detection", "outlier detection is not supported yet: remove it");
    cluster.refuse("load_balancing_policy", "not supported yet: use lb_policy");
}

fn discovery(cluster: &Reader<'_>) -> Discovery {
    if cluster.has("cluster_type") {
        return Discovery::Redis(custom(cluster));
    }
    let balance = balance::balance(cluster);
    match cluster.choice("type").as_str() {
        "STRICT_DNS" => Discovery::StrictDns(balance),
        "LOGICAL_DNS" => Discovery::LogicalDns(balance),
        "STATIC" => Discovery::Static(balance),
        other => {
            let text = format!("{other} is not supported yet: use STATIC, STRICT_DNS, LOGICAL_DNS or a cluster_type");
            cluster.report().unsupported(&cluster.at("type"), text);
            // The kind that asks least of the endpoints, so that no more is told than this.
            Discovery::StrictDns(balance)
        }
    }
}

/// `cluster_type`: a Redis Cluster.
fn custom(cluster: &Reader<'_>) -> meant::RedisCluster {
    let Some(kind) = cluster.one("cluster_type") else { return redis_cluster::defaults() };
    let name = kind.text("name");
    if name != redis_cluster::NAME {
        let text = format!("`{name}` is not supported yet: {} is, and `type` for plain clusters", redis_cluster::NAME);
        kind.report().unsupported(kind.path(), text);
        kind.without_effect(&["typed_config"]);
        return redis_cluster::defaults();
    }
    provided(cluster);
    let config = kind.held("typed_config").and_then(|held| held.of_type(names::REDIS_CLUSTER));
    config.map_or_else(redis_cluster::defaults, |config| redis_cluster::redis_cluster(&config))
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
