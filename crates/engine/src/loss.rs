//! Off the road: connections that end, requests that run out of time, requests that wait for a cluster's members.

use crate::engine::{ClusterId, Decision, Engine, Report, UpstreamId};
use crate::failure::{Closed, Failure};
use crate::forward::Errand;
use crate::places::Ticket;
use crate::session::NONE;
use crate::time::Time;
use crate::timer::Timer;
use crate::upstream::{InFlight, Kind, Spot, Upstream};

/// A connection with requests on it that has been silent for so many times their timeout is given up.
const SILENCE: u64 = 3;

impl Engine {
    /// Ends a connection: whoever waits on it is sent elsewhere where that is safe, else reads why.
    pub(crate) fn lose(&mut self, id: UpstreamId, closed: &Closed) {
        let upstream = &mut self.upstreams[id.0 as usize];
        if upstream.gone {
            return;
        }
        upstream.gone = true;
        self.gone_upstreams.push(id);
        self.decisions.push(Decision::CloseUpstream(id));
        let (cluster, node, address) = (upstream.cluster, upstream.node, upstream.address);
        let slot = &mut self.clusters[cluster.index()].nodes[usize::from(node)].upstreams[upstream.role as usize];
        if *slot == id.0 {
            *slot = NONE;
        }
        self.count_loss(id, closed);
        // One that has served is opened again at once: nothing else tells whether the node is well.
        let hopeful = self.upstreams[id.0 as usize].served && matches!(closed, Closed::ByPeer | Closed::Broken(_));
        // The number may be another node's by now, if this connection was retiring.
        let same = self.clusters[cluster.index()].nodes[usize::from(node)].address == address;
        if closed.is_fault() && !hopeful && same {
            self.pause_node(cluster, node, closed.to_string());
        }
        self.break_off_large(id);
        self.rescue(id, closed);
        if self.upstreams[id.0 as usize].handing_over {
            self.advance_handovers(id, true);
        }
    }

    fn count_loss(&self, id: UpstreamId, closed: &Closed) {
        let upstream = &self.upstreams[id.0 as usize];
        let stats = &self.clusters[upstream.cluster.index()].stats;
        stats.upstream_cx_active.sub(1);
        upstream.stats.cx_active.sub(1);
        match closed {
            Closed::Refused(_) => stats.upstream_cx_connect_fail.inc(),
            Closed::ConnectTimeout => {
                stats.upstream_cx_connect_fail.inc();
                stats.upstream_cx_connect_timeout.inc();
            }
            Closed::Retired => stats.upstream_cx_drained.inc(),
            _ => stats.upstream_cx_destroy.inc(),
        }
        if closed.before_open() {
            upstream.stats.cx_connect_fail.inc();
        }
        if !upstream.line.is_empty() && !closed.before_open() {
            stats.upstream_cx_destroy_with_active_rq.inc();
        }
    }

    /// What becomes of the requests on a connection that has ended.
    fn rescue(&mut self, id: UpstreamId, closed: &Closed) {
        let upstream = &mut self.upstreams[id.0 as usize];
        let (line, window) = (std::mem::take(&mut upstream.line), std::mem::take(&mut upstream.window));
        let (cluster, node, address, sent) = (upstream.cluster, upstream.node, upstream.address, upstream.sent);
        let why = closed.to_string();
        let mut at = 0;
        for entry in line {
            let bytes = &window.data()[at..at + entry.len as usize];
            at += entry.len as usize;
            if matches!(entry.kind, Kind::Auth | Kind::Notice) {
                continue;
            }
            self.count_reply(id, &entry, false);
            self.upstreams[id.0 as usize].stats.rq_error.inc();
            if closed.is_fault() && entry.kind == Kind::Request {
                self.decisions.push(Decision::Report(cluster, Report::Failed(address)));
            }
            let untouched = sent < at;
            let repeatable = entry.kind == Kind::Question || entry.kind == Kind::Request && (entry.read || untouched);
            let again = entry.hops < self.limits.hops && repeatable;
            if again && self.still_wanted(entry.ticket) {
                self.clusters[cluster.index()].stats.retried.inc();
                let errand = Errand { avoid: Some(node), hops: entry.hops + 1, ..entry.errand(cluster) };
                self.dispatch(errand, bytes);
            } else {
                self.give_up(&entry.errand(cluster), &Failure::Node(address, &why));
            }
        }
    }

    /// Whether anybody still waits for what this ticket brings.
    pub(crate) fn still_wanted(&mut self, ticket: Ticket) -> bool {
        self.places.holder(ticket).is_some_and(|(_, place)| !place.ready)
    }

    /// Requests whose time has run out read so; their places in the upstream's line stay until their replies come.
    pub(crate) fn expire(&mut self) {
        self.earliest = Time::NEVER;
        let ids: Vec<usize> = self.upstreams.iter().filter(|(_, up)| !up.gone).map(|(id, _)| id).collect();
        for id in ids {
            if self.upstreams[id].earliest <= self.now {
                self.expire_upstream(UpstreamId(id as u32));
            }
            self.earliest = self.earliest.min(self.upstreams[id].earliest);
        }
    }

