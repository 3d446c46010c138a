//! The way back: the last station for plain replies - to one whole request of a client that is still there, and no error.

use crate::buffer::Pool;
use crate::cluster::Cluster;
use crate::engine::{Engine, FilterId, SessionId, UpstreamId};
use crate::filter::Filter;
use crate::join::Gather;
use crate::places::{Places, Ticket};
use crate::session::{NONE, Session};
use crate::time::Time;
use crate::upstream::{InFlight, Kind};
use resp::Malformed;
use slab::Slab;

/// Why the plain road ended.
pub(crate) enum Back {
    /// No whole reply is left.
    Empty,
    /// A reply of so many bytes is not plain.
    Odd(usize),
    /// With the last reply all parts of a request have come back.
    Gathered(Ticket),
    /// This client leaves its replies unread.
    Unread(SessionId),
    /// These bytes are no reply.
    Malformed(Malformed),
}

/// Replies in a row that are counted alike, not counted yet.
struct Tally<'a> {
    now: Time,
    cluster: &'a Cluster,
    filters: &'a [Filter],
    /// What nodes have answered: for whom, to which command, when it was sent; and how often.
    answered: (FilterId, command::Id, Time),
    answers: u64,
    /// What clients have got: of which filter, to which command, when it was read; and how often.
    settled: (FilterId, command::Id, Time),
    settlements: u64,
}

/// What replies need on their way to their clients.
struct Lane<'a> {
    places: &'a mut Places,
    sessions: &'a mut Slab<Session>,
    gathers: &'a mut Slab<Gather>,
    pool: &'a mut Pool,
    dirty: &'a mut Vec<SessionId>,
    /// What a client may leave unread, in bytes.
    unread: usize,
    tally: Tally<'a>,
}

impl Engine {
    /// Takes replies off `bytes` from `at` on, as long as they are plain.
    pub(crate) fn plain_replies(&mut self, id: UpstreamId, bytes: &[u8], at: &mut usize) -> Back {
        let upstream = &mut self.upstreams[id.0 as usize];
        let plain = self.plain && upstream.served && !upstream.retiring && !upstream.handing_over;
        let cluster = &self.clusters[upstream.cluster.index()];
        let mut lane = Lane {
            places: &mut self.places,
            sessions: &mut self.sessions,
            gathers: &mut self.gathers,
            pool: &mut self.pool,
            dirty: &mut self.dirty_sessions,
            unread: self.limits.unread,
            tally: Tally::new(self.now, cluster, &self.filters),
        };
        // Bytes of requests that are answered, and how many those are.
        let (mut answered, mut replies) = (0, 0);
        let end = loop {
            let len = match upstream.scan.next(&bytes[*at..], &self.limits.replies) {
                Ok(Some(len)) => len,
                Ok(None) => break Back::Empty,
                Err(malformed) => break Back::Malformed(malformed),
            };
            let reply = &bytes[*at..*at + len];
            let Some(entry) = upstream.line.front().filter(|_| plain && !matches!(reply[0], b'-' | b'>')) else {
                break Back::Odd(len);
            };
            if entry.kind != Kind::Request || entry.len as usize > upstream.sent - answered {
                break Back::Odd(len);
            }
            let Some(end) = lane.take(entry, reply) else { break Back::Odd(len) };
            lane.tally.answered(entry);
            answered += entry.len as usize;
            replies += 1;
            *at += len;
            upstream.line.pop_front();
            if let Some(end) = end {
                break end;
            }
        };
        lane.tally.close();
        upstream.window.consume(answered);
        upstream.sent -= answered;
        upstream.stats.rq_success.add(replies);
        upstream.stats.rq_active.sub(replies);
        cluster.stats.upstream_rq_active.sub(replies);
        end
    }
}

impl Lane<'_> {
    /// Brings a reply to whoever waits for it; whether the road ends behind it. Nothing, and nothing done, if that is
    /// not plain.
    #[inline(always)]
    fn take(&mut self, entry: &InFlight, reply: &[u8]) -> Option<Option<Back>> {
        let ticket = entry.ticket;
        let (index, place) = self.places.holder(ticket).filter(|(_, place)| !place.ready)?;
        if ticket.part != NONE {
            let last = self.gathers.get_mut(place.gather as usize)?.take(ticket.part, reply, true)?;
            return Some(last.then_some(Back::Gathered(ticket)));
        }
        if place.delayed {
            return None;
        }
        let id = SessionId(place.session);
        let session = &mut self.sessions[id.0 as usize];
        self.tally.settled(entry, place.started);
        if session.head == index {
            self.pool.extend(&mut session.output, reply);
            self.places.pop(session);
            self.places.let_out(session, self.pool);
            if !session.dirty {
                session.dirty = true;
                self.dirty.push(id);
            }
        } else {
            place.ready = true;
            self.places.keep(index, session, reply, self.pool);
        }
        let unread = session.output.len() + session.held > self.unread;
        Some(unread.then_some(Back::Unread(id)))
    }
}

impl<'a> Tally<'a> {
    fn new(now: Time, cluster: &'a Cluster, filters: &'a [Filter]) -> Self {
        let nothing = (FilterId(0), command::Id(0), Time(0));
        Self { now, cluster, filters, answered: nothing, answers: 0, settled: nothing, settlements: 0 }
    }

    /// A node has answered a request, or a part of one.
    #[inline]
    fn answered(&mut self, entry: &InFlight) {
        let like = (entry.filter, entry.command, entry.queued);
        if self.answered != like {
            self.count_answers();
            self.answered = like;
        }
        self.answers += 1;
    }

    /// A request that was read then has its reply.
    #[inline]
    fn settled(&mut self, entry: &InFlight, started: Time) {
        let like = (entry.filter, entry.command, started);
        if self.settled != like {
            self.count_settlements();
            self.settled = like;
        }
        self.settlements += 1;
    }

    /// Counts what has been collected.
    fn close(&mut self) {
        self.count_answers();
        self.count_settlements();
    }

    fn count_answers(&mut self) {
        let (count, (filter, command, queued)) = (std::mem::take(&mut self.answers), self.answered);
        if count == 0 {
            return;
        }
        let elapsed = self.now.since(queued);
        let stats = &self.cluster.stats;
        stats.upstream_rq_time.record_many(elapsed, count);
        if self.filters[filter.index()].settings.enable_command_stats {
            let command = stats.command(command);
            command.total.add(count);
            command.success.add(count);
            command.latency.record_many(elapsed, count);
        }
    }

    fn count_settlements(&mut self) {
        let (count, (filter, command, started)) = (std::mem::take(&mut self.settlements), self.settled);
        if count == 0 {
            return;
        }
        let stats = &self.filters[filter.index()].stats;
        stats.downstream_rq_active.sub(count);
        let command = stats.command(command);
        command.success.add(count);
        command.latency.record_many(self.now.since(started), count);
    }
}
