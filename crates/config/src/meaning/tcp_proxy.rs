//! The TCP filter.

use super::reader::Reader;
use meant::{TcpProxy, Way};
use std::time::Duration;

/// `idle_timeout`, if not written.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// No cluster has this name: what is sent to it is closed, as what was to be refused has to be.
const NOWHERE: &str = "(none: connections are closed)";

/// What `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy` means.
pub(super) fn tcp_proxy(filter: &Reader<'_>) -> TcpProxy {
    filter.refuse("access_log", "access logs are not supported yet: remove it");
    if let Some(subject) = filter.subject()
        && filter.has("tunneling_config")
    {
        subject.loud("bytes go without the tunnel (tunneling_config) that they are to go through");
        filter.without_effect(&["tunneling_config"]);
    }
    // Zero turns the time-out off.
    let idle_timeout = filter.duration("idle_timeout").unwrap_or(IDLE_TIMEOUT);
    TcpProxy {
        stat_prefix: filter.text("stat_prefix"),
        to: Way::Clusters(clusters(filter)),
        idle_timeout: (!idle_timeout.is_zero()).then_some(idle_timeout),
        max_connect_attempts: filter.wrapped_u32("max_connect_attempts").unwrap_or(1),
    }
}

/// A filter of another protocol, as one of these with its defaults.
pub(super) fn passing(stat_prefix: &str, to: Way) -> TcpProxy {
    TcpProxy { stat_prefix: stat_prefix.to_owned(), to, idle_timeout: Some(IDLE_TIMEOUT), max_connect_attempts: 1 }
}

/// A filter that closes every connection.
pub(super) fn closing(stat_prefix: &str) -> TcpProxy {
    let stat_prefix = if stat_prefix.is_empty() { "closed" } else { stat_prefix };
    passing(stat_prefix, Way::Clusters(vec![(NOWHERE.to_owned(), 1)]))
}

fn clusters(filter: &Reader<'_>) -> Vec<(String, u32)> {
    let Some(weighted) = filter.one("weighted_clusters") else { return vec![(filter.text("cluster"), 1)] };
    let entry = |entry: &Reader<'_>| (entry.text("name"), entry.number("weight"));
    let clusters: Vec<(String, u32)> = weighted.all("clusters").iter().map(entry).collect();
    let sum: u64 = clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if sum > u64::from(u32::MAX) {
        weighted.wrong("clusters", format!("the weights may sum up to {} at most, have {sum}", u32::MAX));
    }
    clusters
}
