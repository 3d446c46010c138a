//! A worker's client sockets.

use crate::hall::Arrival;
use crate::settings;
use crate::turn::{Kind, SCRATCH, Worker};
use crate::wire::Wire;
use engine::SessionId;
use mio::event::Event;
use observe::ListenerStats;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// One client's socket.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire,
    /// Of its listener.
    stats: Arc<ListenerStats>,
    /// The kernel may have bytes that were not read yet: no event will say so again.
    unread: bool,
    /// The client's end has been announced: what is left is read up to it, as no event will announce it again.
    ended: bool,
}

/// A socket that was closed with bytes of the client still on their way: it is read for a moment more, since a reset
/// would take away the replies that the client has not read yet.
#[derive(Debug)]
pub(crate) struct Lingering {
    wire: Wire,
    until: Instant,
}

/// Reads of one client in one turn; the rest has to wait for the others.
const READS: usize = 8;
const LINGER: Duration = Duration::from_millis(500);
/// How much longer, for a client that has not read yet what TLS holds ready for it.
const UNSENT: Duration = Duration::from_secs(10);

impl Worker {
    /// A client of a Redis filter, whose handshake is done if it has one.
    pub(crate) fn admit_client(&mut self, arrival: Arrival, filter: engine::FilterId) {
        let Arrival { mut wire, listener, destination, .. } = arrival;
        if settings::client(wire.stream()).is_err() {
            self.clients_count.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let id = self.engine.client_opened(filter, destination);
        let stats = self.halls[listener].as_ref().map(|hall| Arc::clone(&hall.stats)).unwrap_or_default();
        stats.downstream_cx_total.inc();
        stats.downstream_cx_active.add(1);
        let index = id.0 as usize;
        if let Err(error) = self.register(&mut wire, Kind::Client, index) {
            tracing::warn!(%error, "a client cannot be watched and is closed");
            self.engine.client_closed(id);
        }
        if self.clients.len() <= index {
            self.clients.resize_with(index + 1, || None);
        }
        if wire.secured().is_some() {
            // What came with the end of the handshake is with the connection already.
            self.read_again.push(id);
        }
        self.clients[index] = Some(Client { wire, stats, unread: false, ended: false });
    }

    pub(crate) fn client_event(&mut self, index: usize, event: &Event) {
        let id = SessionId(index as u32);
        if event.is_read_closed()
            && let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut)
        {
            client.ended = true;
        }
        if event.is_readable() || event.is_read_closed() {
            self.read_client(id);
        }
        if event.is_error() {
            self.lose_client(id);
        } else if event.is_writable() {
            self.flush_client(id);
        }
    }

    /// Writes what waits: with the connection, encrypted, or in the engine.
    fn flush_client(&mut self, id: SessionId) {
        if !self.engine.client_output(id).is_empty() {
            return self.write_client(id);
        }
        if let Some(client) = self.clients.get_mut(id.0 as usize).and_then(Option::as_mut)
            && client.wire.flush().is_err()
        {
            self.lose_client(id);
        }
    }

    /// Reads while there is something and the engine wants it.
    pub(crate) fn read_client(&mut self, id: SessionId) {
        for _ in 0..READS {
            let Some(client) = self.clients.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
            client.unread = true;
            if !self.engine.wants_bytes(id) {
                return;
            }
            match client.wire.read(&mut self.scratch) {
                Ok(0) => {
                    client.unread = false;
                    return self.engine.client_finished(id);
                }
                Ok(n) => {
                    let more = client.wire.has_more(n, SCRATCH) || client.ended;
                    client.unread = more;
                    self.engine.client_bytes(id, &self.scratch[..n]);
                    if !more {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    client.unread = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lose_client(id),
            }
        }
        self.read_again.push(id);
    }

    /// Goes on with a client that was paused.
    pub(crate) fn resume_client(&mut self, id: SessionId) {
        if self.clients.get(id.0 as usize).and_then(Option::as_ref).is_some_and(|client| client.unread) {
            self.read_again.push(id);
        }
    }

    pub(crate) fn write_client(&mut self, id: SessionId) {
        loop {
            let output = self.engine.client_output(id);
            let Some(client) = self.clients.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
            if output.is_empty() {
                return;
            }
            let len = output.len();
            match client.wire.write(output) {
                Ok(n) => {
                    self.engine.client_wrote(id, n);
                    if n < len {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.engine.client_wrote(id, 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lose_client(id),
            }
        }
    }

    /// The client's end failed.
    fn lose_client(&mut self, id: SessionId) {
        self.engine.client_closed(id);
        self.forget_client(id);
    }

    /// The engine is done with a client.
    pub(crate) fn close_client(&mut self, id: SessionId) {
        let Some(client) = self.forget_client(id) else { return };
        let mut wire = client.wire;
        if wire.shutdown().is_ok() && !wire.drained(&mut self.scratch, READS) {
            self.lingering.push(Lingering { wire, until: Instant::now() + LINGER });
        }
    }

    fn forget_client(&mut self, id: SessionId) -> Option<Client> {
        let client = self.clients.get_mut(id.0 as usize)?.take()?;
        client.stats.downstream_cx_active.sub(1);
        self.clients_count.fetch_sub(1, Ordering::Relaxed);
        Some(client)
    }

    /// Reads on from sockets that were closed a moment ago, and lets go of those that have ended or had their time.
    pub(crate) fn linger(&mut self) {
        let scratch = &mut self.scratch;
        let now = Instant::now();
        let left = |socket: &Lingering| if socket.wire.is_flushed() { socket.until } else { socket.until + UNSENT };
        self.lingering.retain_mut(|socket| now < left(socket) && !socket.wire.drained(scratch, READS));
    }
}
