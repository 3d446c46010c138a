//! What `crates/worker` does with sockets, done with pipes: `clients.rs` and `upstreams.rs` in one.

use super::client::Client;
use super::happening::Happening;
use super::node::{Conn, Door, Phase};
use super::pipe::{End, Read};
use super::{Wake, World};
use engine::{Closed, ClusterId, Decision, Report, SessionId, UpstreamId};
use std::net::SocketAddr;

/// Reads of one client in one turn.
const READS: usize = 8;

impl World {
    pub(super) fn client_wakes(&mut self, index: usize) {
        for at in self.clients[index].live(self.now) {
            self.wake(at, Wake::Client(index));
        }
        if let Some(id) = self.clients[index].session {
            self.read_client(id);
            // An error is heard of whether or not the client is read.
            if self.clients[index].to_proxy.is_reset(self.now) && self.clients[index].session.is_some() {
                self.lose_client(id);
            }
        }
        if let Some(id) = self.clients[index].session
            && self.clients[index].to_client.has_room()
            && !self.engine.client_output(id).is_empty()
        {
            self.write_client(id);
        }
        self.flow_client(index);
    }

    /// Makes both ends look when bytes arrive.
    fn flow_client(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let mut wakes = std::mem::take(&mut client.to_proxy.wakes);
        wakes.append(&mut client.to_client.wakes);
        if !client.unsent.is_empty() && client.to_proxy.has_room() {
            wakes.push(self.now + 1);
        }
        for at in wakes {
            self.wake(at, Wake::Client(index));
        }
    }

    fn client_of(&mut self, id: SessionId) -> Option<(usize, &mut Client)> {
        let index = self.sessions.get(id.0 as usize).copied().flatten()?;
        Some((index, &mut self.clients[index]))
    }

    fn read_client(&mut self, id: SessionId) {
        for _ in 0..READS {
            let (now, most) = (self.now, self.dice.within(&self.weather.scratch) as usize);
            let wants = self.engine.wants_bytes(id);
            let Some((index, client)) = self.client_of(id) else { return };
            client.unread = true;
            client.was_paused |= !wants;
            if !wants {
                return;
            }
            match client.to_proxy.read(now, most) {
                Read::Bytes(bytes) => {
                    self.trace.note(now, "client says", index, &bytes);
                    self.engine.client_bytes(id, &bytes);
                }
                Read::Nothing => return client.unread = false,
                Read::End(End::Finished) => {
                    client.unread = false;
                    self.trace.note(now, "client finished", index, &[]);
                    return self.engine.client_finished(id);
                }
                Read::End(End::Reset) => return self.lose_client(id),
            }
        }
        if let Some((index, _)) = self.client_of(id) {
            self.wake(self.now + 1, Wake::Client(index));
        }
    }

    pub(super) fn write_client(&mut self, id: SessionId) {
        loop {
            let output = self.engine.client_output(id).to_vec();
            let now = self.now;
            let Some((index, client)) = self.client_of(id) else { return };
            if output.is_empty() {
                return;
            }
            let mut dice = client.dice.clone();
            let n = client.to_client.write(now, &output, &mut dice);
            client.dice = dice;
            self.flow_client(index);
            if n == 0 {
                self.engine.client_wrote(id, 0);
                return;
            }
            self.trace.note(now, "client hears", index, &output[..n]);
            self.engine.client_wrote(id, n);
            if n < output.len() {
                return;
            }
        }
    }

    fn lose_client(&mut self, id: SessionId) {
        if let Some((index, client)) = self.client_of(id) {
            client.session = None;
            self.trace.note(self.now, "client lost", index, &[]);
        }
        self.engine.client_closed(id);
        self.sessions[id.0 as usize] = None;
    }

    fn close_client(&mut self, id: SessionId) {
        let now = self.now;
        if let Some((index, client)) = self.client_of(id) {
            client.session = None;
            let mut dice = client.dice.clone();
            client.to_client.finish(now, End::Finished, &mut dice);
            client.dice = dice;
            self.flow_client(index);
            self.trace.note(now, "client closed", index, &[]);
        }
        self.sessions[id.0 as usize] = None;
    }

