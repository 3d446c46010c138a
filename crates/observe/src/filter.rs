//! What a redis_proxy filter counts about its clients: `redis.<stat_prefix>.`

use crate::{ByCommand, Histogram};

stats! {
    /// One worker's statistics of one redis_proxy filter (Envoy: `redis.<stat_prefix>.`).
    pub struct FilterStats {
        /// Clients accepted.
        downstream_cx_total: Counter = "downstream_cx_total",
        /// Clients connected now.
        downstream_cx_active: Gauge = "downstream_cx_active",
        /// Clients closed because the proxy drains.
        downstream_cx_drain_close: Counter = "downstream_cx_drain_close",
        /// Clients closed because their bytes were not RESP.
        downstream_cx_protocol_error: Counter = "downstream_cx_protocol_error",
        /// Bytes read from clients.
        downstream_cx_rx_bytes_total: Counter = "downstream_cx_rx_bytes_total",
        /// Bytes written to clients.
        downstream_cx_tx_bytes_total: Counter = "downstream_cx_tx_bytes_total",
        /// Bytes read from clients and not yet handled.
        downstream_cx_rx_bytes_buffered: Gauge = "downstream_cx_rx_bytes_buffered",
        /// Bytes waiting to be written to clients.
        downstream_cx_tx_bytes_buffered: Gauge = "downstream_cx_tx_bytes_buffered",
        /// Requests received.
        downstream_rq_total: Counter = "downstream_rq_total",
        /// HELLO with a protocol version that is not offered.
        downstream_rq_noproto: Counter = "downstream_rq_noproto",
        /// Requests received and not yet answered.
        downstream_rq_active: Gauge = "downstream_rq_active",
        /// Requests of a wrong shape (number of arguments, argument types).
        splitter_invalid_request: Counter = "splitter.invalid_request",
        /// Requests whose command is unknown or not offered.
        splitter_unsupported_command: Counter = "splitter.unsupported_command",
    }
    and {
        /// Whether command latencies are shown in microseconds instead of milliseconds (RedisProxy.latency_in_micros).
        pub latency_in_micros: bool,
        pub(crate) commands: ByCommand<CommandStats>,
    }
}

impl FilterStats {
    /// The statistics of one command, made on first use.
    #[inline]
    pub fn command(&self, id: command::Id) -> &CommandStats {
        self.commands.get(id)
    }
}

stats! {
    /// One command as the clients see it (Envoy: `redis.<stat_prefix>.command.<name>.`).
    pub struct CommandStats {
        /// Requests.
        total: Counter = "total",
        /// Answered by Redis; an error reply to a single-key command counts here too, as in Envoy.
        success: Counter = "success",
        /// Not answered by Redis: no node, a failed upstream, a wrong shape, a failed fragment.
        error: Counter = "error",
        /// Answered by a configured error fault.
        error_fault: Counter = "error_fault",
        /// Held back by a configured delay fault.
        delay_fault: Counter = "delay_fault",
    }
    and {
        /// From the request's last byte in to its reply's first byte out, in microseconds.
        pub latency: Histogram,
    }
}
