//! How the nodes of a cluster are reached: from which address, with which settings of the socket, by TLS or not.

use crate::settings;
use crate::wire::Wire;
use meant::{ClientTls, Cluster, Keepalive};
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tls::Secrets;

/// What connections to one cluster's nodes are made with. A clone is cheap and shares TLS sessions.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    keepalive: Option<Keepalive>,
    source: Option<SocketAddr>,
    /// By the number that a host says: the default, then those of the matches.
    transports: Arc<[Transport]>,
}

#[derive(Debug)]
enum Transport {
    Plain,
    Tls(tls::Client),
    /// Why there can be no connection.
    Unusable(tls::Problem),
}

impl Reach {
    /// From what the configuration says and the secrets there are. What cannot be used yet is told to whoever connects.
    pub(crate) fn new(cluster: &Cluster, secrets: &Secrets) -> Self {
        let matches = cluster.sockets.matches.iter().map(|entry| entry.socket.as_ref());
        let all = std::iter::once(cluster.sockets.default.as_ref()).chain(matches);
        let transports: Arc<[Transport]> =
            all.map(|tls| tls.map_or(Transport::Plain, |tls| Transport::new(&cluster.name, tls, secrets))).collect();
        Self { keepalive: cluster.keepalive, source: cluster.source, transports }
    }

    /// Plain TCP, with nothing set.
    pub(crate) fn plain() -> Self {
        Self { keepalive: None, source: None, transports: Arc::new([Transport::Plain]) }
    }

    /// Whether any node is reached by TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.transports.iter().any(|transport| !matches!(transport, Transport::Plain))
    }

    /// Begins to connect to a node whose socket has this number.
    pub(crate) fn dial(&self, address: SocketAddr, number: u16) -> io::Result<Wire> {
        let transport = self.transports.get(usize::from(number)).unwrap_or(&Transport::Plain);
        if let Transport::Unusable(problem) = transport {
            return Err(io::Error::other(format!("no TLS: {problem}")));
        }
        let stream = self.source.map_or_else(|| TcpStream::connect(address), |source| connect_from(source, address))?;
        settings::upstream(&stream, self.keepalive)?;
        match transport {
            Transport::Tls(tls) => Wire::client(stream, tls, address),
            _ => Ok(Wire::plain(stream)),
        }
    }
}

impl Transport {
    fn new(cluster: &str, tls: &ClientTls, secrets: &Secrets) -> Self {
        match tls::client(tls, secrets) {
            Ok(client) => {
                if client.is_unverified() {
                    tracing::warn!(cluster, "the nodes' certificates are not verified: its TLS has no trusted_ca");
                }
                Self::Tls(client)
            }
            Err(problem) => {
                if !problem.is_waiting() {
                    tracing::error!(cluster, %problem, "its nodes cannot be reached by TLS");
                }
                Self::Unusable(problem)
            }
        }
    }
}

/// Begins to connect from an address of this machine.
fn connect_from(source: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    const EINPROGRESS: i32 = 115;
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&source.into())?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn connections_come_from_the_address_that_was_set() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = connect_from("127.0.0.6:0".parse().unwrap(), listener.local_addr().unwrap()).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.6");
        drop(stream);
        assert!(connect_from("203.0.113.1:0".parse().unwrap(), listener.local_addr().unwrap()).is_err());
    }
}
