//! The last station: replies come in from a node, find their place, and leave in the order the commands came.

use crate::engine::{Decision, Engine, SessionId, UpstreamId};
use crate::failure::{Closed, Failure};
use crate::places::Ticket;
use crate::plain::Back;
use crate::session::{NONE, Phase};
use crate::time::Time;
use crate::timer::Timer;
use crate::upstream::{InFlight, Kind, Upstream};

/// How much of a reply that was not expected an error quotes.
const QUOTED: usize = 128;

/// Whether a node does not let us ask, by its ACL or because the command was renamed: it is the right node all the same.
fn is_not_offered(reply: &[u8]) -> bool {
    reply.starts_with(b"-NOPERM") || reply.starts_with(b"-ERR unknown command")
}

impl Engine {
    /// Bytes that a node sent.
    pub fn upstream_bytes(&mut self, id: UpstreamId, bytes: &[u8]) {
        let Some(upstream) = self.upstreams.get_mut(id.0 as usize).filter(|upstream| !upstream.gone) else { return };
        upstream.last_read = self.now;
        let rest = if upstream.large.is_some() { &bytes[self.pass_large(id, bytes)..] } else { bytes };
        let rest = &rest[self.finish_begun(id, rest)..];
        // What had been begun may have turned out to be large.
        let rest = &rest[self.pass_large(id, rest)..];
        let consumed = self.cut_replies(id, rest);
        self.keep_reply_bytes(id, rest.get(consumed..).unwrap_or_default());
    }

    /// Lets a reply of which a part is kept have what it lacks of `bytes`; how many those are. The others need not be
    /// copied.
    fn finish_begun(&mut self, id: UpstreamId, bytes: &[u8]) -> usize {
        let (mut at, mut step) = (0, 16);
        while at < bytes.len() {
            let upstream = &mut self.upstreams[id.0 as usize];
            if upstream.input.is_empty() {
                break;
            }
            // What one more byte may tell, or the next of very many elements, is not worth a look each.
            let lacks = upstream.needed.saturating_sub(upstream.input.len());
            let more = bytes.len().min(at + if lacks > 1 && step < 256 { lacks } else { step });
            step *= 2;
            upstream.input.extend(&bytes[at..more]);
            at = more;
            if upstream.input.len() >= upstream.needed {
                let mut input = std::mem::take(&mut upstream.input);
                let consumed = self.cut_replies(id, input.data());
                input.consume(consumed);
                self.pool.reclaim(&mut input);
                self.upstreams[id.0 as usize].input = input;
            }
        }
        at
    }

    fn keep_reply_bytes(&mut self, id: UpstreamId, rest: &[u8]) {
        let upstream = &mut self.upstreams[id.0 as usize];
        if !rest.is_empty() && !upstream.gone {
            self.pool.extend(&mut upstream.input, rest);
        }
    }

    /// Cuts replies off the front of `bytes`; how many bytes are done with.
    fn cut_replies(&mut self, id: UpstreamId, bytes: &[u8]) -> usize {
        let mut at = 0;
        while !self.upstreams[id.0 as usize].gone {
            match self.plain_replies(id, bytes, &mut at) {
                Back::Odd(len) => {
                    self.reply(id, &bytes[at..at + len]);
                    at += len;
                }
                Back::Gathered(ticket) => self.gathered(ticket),
                Back::Unread(client) => self.bound_unread(client),
                Back::Empty => {
                    let upstream = &mut self.upstreams[id.0 as usize];
                    upstream.needed = upstream.scan.needed();
                    let needed = upstream.needed;
                    if needed > self.limits.reply {
                        self.refuse_oversized(id);
                    } else {
                        return if self.begin_large(id, &bytes[at..], needed) { bytes.len() } else { at };
                    }
                }
                Back::Malformed(malformed) => {
                    self.clusters[self.upstreams[id.0 as usize].cluster.index()].stats.upstream_cx_protocol_error.inc();
                    self.lose(id, &Closed::Malformed(malformed.to_string()));
                }
            }
        }
        bytes.len()
    }

    /// A reply that nobody could keep. Whoever asked for it must not ask again elsewhere, as a lost reader would.
    #[cold]
    fn refuse_oversized(&mut self, id: UpstreamId) {
        let closed = Closed::Oversized(self.limits.reply);
        let upstream = &mut self.upstreams[id.0 as usize];
        let address = upstream.address;
        if let Some(entry) = upstream.line.front_mut() {
            let ticket = std::mem::replace(&mut entry.ticket, Ticket::NOBODY);
            self.fail(ticket, &Failure::Node(address, &closed.to_string()));
        }
        self.lose(id, &closed);
    }