    fn expire_upstream(&mut self, id: UpstreamId) {
        let now = self.now;
        let upstream = &mut self.upstreams[id.0 as usize];
        let mut late = Vec::new();
        upstream.earliest = Time::NEVER;
        for entry in &mut upstream.line {
            if entry.deadline <= now {
                entry.deadline = Time::NEVER;
                late.push(std::mem::replace(&mut entry.ticket, Ticket::NOBODY));
            }
            upstream.earliest = upstream.earliest.min(entry.deadline);
        }
        let (cluster, address) = (upstream.cluster, upstream.address);
        upstream.stats.rq_timeout.add(late.len() as u64);
        self.clusters[cluster.index()].stats.upstream_rq_timeout.add(late.len() as u64);
        for ticket in late {
            self.decisions.push(Decision::Report(cluster, Report::Failed(address)));
            self.fail(ticket, &Failure::Timeout);
        }
        if self.upstreams[id.0 as usize].handing_over {
            self.advance_handovers(id, false);
        }
        self.end_silence(id);
    }

    /// Gives up a connection that has not said a word for a multiple of what its oldest request was allowed.
    fn end_silence(&mut self, id: UpstreamId) {
        let upstream = &mut self.upstreams[id.0 as usize];
        let Some(oldest) = upstream.line.front() else { return };
        let timeout = self.filters[oldest.filter.index()].settings.op_timeout.as_micros() as u64;
        let quiet_since = oldest.queued.max(upstream.last_read);
        let due = Time(quiet_since.0.saturating_add(timeout.saturating_mul(SILENCE)));
        // A large value has no deadline while its client sends it.
        let waits = oldest.kind == Kind::Body && upstream.line.len() == 1;
        if timeout == 0 || oldest.deadline != Time::NEVER || waits {
            return;
        }
        if upstream.paused {
            upstream.earliest = upstream.earliest.min(self.now.after(std::time::Duration::from_micros(timeout)));
            return;
        }
        if due <= self.now {
            self.lose(id, &Closed::Silent);
        } else {
            upstream.earliest = upstream.earliest.min(due);
        }
    }

    /// Closes connections to nodes that left the cluster, once nothing is owed on them.
    pub(crate) fn retire_unlisted(&mut self, cluster: ClusterId) {
        let picture = &self.clusters[cluster.index()];
        let unlisted = picture.nodes.iter().filter(|node| !node.listed).flat_map(|node| node.upstreams);
        let ids: Vec<u32> = unlisted.filter(|id| *id != NONE).collect();
        for id in ids {
            self.retire(UpstreamId(id));
        }
    }

    /// Sends nothing more on a connection, and closes it once nothing is owed on it.
    pub(crate) fn retire(&mut self, id: UpstreamId) {
        let upstream = &mut self.upstreams[id.0 as usize];
        upstream.retiring = true;
        let (cluster, node, role) = (upstream.cluster, upstream.node, upstream.role);
        self.clusters[cluster.index()].nodes[usize::from(node)].upstreams[role as usize] = NONE;
        if self.upstreams[id.0 as usize].line.is_empty() {
            self.lose(id, &Closed::Retired);
        }
    }

    /// Keeps a request until its cluster's members are known, or its time runs out.
    pub(crate) fn park(&mut self, errand: Errand, bytes: &[u8]) {
        if self.clusters[errand.cluster.index()].gone {
            let name = self.clusters[errand.cluster.index()].meant.name.clone();
            return self.give_up(&errand, &Failure::NoCluster(&name));
        }
        self.decisions.push(Decision::Report(errand.cluster, Report::Unknown));
        let cluster = &mut self.clusters[errand.cluster.index()];
        let full = cluster.parked.len() >= self.limits.parked_requests
            || cluster.parked_bytes + bytes.len() > self.limits.parked_bytes;
        if full || errand.kind == Kind::Mirror {
            return self.give_up(&errand, &Failure::NoMembers(""));
        }
        cluster.parked_bytes += bytes.len();
        cluster.parked.push_back((errand, bytes.to_vec()));
        if errand.deadline != Time::NEVER {
            self.timers.push(errand.deadline, Timer::Parked(errand.cluster));
        }
    }

    pub(crate) fn unpark(&mut self, cluster: ClusterId) {
        let picture = &mut self.clusters[cluster.index()];
        picture.parked_bytes = 0;
        for (errand, bytes) in std::mem::take(&mut picture.parked) {
            match self.still_wanted(errand.ticket) {
                true if errand.spot == Spot::Later => self.spread_parked(&errand, &bytes),
                true => self.dispatch(errand, &bytes),
                false => {}
            }
        }
    }

    pub(crate) fn expire_parked(&mut self, cluster: ClusterId) {
        let picture = &mut self.clusters[cluster.index()];
        let now = self.now;
        let (late, rest): (Vec<_>, Vec<_>) = picture.parked.drain(..).partition(|(errand, _)| errand.deadline <= now);
        picture.parked.extend(rest);
        picture.parked_bytes = picture.parked.iter().map(|(_, bytes)| bytes.len()).sum();
        for (errand, _) in late {
            self.give_up(&errand, &Failure::NoMembers(""));
        }
    }
}

impl InFlight {
    /// The errand that an entry of a line was.
    pub(crate) fn errand(&self, cluster: ClusterId) -> Errand {
        Errand {
            ticket: self.ticket,
            filter: self.filter,
            cluster,
            command: self.command,
            spot: self.spot,
            kind: self.kind,
            read: self.read,
            hops: self.hops,
            deadline: self.deadline,
            avoid: None,
        }
    }
}

impl Upstream {
    /// Whether anything is owed on it.
    pub(crate) fn owes(&self) -> bool {
        !self.line.is_empty()
    }
}
