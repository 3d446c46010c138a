//! The engine: what it holds, what it is told, what it decides.

use crate::buffer::Pool;
use crate::cluster::Cluster;
use crate::failure::Closed;
use crate::filter::Filter;
use crate::handover::Handover;
use crate::join::Gather;
use crate::limits::Limits;
use crate::places::Places;
use crate::random::Random;
use crate::session::{NONE, Phase, Session};
use crate::time::Time;
use crate::timer::{Timer, Timers};
use crate::upstream::Upstream;
use observe::{ClusterStats, FilterStats};
use resp::request::Scan;
use rustc_hash::FxHashMap;
use slab::Slab;
use slots::View;
use std::net::SocketAddr;
use std::sync::Arc;

/// A client of this engine. Numbers are used again once a turn has ended in which the client was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u32);

/// A connection to a node. Numbers are used again once a turn has ended in which it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

/// A cluster of this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u32);

/// A Redis filter of this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilterId(pub u32);

impl ClusterId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl FilterId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Open a connection to `address`, then call [`Engine::upstream_opened`] or [`Engine::upstream_closed`].
    Connect {
        /// The connection's number.
        upstream: UpstreamId,
        /// Where to.
        address: SocketAddr,
        /// For the cluster's socket settings.
        cluster: ClusterId,
    },
    /// Close this connection; the engine has forgotten it.
    CloseUpstream(UpstreamId),
    /// Close this client; its output has been written, or does not matter any more.
    CloseClient(SessionId),
    /// Read this client again: it was paused, and bytes may wait.
    Resume(SessionId),
    /// Read this connection again: it was paused, and bytes may wait.
    ResumeUpstream(UpstreamId),
    /// Tell whoever keeps the cluster's topology.
    Report(ClusterId, Report),
}

/// Something that whoever keeps a cluster's topology should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A redirect was followed.
    Redirected,
    /// A request failed at this node (timeout, closed connection, CLUSTERDOWN).
    Failed(SocketAddr),
    /// This node turned unhealthy.
    Degraded(SocketAddr),
    /// A request found no owner of its slot, or no member at all.
    Unknown,
}

/// All that one worker knows. See the crate's front page for the contract.
///
/// A turn: [`Engine::begin_turn`], inputs in any order, then writing (see [`Engine::take_dirty`]) and
/// [`Engine::decisions`] until nothing is left, then [`Engine::end_turn`].
#[derive(Debug)]
pub struct Engine {
    pub(crate) now: Time,
    /// Microseconds from 1970 to the start of [`Time`]: for TIME.
    pub(crate) wall: u64,
    pub(crate) random: Random,
    pub(crate) limits: Limits,
    pub(crate) filters: Vec<Filter>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) cluster_names: FxHashMap<String, ClusterId>,
    pub(crate) sessions: Slab<Session>,
    pub(crate) places: Places,
    pub(crate) gathers: Slab<Gather>,
    pub(crate) spare_gathers: Vec<Gather>,
    pub(crate) upstreams: Slab<Upstream>,
    pub(crate) pool: Pool,
    pub(crate) timers: Timers,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) dirty_sessions: Vec<SessionId>,
    pub(crate) dirty_upstreams: Vec<UpstreamId>,
    pub(crate) gone_sessions: Vec<SessionId>,
    pub(crate) gone_upstreams: Vec<UpstreamId>,
    /// No request's deadline lies before this.
    pub(crate) earliest: Time,
    pub(crate) serial: u32,
    pub(crate) clients: u64,
    /// For whoever begins a request.
    pub(crate) scan: Option<Box<Scan>>,
    pub(crate) handovers: Vec<Handover>,
    pub(crate) cutting: crate::split::Cutting,
    pub(crate) recent: command::Recent,
    /// Whether the plain road may be taken.
    pub(crate) plain: bool,
}

