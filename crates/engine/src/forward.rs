//! Station 6: give the bytes to an upstream and keep the place in line.

use crate::buffer::Buffer;
use crate::engine::{ClusterId, Decision, Engine, FilterId, Report, UpstreamId};
use crate::failure::{Closed, Failure};
use crate::places::Ticket;
use crate::plain::count_sent;
use crate::session::NONE;
use crate::shard::Target;
use crate::time::Time;
use crate::timer::Timer;
use crate::upstream::{InFlight, Kind, Role, Spot, Upstream};
use std::collections::VecDeque;
use std::time::Duration;

/// A request, or a part of one, on its way to a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand {
    pub(crate) ticket: Ticket,
    pub(crate) filter: FilterId,
    pub(crate) cluster: ClusterId,
    pub(crate) command: command::Id,
    pub(crate) spot: Spot,
    pub(crate) kind: Kind,
    /// Any member may serve it, as the read policy says.
    pub(crate) read: bool,
    /// How often it has been sent before.
    pub(crate) hops: u8,
    pub(crate) deadline: Time,
    /// A node that has just failed it.
    pub(crate) avoid: Option<u16>,
}

/// The pause after the first failure of a node; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// A failure so long after the last is a first one.
const FORGIVEN: Duration = Duration::from_secs(10);

impl Engine {
    /// Sends a request to whoever it is for, or fails it.
    pub(crate) fn dispatch(&mut self, errand: Errand, bytes: &[u8]) {
        if self.clusters[errand.cluster.index()].is_unknown() {
            return self.park(errand, bytes);
        }
        if !self.handovers.is_empty() && self.hold(&errand, bytes) {
            return;
        }
        match self.target(&errand) {
            Ok(target) => self.forward(errand, &target, bytes),
            Err(failure) => self.give_up(&errand, &failure),
        }
    }

    /// Sends a request to a certain node, or fails it.
    pub(crate) fn forward(&mut self, errand: Errand, target: &Target, bytes: &[u8]) {
        if let Some(id) = self.connection(&errand, target, bytes.len()) {
            self.enqueue(id, &errand, bytes);
        }
    }

    /// Sends ASKING and the request behind it, next to each other, to a certain node.
    pub(crate) fn forward_asking(&mut self, errand: Errand, target: &Target, bytes: &[u8]) {
        if let Some(id) = self.connection(&errand, target, bytes.len()) {
            self.notice(id, errand.filter, Kind::Notice, &[b"ASKING"]);
            self.enqueue(id, &errand, bytes);
        }
    }

    /// The connection to a node, open or to be opened, if it has room for `more` bytes. Fails the errand if not.
    fn connection(&mut self, errand: &Errand, target: &Target, more: usize) -> Option<UpstreamId> {
        let node = &self.clusters[errand.cluster.index()].nodes[usize::from(target.node)];
        let id = match node.upstreams[target.role as usize] {
            NONE => self.open(errand, target, true)?,
            id => UpstreamId(id),
        };
        if self.is_full(id, errand.kind, more) {
            self.overflow(errand);
            return None;
        }
        Some(id)
    }

    fn enqueue(&mut self, id: UpstreamId, errand: &Errand, bytes: &[u8]) {
        let upstream = &mut self.upstreams[id.0 as usize];
        let entry = InFlight {
            ticket: errand.ticket,
            spot: errand.spot,
            filter: errand.filter,
            command: errand.command,
            kind: errand.kind,
            read: errand.read,
            hops: errand.hops,
            len: bytes.len() as u32,
            deadline: errand.deadline,
            queued: self.now,
        };
        self.earliest = self.earliest.min(errand.deadline);
        upstream.push(entry, bytes);
        count_sent(upstream, &self.clusters[errand.cluster.index()]);
        self.schedule_write(id, errand.filter);
    }

    /// Lets the bytes go at the turn's end, or later where the filter collects them.
    fn schedule_write(&mut self, id: UpstreamId, filter: FilterId) {
        let settings = &self.filters[filter.index()].settings;
        let upstream = &mut self.upstreams[id.0 as usize];
        if upstream.dirty || !upstream.open {
            return;
        }
        if upstream.unsent().len() < settings.max_buffer_size_before_flush as usize {
            if !upstream.flush_set {
                upstream.flush_set = true;
                self.timers.push(self.now.after(settings.buffer_flush_timeout), Timer::Flush(id, upstream.serial));
            }
            return;
        }
        upstream.dirty = true;
        self.dirty_upstreams.push(id);
    }

    pub(crate) fn flush(&mut self, id: UpstreamId, serial: u32) {
        let Some(upstream) = self.upstreams.get_mut(id.0 as usize).filter(|up| up.serial == serial && !up.gone) else {
            return;
        };
        upstream.flush_set = false;
        if upstream.open && !upstream.dirty {
            upstream.dirty = true;
            self.dirty_upstreams.push(id);
        }
    }

