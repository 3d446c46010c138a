//! A large value that a client sends: it goes to its node as it comes, on a connection of its own.
//!
//! What has been passed on cannot be sent again. So a question goes first (EXISTS of the key): it is redirected like any
//! other request, and where it is answered, the value goes. Should the slot move in between, the client reads that it
//! has to send the value again. The client's requests before and after it wait, so that their order is kept.

use crate::engine::{ClusterId, Engine, SessionId, UpstreamId};
use crate::failure::{Closed, Failure};
use crate::forward::Errand;
use crate::places::Ticket;
use crate::plain::count_sent;
use crate::session::NONE;
use crate::shard::{Target, is_cursor};
use crate::time::Time;
use crate::upstream::{InFlight, Kind, Role, Spot};
use command::Effect;
use resp::request::{Scan, Tail};

/// A request that is passed on as it comes.
#[derive(Debug)]
pub(crate) struct Body {
    command: command::Id,
    tail: Tail,
    ticket: Ticket,
    to: To,
}

impl Body {
    /// Whether it is not known yet where to.
    pub(crate) fn is_asking(&self) -> bool {
        self.to == To::Asking
    }
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// The question is under way.
    Asking,
    /// To this connection, of this serial number.
    Node(UpstreamId, u32),
    /// Nowhere: the request has been answered.
    Nowhere,
}

/// Bytes that may wait to be written to the node; beyond, the client is read no more.
const WAITING: usize = 128 << 10;

impl Engine {
    /// Begins to pass on the request that `scan` has begun and of which `needed` bytes are known to be coming. Not, if
    /// it has to be held: its keys are not all in one place, it is copied or changed on its way. The client is not read
    /// until it is clear where to.
    pub(crate) fn begin_body(&mut self, id: SessionId, scan: &Scan, bytes: &[u8], needed: usize) -> bool {
        let session = &self.sessions[id.0 as usize];
        let (of, waits) = (session.filter, session.head != NONE);
        let filter = &self.filters[of.index()];
        if needed <= self.limits.large_request || !session.authorized || !filter.is_plain() {
            return false;
        }
        let (begun, left) = scan.begun(bytes);
        let Some(command) = begun.get(0).and_then(command::lookup) else { return false };
        let row = command::get(command);
        let key = row.plain_key().filter(|_| row.arity_fits(begun.len() + left)).and_then(|key| begun.get(key));
        let Some(key) = key.filter(|_| !is_cursor(command)) else { return false };
        let route = filter.find(key).map(|route| &filter.routes[route]);
        let Some(cluster) = route.and_then(|route| route.plain(row.effect == Effect::Read)) else { return false };
        if self.clusters[cluster.index()].is_unknown() {
            return false;
        }
        let session = &mut self.sessions[id.0 as usize];
        (session.paused, session.quiet) = (true, true);
        if waits {
            return false;
        }
        filter.stats.downstream_rq_total.inc();
        let question = question(key);
        let spot = self.spot(of, cluster, Some(key));
        self.ask(id, command, cluster, spot, Tail::of(scan), &question);
        true
    }

    fn ask(
        &mut self,
        id: SessionId,
        command: command::Id,
        cluster: ClusterId,
        spot: Spot,
        tail: Tail,
        question: &[u8],
    ) {
        let Some(ticket) = self.admit(id, command) else { return };
        let session = &mut self.sessions[id.0 as usize];
        session.body = Some(Box::new(Body { command, tail, ticket, to: To::Asking }));
        let (filter, kind) = (session.filter, Kind::Question);
        let command = command::lookup(b"exists").unwrap_or(command);
        let deadline = self.deadline(filter);
        let errand =
            Errand { ticket, filter, cluster, command, spot, kind, read: false, hops: 0, deadline, avoid: None };
        self.dispatch(errand, question);
    }

