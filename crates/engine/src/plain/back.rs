//! The way back: the last station for plain replies - to one whole request of a client that is still there, and no error.

use crate::cluster::Cluster;
use crate::engine::{Engine, SessionId, UpstreamId};
use crate::filter::Filter;
use crate::session::NONE;
use crate::time::Time;
use crate::upstream::{InFlight, Kind};
use resp::Malformed;

/// Why the plain road ended.
pub(crate) enum Back {
    /// No whole reply is left.
    Empty,
    /// A reply of so many bytes is not plain.
    Odd(usize),
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
    /// What is the same for all: filter, command, when they were sent, when they were read.
    like: Option<(InFlight, Time)>,
    count: u64,
}

impl Engine {
    /// Takes replies off `bytes` from `at` on, as long as they are plain.
    pub(crate) fn plain_replies(&mut self, id: UpstreamId, bytes: &[u8], at: &mut usize) -> Back {
        let upstream = &mut self.upstreams[id.0 as usize];
        let plain = self.plain && upstream.served && !upstream.retiring && !upstream.handing_over;
        let cluster = &self.clusters[upstream.cluster.index()];
        let mut tally = Tally { now: self.now, cluster, filters: &self.filters, like: None, count: 0 };
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
            let whole = entry.kind == Kind::Request && entry.ticket.part == NONE;
            if !whole || entry.len as usize > upstream.sent - answered {
                break Back::Odd(len);
            }
            let Some((index, place)) = self.places.holder(entry.ticket).filter(|(_, place)| place.is_waiting()) else {
                break Back::Odd(len);
            };
            tally.add(entry, place.started);
            answered += entry.len as usize;
            replies += 1;
            *at += len;
            let session_id = SessionId(place.session);
            let session = &mut self.sessions[place.session as usize];
            if session.head == index {
                self.pool.extend(&mut session.output, reply);
                self.places.pop(session);
                self.places.let_out(session, &mut self.pool);
                if !session.dirty {
                    session.dirty = true;
                    self.dirty_sessions.push(session_id);
                }
            } else {
                place.ready = true;
                self.places.keep(index, session, reply, &mut self.pool);
            }
            upstream.line.pop_front();
            if session.output.len() + session.held > self.limits.unread {
                break Back::Unread(session_id);
            }
        };
        tally.close();
        upstream.window.consume(answered);
        upstream.sent -= answered;
        upstream.stats.rq_success.add(replies);
        upstream.stats.rq_active.sub(replies);
        cluster.stats.upstream_rq_active.sub(replies);
        end
    }
}

impl Tally<'_> {
    #[inline]
    fn add(&mut self, entry: &InFlight, started: Time) {
        let like = |(known, then): &(InFlight, Time)| {
            (known.command, known.filter, known.queued, *then) == (entry.command, entry.filter, entry.queued, started)
        };
        if !self.like.as_ref().is_some_and(like) {
            self.close();
            self.like = Some((entry.clone(), started));
        }
        self.count += 1;
    }

    /// Counts what has been collected.
    fn close(&mut self) {
        let Some((entry, started)) = self.like.take() else { return };
        let count = std::mem::take(&mut self.count);
        let elapsed = self.now.since(entry.queued);
        let stats = &self.cluster.stats;
        stats.upstream_rq_time.record_many(elapsed, count);
        let filter = &self.filters[entry.filter.index()];
        if filter.settings.enable_command_stats {
            let command = stats.command(entry.command);
            command.total.add(count);
            command.success.add(count);
            command.latency.record_many(elapsed, count);
        }
        filter.stats.downstream_rq_active.sub(count);
        let command = filter.stats.command(entry.command);
        command.success.add(count);
        command.latency.record_many(self.now.since(started), count);
    }
}
