//! A world in which the engine is alone: simulated clients, simulated nodes, simulated time, all from one seed.
//!
//! [`World::turn`] does to the engine what `crates/worker/src/turn.rs` does: begin a turn, bring what happened, write
//! and decide until nothing is left, end the turn.

pub mod client;
pub mod command;
mod driver;
pub mod happening;
pub mod node;
mod nodes;
pub mod pipe;
pub mod random;
pub mod redis;
pub mod setup;
pub mod speech;
mod trace;

use client::Client;
use engine::{ClusterId, Decision, Engine, FilterId, Report, SessionId, Time, UpstreamId};
use happening::Happening;
use node::Conn;
use observe::{ClusterStats, FilterStats};
use pipe::Network;
use random::Dice;
use redis::Redis;
use setup::Setup;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use trace::Trace;

/// Who is to look whether there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Client(usize),
    Conn(usize),
    Happening,
}

/// How the surroundings behave.
#[derive(Clone, Debug)]
pub struct Weather {
    pub network: Network,
    /// Microseconds that a node takes for a request.
    pub work: RangeInclusive<u64>,
    /// In so many of ten thousand replies, a node ends the connection instead, somewhere in the middle.
    pub breaks: u64,
    /// Bytes read at once at most, by the proxy.
    pub scratch: RangeInclusive<u64>,
    /// How long the control side takes to answer a report with a view; `None` if it does not.
    pub refresh: Option<RangeInclusive<u64>>,
}

impl Weather {
    pub fn calm() -> Self {
        Self { network: Network::calm(), work: 50..=50, breaks: 0, scratch: 65_536..=65_536, refresh: None }
    }
}

pub struct World {
    pub engine: Engine,
    pub now: u64,
    pub weather: Weather,
    pub dice: Dice,
    pub clients: Vec<Client>,
    /// Every connection to a node that there ever was.
    pub conns: Vec<Conn>,
    pub clusters: Vec<Redis>,
    pub ids: Vec<ClusterId>,
    pub filters: Vec<FilterId>,
    pub stats: Vec<Arc<ClusterStats>>,
    pub filter_stats: Vec<Arc<FilterStats>>,
    pub reports: Vec<(ClusterId, Report)>,
    pub happenings: BTreeMap<(u64, u64), Happening>,
    pub trace: Trace,
    sessions: Vec<Option<usize>>,
    upstreams: Vec<Option<usize>>,
    events: BTreeSet<(u64, Wake)>,
    order: u64,
    due: Time,
    idle_turns: u32,
    turns: u32,
}

impl World {
    pub fn new(setup: Setup) -> Self {
        let mut engine = Engine::new(setup.limits, setup.seed);
        engine.set_wall_clock(setup.wall);
        let (mut ids, mut stats) = (Vec::new(), Vec::new());
        for meant in &setup.meant {
            let counted = Arc::new(ClusterStats::default());
            ids.push(engine.add_cluster(Arc::new(meant.clone()), counted.clone()));
            stats.push(counted);
        }
        let (mut filters, mut filter_stats) = (Vec::new(), Vec::new());
        for proxy in &setup.proxies {
            let counted = Arc::new(FilterStats::default());
            filters.push(engine.add_filter(proxy.clone().into(), setup.buffer_limit, counted.clone()));
            filter_stats.push(counted);
        }
        let mut world = Self {
            engine,
            now: 0,
            weather: setup.weather,
            dice: Dice::new(setup.seed),
            clients: Vec::new(),
            conns: Vec::new(),
            clusters: setup.clusters,
            ids,
            filters,
            stats,
            filter_stats,
            reports: Vec::new(),
            happenings: BTreeMap::new(),
            trace: Trace::new(),
            sessions: Vec::new(),
            upstreams: Vec::new(),
            events: BTreeSet::new(),
            order: 0,
            due: Time::NEVER,
            idle_turns: 0,
            turns: 0,
        };
        for cluster in 0..world.clusters.len() {
            if setup.known {
                world.happens(1, Happening::View(cluster));
            }
        }
        world.run(1);
        world
    }

    fn wake(&mut self, at: u64, who: Wake) {
        self.events.insert((at, who));
    }

    /// Lets something happen in so many microseconds.
    pub fn happens(&mut self, after: u64, what: Happening) {
        self.order += 1;
        self.happenings.insert((self.now + after, self.order), what);
        self.wake(self.now + after, Wake::Happening);
    }

    /// A new client of the first filter.
    pub fn connect(&mut self) -> usize {
        self.connect_to(0)
    }

    pub fn connect_to(&mut self, filter: usize) -> usize {
        let local = SocketAddr::from((Ipv4Addr::new(10, 9, 8, 7), 6379));
        let session = self.engine.client_opened(self.filters[filter], local);
        let index = self.clients.len();
        let dice = self.dice.fork();
        self.clients.push(Client::new(session, &self.weather.network, dice));
        let at = session.0 as usize;
        self.sessions.resize(self.sessions.len().max(at + 1), None);
        assert_eq!(self.sessions[at], None, "a number is used again too early");
        self.sessions[at] = Some(index);
        self.wake(self.now, Wake::Client(index));
        index
    }

    /// When something happens next.
    fn next(&self) -> u64 {
        let event = self.events.first().map_or(u64::MAX, |event| event.0);
        event.min(self.due.0)
    }

    /// One turn of the worker. Not, if nothing will ever happen.
    pub fn turn(&mut self) -> bool {
        let next = self.next();
        if next == u64::MAX {
            return false;
        }
        self.idle_turns = if next > self.now { 0 } else { self.idle_turns + 1 };
        assert!(self.idle_turns < 1000, "the engine wants turn after turn, and time stands still");
        self.now = self.now.max(next);
        self.turns += 1;
        assert!(self.turns < 300_000, "a world that does not come to rest");
        self.engine.begin_turn(Time(self.now));
        while self.events.first().is_some_and(|event| event.0 <= self.now) {
            match self.events.pop_first().unwrap().1 {
                Wake::Client(client) => self.client_wakes(client),
                Wake::Conn(conn) => self.conn_wakes(conn),
                Wake::Happening => self.let_happen(),
            }
        }
        self.settle();
        self.due = self.engine.end_turn();
        true
    }

    /// Lets so many microseconds pass.
    pub fn run(&mut self, micros: u64) {
        let until = self.now + micros;
        while self.next() <= until {
            self.turn();
        }
        self.now = until;
    }

    /// Until nothing more will ever happen, or so many microseconds have passed.
    pub fn run_out(&mut self, micros: u64) {
        let until = self.now + micros;
        while self.next() <= until && self.turn() {}
    }

    fn settle(&mut self) {
        let (mut upstreams, mut clients): (Vec<UpstreamId>, Vec<SessionId>) = (Vec::new(), Vec::new());
        loop {
            self.engine.take_dirty(&mut upstreams, &mut clients);
            upstreams.iter().for_each(|id| self.write_upstream(*id));
            clients.iter().for_each(|id| self.write_client(*id));
            let decisions: Vec<Decision> = self.engine.decisions().collect();
            if decisions.is_empty() && upstreams.is_empty() && clients.is_empty() {
                return;
            }
            for decision in decisions {
                self.carry_out(decision);
            }
        }
    }
}