    fn is_full(&self, id: UpstreamId, kind: Kind, more: usize) -> bool {
        let limit = if kind == Kind::Mirror { self.limits.mirror_bytes } else { self.limits.upstream_bytes };
        self.upstreams[id.0 as usize].is_full(more, limit, &self.limits)
    }

    fn overflow(&mut self, errand: &Errand) {
        let cluster = &self.clusters[errand.cluster.index()];
        if errand.kind != Kind::Mirror {
            cluster.stats.request_overflow.inc();
        }
        let name = cluster.meant.name.clone();
        self.give_up(errand, &Failure::Overflow(&name));
    }

    /// No node for this request: its client reads why. A mirror's copy is dropped and counted.
    pub(crate) fn give_up(&mut self, errand: &Errand, failure: &Failure<'_>) {
        let cluster = &self.clusters[errand.cluster.index()];
        if errand.kind == Kind::Mirror {
            return cluster.stats.mirror_dropped.inc();
        }
        let name = cluster.meant.name.clone();
        match failure {
            Failure::NoMembers(_) => self.fail(errand.ticket, &Failure::NoMembers(&name)),
            Failure::NoMember(_) => self.fail(errand.ticket, &Failure::NoMember(&name)),
            other => self.fail(errand.ticket, other),
        }
    }

    /// Opens a connection that only this errand will use, and that is closed behind it.
    pub(crate) fn open_private(&mut self, errand: &Errand, target: &Target) -> Option<UpstreamId> {
        self.open(errand, target, false)
    }

    /// Opens a connection to a node for `errand`; fails the errand where that is not possible now.
    fn open(&mut self, errand: &Errand, target: &Target, shared: bool) -> Option<UpstreamId> {
        if let Err(failure) = self.may_open(errand, target.node) {
            self.give_up(errand, &failure.borrowed());
            return None;
        }
        let cluster = &mut self.clusters[errand.cluster.index()];
        cluster.stats.upstream_cx_total.inc();
        cluster.stats.upstream_cx_active.add(1);
        let due = self.now.after(cluster.meant.connect_timeout);
        self.serial = self.serial.wrapping_add(1);
        let node = &mut cluster.nodes[usize::from(target.node)];
        node.stats.cx_total.inc();
        node.stats.cx_active.add(1);
        let upstream = Upstream {
            cluster: errand.cluster,
            node: target.node,
            role: target.role,
            address: node.address,
            serial: self.serial,
            open: false,
            served: false,
            gone: false,
            retiring: !shared,
            handing_over: false,
            window: Buffer::default(),
            sent: 0,
            line: VecDeque::new(),
            input: Buffer::default(),
            needed: 0,
            scan: Default::default(),
            large: None,
            paused: false,
            feeds: NONE,
            earliest: Time::NEVER,
            last_read: self.now,
            dirty: false,
            flush_set: false,
            stats: node.stats.clone(),
        };
        let id = UpstreamId(self.upstreams.insert(upstream) as u32);
        if shared {
            node.upstreams[target.role as usize] = id.0;
        }
        self.decisions.push(Decision::Connect { upstream: id, address: node.address, cluster: errand.cluster });
        self.timers.push(due, Timer::Connect(id, self.serial));
        self.greet(id, errand.filter);
        Some(id)
    }

    /// Whether a connection to this node may be opened now.
    fn may_open(&mut self, errand: &Errand, node: u16) -> Result<(), Refusal> {
        if self.too_many_unknown(errand.filter, errand.cluster, node) {
            return Err(Refusal::Unlisted(self.clusters[errand.cluster.index()].nodes[usize::from(node)].address));
        }
        let settings = &self.filters[errand.filter.index()].settings;
        let cluster = &mut self.clusters[errand.cluster.index()];
        let node = &mut cluster.nodes[usize::from(node)];
        if !node.healthy(self.now) {
            return Err(Refusal::Node(node.address, node.problem.clone()));
        }
        let Some(rate) = settings.connection_rate_limit else { return Ok(()) };
        let rate = f64::from(rate);
        let refill = self.now.since(node.counted) as f64 / 1e6 * rate;
        node.allowance = if node.allowance.is_infinite() { rate } else { (node.allowance + refill).min(rate) };
        node.counted = self.now;
        if node.allowance < 1.0 {
            cluster.stats.connection_rate_limited.inc();
            return Err(Refusal::RateLimited(node.address));
        }
        node.allowance -= 1.0;
        Ok(())
    }

    /// Whether a connection to this node would be one too many to nodes that only redirects named.
    pub(crate) fn too_many_unknown(&self, filter: FilterId, cluster: ClusterId, node: u16) -> bool {
        let most = self.filters[filter.index()].settings.max_upstream_unknown_connections as usize;
        let cluster = &self.clusters[cluster.index()];
        let reached = !cluster.nodes[usize::from(node)].listed && cluster.unknown_connections() >= most;
        if reached {
            cluster.stats.max_upstream_unknown_connections_reached.inc();
        }
        reached
    }

