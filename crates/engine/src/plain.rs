//! The plain road: stations 2 to 6 in one pass for the requests that most are - one key, one node whose connection is
//! there and has room, nothing to rewrite, to copy or to inject; and the way [`back`] for their replies.
//!
//! What is not plain is left to the stations, before anything has been done for it. They would do the same for a plain
//! request, one after the other and each looking everything up anew: three times the instructions. A test lets both
//! do the same work and compares what comes out.

mod back;
mod fragment;

use crate::cluster::Cluster;
use crate::engine::{Engine, FilterId, SessionId, UpstreamId};
use crate::filter::Filter;
use crate::limits::Limits;
use crate::places::Places;
use crate::random::Random;
use crate::session::Session;
use crate::shard::{is_cursor, role};
use crate::time::Time;
use crate::upstream::{InFlight, Kind, Spot, Upstream};
use command::{Effect, Recent};
use meant::ReadPolicy;
use resp::request::{Scan, Step};
use resp::{Malformed, Request};
use slab::Slab;

pub(crate) use back::Back;

/// Why the plain road ended.
pub(crate) enum Stop {
    /// No bytes are left.
    Empty,
    /// The client has too much under way.
    Full,
    /// A request of so many bytes is not plain.
    Odd(usize),
    /// The request goes on; so many bytes there must be.
    Partial(usize),
    /// These bytes are no request.
    Malformed(Malformed),
}

/// What a batch of one client's requests needs, looked up once.
struct Road<'a> {
    id: u32,
    of: FilterId,
    filter: &'a Filter,
    session: &'a mut Session,
    places: &'a mut Places,
    clusters: &'a [Cluster],
    upstreams: &'a mut Slab<Upstream>,
    dirty: &'a mut Vec<UpstreamId>,
    chance: Chance<'a>,
    recent: &'a mut Recent,
    deadline: Time,
    tally: Tally,
    shape: Option<Shape>,
}

/// What the choice of a connection depends on, the same for a whole turn.
struct Chance<'a> {
    random: &'a mut Random,
    limits: &'a Limits,
    now: Time,
}

/// What is the same for all requests that begin alike.
#[derive(Clone, Copy)]
struct Shape {
    command: command::Id,
    /// The key's argument.
    key: usize,
    read: bool,
    policy: ReadPolicy,
}

/// Requests of one command in a row, not counted yet.
#[derive(Default)]
struct Tally {
    command: Option<command::Id>,
    count: u64,
}

impl Engine {
    /// Takes requests off `bytes` from `at` on, as long as they are plain.
    pub(crate) fn plain_requests(&mut self, id: SessionId, scan: &mut Scan, bytes: &[u8], at: &mut usize) -> Stop {
        let session = &mut self.sessions[id.0 as usize];
        let filter = &self.filters[session.filter.index()];
        if !self.plain || !self.handovers.is_empty() || !session.authorized || !filter.is_plain() {
            let limits = if session.authorized { &self.limits.frames } else { &self.limits.unauthenticated };
            let full = *at < bytes.len() && session.is_full(filter, &self.limits);
            return if full { Stop::Full } else { next(scan, bytes, at, limits) };
        }
        let deadline = filter.deadline(self.now);
        let mut road = Road {
            id: id.0,
            of: session.filter,
            filter,
            session,
            places: &mut self.places,
            clusters: &self.clusters,
            upstreams: &mut self.upstreams,
            dirty: &mut self.dirty_upstreams,
            chance: Chance { random: &mut self.random, limits: &self.limits, now: self.now },
            recent: &mut self.recent,
            deadline,
            tally: Tally::default(),
            shape: None,
        };
        let before = road.session.waiting;
        let stop = road.run(scan, bytes, at);
        road.tally.close(filter);
        if road.session.waiting > before {
            self.earliest = self.earliest.min(deadline);
        }
        stop
    }
}

/// The next request, plain or not.
fn next(scan: &mut Scan, bytes: &[u8], at: &mut usize, limits: &resp::Limits) -> Stop {
    while *at < bytes.len() {
        match scan.next(&bytes[*at..], limits) {
            Ok(Step::Whole { consumed, .. }) => return Stop::Odd(consumed),
            Ok(Step::Skip { consumed }) => *at += consumed,
            Ok(Step::Partial { needed }) => return Stop::Partial(needed),
            Err(malformed) => return Stop::Malformed(malformed),
        }
    }
    Stop::Empty
}