    /// The question has been answered at the other end of `from`: there the value goes.
    pub(crate) fn send_body(&mut self, from: UpstreamId, entry: &InFlight) -> bool {
        let Some((_, place)) = self.places.holder(entry.ticket) else { return false };
        let id = SessionId(place.session);
        let (cluster, node) = (self.upstreams[from.0 as usize].cluster, self.upstreams[from.0 as usize].node);
        let errand = entry.errand(cluster);
        let Some(to) = self.open_private(&errand, &Target { node, role: Role::Primary }) else { return true };
        let picture = &self.clusters[cluster.index()];
        if picture.has_slots() && picture.primary_at(entry.spot) != Some(node) {
            self.notice(to, entry.filter, Kind::Notice, &[b"ASKING"]);
        }
        let upstream = &mut self.upstreams[to.0 as usize];
        let Some(body) = &mut self.sessions[id.0 as usize].body else { return true };
        (upstream.feeds, body.to) = (id.0, To::Node(to, upstream.serial));
        let command = body.command;
        upstream.push(InFlight { kind: Kind::Body, command, len: 0, deadline: Time::NEVER, ..entry.clone() }, &[]);
        count_sent(upstream, &self.clusters[cluster.index()]);
        self.resume(id);
        true
    }

    /// Takes what is the large request's of `bytes`; how many those are.
    pub(crate) fn pass_body(&mut self, id: SessionId, bytes: &[u8]) -> usize {
        let session = &mut self.sessions[id.0 as usize];
        let Some(body) = &mut session.body else { return 0 };
        let (to, ticket) = (body.to, body.ticket);
        let (len, done) = match body.tail.next(bytes, &self.limits.frames) {
            Ok(step) => step,
            Err(malformed) => {
                self.fail(ticket, &Failure::Said(&format!("ERR Protocol error: {malformed}")));
                self.hang_up(id);
                return bytes.len();
            }
        };
        session.needed = bytes.len() - len + 1;
        if done {
            session.body = None;
            session.needed = 0;
            (session.paused, session.quiet) = (session.head != NONE, true);
        }
        if let To::Node(upstream, serial) = to {
            self.pass_to_node(id, upstream, serial, &bytes[..len], done);
        }
        len
    }

    fn pass_to_node(&mut self, id: SessionId, to: UpstreamId, serial: u32, bytes: &[u8], done: bool) {
        let Some(upstream) = self.upstreams.get_mut(to.0 as usize).filter(|up| up.serial == serial && !up.gone) else {
            return;
        };
        upstream.window.extend(bytes);
        if upstream.open && !upstream.dirty {
            upstream.dirty = true;
            self.dirty_upstreams.push(to);
        }
        if !done && upstream.unsent().len() > WAITING {
            self.sessions[id.0 as usize].paused = true;
        }
        if done {
            let deadline = self.filters[self.sessions[id.0 as usize].filter.index()].deadline(self.now);
            if let Some(entry) = upstream.line.back_mut() {
                (entry.deadline, entry.queued) = (deadline, self.now);
            }
            upstream.earliest = upstream.earliest.min(deadline);
            self.earliest = self.earliest.min(deadline);
        }
    }

    /// A node has taken bytes of a large value: they are no longer needed, and there may be room for more.
    pub(crate) fn passed_on(&mut self, id: UpstreamId) {
        let upstream = &mut self.upstreams[id.0 as usize];
        if upstream.line.front().is_some_and(|entry| entry.kind == Kind::Body) {
            upstream.window.consume(std::mem::take(&mut upstream.sent));
        }
        let feeds = SessionId(upstream.feeds);
        let roomy = upstream.unsent().len() <= WAITING / 2;
        let session = self.sessions.get(feeds.0 as usize).and_then(|session| session.body.as_ref());
        if roomy && session.is_some_and(|body| matches!(body.to, To::Node(to, _) if to == id)) {
            self.resume(feeds);
        }
    }

    /// A request has its reply. If it was one that is still coming, the rest of it goes nowhere.
    pub(crate) fn answered_early(&mut self, id: SessionId) {
        if let Some(body) = &mut self.sessions[id.0 as usize].body {
            body.to = To::Nowhere;
            self.resume(id);
        }
    }

    /// The rest of a large request will not come.
    pub(crate) fn abandon_body(&mut self, id: SessionId) {
        let Some(body) = self.sessions[id.0 as usize].body.take() else { return };
        self.fail(body.ticket, &Failure::Said("ERR Protocol error: the request is not whole"));
        if let To::Node(to, serial) = body.to
            && self.upstreams.get(to.0 as usize).is_some_and(|upstream| upstream.serial == serial)
        {
            self.lose(to, &Closed::Abandoned);
        }
    }
}

fn question(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    resp::write::command(&mut bytes, &[b"EXISTS", key]);
    bytes
}
