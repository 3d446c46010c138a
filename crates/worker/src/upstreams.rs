//! A worker's connections to nodes.

use crate::turn::{Kind, SCRATCH, Worker};
use crate::wire::{self, Wire};
use engine::{Closed, ClusterId, UpstreamId};
use mio::event::Event;
use std::io;
use std::net::SocketAddr;

/// One connection.
#[derive(Debug)]
pub(crate) struct Upstream {
    wire: Wire,
    cluster: ClusterId,
    stage: Stage,
    /// The kernel may have bytes that were not read yet, because the engine did not want them: no event will say so again.
    unread: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The system has not said that it is open.
    Connecting,
    /// The TLS handshake goes on.
    Shaking,
    Open,
}

impl Worker {
    pub(crate) fn connect(&mut self, id: UpstreamId, address: SocketAddr, cluster: ClusterId) {
        match self.try_connect(id, address, cluster) {
            Ok(wire) => {
                let index = id.0 as usize;
                if self.upstreams.len() <= index {
                    self.upstreams.resize_with(index + 1, || None);
                }
                self.upstreams[index] = Some(Upstream { wire, cluster, stage: Stage::Connecting, unread: false });
            }
            Err(error) => self.engine.upstream_closed(id, &Closed::Refused(error.to_string())),
        }
    }

    fn try_connect(&self, id: UpstreamId, address: SocketAddr, cluster: ClusterId) -> io::Result<Wire> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the cluster is no more in the configuration");
        let known = self.clusters.get(cluster).ok_or_else(gone)?;
        let mut wire = known.reach.dial(address, known.socket_of(address))?;
        self.register(&mut wire, Kind::Upstream, id.0 as usize)?;
        Ok(wire)
    }

    pub(crate) fn upstream_event(&mut self, index: usize, event: &Event) {
        let id = UpstreamId(index as u32);
        if !self.is_open(id, event) {
            return;
        }
        if event.is_readable() || event.is_read_closed() {
            self.read_upstream(id, event.is_read_closed());
        }
        if event.is_writable() {
            self.flush_upstream(id);
        }
    }

    /// Writes what waits: with the connection, encrypted, or in the engine.
    fn flush_upstream(&mut self, id: UpstreamId) {
        if !self.engine.upstream_output(id).is_empty() {
            return self.write_upstream(id);
        }
        if let Some(upstream) = self.upstreams.get_mut(id.0 as usize).and_then(Option::as_mut)
            && let Err(error) = upstream.wire.flush()
        {
            self.engine.upstream_closed(id, &Closed::Broken(error.to_string()));
        }
    }

    /// Whether the connection is open, which the first event may tell, or with TLS a later one.
    fn is_open(&mut self, id: UpstreamId, event: &Event) -> bool {
        let Some(upstream) = self.upstreams.get_mut(id.0 as usize).and_then(Option::as_mut) else { return false };
        if upstream.stage == Stage::Open {
            return true;
        }
        if upstream.stage == Stage::Connecting {
            let stream = upstream.wire.stream();
            match stream.take_error() {
                Ok(None) if event.is_writable() && stream.peer_addr().is_ok() => upstream.stage = Stage::Shaking,
                Ok(None) if !event.is_error() => return false,
                Ok(None) => return self.refused(id, "connection refused".into()),
                Ok(Some(error)) | Err(error) => return self.refused(id, error.to_string()),
            }
        }
        let stats = self.clusters.get(upstream.cluster).and_then(|known| known.tls_stats.as_deref());
        match wire::shake(&mut upstream.wire, stats) {
            Ok(false) => false,
            Ok(true) => {
                upstream.stage = Stage::Open;
                self.engine.upstream_opened(id);
                true
            }
            Err(error) => self.refused(id, format!("TLS: {error}")),
        }
    }

    /// The connection could not be made; it is not open.
    fn refused(&mut self, id: UpstreamId, why: String) -> bool {
        self.engine.upstream_closed(id, &Closed::Refused(why));
        false
    }

    /// Reads what there is; `ended` says that the node has closed, which no event will say again.
    pub(crate) fn read_upstream(&mut self, id: UpstreamId, ended: bool) {
        loop {
            let Some(upstream) = self.upstreams.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
            upstream.unread = !self.engine.wants_upstream_bytes(id);
            if upstream.unread {
                return;
            }
            match upstream.wire.read(&mut self.scratch) {
                Ok(0) => return self.engine.upstream_closed(id, &Closed::ByPeer),
                Ok(n) => {
                    let more = upstream.wire.has_more(n, SCRATCH) || ended;
                    self.engine.upstream_bytes(id, &self.scratch[..n]);
                    if !more {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.engine.upstream_closed(id, &Closed::Broken(error.to_string())),
            }
        }
    }

    /// Goes on with a connection that was paused.
    pub(crate) fn resume_upstream(&mut self, id: UpstreamId) {
        if self.upstreams.get(id.0 as usize).and_then(Option::as_ref).is_some_and(|upstream| upstream.unread) {
            // In the next turn: everybody else has a share of this one.
            self.read_on.push(id);
        }
    }

    pub(crate) fn write_upstream(&mut self, id: UpstreamId) {
        loop {
            let output = self.engine.upstream_output(id);
            let Some(upstream) = self.upstreams.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
            if output.is_empty() {
                return;
            }
            let len = output.len();
            match upstream.wire.write(output) {
                Ok(n) => {
                    self.engine.upstream_wrote(id, n);
                    if n < len {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.engine.upstream_closed(id, &Closed::Broken(error.to_string())),
            }
        }
    }

    pub(crate) fn close_upstream(&mut self, id: UpstreamId) {
        if let Some(upstream) = self.upstreams.get_mut(id.0 as usize)
            && let Some(mut upstream) = upstream.take()
            && upstream.wire.secured().is_some()
        {
            // The end is announced, as far as it can be at once.
            let _best_effort = upstream.wire.shutdown();
        }
    }
}