impl Engine {
    /// An engine without filters and clusters. `seed` decides every random choice.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            now: Time(0),
            wall: 0,
            random: Random::new(seed),
            limits,
            filters: Vec::new(),
            clusters: Vec::new(),
            cluster_names: FxHashMap::default(),
            sessions: Slab::new(),
            places: Places::new(),
            gathers: Slab::new(),
            spare_gathers: Vec::new(),
            upstreams: Slab::new(),
            pool: Pool::default(),
            timers: Timers::default(),
            decisions: Vec::new(),
            dirty_sessions: Vec::new(),
            dirty_upstreams: Vec::new(),
            gone_sessions: Vec::new(),
            gone_upstreams: Vec::new(),
            earliest: Time::NEVER,
            serial: 0,
            clients: 0,
            scan: None,
            handovers: Vec::new(),
            cutting: crate::split::Cutting::default(),
            recent: command::Recent::default(),
            plain: true,
        }
    }

    /// Says how many microseconds lay between 1970 and the start of [`Time`]: what TIME answers is counted from there.
    pub fn set_wall_clock(&mut self, micros: u64) {
        self.wall = micros;
    }

    /// Leads every request and reply through all stations, which makes no difference but to speed: for tests of that.
    pub fn avoid_plain_road(&mut self) {
        self.plain = false;
    }

    /// Adds a cluster. Add clusters before the filters that route to them.
    pub fn add_cluster(&mut self, cluster: Arc<meant::Cluster>, stats: Arc<ClusterStats>) -> ClusterId {
        let id = ClusterId(self.clusters.len() as u32);
        self.cluster_names.insert(cluster.name.clone(), id);
        self.clusters.push(Cluster::new(cluster, stats));
        id
    }

    /// Adds a Redis filter; `buffer_limit` is its listener's.
    pub fn add_filter(
        &mut self,
        proxy: Arc<meant::RedisProxy>,
        buffer_limit: usize,
        stats: Arc<FilterStats>,
    ) -> FilterId {
        let names = &self.cluster_names;
        let filter = Filter::compile(proxy, buffer_limit, stats, |name| names.get(name).copied());
        self.filters.push(filter);
        FilterId(self.filters.len() as u32 - 1)
    }

    /// Begins a turn: it is `now`. Runs what is due.
    pub fn begin_turn(&mut self, now: Time) {
        self.now = now;
        while let Some(timer) = self.timers.pop_due(now) {
            self.ring(timer);
        }
        if self.earliest <= now {
            self.expire();
        }
    }

    fn ring(&mut self, timer: Timer) {
        match timer {
            Timer::Release(ticket) => self.release(ticket),
            Timer::Flush(upstream, serial) => self.flush(upstream, serial),
            Timer::Connect(id, serial) => {
                let late = |up: &Upstream| up.serial == serial && !up.open && !up.gone;
                if self.upstreams.get(id.0 as usize).is_some_and(late) {
                    self.lose(id, &Closed::ConnectTimeout);
                }
            }
            Timer::Again(request) => {
                if self.still_wanted(request.0.ticket) {
                    self.dispatch(request.0, &request.1);
                }
            }
            Timer::Parked(cluster) => self.expire_parked(cluster),
            Timer::Handover(id, serial) => {
                let here = |up: &Upstream| up.serial == serial && up.handing_over;
                if self.upstreams.get(id.0 as usize).is_some_and(here) {
                    self.advance_handovers(id, true);
                }
            }
        }
    }

    /// A cluster's members, as the control side sees them now. What waited for the first view is sent.
    pub fn apply_view(&mut self, cluster: ClusterId, view: &View) {
        if self.clusters[cluster.index()].gone {
            return;
        }
        self.clusters[cluster.index()].apply(view);
        self.hand_over_changed(cluster);
        self.retire_unlisted(cluster);
        self.unpark(cluster);
    }

    /// A client connected to a listener with this filter; `local` is the address it connected to.
    pub fn client_opened(&mut self, filter: FilterId, local: SocketAddr) -> SessionId {
        self.clients += 1;
        let compiled = &self.filters[filter.index()];
        compiled.stats.downstream_cx_total.inc();
        compiled.stats.downstream_cx_active.add(1);
        let session = Session::new(filter, local, self.clients, !compiled.needs_auth());
        SessionId(self.sessions.insert(session) as u32)
    }

    /// A client will send nothing more. Its replies still go out; then it is closed.
    pub fn client_finished(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        if session.phase == Phase::Open {
            session.phase = Phase::Leaving;
            self.abandon_body(id);
        }
        self.leave_if_done(id);
    }

    /// A client is gone. Replies that still come for it are drained and dropped.
    pub fn client_closed(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        if session.phase == Phase::Gone {
            return;
        }
        session.phase = Phase::Gone;
        self.gone_sessions.push(id);
        self.give_up_places(id);
        self.abandon_body(id);
        self.speed_up(id);
        let session = &self.sessions[id.0 as usize];
        self.filters[session.filter.index()].stats.downstream_cx_active.sub(1);
    }

    /// What is to be written this turn: the connections and clients with something new. Call until both are empty.
    pub fn take_dirty(&mut self, upstreams: &mut Vec<UpstreamId>, clients: &mut Vec<SessionId>) {
        upstreams.clear();
        clients.clear();
        std::mem::swap(upstreams, &mut self.dirty_upstreams);
        std::mem::swap(clients, &mut self.dirty_sessions);
        for id in upstreams.iter() {
            if let Some(upstream) = self.upstreams.get_mut(id.0 as usize) {
                upstream.dirty = false;
            }
        }
        for id in clients.iter() {
            if let Some(session) = self.sessions.get_mut(id.0 as usize) {
                session.dirty = false;
            }
        }
    }

    /// What the driver has to do, in order. Leaves nothing behind.
    pub fn decisions(&mut self) -> std::vec::Drain<'_, Decision> {
        self.decisions.drain(..)
    }

    /// Ends a turn; numbers of what was closed may be used again from now on. When to begin the next at the latest.
    pub fn end_turn(&mut self) -> Time {
        for id in self.gone_sessions.drain(..) {
            let mut session = self.sessions.remove(id.0 as usize);
            self.pool.reclaim(&mut session.output);
        }
        for id in self.gone_upstreams.drain(..) {
            self.upstreams.remove(id.0 as usize);
        }
        self.earliest.min(self.timers.next())
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.sessions.len()
    }

    /// How many connections to nodes there are.
    pub fn connections(&self) -> usize {
        self.upstreams.len()
    }

    fn give_up_places(&mut self, id: SessionId) {
        let session = &mut self.sessions[id.0 as usize];
        let stats = &self.filters[session.filter.index()].stats;
        while session.head != NONE {
            let place = self.places.at(session.head);
            let (gather, ready) = (place.gather, place.ready);
            self.places.pop(session);
            if gather != NONE {
                self.gathers.remove(gather as usize);
            }
            if !ready {
                stats.downstream_rq_active.sub(1);
            }
        }
        self.pool.give(std::mem::take(&mut session.early));
        session.input = crate::buffer::Buffer::default();
        session.partial = None;
    }
}
