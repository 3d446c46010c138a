//! Bytes that pass through unseen (`envoy.filters.network.tcp_proxy`): two sockets and a bounded buffer each way.

use crate::hall::Arrival;
use crate::settings;
use crate::turn::{Kind, Worker};
use crate::wire::{self, Wire};
use engine::ClusterId;
use meant::TcpProxy;
use observe::{ListenerStats, TcpStats};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// One `tcp_proxy`, ready for use.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) meant: TcpProxy,
    pub(crate) stats: Arc<TcpStats>,
    /// How many connections have chosen among its clusters.
    pub(crate) turn: u64,
    /// Since when it is no more in the configuration.
    pub(crate) gone: Option<Instant>,
}

/// A client and its node.
#[derive(Debug)]
pub(crate) struct Pass {
    filter: usize,
    /// `None` is no cluster's: wherever the client wanted to go.
    cluster: Option<ClusterId>,
    destination: SocketAddr,
    listener: Arc<ListenerStats>,
    stats: Arc<TcpStats>,
    client: End,
    node: End,
    open: bool,
    attempts: u32,
    /// When it was connected to, or last carried a byte.
    since: Instant,
}

/// One of the two sockets, and what waits to be written to it.
#[derive(Debug)]
struct End {
    wire: Wire,
    waiting: VecDeque<u8>,
    /// Nothing more will be read from it.
    finished: bool,
    /// It was told that nothing more will be written to it.
    told: bool,
}

/// How long a connection may last whose filter is no more in the configuration, as Envoy's listeners drain under Istio.
/// What passes is not understood, so there is no good moment to end it.
const FAREWELL: Duration = Duration::from_secs(45);

/// How long a connection that is no cluster's may take to be made: the default of clusters.
const CONNECT: Duration = Duration::from_secs(5);

/// Bytes that may wait in one direction; beyond, the other end is read no more.
const WAITING: usize = 256 << 10;

impl End {
    fn new(wire: Wire) -> Self {
        Self { wire, waiting: VecDeque::new(), finished: false, told: false }
    }

