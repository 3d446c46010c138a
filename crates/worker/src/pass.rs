//! Bytes that pass through unseen (`envoy.filters.network.tcp_proxy`): two sockets and a bounded buffer each way.

use crate::settings;
use crate::turn::{Kind, Worker};
use crate::wire::Wire;
use engine::ClusterId;
use mio::net::TcpStream;
use observe::TcpStats;
use slots::View;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// One `tcp_proxy`, ready for use.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) attempts: u32,
    pub(crate) stats: Arc<TcpStats>,
}

/// A client and its node.
#[derive(Debug)]
pub(crate) struct Pass {
    filter: usize,
    listener: usize,
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
    pub(crate) fn admit_pass(&mut self, stream: std::net::TcpStream, filter: usize, listener: usize) {
        self.tcp_filters[filter].stats.downstream_cx_total.inc();
        self.listener_stats[listener].downstream_cx_total.inc();
        let client = TcpStream::from_std(stream);
        let index = self.passes.vacant_key();
        let opened = self.dial(filter, index).and_then(|node| {
            settings::client(&client)?;
            let mut client = End::new(Wire::plain(client));
            self.register(&mut client.wire, Kind::PassClient, index)?;
            Ok(Pass { filter, listener, client, node: End::new(node), open: false, attempts: 1, since: Instant::now() })
        });
        match opened {
            Ok(pass) => {
                self.listener_stats[listener].downstream_cx_active.add(1);
                self.passes.insert(pass);
            }
            Err(error) => {
                tracing::debug!(%error, "a connection has nowhere to go and is closed");
                self.tcp_filters[filter].stats.downstream_cx_no_route.inc();
                self.clients_count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Connects to the next member of the filter's cluster.
    fn dial(&mut self, filter: usize, index: usize) -> io::Result<Wire> {
        let nowhere = || io::Error::new(io::ErrorKind::NotConnected, "the cluster has no member");
        let cluster = self.tcp_filters[filter].cluster.ok_or_else(nowhere)?;
        self.next_member = self.next_member.wrapping_add(1);
        let member = self.views[cluster.0 as usize].as_ref().and_then(|view| member(view, self.next_member));
        let (address, socket) = member.ok_or_else(nowhere)?;
        let mut wire = self.reaches[cluster.0 as usize].dial(address, socket)?;
        self.register(&mut wire, Kind::PassNode, index)?;
        Ok(wire)
    }

    pub(crate) fn pass_event(&mut self, index: usize, from_node: bool) {
        let Some(pass) = self.passes.get_mut(index) else { return };
        if from_node && !pass.open {
            let stream = pass.node.wire.stream();
            if stream.take_error().ok().flatten().is_some() || stream.peer_addr().is_err() {
                return self.dial_again(index);
            }
            let cluster = self.tcp_filters[pass.filter].cluster;
            let reach = cluster.and_then(|cluster| self.reaches.get(cluster.0 as usize));
            match reach.map_or(Ok(true), |reach| reach.shake(&mut pass.node.wire)) {
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
        let (filter, attempts) = (pass.filter, pass.attempts);
        if attempts >= self.tcp_filters[filter].attempts {
            return self.end_pass(index);
        }
        match self.dial(filter, index) {
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
        let stats = &self.tcp_filters[pass.filter].stats;
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
        self.listener_stats[pass.listener].downstream_cx_active.sub(1);
        self.clients_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends what has been idle, or has been connecting, for too long.
    pub(crate) fn end_idle_passes(&mut self) {
        let now = Instant::now();
        let late = |pass: &Pass| {
            let filter = &self.tcp_filters[pass.filter];
            let limit = if pass.open { filter.idle_timeout } else { Some(filter.connect_timeout) };
            limit.is_some_and(|limit| now.duration_since(pass.since) >= limit)
        };
        let ended: Vec<(usize, bool)> =
            self.passes.iter().filter(|(_, pass)| late(pass)).map(|(index, pass)| (index, pass.open)).collect();
        for (index, open) in ended {
            if open {
                self.tcp_filters[self.passes[index].filter].stats.idle_timeout.inc();
                self.end_pass(index);
            } else {
                self.dial_again(index);
            }
        }
    }
}

/// A member of a cluster, each in turn, and by which socket it is reached; of a Redis Cluster, any primary.
fn member(view: &View, turn: usize) -> Option<(SocketAddr, u16)> {
    match view {
        View::Hosts(hosts) => turn.checked_rem(hosts.len()).map(|i| (hosts[i].address, hosts[i].socket)),
        View::Slots(topology) => {
            let shard = turn.checked_rem(topology.shards().len())?;
            Some((topology.node(topology.shards()[shard].primary).address, 0))
        }
    }
}
