//! A worker's connections to nodes.

use crate::settings;
use crate::turn::{Kind, SCRATCH, Worker};
use engine::{Closed, ClusterId, UpstreamId};
use mio::event::Event;
use mio::net::TcpStream;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// One connection.
#[derive(Debug)]
pub(crate) struct Upstream {
    stream: TcpStream,
    open: bool,
    /// The kernel may have bytes that were not read yet, because the engine did not want them: no event will say so again.
    unread: bool,
}

impl Worker {
    pub(crate) fn connect(&mut self, id: UpstreamId, address: SocketAddr, cluster: ClusterId) {
        match self.try_connect(id, address, cluster) {
            Ok(stream) => {
                let index = id.0 as usize;
                if self.upstreams.len() <= index {
                    self.upstreams.resize_with(index + 1, || None);
                }
                self.upstreams[index] = Some(Upstream { stream, open: false, unread: false });
            }
            Err(error) => self.engine.upstream_closed(id, &Closed::Refused(error.to_string())),
        }
    }

    fn try_connect(&self, id: UpstreamId, address: SocketAddr, cluster: ClusterId) -> io::Result<TcpStream> {
        let keepalive = self.clusters.get(cluster).and_then(|known| known.meant.keepalive);
        let mut stream = TcpStream::connect(address)?;
        settings::upstream(&stream, keepalive)?;
        self.register(&mut stream, Kind::Upstream, id.0 as usize)?;
        Ok(stream)
    }

    pub(crate) fn upstream_event(&mut self, index: usize, event: &Event) {
        let id = UpstreamId(index as u32);
        if !self.is_open(id, event) {
            return;
        }
        if event.is_readable() || event.is_read_closed() {
            self.read_upstream(id, event.is_read_closed());
        }
        if event.is_writable() && !self.engine.upstream_output(id).is_empty() {
            self.write_upstream(id);
        }
    }

    /// Whether the connection is open, which the first event may tell.
    fn is_open(&mut self, id: UpstreamId, event: &Event) -> bool {
        let Some(upstream) = self.upstreams.get_mut(id.0 as usize).and_then(Option::as_mut) else { return false };
        if upstream.open {
            return true;
        }
        match upstream.stream.take_error() {
            Ok(None) if event.is_writable() && upstream.stream.peer_addr().is_ok() => {
                upstream.open = true;
                self.engine.upstream_opened(id);
            }
            Ok(None) if !event.is_error() => {}
            Ok(None) => self.engine.upstream_closed(id, &Closed::Refused("connection refused".into())),
            Ok(Some(error)) | Err(error) => self.engine.upstream_closed(id, &Closed::Refused(error.to_string())),
        }
        self.upstreams.get(id.0 as usize).and_then(Option::as_ref).is_some_and(|upstream| upstream.open)
    }

    /// Reads what there is; `ended` says that the node has closed, which no event will say again.
    pub(crate) fn read_upstream(&mut self, id: UpstreamId, ended: bool) {
        loop {
            let Some(upstream) = self.upstreams.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
            upstream.unread = !self.engine.wants_upstream_bytes(id);
            if upstream.unread {
                return;
            }
            match upstream.stream.read(&mut self.scratch) {
                Ok(0) => return self.engine.upstream_closed(id, &Closed::ByPeer),
                Ok(n) => {
                    self.engine.upstream_bytes(id, &self.scratch[..n]);
                    if n < SCRATCH && !ended {
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
            match upstream.stream.write(output) {
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
        if let Some(upstream) = self.upstreams.get_mut(id.0 as usize) {
            *upstream = None;
        }
    }
}
