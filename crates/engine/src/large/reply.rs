//! A large bulk string that a node answers: it goes on to its client as it comes, if it is that client's turn.
//!
//! A client that reads more slowly than the node sends stops the node, but not its neighbours: no new request joins the
//! connection, which closes behind the reply; and while older ones wait behind it, the reply is taken in whole.

use crate::engine::{Decision, Engine, SessionId, UpstreamId};
use crate::places::Ticket;
use crate::session::NONE;
use crate::time::Time;
use crate::upstream::Kind;

/// A reply that is passed on as it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Large {
    /// Bytes still to come.
    left: usize,
}

/// Bytes of a large reply that may wait to be written to its client before its node is read no more.
const UNREAD: usize = 128 << 10;

impl Engine {
    /// Begins to pass on the reply that begins with `bytes` and is `needed` bytes long. Not, if it has to be held.
    pub(crate) fn begin_large(&mut self, id: UpstreamId, bytes: &[u8], needed: usize) -> bool {
        let upstream = &self.upstreams[id.0 as usize];
        let Some(entry) = upstream.line.front().filter(|entry| entry.len as usize <= upstream.sent) else {
            return false;
        };
        let known = bytes.first() == Some(&b'$') && needed > bytes.len() + 1 && needed > self.limits.large_reply;
        let asked = matches!(entry.kind, Kind::Request | Kind::Mirror | Kind::Body);
        let ticket = entry.ticket;
        if !known || !asked || !self.is_next(ticket) {
            return false;
        }
        let upstream = &mut self.upstreams[id.0 as usize];
        upstream.scan.reset();
        upstream.large = Some(Large { left: needed });
        if let Some(entry) = upstream.line.front_mut() {
            // It has answered in time.
            entry.deadline = Time::NEVER;
        }
        self.pass_large(id, bytes);
        true
    }

    /// Whether a reply to this ticket may leave at once; so may one that nobody waits for.
    fn is_next(&mut self, ticket: Ticket) -> bool {
        let Some((index, place)) = self.places.holder(ticket) else { return true };
        let head = self.sessions[place.session as usize].head;
        ticket.part == NONE && !place.ready && !place.delayed && head == index
    }

    /// Passes on what is the large reply's of `bytes`; how many those are.
    pub(crate) fn pass_large(&mut self, id: UpstreamId, bytes: &[u8]) -> usize {
        let upstream = &mut self.upstreams[id.0 as usize];
        let Some(large) = &mut upstream.large else { return 0 };
        let len = bytes.len().min(large.left);
        large.left -= len;
        let done = large.left == 0;
        let Some(entry) = upstream.line.front() else { return len };
        if let Some((_, place)) = self.places.holder(entry.ticket) {
            let client = SessionId(place.session);
            self.pool.extend(&mut self.sessions[client.0 as usize].output, &bytes[..len]);
            self.touch(client);
            self.slow_down(id, client);
        }
        if done && !self.upstreams[id.0 as usize].gone {
            self.end_large(id);
        }
        len
    }

    /// Reads no more from the node until the client has been written to.
    fn slow_down(&mut self, id: UpstreamId, client: SessionId) {
        let session = &mut self.sessions[client.0 as usize];
        let upstream = &mut self.upstreams[id.0 as usize];
        if upstream.retiring && upstream.line.len() > 1 {
            self.bound_unread(client);
        } else if session.output.len() > UNREAD {
            upstream.paused = true;
            session.feeder = id.0;
        }
    }

    /// A client that a large reply is passed to has been written to, as far as it took bytes.
    pub(crate) fn pass_on(&mut self, client: SessionId) {
        let session = &self.sessions[client.0 as usize];
        let (feeder, left) = (UpstreamId(session.feeder), session.output.len());
        if left <= UNREAD / 2 {
            return self.speed_up(client);
        }
        // It reads more slowly than its node sends.
        let Some(upstream) = self.upstreams.get_mut(feeder.0 as usize).filter(|up| up.paused && !up.gone) else {
            return;
        };
        upstream.retiring = true;
        let neighbours = upstream.line.len() > 1;
        let node = &mut self.clusters[upstream.cluster.index()].nodes[usize::from(upstream.node)];
        let shared = &mut node.upstreams[upstream.role as usize];
        if *shared == feeder.0 {
            *shared = NONE;
        }
        if neighbours {
            self.speed_up(client);
        }
    }

    /// The client has room again, or is gone: the node may go on.
    pub(crate) fn speed_up(&mut self, client: SessionId) {
        let session = &mut self.sessions[client.0 as usize];
        let feeder = std::mem::replace(&mut session.feeder, NONE);
        if let Some(upstream) = self.upstreams.get_mut(feeder as usize).filter(|up| up.paused && !up.gone) {
            upstream.paused = false;
            upstream.last_read = self.now;
            self.decisions.push(Decision::ResumeUpstream(UpstreamId(feeder)));
        }
    }

    /// Whether the driver should read this node. If not, [`Decision::ResumeUpstream`] says when to go on.
    pub fn wants_upstream_bytes(&self, id: UpstreamId) -> bool {
        self.upstreams.get(id.0 as usize).is_some_and(|upstream| !upstream.paused && !upstream.gone)
    }

    /// The reply is over.
    fn end_large(&mut self, id: UpstreamId) {
        let upstream = &mut self.upstreams[id.0 as usize];
        upstream.large = None;
        let Some(entry) = upstream.line.pop_front() else { return };
        let ticket = entry.ticket;
        self.check_off(id, &entry, false, true, |engine| {
            let Some((index, place)) = engine.places.holder(ticket) else { return ticket.is_nobody() };
            let client = SessionId(place.session);
            engine.count_settled(index, true);
            engine.places.pop(&mut engine.sessions[client.0 as usize]);
            engine.let_out(client);
            true
        });
    }

    /// A connection has ended in the middle of a large reply: nobody can tell its client but by an end.
    pub(crate) fn break_off_large(&mut self, id: UpstreamId) {
        let upstream = &mut self.upstreams[id.0 as usize];
        let Some(entry) = upstream.large.take().and_then(|_| upstream.line.front()) else { return };
        if let Some((_, place)) = self.places.holder(entry.ticket) {
            let client = SessionId(place.session);
            self.decisions.push(Decision::CloseClient(client));
            self.client_closed(client);
        }
    }
}