    pub(super) fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Connect { upstream, address, cluster } => self.open(upstream, address, cluster),
            Decision::CloseUpstream(id) => self.close_upstream(id),
            Decision::CloseClient(id) => self.close_client(id),
            Decision::Resume(id) => {
                if let Some((index, client)) = self.client_of(id)
                    && client.unread
                {
                    self.wake(self.now, Wake::Client(index));
                }
            }
            Decision::ResumeUpstream(id) => {
                if let Some(index) = self.upstreams.get(id.0 as usize).copied().flatten()
                    && self.conns[index].unread
                {
                    self.wake(self.now, Wake::Conn(index));
                }
            }
            Decision::Report(cluster, report) => self.report(cluster, report),
        }
    }

    fn report(&mut self, cluster: ClusterId, report: Report) {
        self.trace.note(self.now, "report", cluster.0 as usize, format!("{report:?}").as_bytes());
        self.reports.push((cluster, report));
        let index = cluster.0 as usize;
        let awaited = |what: &Happening| matches!(what, Happening::View(cluster) if *cluster == index);
        if let Some(refresh) = self.weather.refresh.clone()
            && !self.happenings.values().any(awaited)
        {
            let after = self.dice.within(&refresh);
            self.happens(after, Happening::View(index));
        }
    }

    fn open(&mut self, id: UpstreamId, address: SocketAddr, cluster: ClusterId) {
        let cluster = cluster.0 as usize;
        self.trace.note(self.now, "connect", id.0 as usize, address.to_string().as_bytes());
        let node = self.clusters[cluster].nodes.iter().position(|node| node.address == address);
        let door = node.map_or(Door::Refuses, |node| self.clusters[cluster].nodes[node].door);
        if door == Door::Refuses && self.dice.percent(50) {
            return self.engine.upstream_closed(id, &Closed::Refused("refused at once".into()));
        }
        let at = self.now + self.dice.within(&self.weather.network.latency);
        let phase = Phase::Connecting(if door == Door::Silent { u64::MAX } else { at });
        let index = self.conns.len();
        self.conns.push(Conn::new(cluster, node.unwrap_or(usize::MAX), id, phase, &self.weather.network));
        let slot = id.0 as usize;
        self.upstreams.resize(self.upstreams.len().max(slot + 1), None);
        self.upstreams[slot] = Some(index);
        if door != Door::Silent {
            self.wake(at, Wake::Conn(index));
        }
    }

    fn close_upstream(&mut self, id: UpstreamId) {
        let Some(index) = self.upstreams.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.trace.note(self.now, "close", index, &[]);
        let conn = &mut self.conns[index];
        conn.upstream = None;
        conn.to_node.finish(self.now, End::Finished, &mut self.dice);
        self.flow_conn(index);
    }

    pub(super) fn write_upstream(&mut self, id: UpstreamId) {
        loop {
            let output = self.engine.upstream_output(id);
            let Some(index) = self.upstreams.get(id.0 as usize).copied().flatten() else { return };
            if output.is_empty() {
                return;
            }
            let (len, conn) = (output.len(), &mut self.conns[index]);
            let n = conn.to_node.write(self.now, output, &mut self.dice);
            self.trace.note(self.now, "node gets", index, &output[..n]);
            if n > 0 {
                self.engine.upstream_wrote(id, n);
            }
            self.flow_conn(index);
            if n < len {
                return;
            }
        }
    }

    pub(super) fn flow_conn(&mut self, index: usize) {
        let conn = &mut self.conns[index];
        let mut wakes = std::mem::take(&mut conn.to_node.wakes);
        wakes.append(&mut conn.to_proxy.wakes);
        for at in wakes {
            self.wake(at, Wake::Conn(index));
        }
    }

    /// Reads what a node has sent.
    pub(super) fn read_upstream(&mut self, index: usize) {
        loop {
            let conn = &mut self.conns[index];
            let Some(id) = conn.upstream.filter(|_| conn.phase != Phase::Closed) else { return };
            conn.unread = !self.engine.wants_upstream_bytes(id);
            if conn.unread {
                return;
            }
            let most = self.dice.within(&self.weather.scratch) as usize;
            match conn.to_proxy.read(self.now, most) {
                Read::Bytes(bytes) => {
                    self.trace.note(self.now, "node says", index, &bytes);
                    self.engine.upstream_bytes(id, &bytes);
                }
                Read::Nothing => return,
                Read::End(end) => {
                    let why =
                        if end == End::Finished { Closed::ByPeer } else { Closed::Broken("connection reset".into()) };
                    conn.phase = Phase::Closed;
                    self.trace.note(self.now, "node gone", index, why.to_string().as_bytes());
                    return self.engine.upstream_closed(id, &why);
                }
            }
        }
    }
}
