//! The TCP filter.

use super::reader::Reader;
use std::time::Duration;

/// `idle_timeout`, if not written.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// What `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy` means.
pub(super) fn tcp_proxy(filter: &Reader<'_>) -> meant::TcpProxy {
    filter.refuse("weighted_clusters", "not supported yet: name one `cluster`");
    filter.refuse("access_log", "access logs are not supported yet: remove it");
    // Zero turns the time-out off.
    let idle_timeout = filter.duration("idle_timeout").unwrap_or(IDLE_TIMEOUT);
    meant::TcpProxy {
        stat_prefix: filter.text("stat_prefix"),
        to: meant::Way::Clusters(vec![(filter.text("cluster"), 1)]),
        idle_timeout: (!idle_timeout.is_zero()).then_some(idle_timeout),
        max_connect_attempts: filter.wrapped_u32("max_connect_attempts").unwrap_or(1),
    }
}
