//! Listeners and the TCP filter.

use super::yaml::{Map, Yaml};
use super::{Secrets, duration, redis, socket};
use crate::schema::names;
use meant::{Chain, Filter, Listener, TcpProxy, Way};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn listener(listener: &Listener, secrets: Secrets) -> Map {
    let chain =
        |chain: &Arc<Chain>| Map::new().text_if("name", &chain.name).list("filters", [filter(&chain.filter, secrets)]);
    Map::new()
        .text("name", &listener.name)
        .put("address", socket(&listener.address))
        .word_unless("per_connection_buffer_limit_bytes", listener.buffer_limit, 1 << 20)
        .list("filter_chains", listener.all_chains().map(chain))
}

fn filter(filter: &Filter, secrets: Secrets) -> Map {
    let (name, config) = match filter {
        Filter::Redis(filter) => ("envoy.filters.network.redis_proxy", redis::redis_proxy(filter, secrets)),
        Filter::Tcp(filter) => ("envoy.filters.network.tcp_proxy", tcp_proxy(filter)),
    };
    Map::new().text("name", name).put("typed_config", config)
}

fn tcp_proxy(filter: &TcpProxy) -> Map {
    let idle_timeout = match filter.idle_timeout {
        Some(timeout) if timeout == Duration::from_secs(3600) => None,
        Some(timeout) => Some(duration(timeout)),
        // Zero is never.
        None => Some(duration(Duration::ZERO)),
    };
    typed(names::TCP_PROXY)
        .text("stat_prefix", &filter.stat_prefix)
        .text("cluster", cluster(&filter.to))
        .some("idle_timeout", idle_timeout)
        .word_unless("max_connect_attempts", filter.max_connect_attempts, 1)
}

fn cluster(way: &Way) -> &str {
    match way {
        Way::Clusters(clusters) => clusters.first().map_or("", |(name, _)| name),
        Way::Original => "",
    }
}

/// The beginning of an `Any`.
pub(super) fn typed(name: &str) -> Map {
    Map::new().put("@type", Yaml::Text(format!("type.googleapis.com/{name}")))
}
