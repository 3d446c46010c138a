//! A connection as the worker sees it: plain TCP, or TLS over it.
//!
//! What a caller must know of TLS is little: that a connection to a node is made only once [`Wire::handshake`] says so,
//! that [`Wire::has_more`] tells whether a read has emptied the socket (a full buffer is not the only sign), and that on
//! a writable event [`Wire::flush`] comes first, since what was accepted may still wait encrypted.

mod secured;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token, event};
use observe::TlsStats;
use secured::Secured;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use tls::Fault;

/// A connection. The plain one is the bare socket, so that it costs no more than one.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<Secured>),
}

impl Wire {
    /// Plain TCP.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }

    /// TLS towards a node.
    pub(crate) fn client(stream: TcpStream, tls: &tls::Client, node: SocketAddr) -> io::Result<Self> {
        Ok(Self::Tls(Box::new(Secured::client(stream, tls, node.ip())?)))
    }

    /// Lets a client that has connected speak TLS.
    pub(crate) fn secure(self, tls: tls::Server) -> Self {
        match self {
            Self::Plain(stream) => Self::Tls(Box::new(Secured::server(stream, tls))),
            Self::Tls(_) => self,
        }
    }

    /// Looks at what a plain connection has, and leaves it there.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().peek(buffer)
    }

    /// Goes on with the handshake as far as it can; whether it has ended. Plain TCP has none.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(secured) => secured.handshake(),
        }
    }

    /// Reads into `buffer`; 0 is the end. An end that TLS did not announce is an end all the same: RESP knows by itself
    /// where its values end.
    #[inline]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(secured) => secured.read(buffer),
        }
    }

    /// Whether, after a read of `n` bytes into a buffer of `size`, there may be more that no event will announce.
    #[inline]
    pub(crate) fn has_more(&self, n: usize, size: usize) -> bool {
        match self {
            Self::Plain(_) => n == size,
            Self::Tls(secured) => n == size || secured.has_ended(),
        }
    }

    /// Takes bytes to be written; fewer than given, or `WouldBlock`, when the other side does not read.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(secured) => secured.write(bytes),
        }
    }

    /// Writes what was accepted before and still waits. Not being able to now is no error.
    #[inline]
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(secured) => secured.flush(),
        }
    }

    /// Whether something that was accepted still waits.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(secured) => secured.is_flushed(),
        }
    }

    /// Tells the other side that nothing more will be written, as soon as what was accepted has gone.
    pub(crate) fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(secured) => secured.shutdown(),
        }
    }

    /// After [`Wire::shutdown`]: writes what still waits and throws away what the other side sends; whether its end has
    /// come, or the connection has broken.
    pub(crate) fn drained(&mut self, scratch: &mut [u8], reads: usize) -> bool {
        if self.flush().is_err() {
            return true;
        }
        for _ in 0..reads {
            match self.stream_mut().read(scratch) {
                Ok(0) => return self.is_flushed(),
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// TLS, with what it has come to.
    pub(crate) fn secured(&self) -> Option<&Secured> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(secured) => Some(secured),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(secured) => secured.stream(),
        }
    }

    fn stream_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(secured) => secured.stream_mut(),
        }
    }
}

impl event::Source for Wire {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.stream_mut().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.stream_mut().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.stream_mut().deregister(registry)
    }
}

/// Goes on with a handshake and counts what it comes to; whether it has ended.
pub(crate) fn shake(wire: &mut Wire, stats: Option<&TlsStats>) -> io::Result<bool> {
    let shaken = wire.handshake();
    let Some(stats) = stats else { return shaken };
    match (&shaken, wire.secured()) {
        (Ok(true), Some(secured)) => {
            stats.handshake.inc();
            stats.session_reused.add(u64::from(secured.is_resumed()));
            stats.no_certificate.add(u64::from(!secured.has_certificate()));
        }
        (Ok(_), _) => {}
        (Err(error), _) => match fault(error) {
            Fault::Untrusted => stats.fail_verify_error.inc(),
            Fault::Name => stats.fail_verify_san.inc(),
            Fault::NoCertificate => stats.fail_verify_no_cert.inc(),
            Fault::Connection => stats.connection_error.inc(),
        },
    }
    shaken
}

/// How a handshake's failure is counted; an error that has nothing to do with TLS is counted as the connection's.
fn fault(error: &io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<tls::rustls::Error>());
    inner.map_or(Fault::Connection, tls::fault)
}

#[cfg(test)]
mod tests;
