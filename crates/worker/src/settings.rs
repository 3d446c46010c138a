//! What is set on a socket.

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;

/// How long sent bytes may go unacknowledged before the kernel calls a node dead. A slow command is acknowledged and
/// does not count; a machine that vanished is not.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// How long a client may be silent before the kernel asks whether it is still there, as Redis's `tcp-keepalive` does:
/// a machine that vanished leaves no connection behind.
const CLIENT_KEEPALIVE: Duration = Duration::from_secs(300);

/// A client's connection.
pub(crate) fn client(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(CLIENT_KEEPALIVE))
}

/// A connection to a node.
pub(crate) fn upstream(stream: &TcpStream, keepalive: Option<meant::Keepalive>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
    let Some(wanted) = keepalive else { return Ok(()) };
    let mut settings = TcpKeepalive::new();
    if let Some(time) = wanted.time {
        settings = settings.with_time(time);
    }
    if let Some(interval) = wanted.interval {
        settings = settings.with_interval(interval);
    }
    if let Some(probes) = wanted.probes {
        settings = settings.with_retries(probes);
    }
    socket.set_tcp_keepalive(&settings)
}
