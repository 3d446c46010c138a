//! A control plane that gives what a test says, and remembers what proxies say to it.

use crate::resources::{self, Given};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{ports, wait};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use xds::server::{LaneStatus, ProxyStatus, Refusal, Server, Settings, Snapshot, Source};
use xds::{Kind, Nack, Node, Resource, ResourceSet};

/// Long enough for a machine that does other things as well.
pub const PATIENT: Duration = Duration::from_secs(30);

/// What there is, by kind and name, and how often that has changed.
#[derive(Default)]
struct There {
    changes: u64,
    given: BTreeMap<(usize, String), Given>,
}

/// The same resources for every proxy.
struct World {
    there: Mutex<There>,
    changes: watch::Sender<u64>,
    /// Every refusal, in order.
    nacks: Mutex<Vec<(Kind, Nack)>>,
}

impl World {
    fn set(&self, kind: Kind) -> ResourceSet {
        let there = self.there.lock().unwrap();
        let of_kind = there.given.values().filter(|given| given.kind == kind);
        ResourceSet::new(of_kind.map(|given| Arc::clone(&given.resource)).collect::<Vec<Arc<Resource>>>())
    }
}

impl Source for World {
    fn snapshot(&self, _: &Node) -> Result<Arc<Snapshot>, Refusal> {
        let snapshot = Snapshot::new(format!("v{}", self.there.lock().unwrap().changes));
        Ok(Arc::new(Kind::ALL.into_iter().fold(snapshot, |snapshot, kind| snapshot.with(kind, self.set(kind).into()))))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn judged(&self, _: &Node, kind: Kind, nack: Option<&Nack>) {
        self.nacks.lock().unwrap().extend(nack.map(|nack| (kind, nack.clone())));
    }
}

/// Serves a world; may be killed and started again at the same address.
pub struct Plane {
    world: Arc<World>,
    address: SocketAddr,
    running: Option<(Runtime, Server)>,
}

impl Plane {
    /// With these resources, at a free port.
    pub fn start(given: &[Value]) -> Self {
        let (there, changes, nacks) = (Mutex::default(), watch::Sender::new(0), Mutex::default());
        let world = Arc::new(World { there, changes, nacks });
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one().unwrap()));
        let mut plane = Self { world, address, running: None };
        plane.put(given);
        plane.revive();
        plane
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it without a word to anybody, with all its connections.
    pub fn kill(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_timeout(PATIENT);
        }
    }

    /// Starts it where it was.
    pub fn revive(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let settings = Settings { quiet: Duration::from_millis(5), ..Settings::default() };
        let (world, address) = (Arc::clone(&self.world), self.address);
        let server = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            let server = Server::start(world, settings);
            let serving = server.clone();
            tokio::spawn(async move { serving.serve(listener, None).await });
            server
        });
        self.running = Some((runtime, server));
    }

    /// Adds resources, or puts them in the place of those with the same name, in one change.
    pub fn put(&self, given: &[Value]) {
        self.change(given, &[]);
    }

    pub fn remove(&self, kind: Kind, name: &str) {
        self.change(&[], &[(kind, name)]);
    }

    pub fn change(&self, given: &[Value], removed: &[(Kind, &str)]) {
        let mut there = self.world.there.lock().unwrap();
        for (kind, name) in removed {
            assert!(there.given.remove(&(*kind as usize, (*name).to_owned())).is_some(), "there is no {kind} {name}");
        }
        for given in given.iter().map(resources::encode) {
            there.given.insert((given.kind as usize, given.resource.name.to_string()), given);
        }
        there.changes += 1;
        drop(there);
        self.world.changes.send_modify(|count| *count += 1);
    }

    /// Every refusal so far.
    pub fn nacks(&self) -> Vec<(Kind, Nack)> {
        self.world.nacks.lock().unwrap().clone()
    }

    /// How many streams were opened at this incarnation.
    pub fn streams(&self) -> u64 {
        self.running.as_ref().map_or(0, |(_, server)| server.metrics().streams)
    }

    /// How many responses of a kind were refused at this incarnation.
    pub fn rejects(&self, kind: Kind) -> u64 {
        self.running.as_ref().map_or(0, |(_, server)| server.metrics().kinds[kind].rejects)
    }

    /// How many resources of a kind were sent at this incarnation.
    pub fn sent(&self, kind: Kind) -> u64 {
        self.running.as_ref().map_or(0, |(_, server)| server.metrics().kinds[kind].resources)
    }

    /// Waits for something about the only proxy.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&ProxyStatus) -> Option<T>) -> T {
        let mut last = String::new();
        let found = wait::until(what, PATIENT, || {
            let proxies = self.running.as_ref().map(|(_, server)| server.proxies()).unwrap_or_default();
            last = format!("{proxies:#?}");
            Ok(match &proxies[..] {
                [one] => look(one),
                _ => None,
            })
        });
        found.unwrap_or_else(|error| panic!("{error}\n{last}\n{:#?}", self.nacks()))
    }

    /// Waits until the proxy has, and has accepted, all that there is for it.
    pub fn settled(&self) {
        self.wait("all is acknowledged", |proxy| self.all(proxy, LaneStatus::is_accepted).then_some(()));
    }

    /// Waits until the proxy has answered all that there is for it, and has refused something of a kind: its words.
    pub fn refused(&self, kind: Kind) -> String {
        self.wait("a refusal", |proxy| {
            let nack = proxy.lanes.iter().find(|lane| lane.kind == kind)?.nack.as_ref()?;
            self.all(proxy, |lane| lane.is_accepted() || lane.is_refused()).then(|| nack.message.clone())
        })
    }

    fn all(&self, proxy: &ProxyStatus, is_answered: impl Fn(&LaneStatus) -> bool) -> bool {
        let wanted = |kind| proxy.lanes.iter().any(|lane| lane.kind == kind);
        wanted(Kind::Cluster)
            && wanted(Kind::Listener)
            && proxy.lanes.iter().all(|lane| is_answered(lane) && is_brought(lane, &self.world.set(lane.kind)))
    }
}

/// What a proxy said to what it was sent last.
pub trait Answered {
    fn is_accepted(&self) -> bool;
    fn is_refused(&self) -> bool;
}

impl Answered for LaneStatus {
    fn is_accepted(&self) -> bool {
        let nonce = |stamp: &Option<xds::server::Stamp>| stamp.as_ref().map(|stamp| stamp.nonce.clone());
        self.nack.is_none() && self.sent.is_some() && nonce(&self.sent) == nonce(&self.acked)
    }

    fn is_refused(&self) -> bool {
        self.sent.as_ref().zip(self.nack.as_ref()).is_some_and(|(sent, nack)| sent.nonce == nack.nonce)
    }
}

/// Whether all that there is, of what was asked for, has been sent.
fn is_brought(lane: &LaneStatus, there: &ResourceSet) -> bool {
    if lane.wildcard {
        return lane.resources.digest() == there.digest();
    }
    let same = |sent: &Arc<Resource>| there.get(&sent.name).is_none_or(|now| now.version == sent.version);
    // What is asked for no more is not taken back.
    lane.resources.iter().all(same) && lane.resources.len() >= lane.names
}
