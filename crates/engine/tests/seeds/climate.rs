//! How a random world is made of its seed, and what must hold when it is over.

use super::player::{Ledger, Player, Rules};
use crate::world::client::Reading;
use crate::world::happening::Happening;
use crate::world::node::Door;
use crate::world::pipe::{End, Network};
use crate::world::random::Dice;
use crate::world::redis::Redis;
use crate::world::setup::{Setup, route};
use crate::world::{Weather, World};
use engine::{Change, NewCluster, NewFilter};
use meant::{
    Balance, Cluster, Credentials, Fault, FaultKind, Fraction, Keepalive, Mirror, ReadPolicy, RedisProxy, Secret,
};
use slots::Slot;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum Climate {
    Calm,
    Moving,
    Failing,
    Wild,
}

/// One world and what is known of its clients.
pub struct Run {
    climate: Climate,
    world: World,
    ledgers: Vec<Rc<RefCell<Ledger>>>,
    rules: Rules,
    /// Whether every write must reach the mirror.
    mirrored: bool,
    buffer_limit: usize,
}

pub struct Outcome {
    pub trace: u64,
    /// Every statistic.
    pub counted: String,
    pub replies: usize,
    pub failures: usize,
}

const POLICIES: [ReadPolicy; 5] =
    [ReadPolicy::Primary, ReadPolicy::PreferPrimary, ReadPolicy::Replica, ReadPolicy::PreferReplica, ReadPolicy::Any];

/// Keys that everybody reads.
const SHARED: usize = 8;