    /// A reply to nothing, or to a request of which the node has seen a part at most (Redis says so that it has too
    /// many clients). To take it for an answer would let the next request begin in the middle of this one.
    #[cold]
    fn refuse_unasked(&mut self, id: UpstreamId, reply: &[u8]) {
        let text = String::from_utf8_lossy(reply.get(..QUOTED).unwrap_or(reply)).trim().to_string();
        self.lose(id, &Closed::Malformed(format!("nobody asked for it: {text}")));
    }

    /// One whole reply.
    fn reply(&mut self, id: UpstreamId, reply: &[u8]) {
        if resp::reply::is_push(reply) {
            return;
        }
        let upstream = &mut self.upstreams[id.0 as usize];
        let sent = upstream.sent;
        let Some(entry) = upstream.line.pop_front_if(|entry| entry.len as usize <= sent) else {
            return self.refuse_unasked(id, reply);
        };
        let error = reply.first() == Some(&b'-');
        let turned_away = error && self.turned_away(id, &entry, reply);
        let goes = entry.kind == Kind::Question && (!error || is_not_offered(reply));
        self.check_off(id, &entry, turned_away, !error, |engine| match goes {
            true => engine.send_body(id, &entry),
            false => engine.deliver(entry.ticket, reply, true),
        });
    }

    /// A request has been answered, and has left the line: what is left to do but for handing the answer over.
    pub(crate) fn check_off(
        &mut self,
        id: UpstreamId,
        entry: &InFlight,
        turned_away: bool,
        success: bool,
        deliver: impl FnOnce(&mut Self) -> bool,
    ) {
        let upstream = &mut self.upstreams[id.0 as usize];
        if !turned_away {
            upstream.answered(entry.len);
            if !matches!(entry.kind, Kind::Notice | Kind::Auth) {
                upstream.stats.rq_success.inc();
            }
        }
        let (unproven, handing_over) = (!upstream.served, upstream.handing_over);
        if upstream.retiring && upstream.line.is_empty() {
            self.lose(id, &Closed::Retired);
        }
        if turned_away {
            // Sent on already.
        } else if entry.kind != Kind::Notice && entry.kind != Kind::Auth {
            if unproven {
                self.proven(id);
            }
            self.count_reply(id, entry, success);
            if !deliver(self) {
                let cluster = self.upstreams[id.0 as usize].cluster;
                self.clusters[cluster.index()].stats.upstream_rq_cancelled.inc();
            }
        }
        if handing_over {
            self.advance_handovers(id, false);
        }
    }

    pub(crate) fn count_reply(&self, id: UpstreamId, entry: &InFlight, success: bool) {
        let upstream: &Upstream = &self.upstreams[id.0 as usize];
        let stats = &self.clusters[upstream.cluster.index()].stats;
        let elapsed = self.now.since(entry.queued);
        stats.upstream_rq_time.record(elapsed);
        stats.upstream_rq_active.sub(1);
        upstream.stats.rq_active.sub(1);
        if self.filters[entry.filter.index()].settings.enable_command_stats {
            let command = stats.command(entry.command);
            command.total.inc();
            if success {
                command.success.inc()
            } else {
                command.failure.inc()
            }
            command.latency.record(elapsed);
        }
    }

    /// Brings a reply to whoever waits for it. Not, if that client has left meanwhile.
    pub(crate) fn deliver(&mut self, ticket: Ticket, reply: &[u8], success: bool) -> bool {
        if ticket.is_nobody() {
            return true;
        }
        let Some((index, place)) = self.places.holder(ticket) else { return false };
        if place.ready {
            return true;
        }
        if ticket.part != NONE {
            self.gather(ticket, reply, success);
        } else if place.delayed {
            self.hold_back(index, ticket, reply, success);
        } else {
            self.settle(index, reply, success);
        }
        true
    }

    /// The place has its reply: out with it, if it is its turn.
    pub(crate) fn settle(&mut self, index: u32, reply: &[u8], success: bool) {
        self.count_settled(index, success);
        let place = self.places.at(index);
        let id = SessionId(place.session);
        let session = &mut self.sessions[place.session as usize];
        if session.body.is_some() {
            self.answered_early(id);
        }
        let place = self.places.at(index);
        let session = &mut self.sessions[id.0 as usize];
        if session.head != index {
            place.ready = true;
            self.keep(index, id, reply);
            return self.bound_unread(id);
        }
        self.pool.extend(&mut session.output, reply);
        self.places.pop(session);
        self.let_out(id);
    }

