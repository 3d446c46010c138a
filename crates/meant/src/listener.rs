//! A listener and the one filter that ends its chain.

use crate::RedisProxy;
use std::net::SocketAddr;
use std::time::Duration;

/// `envoy.config.listener.v3.Listener` with one filter chain.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The listener's name; the address where none was written.
    pub name: String,
    /// Where clients connect; port 0 takes a free one.
    pub address: SocketAddr,
    /// What happens to a connection.
    pub filter: Filter,
    /// `per_connection_buffer_limit_bytes`: how much output may wait for a client before it is read no more.
    /// Default 1 MiB.
    pub buffer_limit: usize,
}

/// The terminal filter of a chain, chosen by its `typed_config` type URL.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one a listener
pub enum Filter {
    /// Redis commands are understood.
    Redis(RedisProxy),
    /// Bytes pass through.
    Tcp(TcpProxy),
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`: bytes pass to one cluster unseen.
#[derive(Clone, Debug)]
pub struct TcpProxy {
    /// Root of the statistics, `tcp.<stat_prefix>.`.
    pub stat_prefix: String,
    /// The cluster the bytes go to.
    pub cluster: String,
    /// Close when nothing has passed for so long; `None` is never. Default one hour.
    pub idle_timeout: Option<Duration>,
    /// How many members are tried for one connection. At least 1.
    pub max_connect_attempts: u32,
}