impl Run {
    pub fn of(climate: Climate, seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(7).wrapping_add(climate as u64));
        let shards = 1 + dice.index(4);
        let replicas = dice.index(3);
        let (shards, replicas, mut setup) = match dice.below(6) {
            // Plain nodes have no slots that could move, and no replicas.
            0 if climate != Climate::Moving => (1, 0, plain(shards)),
            _ => (shards, replicas, Setup::cluster(shards, replicas)),
        };
        setup.seed = seed;
        setup.weather = weather(climate, &mut dice);
        let policy = if replicas == 0 { ReadPolicy::Primary } else { *dice.pick(&POLICIES) };
        let fails = matches!(climate, Climate::Failing | Climate::Wild);
        let timeout = if fails { 50_000 + dice.below(250_000) } else { 20_000_000 };
        // A value that is not held cannot be sent again, so a slot that moves meanwhile is an error.
        let large = dice.percent(40);
        if large && climate != Climate::Moving {
            setup.limits.large_request = 20 + dice.index(60);
        }
        if large {
            setup.limits.large_reply = 5 + dice.index(30);
        }
        let settings = setup.settings();
        settings.read_policy = policy;
        settings.op_timeout = Duration::from_micros(timeout);
        settings.max_buffer_size_before_flush = if dice.percent(20) { 1 + dice.below(500) as u32 } else { 0 };
        let mut rules = Rules {
            strict: climate == Climate::Calm && policy == ReadPolicy::Primary,
            ordered: !fails && policy == ReadPolicy::Primary,
            errors: fails,
            // Requests that are not held go one after the other.
            patience: (!large).then_some(timeout + 100_000),
            closes: large && fails,
            shared: SHARED,
            prefix: "",
            listing: true,
        };
        let mirrored = decorate(climate, &mut setup, &mut rules, &mut dice);
        setup.known = climate == Climate::Calm || dice.percent(70);
        let known = setup.known;
        for n in 0..SHARED {
            let name = format!("s{n}");
            for redis in &mut setup.clusters {
                let stores = redis.stores.len();
                for store in 0..stores {
                    redis.stores[store].insert(name.clone().into_bytes(), format!("{}{name}=", rules.prefix).into());
                }
            }
        }
        let (main, proxy, buffer_limit) = (setup.meant[0].clone(), setup.proxies[0].clone(), setup.buffer_limit);
        let world = World::new(setup);
        let mut run = Self { climate, world, ledgers: Vec::new(), rules, mirrored, buffer_limit };
        if !known {
            for cluster in 0..run.world.clusters.len() {
                run.world.happens(1 + dice.below(20_000), Happening::View(cluster));
            }
        }
        run.add_clients(1 + dice.index(4), &mut dice);
        run.add_trouble(&mut dice, shards, replicas, timeout);
        run.add_changes(seed, main, proxy);
        run
    }

    /// The configuration changes while requests are under way, and no client may notice.
    fn add_changes(&mut self, seed: u64, main: Cluster, mut proxy: RedisProxy) {
        let mut dice = Dice::new(seed.wrapping_mul(31).wrapping_add(self.climate as u64));
        if !dice.percent(35) {
            return;
        }
        let mirrors = proxy.routes.catch_all.as_ref().map(|route| route.mirrors.clone()).unwrap_or_default();
        for _ in 0..=dice.below(3) {
            let keepalive = dice.percent(50).then(Keepalive::default);
            let cluster = NewCluster {
                meant: Cluster { keepalive, ..main.clone() }.into(),
                stats: Arc::clone(&self.world.stats[0]),
            };
            proxy.settings.enable_command_stats = dice.percent(50);
            if let Some(route) = proxy.routes.catch_all.as_mut().filter(|_| !self.mirrored) {
                route.mirrors = if dice.percent(50) { Vec::new() } else { mirrors.clone() };
            }
            let filter = NewFilter {
                meant: proxy.clone().into(),
                buffer_limit: self.buffer_limit,
                stats: Arc::clone(&self.world.filter_stats[0]),
            };
            let change = Change {
                clusters: vec![(self.world.ids[0], Some(cluster))],
                filters: vec![(self.world.filters[0], Some(filter))],
            };
            self.world.happens(1 + dice.below(40_000), Happening::Change(change));
        }
    }

    /// Leads everything through all stations.
    pub fn without_plain_road(mut self) -> Self {
        self.world.engine.avoid_plain_road();
        self
    }

    fn add_clients(&mut self, count: usize, dice: &mut Dice) {
        for _ in 0..count {
            let client = self.world.connect();
            let id = self.ledgers.len();
            let ledger = Rc::new(RefCell::new(Ledger::default()));
            let mut rules = self.rules.clone();
            let reading = match dice.below(20) {
                4..8 => Reading::Slowly { bytes: 1 + dice.index(200), every: 1 + dice.below(3000) },
                3 if self.climate == Climate::Wild => Reading::Never,
                _ => Reading::AtOnce,
            };
            if reading != Reading::AtOnce {
                rules.patience = None;
            }
            let player = Player::new(id, rules, ledger.clone(), dice);
            self.world.clients[client].reading = reading;
            self.world.clients[client].may_be_cut_off = self.rules.closes;
            self.world.clients[client].mind = Some(Box::new(player));
            self.ledgers.push(ledger);
        }
    }

    /// A slot that somebody uses.
    fn slot(&self, dice: &mut Dice) -> usize {
        let id = dice.index(self.ledgers.len());
        let key = match dice.below(4) {
            0 => format!("s{}", dice.index(SHARED)),
            1 => format!("t{id}"),
            2 => format!("n{id}.{}", dice.below(2)),
            _ => format!("k{id}.{}", dice.below(3)),
        };
        Slot::of(key.as_bytes()).index()
    }

    fn add_trouble(&mut self, dice: &mut Dice, shards: usize, replicas: usize, timeout: u64) {
        if self.climate == Climate::Calm {
            return;
        }
        let (horizon, troubles) = (60_000, dice.below(12));
        for _ in 0..troubles {
            let at = dice.below(horizon);
            let fails = self.climate != Climate::Moving;
            match dice.below(if fails { 12 } else { 6 }) {
                0 | 1 if shards > 1 => self.move_slot(at, shards, dice),
                2 if shards > 1 => {
                    let (slot, shard) = (self.slot(dice), dice.index(shards));
                    let all = dice.percent(30);
                    self.world.happens(
                        at,
                        if all {
                            Happening::GiveAll { from: shard, to: 0 }
                        } else {
                            Happening::GiveSlot { slot, shard }
                        },
                    );
                }
                3 if replicas > 0 => {
                    let (shard, replica) = (dice.index(shards), dice.index(replicas));
                    self.world.happens(at, Happening::FailOver { shard, replica });
                }
                4 => self.world.happens(at, Happening::View(0)),
                5 => {
                    let view = self.world.clusters[0].view();
                    self.world.happens(at, Happening::OldView(0, view));
                }
                6.. => self.break_node(at, dice, timeout),
                _ => {}
            }
        }
    }

    fn move_slot(&mut self, at: u64, shards: usize, dice: &mut Dice) {
        let (slot, shard) = (self.slot(dice), dice.index(shards));
        let mut at = at;
        self.world.happens(at, Happening::BeginMove { slot, shard });
        for _ in 0..dice.below(5) {
            at += dice.below(20_000);
            self.world.happens(at, Happening::MoveKey(slot));
        }
        at += dice.below(200_000);
        self.world.happens(at, Happening::EndMove(slot));
    }

    fn break_node(&mut self, at: u64, dice: &mut Dice, timeout: u64) {
        let cluster = dice.index(self.world.clusters.len());
        let node = dice.index(self.world.clusters[cluster].nodes.len());
        let end = if dice.percent(50) { End::Finished } else { End::Reset };
        let later = at + 1 + dice.below(timeout * 2);
        let world = &mut self.world;
        match dice.below(6) {
            0 => world.happens(at, Happening::Cut { cluster, node, end }),
            5 => {
                let had = world.clusters[cluster].nodes[node].password;
                world.happens(at, Happening::Password { cluster, node, password: Some((None, "another")) });
                world.happens(at, Happening::Cut { cluster, node, end });
                world.happens(later, Happening::Password { cluster, node, password: had });
            }
            1 => {
                let door = if dice.percent(70) { Door::Refuses } else { Door::Silent };
                world.happens(at, Happening::Door { cluster, node, door });
                world.happens(at, Happening::Cut { cluster, node, end });
                world.happens(later, Happening::Door { cluster, node, door: Door::Open });
            }
            2 | 3 => world.happens(at, Happening::Freeze { cluster, node, micros: dice.below(timeout * 5) }),
            _ => {
                let excuse = *dice.pick(&[
                    "LOADING Redis is loading the dataset in memory",
                    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                    "CLUSTERDOWN The cluster is down",
                ]);
                world.happens(at, Happening::Excuse { cluster, node, excuse: Some(excuse) });
                world.happens(later, Happening::Excuse { cluster, node, excuse: None });
            }
        }
    }

    /// Plays it to its end, and checks what must hold then.
    pub fn play(mut self) -> Outcome {
        // Some come later, and get the numbers of those who have left.
        let mut dice = self.world.dice.fork();
        for _ in 0..dice.below(4) {
            self.world.run(dice.below(25_000));
            self.add_clients(1, &mut dice);
        }
        self.world.run_out(30_000_000);
        for index in 0..self.world.clients.len() {
            if self.world.clients[index].reading == Reading::Never {
                self.world.leave(index, End::Reset);
            }
        }
        self.world.run_out(300_000_000);
        for (id, ledger) in self.ledgers.iter().enumerate() {
            let ledger = ledger.borrow();
            if self.world.clients[id].reading == Reading::Never {
                continue;
            }
            assert_eq!(ledger.open, 0, "client {id} waits for ever: {ledger:?}");
            assert!(self.world.clients[id].session.is_none(), "client {id} was never closed: {ledger:?}");
        }
        assert_eq!(self.world.engine.clients(), 0);
        self.world.assert_idle();
        assert!(!self.world.turn(), "something is still to happen");
        self.check_writes();
        Outcome {
            trace: self.world.trace.sum(),
            counted: format!("{:?} {:?}", self.world.stats, self.world.filter_stats),
            replies: self.ledgers.iter().map(|ledger| ledger.borrow().replies).sum(),
            failures: self.ledgers.iter().map(|ledger| ledger.borrow().failures).sum(),
        }
    }

    fn check_writes(&self) {
        for (cluster, redis) in self.world.clusters.iter().enumerate() {
            for (mark, count) in &redis.executed {
                assert_eq!(*count, 1, "{mark} was carried out {count} times in cluster {cluster}");
            }
        }
        for mark in self.ledgers.iter().flat_map(|ledger| ledger.borrow().acknowledged.clone()) {
            let carried_out = |redis: &Redis| redis.executed.contains_key(&mark);
            assert!(self.world.clusters.iter().any(carried_out), "{mark} was acknowledged, but never carried out");
            if self.mirrored {
                assert!(carried_out(&self.world.clusters[1]), "{mark} has not reached the mirror");
            }
        }
    }
}