    /// Moves what this end has into `other`'s waiting bytes, as far as there is room. How many bytes.
    fn fill(&mut self, other: &mut Self, scratch: &mut [u8]) -> io::Result<usize> {
        let mut moved = 0;
        while !self.finished && other.waiting.len() < WAITING {
            match self.wire.read(scratch) {
                Ok(0) => self.finished = true,
                Ok(n) => {
                    other.waiting.extend(&scratch[..n]);
                    moved += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    /// Writes what waits, and passes the end on once `other` has none to add.
    fn flush(&mut self, other_finished: bool) -> io::Result<usize> {
        let mut written = 0;
        self.wire.flush()?;
        while !self.waiting.is_empty() {
            let (first, _) = self.waiting.as_slices();
            match self.wire.write(first) {
                Ok(n) => {
                    self.waiting.drain(..n);
                    written += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if other_finished && !self.told {
            self.told = true;
            self.wire.shutdown()?;
        }
        Ok(written)
    }

    /// Whether there is nothing left to write to it.
    fn is_done(&self) -> bool {
        self.told && self.wire.is_flushed()
    }
}

impl Worker {
    /// A client of a filter that passes bytes through, whose handshake is done if it has one.
    pub(crate) fn admit_pass(&mut self, arrival: Arrival, filter: usize) {
        let hall = self.halls[arrival.listener].as_ref();
        let listener = hall.map(|hall| Arc::clone(&hall.stats)).unwrap_or_default();
        let stats = self.tcp_filters[filter].as_ref().map(|filter| Arc::clone(&filter.stats)).unwrap_or_default();
        stats.downstream_cx_total.inc();
        listener.downstream_cx_total.inc();
        match self.open_pass(arrival, filter, &listener, &stats) {
            Ok(pass) => {
                listener.downstream_cx_active.add(1);
                let index = self.passes.insert(pass);
                // What came with the end of a handshake is with the connection already.
                if self.carry(index).is_err() {
                    self.end_pass(index);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection has nowhere to go and is closed");
                stats.downstream_cx_no_route.inc();
                self.clients_count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn open_pass(
        &mut self,
        arrival: Arrival,
        filter: usize,
        listener: &Arc<ListenerStats>,
        stats: &Arc<TcpStats>,
    ) -> io::Result<Pass> {
        let index = self.passes.vacant_key();
        let cluster = self.destination(filter)?;
        let destination = arrival.destination;
        if self.is_original(cluster) && (!arrival.redirected || self.is_ours(destination)) {
            stats.downstream_cx_loop.inc();
            let why = format!("{destination} is the proxy itself: it was not redirected here from anywhere else");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
        }
        let node = End::new(self.dial(cluster, destination, index)?);
        let mut client = End::new(arrival.wire);
        settings::client(client.wire.stream())?;
        self.register(&mut client.wire, Kind::PassClient, index)?;
        let (listener, stats) = (Arc::clone(listener), Arc::clone(stats));
        let since = Instant::now();
        Ok(Pass { filter, cluster, destination, listener, stats, client, node, open: false, attempts: 1, since })
    }

    pub(crate) fn pass_event(&mut self, index: usize, from_node: bool) {
        let Some(pass) = self.passes.get_mut(index) else { return };
        if from_node && !pass.open {
            let stream = pass.node.wire.stream();
            if stream.take_error().ok().flatten().is_some() || stream.peer_addr().is_err() {
                return self.dial_again(index);
            }
            let known = pass.cluster.and_then(|cluster| self.clusters.get(cluster));
            match wire::shake(&mut pass.node.wire, known.and_then(|known| known.tls_stats.as_deref())) {
                Ok(open) => pass.open = open,
                Err(error) => {
                    tracing::debug!(%error, "a node cannot be reached by TLS");
                    return self.dial_again(index);
                }
            }
        }
        if self.carry(index).is_err() {
            self.end_pass(index);
        }
    }

    /// The node could not be reached: the next one, if the filter allows another attempt.
    fn dial_again(&mut self, index: usize) {
        let Some(pass) = self.passes.get(index) else { return };
        let (cluster, destination, attempts) = (pass.cluster, pass.destination, pass.attempts);
        let most = self.tcp_filters[pass.filter].as_ref().map_or(0, |filter| filter.meant.max_connect_attempts);
        if attempts >= most {
            return self.end_pass(index);
        }
        match self.dial(cluster, destination, index) {
            Ok(wire) => {
                let pass = &mut self.passes[index];
                pass.node.wire = wire;
                pass.attempts += 1;
                pass.since = Instant::now();
            }
            Err(_) => self.end_pass(index),
        }
    }

    /// Moves bytes both ways until neither end has more or has room for more.
    fn carry(&mut self, index: usize) -> io::Result<()> {
        let pass = &mut self.passes[index];
        let stats = &pass.stats;
        loop {
            let from_client = pass.client.fill(&mut pass.node, &mut self.scratch)?;
            let from_node = if pass.open { pass.node.fill(&mut pass.client, &mut self.scratch)? } else { 0 };
            let to_node = if pass.open { pass.node.flush(pass.client.finished)? } else { 0 };
            let to_client = pass.client.flush(pass.node.finished)?;
            stats.downstream_cx_rx_bytes_total.add(from_client as u64);
            stats.downstream_cx_tx_bytes_total.add(to_client as u64);
            if from_client + from_node + to_node + to_client == 0 {
                break;
            }
            pass.since = Instant::now();
        }
        if pass.client.is_done() && pass.node.is_done() {
            self.end_pass(index);
        }
        Ok(())
    }

    fn end_pass(&mut self, index: usize) {
        let pass = self.passes.remove(index);
        pass.listener.downstream_cx_active.sub(1);
        self.clients_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends what has been idle, or has been connecting, for too long, or should have gone with its filter.
    pub(crate) fn end_idle_passes(&mut self) {
        let now = Instant::now();
        let ended: Vec<(usize, Late)> =
            self.passes.iter().filter_map(|(index, pass)| Some((index, self.late(pass, now)?))).collect();
        for (index, late) in ended {
            match late {
                Late::Connecting => self.dial_again(index),
                Late::Idle => {
                    self.passes[index].stats.idle_timeout.inc();
                    self.end_pass(index);
                }
                Late::Leaving => self.end_pass(index),
            }
        }
    }

    fn late(&self, pass: &Pass, now: Instant) -> Option<Late> {
        let filter = self.tcp_filters.get(pass.filter)?.as_ref()?;
        let past = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        if filter.gone.is_some_and(|since| past(since, FAREWELL)) {
            return Some(Late::Leaving);
        }
        if pass.open {
            return filter.meant.idle_timeout.filter(|limit| past(pass.since, *limit)).map(|_| Late::Idle);
        }
        let limit = match pass.cluster {
            Some(cluster) => self.clusters.get(cluster).map_or(Duration::ZERO, |known| known.meant.connect_timeout),
            None => CONNECT,
        };
        past(pass.since, limit).then_some(Late::Connecting)
    }
}

/// What has taken too long.
#[derive(Clone, Copy, Debug)]
enum Late {
    Connecting,
    Idle,
    Leaving,
}
