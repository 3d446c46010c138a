//! Where a new connection learns which chain of its listener it goes to, and waits until that is known.
//!
//! In order: where it was meant to go before it was redirected here, and so which listener it is for; what its first
//! bytes tell, if any chain asks; the chain; its TLS handshake; the chain's door. A connection to a listener that asks
//! for none of that goes straight through.

use crate::chains::Needs;
use crate::mail::Door;
use crate::numbers::Entrance;
use crate::sniff::{self, Sniffed};
use crate::turn::{Kind, Worker};
use crate::wire::{self, Wire};
use mio::event::Event;
use mio::net::TcpStream;
use observe::{ListenerStats, TlsStats};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A connection that is let in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) wire: Wire,
    /// The number of its listener.
    pub(crate) listener: usize,
    /// Where it was meant to go: the listener's own address, or the one before it was redirected.
    pub(crate) destination: SocketAddr,
    /// Whether it was redirected.
    pub(crate) redirected: bool,
}

/// A connection that waits.
#[derive(Debug)]
pub(crate) struct Guest {
    arrival: Arrival,
    source: SocketAddr,
    stats: Arc<ListenerStats>,
    tls_stats: Option<Arc<TlsStats>>,
    stage: Stage,
    /// When its patience, or ours, ends.
    until: Option<Instant>,
}

/// What a guest waits for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Its first bytes.
    Sniffing(Needs),
    /// The end of the TLS handshake before this door.
    Shaking(Door),
}

/// What comes next for a guest.
#[derive(Debug)]
enum Next {
    Wait,
    Chain(Sniffed),
    Door(Door),
    Away,
}

impl Guest {
    /// Does what can be done now; `ended` says that no more bytes will come.
    fn step(&mut self, scratch: &mut [u8], ended: bool) -> Next {
        match self.stage {
            Stage::Sniffing(needs) if needs == Needs::default() => Next::Chain(Sniffed::default()),
            Stage::Sniffing(needs) => self.sniff(needs, &mut scratch[..sniff::MOST], ended),
            Stage::Shaking(door) => match wire::shake(&mut self.arrival.wire, self.tls_stats.as_deref()) {
                Ok(false) => Next::Wait,
                Ok(true) => Next::Door(door),
                Err(error) => {
                    tracing::debug!(%error, source = %self.source, "a client's TLS handshake failed");
                    Next::Away
                }
            },
        }
    }

    /// Looks at the first bytes.
    fn sniff(&self, needs: Needs, most: &mut [u8], ended: bool) -> Next {
        let found = match self.arrival.wire.peek(most) {
            Ok(0) => return Next::Away,
            Ok(n) => sniff::sniff(&most[..n], needs.tls, needs.http),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => return Next::Away,
        };
        match found {
            Some(found) => Next::Chain(found),
            None if ended => Next::Away,
            None => Next::Wait,
        }
    }
}