fn plain(count: usize) -> Setup {
    let ring = Balance::RingHash { minimum: 64, maximum: 1024, murmur: false, by_hostname: false };
    Setup::hosts(count, if count == 1 { Balance::RoundRobin } else { ring })
}

fn weather(climate: Climate, dice: &mut Dice) -> Weather {
    let slowest = 10 + dice.below(1500);
    let capacity = *dice.pick(&[64, 300, 4096, 1 << 20, 1 << 20]);
    let refresh = climate != Climate::Calm && dice.percent(70);
    Weather {
        network: Network { latency: 10..=slowest, cut: dice.below(60), capacity },
        work: 10..=10 + dice.below(2000),
        breaks: if matches!(climate, Climate::Failing | Climate::Wild) { dice.below(300) } else { 0 },
        scratch: 1..=*dice.pick(&[3, 50, 4096, 65_536]),
        refresh: refresh.then(|| 500..=500 + dice.below(50_000)),
    }
}

/// Bounds, mirrors, routes, faults. Whether every write must reach the mirror.
fn decorate(climate: Climate, setup: &mut Setup, rules: &mut Rules, dice: &mut Dice) -> bool {
    if dice.percent(40) {
        let most = *dice.pick(&[20, 200, 2000]);
        setup.buffer_limit = 1 + dice.index(most);
        setup.limits.places = 1 + dice.below(24) as u32;
        rules.patience = None;
    }
    if dice.percent(25) {
        let password = Some(Secret::new("secret"));
        setup.meant[0].upstream.credentials = Credentials { username: None, password };
        setup.clusters[0].nodes.iter_mut().for_each(|node| node.password = Some((None, "secret")));
    }
    let mirrors = dice.percent(40);
    if mirrors {
        let redis = if dice.percent(50) { Redis::cluster(2, 2, 0) } else { Redis::hosts(2, 1) };
        let mut taken = std::mem::replace(setup, Setup::cluster(1, 0)).and("mirror", redis, Balance::RoundRobin);
        let exclude_reads = dice.percent(50);
        taken.catch_all().mirrors = vec![Mirror { cluster: "mirror".into(), fraction: Fraction::ALL, exclude_reads }];
        *setup = taken;
    }
    if climate != Climate::Wild {
        return mirrors && climate == Climate::Calm;
    }
    rules.closes = true;
    setup.limits.unread = *dice.pick(&[256 << 20, 2000]);
    setup.limits.upstream_bytes = *dice.pick(&[128 << 20, 1000]);
    setup.settings().connection_rate_limit = dice.percent(10).then(|| 1 + dice.below(20) as u32);
    if dice.percent(30) {
        let mut prefixed = route("p:", "main");
        prefixed.remove_prefix = true;
        setup.proxies[0].routes.routes.push(prefixed);
        (rules.prefix, rules.listing) = ("p:", false);
    }
    if dice.percent(30) {
        let percent = dice.below(30) as u32;
        let delay = Duration::from_micros(dice.below(3000));
        let kind = if dice.percent(50) { FaultKind::Delay } else { FaultKind::Error };
        setup.proxies[0].faults.push(Fault { kind, percent, delay, commands: Vec::new() });
    }
    false
}
