//! Which control plane a client talks to, and how that goes.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::method::{ADS, Method};
use crate::node::Node;
use crate::server::Dialect;

use super::connect::{Address, ClientTls};

/// Which control plane, and how it is talked to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who asks.
    pub node: Node,
    /// Where the control plane listens; tried in turn.
    pub addresses: Vec<Address>,
    /// TLS; none for a plain connection. Not used on Unix sockets.
    pub tls: Option<ClientTls>,
    /// Which protocol. Default: incremental.
    pub dialect: Dialect,
    /// Which service. Default: [`ADS`].
    pub method: Method,
    /// Headers of each stream, `initial_metadata` in Envoy's words.
    pub metadata: Vec<(String, String)>,
    /// The `:authority` header, if it is not to be the address.
    pub authority: Option<String>,
    /// How long a connection may take to be made. Default 5 s.
    pub connect_timeout: Duration,
    /// A silent connection is asked for a sign of life this often, and given up after as long again. Default 30 s.
    pub keepalive: Duration,
    /// The first wait after a failure is up to this. Default 500 ms, as Envoy's.
    pub backoff: Duration,
    /// No wait is longer. Default 30 s, as Envoy's.
    pub longest_backoff: Duration,
    /// Spreads the waits; another one in each process.
    pub seed: u64,
    /// Where the last good state is kept for a start without a control plane.
    pub cache: Option<PathBuf>,
}

impl Settings {
    /// With the defaults.
    pub fn new(node: Node, addresses: Vec<Address>) -> Settings {
        Settings {
            node,
            addresses,
            tls: None,
            dialect: Dialect::Delta,
            method: ADS,
            metadata: Vec::new(),
            authority: None,
            connect_timeout: Duration::from_secs(5),
            keepalive: Duration::from_secs(30),
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(30),
            seed: SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64),
            cache: None,
        }
    }
}

/// How the connection to the control plane is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The address to which a stream is open.
    pub connected: Option<String>,
    /// Streams opened so far.
    pub streams: u64,
    /// Why the last stream or attempt ended.
    pub last_error: Option<String>,
    /// Responses received.
    pub responses: u64,
    /// Of these, without anything new in them.
    pub unchanged: u64,
    /// Of these, refused in whole or in part.
    pub refused: u64,
    /// The words of the last refusal.
    pub last_refusal: Option<String>,
}