impl Worker {
    /// A client has come to a listener.
    pub(crate) fn enter(&mut self, stream: std::net::TcpStream, listener: usize) {
        let stream = TcpStream::from_std(stream);
        let straight = self.entrance(listener).map(|entrance| entrance.straight());
        let entered = match straight {
            Some(Some(door)) => stream.local_addr().map(|destination| {
                self.open(door, Arrival { wire: Wire::plain(stream), listener, destination, redirected: false });
            }),
            Some(None) => self.receive(stream, listener),
            // The listener has gone since the client was accepted.
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if entered.is_err() {
            self.turn_away();
        }
    }

    fn entrance(&self, listener: usize) -> Option<&Arc<Entrance>> {
        self.halls.get(listener)?.as_ref()?.entrance.as_ref()
    }

    /// A client of a listener that asks who it is.
    fn receive(&mut self, stream: TcpStream, mut listener: usize) -> io::Result<()> {
        let (local, source) = (canonical(stream.local_addr()?), canonical(stream.peer_addr()?));
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let settings = &self.entrance(listener).ok_or_else(gone)?.listener;
        let asks = settings.restores_destination || settings.hands_over;
        let destination = if asks { original_destination(&stream).unwrap_or(local) } else { local };
        let redirected = destination != local;
        if settings.hands_over && redirected {
            listener = self.listener_at(destination).unwrap_or(listener);
        }
        let hall = self.halls.get(listener).and_then(Option::as_ref).ok_or_else(gone)?;
        let entrance = hall.entrance.as_ref().ok_or_else(gone)?;
        let needs = entrance.table.needs(destination);
        let arrival = Arrival { wire: Wire::plain(stream), listener, destination, redirected };
        let (stats, tls_stats) = (Arc::clone(&hall.stats), hall.tls_stats.clone());
        let until = entrance.listener.sniffing.patience.map(|patience| Instant::now() + patience);
        let guest = Guest { arrival, source, stats, tls_stats, stage: Stage::Sniffing(needs), until };
        self.go_on(guest);
        Ok(())
    }

    /// The listener of an address: of this one exactly, else of every address with this port.
    fn listener_at(&self, destination: SocketAddr) -> Option<usize> {
        let any: SocketAddr = match destination {
            SocketAddr::V4(_) => ([0, 0, 0, 0], destination.port()).into(),
            SocketAddr::V6(_) => ([0_u16; 8], destination.port()).into(),
        };
        self.by_address.get(&destination).or_else(|| self.by_address.get(&any)).copied()
    }

    /// Goes on with a guest that nobody watches.
    fn go_on(&mut self, mut guest: Guest) {
        match guest.step(&mut self.scratch, false) {
            Next::Wait => self.wait(guest),
            next => self.lead(guest, next),
        }
    }

    fn lead(&mut self, guest: Guest, next: Next) {
        match next {
            Next::Chain(sniffed) => self.choose(guest, &sniffed),
            Next::Door(door) if self.has_door(guest.arrival.listener, door) => self.open(door, guest.arrival),
            // Its chain has gone during the handshake, or it has gone itself.
            Next::Door(_) | Next::Away | Next::Wait => self.turn_away(),
        }
    }

    fn has_door(&self, listener: usize, door: Door) -> bool {
        self.entrance(listener).is_some_and(|entrance| entrance.passages().any(|passage| passage.door == door))
    }

    /// Finds the chain, and begins its handshake if it has one.
    fn choose(&mut self, mut guest: Guest, sniffed: &Sniffed) {
        let Arrival { listener, destination, .. } = guest.arrival;
        let Some(entrance) = self.entrance(listener).cloned() else { return self.turn_away() };
        let chosen = entrance.table.choose(destination, guest.source, sniffed).and_then(|i| entrance.chains.get(i));
        let Some(passage) = chosen.or(entrance.default.as_ref()) else {
            guest.stats.no_filter_chain_match.inc();
            return self.turn_away();
        };
        match &passage.lock {
            None => self.open(passage.door, guest.arrival),
            Some(Ok(tls)) => {
                guest.arrival.wire = guest.arrival.wire.secure(tls.clone());
                guest.stage = Stage::Shaking(passage.door);
                guest.until = passage.chain.tls_timeout.map(|limit| Instant::now() + limit);
                self.go_on(guest);
            }
            Some(Err(problem)) => {
                tracing::debug!(chain = passage.chain.name, %problem, "a client is closed: it cannot be served by TLS");
                guest.tls_stats.iter().for_each(|stats| stats.connection_error.inc());
                self.turn_away();
            }
        }
    }

    /// Waits for what the guest does next.
    fn wait(&mut self, mut guest: Guest) {
        let index = self.waiting.vacant_key();
        if self.register(&mut guest.arrival.wire, Kind::Hall, index).is_err() {
            return self.turn_away();
        }
        guest.stats.downstream_pre_cx_active.add(1);
        self.waiting.insert(guest);
    }

    /// Takes a guest out, to go on with it.
    fn call(&mut self, index: usize) -> Option<Guest> {
        let mut guest = self.waiting.try_remove(index)?;
        guest.stats.downstream_pre_cx_active.sub(1);
        // Whoever takes it over watches it anew, and so hears again of what is there already.
        let _watched = self.poll.registry().deregister(&mut guest.arrival.wire);
        Some(guest)
    }

    pub(crate) fn guest_event(&mut self, index: usize, event: &Event) {
        let ended = event.is_read_closed() || event.is_error();
        let Some(guest) = self.waiting.get_mut(index) else { return };
        match guest.step(&mut self.scratch, ended) {
            // It is watched on: what was looked at is still there, and would be announced for ever if it were not.
            Next::Wait => {}
            next => {
                if let Some(guest) = self.call(index) {
                    self.lead(guest, next);
                }
            }
        }
    }

    /// Looks after guests whose time is over.
    pub(crate) fn usher(&mut self) {
        let now = Instant::now();
        let late = |(index, guest): (usize, &Guest)| guest.until.is_some_and(|until| until <= now).then_some(index);
        let late: Vec<usize> = self.waiting.iter().filter_map(late).collect();
        for guest in late.into_iter().filter_map(|index| self.call(index)).collect::<Vec<_>>() {
            self.lose_patience(guest);
        }
    }

    fn lose_patience(&mut self, guest: Guest) {
        match guest.stage {
            Stage::Sniffing(_) => {
                guest.stats.downstream_pre_cx_timeout.inc();
                let entrance = self.entrance(guest.arrival.listener);
                if entrance.is_some_and(|entrance| entrance.listener.sniffing.goes_on) {
                    self.choose(guest, &Sniffed::default());
                } else {
                    self.turn_away();
                }
            }
            Stage::Shaking(_) => {
                guest.stats.downstream_cx_transport_socket_connect_timeout.inc();
                self.turn_away();
            }
        }
    }

    /// The worker drains: nobody waits any more.
    pub(crate) fn empty_hall(&mut self) {
        let all: Vec<usize> = self.waiting.iter().map(|(index, _)| index).collect();
        for _ in all.into_iter().filter_map(|index| self.call(index)).collect::<Vec<_>>() {
            self.turn_away();
        }
    }

    fn open(&mut self, door: Door, arrival: Arrival) {
        match door {
            Door::Redis { filter, .. } => self.admit_client(arrival, filter),
            Door::Tcp { filter, .. } => self.admit_pass(arrival, filter),
        }
    }

    /// A client is closed before it came to a filter.
    fn turn_away(&mut self) {
        self.clients_count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An IPv4 address is one, even if it came to an IPv6 socket.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Where a connection was meant to go before iptables' REDIRECT; `None` where nothing was redirected.
fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let found = socket.original_dst_v4().or_else(|_| socket.original_dst_v6()).ok()?;
    found.as_socket().map(canonical)
}
