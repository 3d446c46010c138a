//! Any bytes at any moment: nodes that lie, clients that babble, a driver that is told everything in any order. Nothing
//! can be said of the replies; but the engine neither falls nor forgets anything.

use crate::world::random::Dice;
use crate::world::redis::Redis;
use crate::world::setup::{Setup, cluster, proxy, redis, route};
use engine::{Closed, ClusterId, Decision, Engine, FilterId, SessionId, Time, UpstreamId};
use meant::{Fault, FaultKind, Fraction, Mirror, ReadPolicy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ASKED: &[&str] = &[
    "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\nv\r\n",
    "*4\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    "*5\r\n$4\r\nMSET\r\n$4\r\n{a}1\r\n$1\r\nv\r\n$4\r\n{a}2\r\n$1\r\nw\r\n",
    "*1\r\n$4\r\nPING\r\n",
    "*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n",
    "SCAN 0\r\n",
    "SCAN 81920\r\n",
    "INFO\r\n",
    "DEL p:a p:b c\r\n",
    "RENAME p:a p:b\r\n",
    "EVAL x 0\r\n",
    "CLUSTER INFO\r\n",
    "QUIT\r\n",
    "*1\r\n:1\r\n",
    "\r\n",
    "\"",
];

const SAID: &[&str] = &[
    "+OK\r\n",
    ":1\r\n",
    "$-1\r\n",
    "$1\r\nv\r\n",
    "*1\r\n$1\r\nv\r\n",
    "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n",
    "*2\r\n$1\r\n7\r\n*0\r\n",
    "-MOVED 15495 10.0.0.1:7000\r\n",
    "-MOVED 3300 10.0.0.1:7001\r\n",
    "-MOVED 0 10.9.9.9:1\r\n",
    "-ASK 15495 10.0.0.1:7001\r\n",
    "-ASK 3300 :7002\r\n",
    "-TRYAGAIN not now\r\n",
    "-LOADING wait\r\n",
    "-READONLY no\r\n",
    "-CLUSTERDOWN no\r\n",
    "-ERR no\r\n",
    ">1\r\n+push\r\n",
    "$100\r\n",
    "?",
];

struct Noise {
    engine: Engine,
    dice: Dice,
    now: u64,
    clients: Vec<SessionId>,
    conns: BTreeMap<UpstreamId, bool>,
    views: Vec<slots::View>,
}

impl Noise {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut limits = Setup::cluster(1, 0).limits;
        (limits.places, limits.unread, limits.upstream_requests) = (6, 3000, 40);
        (limits.parked_requests, limits.mirror_bytes, limits.reply) = (10, 200, 90);
        if dice.percent(50) {
            (limits.large_request, limits.large_reply) = (dice.index(60), dice.index(30));
        }
        let mut engine = Engine::new(limits, seed);
        for name in ["main", "copy"] {
            engine.add_cluster(Arc::new(cluster(name, redis())), Arc::default());
        }
        let mut filter = proxy();
        filter.settings.op_timeout = Duration::from_millis(dice.below(30));
        filter.settings.read_policy = *dice.pick(&[ReadPolicy::Primary, ReadPolicy::Replica, ReadPolicy::Any]);
        filter.settings.max_buffer_size_before_flush = dice.below(2) as u32 * 50;
        filter.settings.max_upstream_unknown_connections = dice.below(3) as u32;
        let mut prefixed = route("p:", "main");
        prefixed.remove_prefix = true;
        filter.routes.routes.push(prefixed);
        let mirror = Mirror { cluster: "copy".into(), fraction: Fraction::ALL, exclude_reads: dice.percent(50) };
        filter.routes.catch_all.as_mut().unwrap().mirrors = vec![mirror];
        let delay = Duration::from_millis(2);
        filter.faults.push(Fault { kind: FaultKind::Delay, percent: 10, delay, commands: Vec::new() });
        engine.add_filter(filter.clone().into(), 300, Arc::default());
        let views = [(1, 1), (3, 0), (2, 2)].map(|(shards, replicas)| Redis::cluster(1, shards, replicas).view());
        Self { engine, dice, now: 0, clients: Vec::new(), conns: BTreeMap::new(), views: views.to_vec() }
    }

    /// A whole text, several, or a piece of one.
    fn babble(&mut self, texts: &[&str]) -> Vec<u8> {
        let count = 1 + self.dice.below(6);
        let mut bytes: Vec<u8> = (0..count).flat_map(|_| self.dice.pick(texts).bytes()).collect();
        if self.dice.percent(20) {
            bytes.truncate(self.dice.index(bytes.len()) + 1);
        }
        if self.dice.percent(2) {
            let at = self.dice.index(bytes.len());
            bytes[at] = self.dice.below(256) as u8;
        }
        bytes
    }

    fn conn(&mut self) -> Option<UpstreamId> {
        let ids: Vec<UpstreamId> = self.conns.keys().copied().collect();
        (!ids.is_empty()).then(|| *self.dice.pick(&ids))
    }

    fn something(&mut self) {
        let client = (!self.clients.is_empty()).then(|| *self.dice.pick(&self.clients));
        match (self.dice.below(20), client) {
            (0 | 1, _) => {
                let local = ([10, 0, 0, 9], 6379).into();
                self.clients.push(self.engine.client_opened(FilterId(0), local));
            }
            (2..8, Some(id)) if self.engine.wants_bytes(id) => {
                let bytes = self.babble(ASKED);
                self.engine.client_bytes(id, &bytes);
            }
            (8, Some(id)) => {
                match self.dice.percent(50) {
                    true => self.engine.client_finished(id),
                    false => self.engine.client_closed(id),
                }
                self.clients.retain(|client| *client != id);
            }
            (9, _) => {
                let (cluster, view) = (ClusterId(self.dice.below(2) as u32), self.dice.pick(&self.views).clone());
                self.engine.apply_view(cluster, &view);
            }
            (10..18, _) => {
                let Some(id) = self.conn() else { return };
                if !std::mem::replace(self.conns.get_mut(&id).unwrap(), true) {
                    return self.engine.upstream_opened(id);
                }
                let bytes = self.babble(SAID);
                if self.engine.wants_upstream_bytes(id) {
                    self.engine.upstream_bytes(id, &bytes);
                }
            }
            (18, _) => {
                let Some(id) = self.conn() else { return };
                let why = match self.conns[&id] {
                    true => [Closed::ByPeer, Closed::Broken("reset".into())][self.dice.index(2)].clone(),
                    false => Closed::Refused("refused".into()),
                };
                self.conns.remove(&id);
                self.engine.upstream_closed(id, &why);
            }
            _ => {}
        }
    }

    /// As the driver does, except that sockets take as much as they like.
    fn settle(&mut self, all: bool) {
        let (mut upstreams, mut clients) = (Vec::new(), Vec::new());
        loop {
            self.engine.take_dirty(&mut upstreams, &mut clients);
            for id in &upstreams {
                let len = self.engine.upstream_output(*id).len();
                let n = if all { len } else { self.dice.index(len + 1) };
                self.engine.upstream_wrote(*id, n);
            }
            for id in &clients {
                let len = self.engine.client_output(*id).len();
                let n = if all { len } else { self.dice.index(len + 1) };
                self.engine.client_wrote(*id, n);
            }
            let decisions: Vec<Decision> = self.engine.decisions().collect();
            if decisions.is_empty() && upstreams.is_empty() && clients.is_empty() {
                return;
            }
            for decision in decisions {
                match decision {
                    Decision::Connect { upstream, .. } => drop(self.conns.insert(upstream, false)),
                    Decision::CloseUpstream(id) => drop(self.conns.remove(&id)),
                    Decision::CloseClient(id) => self.clients.retain(|client| *client != id),
                    Decision::Resume(_) | Decision::ResumeUpstream(_) | Decision::Report(..) => {}
                }
            }
        }
    }

    fn turn(&mut self, what: impl Fn(&mut Self)) {
        self.now += self.dice.below(3000);
        self.engine.begin_turn(Time(self.now));
        what(self);
        let all = self.dice.percent(70);
        self.settle(all);
        self.engine.end_turn();
    }
}

pub fn make(seed: u64) {
    let mut noise = Noise::new(seed);
    for _ in 0..150 {
        noise.turn(|noise| (0..noise.dice.below(5)).for_each(|_| noise.something()));
    }
    // All clients leave, all connections end, all timers ring.
    noise.turn(|noise| {
        std::mem::take(&mut noise.clients).into_iter().for_each(|id| noise.engine.client_closed(id));
        noise.engine.hang_up_all();
    });
    for _ in 0..20 {
        noise.turn(|noise| {
            for id in std::mem::take(&mut noise.conns).into_keys() {
                noise.engine.upstream_closed(id, &Closed::Broken("reset".into()));
            }
        });
    }
    noise.now += 100_000_000;
    noise.turn(|noise| (0..2).for_each(|id| noise.engine.apply_view(ClusterId(id), &noise.views[0].clone())));
    noise.turn(|_| {});
    let usage = noise.engine.usage();
    assert_eq!((usage.places, usage.gathers, usage.parked, usage.in_flight), (0, 0, 0, 0), "{usage:?}");
}
