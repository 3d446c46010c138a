//! Both cores, no sockets, no clock: thousands of histories from seeds, in which messages are late, the world changes under
//! way, resources are refused, streams break and time jumps. In the end both sides agree, and on the way a listener never
//! stands without its cluster.
#![cfg(test)]

mod world;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use world::{node, resource};
use xds::Kind::{Cluster, Endpoints, Listener};
use xds::client::{Arrival, Outcome, Refused, Request, Talk, Verdict, Want};
use xds::server::{Dialect, Moment, Response, Snapshot, Stream};
use xds::{Kind, Resource, ResourceSet};

const PATIENCE: Duration = Duration::from_secs(1);
const SEEDS: u64 = 250;
const STEPS: usize = 300;

/// What may happen in a history.
#[derive(Clone, Copy)]
struct Climate {
    dialect: Dialect,
    refusals: bool,
    breaks: bool,
    jumps: bool,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// A control plane's stream, a proxy, and what is on the wire between them.
struct History {
    climate: Climate,
    dice: Dice,
    now: Moment,
    target: Arc<Snapshot>,
    version: u64,
    server: Stream,
    talk: Talk,
    up: VecDeque<Request>,
    down: VecDeque<Response>,
    /// What the user has not decided about yet.
    open: Option<Arrival>,
    /// What has still to be refused once more.
    again: Vec<Kind>,
    /// On the present stream: the version last sent, by kind and name.
    sent: BTreeMap<(Kind, String), String>,
    resources_sent: usize,
}

impl History {
    fn new(climate: Climate, seed: u64) -> History {
        let target = Arc::new(Snapshot::new("v0"));
        let mut history = History {
            climate,
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Moment { steady: Instant::now(), wall: SystemTime::UNIX_EPOCH },
            server: Stream::new(climate.dialect, target.clone(), PATIENCE),
            talk: Talk::new(climate.dialect, &node()),
            target,
            version: 0,
            up: VecDeque::new(),
            down: VecDeque::new(),
            open: None,
            again: Vec::new(),
            sent: BTreeMap::new(),
            resources_sent: 0,
        };
        history.change_the_world();
        history.talk.want(Cluster, Want::Everything);
        history.talk.want(Listener, Want::Everything);
        history.up.extend(history.talk.connected());
        history
    }

    fn step(&mut self) {
        match self.dice.roll(100) {
            0..8 => self.change_the_world(),
            8..10 if self.climate.breaks => self.break_the_stream(),
            10..20 => self.pass_time(),
            20..45 => self.hear_request(),
            45..75 => self.hear_response(),
            _ => self.decide(),
        }
        self.flush();
        self.listeners_have_their_clusters();
    }

    /// Always consistent: a listener names a cluster that is there, and every cluster has endpoints.
    fn change_the_world(&mut self) {
        self.version += 1;
        let clusters: Vec<String> =
            (0..6).filter(|_| self.dice.roll(3) > 0).map(|number| format!("c{number}")).collect();
        let content = |dice: &mut Dice, bad: bool| {
            let word = if bad && dice.roll(6) == 0 { "bad" } else { "good" };
            format!("{word}{}", dice.roll(3))
        };
        let make = |dice: &mut Dice, kind: Kind, names: &[String], bad: bool| {
            let made = names.iter().map(|name| Arc::new(resource(kind, name, &content(dice, bad))));
            Arc::new(ResourceSet::new(made.collect::<Vec<_>>()))
        };
        let refusals = self.climate.refusals;
        let mut next = Snapshot::new(format!("v{}", self.version))
            .with(Cluster, make(&mut self.dice, Cluster, &clusters, refusals))
            .with(Endpoints, make(&mut self.dice, Endpoints, &clusters, refusals));
        let mut listeners = Vec::new();
        for number in 0..4 {
            if !clusters.is_empty() && self.dice.roll(3) > 0 {
                let cluster = &clusters[self.dice.roll(clusters.len() as u64) as usize];
                let content = format!("{} {cluster}", content(&mut self.dice, refusals));
                listeners.push(Arc::new(resource(Listener, &format!("l{number}"), &content)));
            }
        }
        next = next.with(Listener, Arc::new(ResourceSet::new(listeners)));
        // Often only one kind changes, and sometimes nothing does.
        for kind in [Cluster, Endpoints, Listener] {
            if self.dice.roll(4) == 0 && self.version > 1 && !self.climate_forbids_mixing() {
                next = next.with(kind, self.target.set(kind).clone());
            }
        }
        self.target = Arc::new(next);
        self.server.aim(self.target.clone());
    }

    /// Taking over one kind from the state before makes states in which a listener's cluster is missing from the start.
    fn climate_forbids_mixing(&self) -> bool {
        !(self.climate.refusals || self.climate.breaks || self.climate.jumps)
    }

    fn break_the_stream(&mut self) {
        self.talk.disconnected();
        self.decide();
        (self.up, self.down) = (VecDeque::new(), VecDeque::new());
        self.sent.clear();
        self.server = Stream::new(self.climate.dialect, self.target.clone(), PATIENCE);
        self.up.extend(self.talk.connected());
    }

    fn pass_time(&mut self) {
        let most = if self.climate.jumps { 3000 } else { 5 };
        self.now.steady += Duration::from_millis(self.dice.roll(most));
    }