impl Road<'_> {
    fn run(&mut self, scan: &mut Scan, bytes: &[u8], at: &mut usize) -> Stop {
        while *at < bytes.len() {
            if self.session.is_full(self.filter, self.chance.limits) {
                return Stop::Full;
            }
            match scan.next(&bytes[*at..], &self.chance.limits.frames) {
                Ok(Step::Whole { request, repeats, consumed }) => {
                    if !repeats || self.shape.is_none() {
                        self.shape = self.shape_of(&request);
                    }
                    match self.take(&request) {
                        Some(()) => *at += consumed,
                        None => return Stop::Odd(consumed),
                    }
                }
                Ok(Step::Skip { consumed }) => *at += consumed,
                Ok(Step::Partial { needed }) => return Stop::Partial(needed),
                Err(malformed) => return Stop::Malformed(malformed),
            }
        }
        Stop::Empty
    }

    /// What requests that begin like this one have in common. Nothing, if they are not plain.
    fn shape_of(&mut self, request: &Request<'_>) -> Option<Shape> {
        let command = self.recent.lookup(request.get(0)?)?;
        let row = command::get(command);
        if !row.is_plain() || !row.arity_fits(request.len()) {
            return None;
        }
        let read = row.effect == Effect::Read;
        let policy = if read { self.filter.settings.read_policy } else { ReadPolicy::Primary };
        let chosen = policy != ReadPolicy::Primary && is_cursor(command);
        if chosen { None } else { Some(Shape { command, key: row.first_key(request)?, read, policy }) }
    }

    /// Sends a request on its way. Nothing, and nothing done, if it is not plain.
    #[inline(always)]
    fn take(&mut self, request: &Request<'_>) -> Option<()> {
        let Shape { command, key, read, policy } = self.shape?;
        let key = request.get(key)?;
        let cluster_id = self.filter.routes[self.filter.find(key)?].plain(read)?;
        let cluster = &self.clusters[cluster_id.index()];
        let spot = cluster.spot(key, self.filter.settings.enable_hashtagging);
        let (id, upstream) = self.chance.upstream(cluster, self.upstreams, spot, policy, request.bytes.len())?;
        let entry = InFlight {
            ticket: self.places.push(self.id, self.session, command, self.chance.now),
            spot,
            filter: self.of,
            command,
            kind: Kind::Request,
            read,
            hops: 0,
            len: request.bytes.len() as u32,
            deadline: self.deadline,
            queued: self.chance.now,
        };
        upstream.push(entry, request.bytes);
        count_sent(upstream, cluster);
        if upstream.open && !upstream.dirty {
            upstream.dirty = true;
            self.dirty.push(id);
        }
        self.tally.add(command, self.filter);
        Some(())
    }
}

impl Chance<'_> {
    /// The connection for a spot, if there is one with room for `more` bytes.
    #[inline(always)]
    fn upstream<'a>(
        &mut self,
        cluster: &Cluster,
        upstreams: &'a mut Slab<Upstream>,
        spot: Spot,
        policy: ReadPolicy,
        more: usize,
    ) -> Option<(UpstreamId, &'a mut Upstream)> {
        let shard = cluster.sure_shard(spot)?;
        let policy = if cluster.has_slots() { policy } else { ReadPolicy::Primary };
        // Whoever has to draw again, because there is no connection yet, draws the same.
        let mut random = self.random.clone();
        let node = cluster.member(shard, policy, None, self.now, &mut random)?;
        let id = cluster.nodes[usize::from(node)].upstreams[role(cluster, shard, node) as usize];
        let upstream = upstreams.get_mut(id as usize)?;
        if upstream.is_full(more, self.limits.upstream_bytes, self.limits) {
            return None;
        }
        *self.random = random;
        Some((UpstreamId(id), upstream))
    }
}

/// A request is on its way to a node.
pub(crate) fn count_sent(upstream: &Upstream, cluster: &Cluster) {
    upstream.stats.rq_total.inc();
    upstream.stats.rq_active.add(1);
    cluster.stats.upstream_rq_total.inc();
    cluster.stats.upstream_rq_active.add(1);
}

impl Tally {
    #[inline]
    fn add(&mut self, command: command::Id, filter: &Filter) {
        if self.command != Some(command) {
            self.close(filter);
            self.command = Some(command);
        }
        self.count += 1;
    }

    /// Counts what has been collected.
    fn close(&mut self, filter: &Filter) {
        let Some(command) = self.command.take() else { return };
        let count = std::mem::take(&mut self.count);
        filter.stats.downstream_rq_total.add(count);
        filter.stats.downstream_rq_active.add(count);
        filter.stats.command(command).total.add(count);
    }
}
