//! What is counted before or without the Redis filter: `listener.<address>.` and `tcp.<stat_prefix>.`

stats! {
    /// One worker's statistics of one listener (Envoy: `listener.<address>.`).
    pub struct ListenerStats {
        /// Connections accepted.
        downstream_cx_total: Counter = "downstream_cx_total",
        /// Connections open now.
        downstream_cx_active: Gauge = "downstream_cx_active",
        /// Connections closed.
        downstream_cx_destroy: Counter = "downstream_cx_destroy",
        /// Connections refused because the limit of connections was reached.
        downstream_cx_overflow: Counter = "downstream_cx_overflow",
        /// Connections closed because no filter chain matched them.
        no_filter_chain_match: Counter = "no_filter_chain_match",
        /// Connections whose first bytes are awaited, or whose TLS handshake goes on.
        downstream_pre_cx_active: Gauge = "downstream_pre_cx_active",
        /// Connections whose first bytes did not come in time.
        downstream_pre_cx_timeout: Counter = "downstream_pre_cx_timeout",
        /// Connections closed because the TLS handshake took too long.
        downstream_cx_transport_socket_connect_timeout: Counter = "downstream_cx_transport_socket_connect_timeout",
    }
}

stats! {
    /// One worker's statistics of one tcp_proxy filter (Envoy: `tcp.<stat_prefix>.`).
    pub struct TcpStats {
        /// Connections handled.
        downstream_cx_total: Counter = "downstream_cx_total",
        /// Connections closed because there was no node to pass them to.
        downstream_cx_no_route: Counter = "downstream_cx_no_route",
        /// Bytes read from clients.
        downstream_cx_rx_bytes_total: Counter = "downstream_cx_rx_bytes_total",
        /// Bytes written to clients.
        downstream_cx_tx_bytes_total: Counter = "downstream_cx_tx_bytes_total",
        /// Bytes read from clients and not yet passed on.
        downstream_cx_rx_bytes_buffered: Gauge = "downstream_cx_rx_bytes_buffered",
        /// Bytes waiting to be written to clients.
        downstream_cx_tx_bytes_buffered: Gauge = "downstream_cx_tx_bytes_buffered",
        /// Connections closed because nothing moved for the idle timeout.
        idle_timeout: Counter = "idle_timeout",
        /// slotmesh's own: connections closed because they would have come back to the proxy itself.
        downstream_cx_loop: Counter = "downstream_cx_loop",
    }
}
