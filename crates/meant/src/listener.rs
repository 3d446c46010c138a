//! A listener, its filter chains, and the one filter that ends each.

use crate::{RedisProxy, ServerTls};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// `envoy.config.listener.v3.Listener`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The listener's name; the address where none was written.
    pub name: String,
    /// Where clients connect; port 0 takes a free one.
    pub address: SocketAddr,
    /// `bind_to_port`: false for a listener that only takes over connections from another one.
    pub binds: bool,
    /// `use_original_dst`: a connection goes to the listener of the address it was meant for before it was redirected
    /// here, if there is one.
    pub hands_over: bool,
    /// Where a connection was meant to go is looked up (`envoy.filters.listener.original_dst`, or `hands_over`); chains
    /// are matched by it.
    pub restores_destination: bool,
    /// How the first bytes are looked at before a chain is chosen.
    pub sniffing: Sniffing,
    /// The chains; the most specific match wins.
    pub chains: Vec<Arc<Chain>>,
    /// `default_filter_chain`: for connections that no chain matches. Without one they are closed.
    pub default_chain: Option<Arc<Chain>>,
    /// `per_connection_buffer_limit_bytes`: how much output may wait for a client before it is read no more.
    /// Default 1 MiB.
    pub buffer_limit: usize,
}

impl Listener {
    /// A listener with one chain that takes every connection, and the defaults for the rest.
    pub fn with_one_filter(name: impl Into<String>, address: SocketAddr, filter: Filter) -> Self {
        let chain = Chain { name: String::new(), matches: ChainMatch::default(), tls: None, tls_timeout: None, filter };
        Self {
            name: name.into(),
            address,
            binds: true,
            hands_over: false,
            restores_destination: false,
            sniffing: Sniffing::default(),
            chains: vec![Arc::new(chain)],
            default_chain: None,
            buffer_limit: 1 << 20,
        }
    }

    /// The chains and the default one, each with its filter.
    pub fn all_chains(&self) -> impl Iterator<Item = &Arc<Chain>> {
        self.chains.iter().chain(&self.default_chain)
    }
}

/// Which of the inspecting listener filters there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sniffing {
    /// `envoy.filters.listener.tls_inspector`: transport protocol, server name, application protocols.
    pub tls: Option<Ports>,
    /// `envoy.filters.listener.http_inspector`: application protocols of plain HTTP.
    pub http: Option<Ports>,
    /// `listener_filters_timeout`: how long the first bytes are waited for; `None` is for ever. Default 15 s.
    pub patience: Option<Duration>,
    /// `continue_on_listener_filters_timeout`: then the connection goes on as if nothing had been found; else it is
    /// closed.
    pub goes_on: bool,
}

/// For which destination ports a listener filter is off (`filter_disabled`): ranges, the end not included.
pub type Ports = Vec<(u16, u16)>;

/// `envoy.config.listener.v3.FilterChain`.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Its name; may be empty. What a new configuration has under the same name takes over its clients.
    pub name: String,
    /// Which connections it is for.
    pub matches: ChainMatch,
    /// TLS towards clients (`transport_socket`).
    pub tls: Option<Arc<ServerTls>>,
    /// `transport_socket_connect_timeout`: how long the TLS handshake may take; `None` is for ever.
    pub tls_timeout: Option<Duration>,
    /// What happens to its connections.
    pub filter: Filter,
}

/// `envoy.config.listener.v3.FilterChainMatch`. An empty criterion matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    /// `destination_port`.
    pub destination_port: Option<u16>,
    /// `prefix_ranges` of the destination.
    pub destinations: Vec<Network>,
    /// `server_names`, lower case; `*.example.com` matches every name below `example.com`.
    pub server_names: Vec<String>,
    /// `transport_protocol`: `tls` or `raw_buffer`; empty matches both.
    pub transport_protocol: String,
    /// `application_protocols`: any of these.
    pub application_protocols: Vec<String>,
    /// `direct_source_prefix_ranges`.
    pub direct_sources: Vec<Network>,
    /// `source_type`.
    pub source_type: SourceType,
    /// `source_prefix_ranges`.
    pub sources: Vec<Network>,
    /// `source_ports`.
    pub source_ports: Vec<u16>,
}

/// `FilterChainMatch.ConnectionSourceType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceType {
    /// From anywhere.
    #[default]
    Any,
    /// From this host: the source is a loopback address, or the same as the destination.
    Local,
    /// From another host.
    External,
}

/// `envoy.config.core.v3.CidrRange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// An address of the network.
    pub address: IpAddr,
    /// How many leading bits count; at most 32, or 128.
    pub bits: u8,
}

impl Network {
    /// Whether `ip` lies in it.
    pub fn holds(&self, ip: IpAddr) -> bool {
        let differs = |a: u128, b: u128, width: u32| {
            let shift = width.saturating_sub(u32::from(self.bits));
            shift < width && (a ^ b) >> shift != 0
        };
        match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => !differs(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => !differs(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// The terminal filter of a chain, chosen by its `typed_config` type URL.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // few
pub enum Filter {
    /// Redis commands are understood.
    Redis(Arc<RedisProxy>),
    /// Bytes pass through.
    Tcp(TcpProxy),
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`: bytes pass to one cluster unseen. A filter of another
/// protocol (HTTP) becomes one of these where configuration comes from a control plane.
#[derive(Clone, Debug)]
pub struct TcpProxy {
    /// Root of the statistics, `tcp.<stat_prefix>.`.
    pub stat_prefix: String,
    /// Where the bytes go.
    pub to: Way,
    /// Close when nothing has passed for so long; `None` is never. Default one hour.
    pub idle_timeout: Option<Duration>,
    /// How many members are tried for one connection. At least 1.
    pub max_connect_attempts: u32,
}

/// Where the bytes of a connection go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To one of these clusters, chosen by weight for each connection. At least one; weights are at least 1.
    Clusters(Vec<(String, u32)>),
    /// Where the client wanted to go before it was redirected here.
    Original,
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn a_network_holds_its_addresses_only() {
        let network = |address: &str, bits| Network { address: address.parse().unwrap(), bits };
        let ten = network("10.1.2.3", 8);
        assert!(ten.holds("10.255.0.1".parse().unwrap()) && !ten.holds("11.0.0.1".parse().unwrap()));
        assert!(network("1.2.3.4", 0).holds("9.9.9.9".parse().unwrap()));
        assert!(!network("1.2.3.4", 0).holds("::1".parse().unwrap()));
        assert!(network("1.2.3.4", 32).holds("1.2.3.4".parse().unwrap()));
        assert!(!network("1.2.3.4", 32).holds("1.2.3.5".parse().unwrap()));
        assert!(
            network("fd00::", 64).holds("fd00::1".parse().unwrap()) && network("::", 0).holds("ff::".parse().unwrap())
        );
        assert!(!network("fd00::", 64).holds("fd00:0:0:1::1".parse().unwrap()));
    }
}