    fn hear_request(&mut self) {
        match self.up.pop_front() {
            Some(Request::Sotw(request)) => drop(self.server.hear(&request, self.now)),
            Some(Request::Delta(request)) => drop(self.server.hear_delta(&request, self.now)),
            None => {}
        }
    }

    /// As the driver: nothing is read while the user decides.
    fn hear_response(&mut self) {
        if self.open.is_some() {
            return;
        }
        let Some(response) = self.down.pop_front() else { return };
        let outcome = match response {
            Response::Sotw(response) => self.talk.hear(&response),
            Response::Delta(response) => self.talk.hear_delta(response),
        };
        match outcome {
            Outcome::Judge(arrival) => self.open = Some(arrival),
            Outcome::Say(request) => self.up.push_back(*request),
            Outcome::Repeat(kind) => self.again.push(kind),
            Outcome::Ignore => panic!("it was asked for"),
        }
    }

    fn decide(&mut self) {
        for kind in std::mem::take(&mut self.again) {
            if let Some(arrival) = self.talk.reconsider(kind) {
                self.answer(&arrival);
            }
        }
        if let Some(arrival) = self.open.take() {
            self.answer(&arrival);
        }
    }

    fn answer(&mut self, arrival: &Arrival) {
        let bad = arrival.changed.iter().filter(|resource| is_bad(resource));
        let refused = bad.map(|bad| Refused { name: bad.name.clone(), reason: "bad".to_owned() }).collect();
        self.up.extend(self.talk.judge(arrival, &Verdict { refused }));
        if arrival.kind == Cluster {
            let names: Vec<Arc<str>> = self.talk.held(Cluster).map(|cluster| cluster.name.clone()).collect();
            self.up.extend(self.talk.want(Endpoints, Want::named(names)));
        }
    }

    fn flush(&mut self) {
        while let Some((kind, response)) = self.server.next(self.now) {
            if let Response::Delta(response) = &response {
                for name in &response.removed_resources {
                    self.sent.remove(&(kind, name.clone()));
                }
                for resource in &response.resources {
                    self.resources_sent += 1;
                    let before = self.sent.insert((kind, resource.name.clone()), resource.version.clone());
                    // Endpoints are sent again for a cluster that is warmed anew.
                    assert!(kind == Endpoints || before.as_ref() != Some(&resource.version), "{} again", resource.name);
                }
            }
            self.down.push_back(response);
        }
    }

    /// Holds at every moment where nothing is refused and the server does not lose patience.
    fn listeners_have_their_clusters(&self) {
        if !self.climate_forbids_mixing() {
            return;
        }
        for listener in self.talk.held(Listener) {
            let uses = content(listener).split(' ').nth(1).unwrap().to_owned();
            assert!(self.talk.held(Cluster).any(|cluster| *cluster.name == uses), "{} lacks {uses}", listener.name);
        }
    }

    /// Nothing new happens; all that is under way arrives, and all waits run out.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.hear_request();
            self.hear_response();
            self.decide();
            self.flush();
            if self.up.is_empty() && self.down.is_empty() && self.open.is_none() && self.again.is_empty() {
                match self.server.wake(self.now) {
                    Some(at) => self.now.steady = at,
                    None if self.server.is_settled() => return,
                    None => {}
                }
            }
        }
        panic!("it does not come to rest");
    }

    fn both_sides_agree(&self) {
        for kind in [Cluster, Endpoints, Listener] {
            let held: BTreeMap<&str, &Arc<Resource>> = self.talk.held(kind).map(|held| (&*held.name, held)).collect();
            let wanted =
                |name: &str| kind != Endpoints || self.talk.held(Cluster).any(|cluster| &*cluster.name == name);
            for resource in self.target.set(kind).iter().filter(|resource| wanted(&resource.name)) {
                let has = held.get(&*resource.name);
                if is_bad(resource) {
                    assert!(has.is_none_or(|has| !is_bad(has)), "{kind} {} was refused", resource.name);
                } else {
                    assert_eq!(has.map(|has| &has.any), Some(&resource.any), "{kind} {}", resource.name);
                }
            }
            // The state of the world cannot say that endpoints are gone.
            if kind != Endpoints {
                assert!(held.keys().all(|name| self.target.set(kind).get(name).is_some()), "{kind}: {held:?}");
            }
            let nack = self.server.nack(kind);
            assert!(nack.is_none() || self.climate.refusals, "{nack:?}");
            assert!(nack.is_none_or(|nack| !nack.resources.is_empty()), "{nack:?}");
        }
    }
}

fn content(resource: &Resource) -> String {
    let message = resource.message();
    String::from_utf8_lossy(&message[5 + resource.name.len()..]).into_owned()
}

fn is_bad(resource: &Resource) -> bool {
    content(resource).starts_with("bad")
}

fn live_through(climate: Climate) {
    for seed in 1..=SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut history = History::new(climate, seed);
            for _ in 0..STEPS {
                history.step();
            }
            history.settle();
            history.both_sides_agree();
            assert!(climate.dialect == Dialect::Sotw || history.resources_sent > 20, "the history is too quiet");
        });
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn calm_histories() {
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        live_through(Climate { dialect, refusals: false, breaks: false, jumps: false });
    }
}

#[test]
fn histories_with_refusals() {
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        live_through(Climate { dialect, refusals: true, breaks: false, jumps: false });
    }
}

#[test]
fn histories_with_everything() {
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        live_through(Climate { dialect, refusals: true, breaks: true, jumps: true });
    }
}
