//! A Redis Cluster: when its topology is read again.

use super::reader::Reader;
use meant::RedisCluster;
use std::time::Duration;

/// The name of the cluster type, by which Envoy finds it.
pub(super) const NAME: &str = "envoy.clusters.redis";

/// What holds where nothing is written.
pub(super) fn defaults() -> RedisCluster {
    RedisCluster {
        refresh_rate: Duration::from_secs(5),
        refresh_timeout: Duration::from_secs(3),
        redirect_refresh_interval: Duration::from_secs(5),
        redirect_refresh_threshold: 5,
        failure_refresh_threshold: 0,
        host_degraded_refresh_threshold: 0,
    }
}

/// What `envoy.extensions.clusters.redis.v3.RedisClusterConfig` means.
pub(super) fn redis_cluster(config: &Reader<'_>) -> RedisCluster {
    config.only_bool("enable_zone_discovery", false);
    let defaults = defaults();
    let threshold = config.wrapped_u32("redirect_refresh_threshold");
    let interval = config.duration("redirect_refresh_interval");
    RedisCluster {
        refresh_rate: config.duration("cluster_refresh_rate").unwrap_or(defaults.refresh_rate),
        refresh_timeout: config.duration("cluster_refresh_timeout").unwrap_or(defaults.refresh_timeout),
        redirect_refresh_interval: interval.unwrap_or(defaults.redirect_refresh_interval),
        redirect_refresh_threshold: threshold.unwrap_or(defaults.redirect_refresh_threshold),
        failure_refresh_threshold: config.number("failure_refresh_threshold"),
        host_degraded_refresh_threshold: config.number("host_degraded_refresh_threshold"),
    }
}
