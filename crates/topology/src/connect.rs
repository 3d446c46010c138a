//! A connection to a node: from the address that the cluster is reached from, by TLS where the cluster says so.

use meant::Cluster;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tls::{Problem, Secrets};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Either kind of connection.
pub(crate) type Stream = Box<dyn Duplex>;

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// How a cluster's nodes are connected to. A clone is the same one: secrets that come later are used by all.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    cluster: Arc<Cluster>,
    tls: Arc<Mutex<Tls>>,
}

#[derive(Clone, Debug)]
enum Tls {
    None,
    Ready(tls::Client),
    Unusable(Problem),
}

impl Connector {
    /// Before any secret was delivered.
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        let tls = Tls::new(&cluster, &Secrets::default());
        Self { cluster, tls: Arc::new(Mutex::new(tls)) }
    }

    /// The cluster whose nodes are connected to.
    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Uses these secrets from now on.
    pub(crate) fn secure(&self, secrets: &Secrets) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Tls::new(&self.cluster, secrets);
    }

    /// Connects, the TLS handshake included. The default socket of the cluster is used: the nodes of a Redis Cluster
    /// have no labels.
    pub(crate) async fn connect(&self, node: SocketAddr) -> io::Result<Stream> {
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match tls {
            Tls::None => Ok(Box::new(self.dial(node).await?)),
            Tls::Ready(client) => {
                let stream = self.dial(node).await?;
                let connector = TlsConnector::from(Arc::clone(client.config()));
                let secured = connector.connect(client.name(node.ip()), stream).await;
                Ok(Box::new(secured.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?))
            }
            Tls::Unusable(problem) => Err(io::Error::other(format!("no TLS: {problem}"))),
        }
    }

    async fn dial(&self, node: SocketAddr) -> io::Result<TcpStream> {
        let Some(source) = self.cluster.source else { return TcpStream::connect(node).await };
        let socket = if node.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(source)?;
        socket.connect(node).await
    }
}

impl Tls {
    fn new(cluster: &Cluster, secrets: &Secrets) -> Self {
        match cluster.sockets.default.as_ref().map(|tls| tls::client(tls, secrets)) {
            None => Self::None,
            Some(Ok(client)) => Self::Ready(client),
            Some(Err(problem)) => Self::Unusable(problem),
        }
    }
}

#[cfg(test)]
mod tests;