    /// AUTH and READONLY, ahead of all requests and without waiting for their replies.
    fn greet(&mut self, id: UpstreamId, filter: FilterId) {
        let upstream = &self.upstreams[id.0 as usize];
        let cluster = &self.clusters[upstream.cluster.index()];
        let node = &cluster.nodes[usize::from(upstream.node)];
        let credentials = cluster.meant.upstream.for_node(node.address, &node.names).clone();
        let role = upstream.role;
        match (&credentials.username, &credentials.password) {
            (Some(user), Some(password)) => {
                self.notice(id, filter, Kind::Auth, &[b"AUTH", user.reveal(), password.reveal()]);
            }
            (None, Some(password)) => self.notice(id, filter, Kind::Auth, &[b"AUTH", password.reveal()]),
            _ => {}
        }
        if role == Role::Replica {
            self.notice(id, filter, Kind::Notice, &[b"READONLY"]);
        }
    }

    /// A command of the proxy's own, for which nobody waits; whose timeout counts if it is never answered.
    pub(crate) fn notice(&mut self, id: UpstreamId, filter: FilterId, kind: Kind, words: &[&[u8]]) {
        let mut bytes = self.pool.take();
        resp::write::command(&mut bytes, words);
        let entry = InFlight {
            ticket: Ticket::NOBODY,
            spot: Spot::Any,
            filter,
            command: command::Id(0),
            kind,
            read: false,
            hops: 0,
            len: bytes.len() as u32,
            deadline: Time::NEVER,
            queued: self.now,
        };
        self.upstreams[id.0 as usize].push(entry, &bytes);
        self.pool.give(bytes);
    }

    /// The driver opened the connection.
    pub fn upstream_opened(&mut self, id: UpstreamId) {
        let Some(upstream) = self.upstreams.get_mut(id.0 as usize).filter(|up| !up.gone) else { return };
        upstream.open = true;
        upstream.last_read = self.now;
        if !upstream.dirty && !upstream.unsent().is_empty() {
            upstream.dirty = true;
            self.dirty_upstreams.push(id);
        }
    }

    /// What is to be written to a node.
    pub fn upstream_output(&self, id: UpstreamId) -> &[u8] {
        self.upstreams.get(id.0 as usize).filter(|up| up.open && !up.gone).map_or(&[], Upstream::unsent)
    }

    /// So many bytes of [`Engine::upstream_output`] were written.
    pub fn upstream_wrote(&mut self, id: UpstreamId, n: usize) {
        if let Some(upstream) = self.upstreams.get_mut(id.0 as usize) {
            upstream.sent += n;
            if upstream.feeds != NONE {
                self.passed_on(id);
            }
        }
    }

    /// A node has answered a request: whatever was wrong with it is over.
    #[cold]
    pub(crate) fn proven(&mut self, id: UpstreamId) {
        let upstream = &mut self.upstreams[id.0 as usize];
        upstream.served = true;
        self.clusters[upstream.cluster.index()].nodes[usize::from(upstream.node)].failures = 0;
    }

    /// Keeps a node alone for a while after a failure, longer each time.
    pub(crate) fn pause_node(&mut self, cluster: ClusterId, node: u16, problem: String) {
        let jitter = 75 + self.random.below(50);
        let node = &mut self.clusters[cluster.index()].nodes[usize::from(node)];
        if self.now > node.retry_at.after(FORGIVEN) {
            node.failures = 0;
        }
        node.failures = node.failures.saturating_add(1);
        let doubled = FIRST_PAUSE.saturating_mul(1 << (node.failures - 1).min(10)).min(LAST_PAUSE);
        node.retry_at = self.now.after(doubled * jitter / 100);
        node.problem = problem;
        let address = node.address;
        if node.failures == 1 {
            self.decisions.push(Decision::Report(cluster, Report::Degraded(address)));
        }
    }

    /// The driver lost the connection, or could not open it.
    pub fn upstream_closed(&mut self, id: UpstreamId, closed: &Closed) {
        let Some(upstream) = self.upstreams.get(id.0 as usize).filter(|up| !up.gone) else { return };
        let idle = !upstream.owes() && matches!(closed, Closed::ByPeer | Closed::Broken(_));
        self.lose(id, if idle { &Closed::Idle } else { closed });
    }
}

/// Why a connection may not be opened; owns its words.
enum Refusal {
    Unlisted(std::net::SocketAddr),
    Node(std::net::SocketAddr, String),
    RateLimited(std::net::SocketAddr),
}

impl Refusal {
    fn borrowed(&self) -> Failure<'_> {
        match self {
            Self::Unlisted(address) => {
                Failure::Node(*address, "is not in the cluster's view, and max_upstream_unknown_connections is reached")
            }
            Self::Node(address, why) => Failure::Node(*address, why),
            Self::RateLimited(address) => Failure::RateLimited(*address),
        }
    }
}