    /// Keeps a reply that may not leave yet.
    pub(crate) fn keep(&mut self, index: u32, id: SessionId, reply: &[u8]) {
        self.places.keep(index, &mut self.sessions[id.0 as usize], reply, &mut self.pool);
    }

    pub(crate) fn count_settled(&mut self, index: u32, success: bool) {
        let place = self.places.at(index);
        let stats = &self.filters[self.sessions[place.session as usize].filter.index()].stats;
        stats.downstream_rq_active.sub(1);
        let command = stats.command(place.command);
        if success {
            command.success.inc()
        } else {
            command.error.inc()
        }
        command.latency.record(self.now.since(place.started));
    }

    /// Lets out all that is ready at the head of a client's line.
    pub(crate) fn let_out(&mut self, id: SessionId) {
        let session = &mut self.sessions[id.0 as usize];
        self.places.let_out(session, &mut self.pool);
        self.touch(id);
        self.bound_unread(id);
    }

    /// Notes that a client has output.
    pub(crate) fn touch(&mut self, id: SessionId) {
        let session = &mut self.sessions[id.0 as usize];
        if !session.dirty {
            session.dirty = true;
            self.dirty_sessions.push(id);
        }
    }

    /// An injected delay: the reply waits, and all that comes after it on this client.
    fn hold_back(&mut self, index: u32, ticket: Ticket, reply: &[u8], success: bool) {
        let due = Time(self.now.0.saturating_add(self.places.take_delay(index)));
        let place = self.places.at(index);
        place.failed = !success;
        let id = SessionId(place.session);
        self.keep(index, id, reply);
        self.timers.push(due, Timer::Release(ticket));
        self.bound_unread(id);
    }

    pub(crate) fn release(&mut self, ticket: Ticket) {
        let Some((index, place)) = self.places.holder(ticket) else { return };
        if place.ready {
            return;
        }
        let success = !place.failed;
        let session = &mut self.sessions[place.session as usize];
        let reply = self.places.take_kept(index, session);
        self.settle(index, &reply, success);
    }

    /// A reply of the proxy's own, in its turn.
    pub(crate) fn answer(&mut self, id: SessionId, reply: &[u8]) {
        let session = &mut self.sessions[id.0 as usize];
        if session.head == NONE {
            self.pool.extend(&mut session.output, reply);
        } else {
            let ticket = self.places.push(id.0, session, command::Id(0), self.now);
            if let Some((index, place)) = self.places.holder(ticket) {
                place.ready = true;
                self.keep(index, id, reply);
            }
        }
        self.touch(id);
    }

    /// A failure instead of a reply.
    pub(crate) fn fail(&mut self, ticket: Ticket, failure: &Failure<'_>) {
        if ticket.is_nobody() {
            return;
        }
        let mut text = self.pool.take();
        resp::write::error(&mut text, failure.text().as_bytes());
        self.deliver(ticket, &text, false);
        self.pool.give(text);
    }

    /// What is to be written to a client.
    pub fn client_output(&self, id: SessionId) -> &[u8] {
        self.sessions.get(id.0 as usize).map_or(&[], |session| session.output.data())
    }

    /// So many bytes of [`Engine::client_output`] were written; none, if the client took none.
    pub fn client_wrote(&mut self, id: SessionId, n: usize) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        self.filters[session.filter.index()].stats.downstream_cx_tx_bytes_total.add(n as u64);
        session.output.consume(n);
        self.pool.reclaim(&mut session.output);
        if session.feeder != NONE {
            self.pass_on(id);
        }
        let session = &self.sessions[id.0 as usize];
        if session.phase == Phase::Leaving {
            self.leave_if_done(id);
        } else if session.paused {
            self.resume(id);
        }
    }

    /// A client that sends requests but reads no replies ends here, before memory does.
    pub(crate) fn bound_unread(&mut self, id: SessionId) {
        let session = &self.sessions[id.0 as usize];
        if session.output.len() + session.held > self.limits.unread && session.waiting > 0 {
            self.decisions.push(Decision::CloseClient(id));
            self.client_closed(id);
        }
    }

    /// Closes a client that is leaving, once nothing is owed to it.
    pub(crate) fn leave_if_done(&mut self, id: SessionId) {
        let session = &self.sessions[id.0 as usize];
        if session.phase == Phase::Leaving && session.head == NONE && session.output.is_empty() {
            self.decisions.push(Decision::CloseClient(id));
            self.client_closed(id);
        }
    }
}
