//! What is counted towards the nodes: `cluster.<name>.` and, for the Redis pool, `cluster.<name>.redis_cluster.`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{ByCommand, Histogram};

/// Above this many nodes, those that no upstream holds are forgotten: in Kubernetes every restart is a new address.
const NODES_KEPT: usize = 1024;

type Nodes = BTreeMap<SocketAddr, Arc<NodeStats>>;

stats! {
    /// One worker's statistics of one cluster (Envoy: `cluster.<name>.`).
    pub struct ClusterStats {
        /// Upstreams opened.
        upstream_cx_total: Counter = "upstream_cx_total",
        /// Upstreams open now.
        upstream_cx_active: Gauge = "upstream_cx_active",
        /// Upstreams closed, by whichever side.
        upstream_cx_destroy: Counter = "upstream_cx_destroy",
        /// Upstreams closed while requests waited for replies.
        upstream_cx_destroy_with_active_rq: Counter = "upstream_cx_destroy_with_active_rq",
        /// Connects that failed.
        upstream_cx_connect_fail: Counter = "upstream_cx_connect_fail",
        /// Connects that took longer than the connect timeout.
        upstream_cx_connect_timeout: Counter = "upstream_cx_connect_timeout",
        /// Upstreams closed because their bytes were not RESP.
        upstream_cx_protocol_error: Counter = "upstream_cx_protocol_error",
        /// Requests sent.
        upstream_rq_total: Counter = "upstream_rq_total",
        /// Requests sent and not yet answered.
        upstream_rq_active: Gauge = "upstream_rq_active",
        /// Requests that were not answered in time.
        upstream_rq_timeout: Counter = "upstream_rq_timeout",
        /// Requests whose client left before the reply came.
        upstream_rq_cancelled: Counter = "upstream_rq_cancelled",
        /// Redirects (MOVED, ASK) followed.
        upstream_internal_redirect_succeeded_total: Counter = "upstream_internal_redirect_succeeded_total",
        /// Redirects that could not be followed.
        upstream_internal_redirect_failed_total: Counter = "upstream_internal_redirect_failed_total",
        /// Connects put off by ConnPoolSettings.connection_rate_limit.
        connection_rate_limited: Counter = "redis_cluster.connection_rate_limited",
        /// Redirects to unknown nodes refused by ConnPoolSettings.max_upstream_unknown_connections.
        max_upstream_unknown_connections_reached: Counter = "redis_cluster.max_upstream_unknown_connections_reached",
        /// Upstreams that finished their requests after their node had left the cluster.
        upstream_cx_drained: Counter = "redis_cluster.upstream_cx_drained",
        /// slotmesh's own: copies not sent because the mirror's queue was full or the mirror away.
        mirror_dropped: Counter = "redis_cluster.mirror_dropped",
        /// slotmesh's own: requests refused because the node's queue was full.
        request_overflow: Counter = "redis_cluster.request_overflow",
        /// slotmesh's own: requests sent again after TRYAGAIN, LOADING, CLUSTERDOWN or a lost upstream.
        retried: Counter = "redis_cluster.retried",
    }
    and {
        /// From a request's first byte out to its reply's last byte in, in microseconds, and shown so (seen on the
        /// real Envoy 1.40).
        pub upstream_rq_time: Histogram,
        pub(crate) commands: ByCommand<UpstreamCommandStats>,
        nodes: Mutex<Nodes>,
    }
}

impl ClusterStats {
    /// The statistics of one command, made on first use: call it only with ConnPoolSettings.enable_command_stats.
    #[inline]
    pub fn command(&self, id: command::Id) -> &UpstreamCommandStats {
        self.commands.get(id)
    }

    /// The statistics of one node. Takes a lock: for the moment of connecting, not for requests.
    pub fn node(&self, address: SocketAddr) -> Arc<NodeStats> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() >= NODES_KEPT && !nodes.contains_key(&address) {
            nodes.retain(|_, stats| Arc::strong_count(stats) > 1);
        }
        Arc::clone(nodes.entry(address).or_default())
    }

    /// All nodes so far.
    pub(crate) fn nodes(&self) -> Nodes {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

stats! {
    /// One command as the nodes answer it (Envoy: `cluster.<name>.redis_cluster.upstream_commands.<command>.`).
    pub struct UpstreamCommandStats {
        /// Requests sent.
        total: Counter = "total",
        /// Answered, and not with an error.
        success: Counter = "success",
        /// Answered with an error, or not answered.
        failure: Counter = "failure",
    }
    and {
        /// From the request's first byte out to its reply's last byte in, in microseconds.
        pub latency: Histogram,
    }
}

stats! {
    /// One node as one worker knows it (Envoy: the lines of `/clusters`).
    pub struct NodeStats {
        /// Upstreams open now.
        cx_active: Gauge = "cx_active",
        /// Connects that failed.
        cx_connect_fail: Counter = "cx_connect_fail",
        /// Upstreams opened.
        cx_total: Counter = "cx_total",
        /// Requests sent and not yet answered.
        rq_active: Gauge = "rq_active",
        /// Requests lost to a failed upstream.
        rq_error: Counter = "rq_error",
        /// Requests answered.
        rq_success: Counter = "rq_success",
        /// Requests not answered in time.
        rq_timeout: Counter = "rq_timeout",
        /// Requests sent.
        rq_total: Counter = "rq_total",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use super::{ClusterStats, NODES_KEPT};

    fn address(port: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port as u16).into()
    }

    #[test]
    fn a_node_keeps_its_statistics_over_reconnects() {
        let cluster = ClusterStats::default();
        cluster.node(address(1)).cx_total.inc();
        cluster.node(address(1)).cx_total.inc();
        assert_eq!(cluster.node(address(1)).cx_total.get(), 2);
        assert_eq!(cluster.node(address(2)).cx_total.get(), 0);
    }

    #[test]
    fn nodes_that_nobody_holds_are_forgotten_when_there_are_too_many() {
        let cluster = ClusterStats::default();
        let held = cluster.node(address(7));
        (0..NODES_KEPT + 10).for_each(|port| drop(cluster.node(address(port))));
        assert!(cluster.nodes().len() <= NODES_KEPT);
        assert!(Arc::ptr_eq(&held, &cluster.node(address(7))), "one in use stays");
    }
}
