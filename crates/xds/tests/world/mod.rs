//! A control plane and a proxy of a few lines each, for tests of the two halves.
#![allow(dead_code, reason = "each test uses a part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use xds::client::{Address, Client, Settings as ClientSettings, Update};
use xds::server::{Dialect, Refusal, Server, ServerTls, Settings, Snapshot, Source};
use xds::{Kind, Nack, Node, Resource, ResourceSet};

/// Long enough for a machine that does other things as well.
pub const PATIENT: Duration = Duration::from_secs(20);

/// The same resources for every node; what nodes said to them.
pub struct World {
    snapshot: Mutex<Result<Arc<Snapshot>, Refusal>>,
    changes: watch::Sender<u64>,
    pub judged: Mutex<Vec<(String, Kind, Option<Nack>)>>,
}

impl World {
    pub fn new() -> Arc<World> {
        let snapshot = Mutex::new(Ok(Arc::new(Snapshot::new("v0"))));
        Arc::new(World { snapshot, changes: watch::Sender::new(0), judged: Mutex::default() })
    }

    /// Replaces the resources of a kind.
    pub fn set(&self, kind: Kind, resources: impl IntoIterator<Item = Resource>) {
        self.set_all([(kind, resources.into_iter().collect())]);
    }

    /// Replaces the resources of several kinds in one change.
    pub fn set_all(&self, kinds: impl IntoIterator<Item = (Kind, Vec<Resource>)>) {
        let mut snapshot = self.snapshot.lock().unwrap();
        let mut next = snapshot.as_ref().map_or_else(|_| Snapshot::new("v0"), |snapshot| (**snapshot).clone());
        let number: u64 = next.version()[1..].parse().unwrap();
        let mut fresh = Snapshot::new(format!("v{}", number + 1));
        for kind in Kind::ALL {
            fresh = fresh.with(kind, next.set(kind).clone());
        }
        next = fresh;
        for (kind, resources) in kinds {
            next = next.with(kind, Arc::new(ResourceSet::new(resources.into_iter().map(Arc::new))));
        }
        *snapshot = Ok(Arc::new(next));
        drop(snapshot);
        self.changes.send_modify(|count| *count += 1);
    }

    pub fn refuse(&self, refusal: Refusal) {
        *self.snapshot.lock().unwrap() = Err(refusal);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Source for World {
    fn snapshot(&self, _: &Node) -> Result<Arc<Snapshot>, Refusal> {
        self.snapshot.lock().unwrap().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn judged(&self, node: &Node, kind: Kind, nack: Option<&Nack>) {
        self.judged.lock().unwrap().push((node.short().to_owned(), kind, nack.cloned()));
    }
}

/// A message whose first field is its name, and a second one that makes it differ: enough for both halves.
pub fn resource(kind: Kind, name: &str, content: &str) -> Resource {
    let mut message = vec![10, name.len() as u8];
    message.extend(name.as_bytes());
    // Field 100, which none of the messages has.
    message.extend([0xa2, 0x06, content.len() as u8]);
    message.extend(content.as_bytes());
    Resource::new(kind, name, message)
}

pub fn resources(kind: Kind, named: &[(&str, &str)]) -> Vec<Resource> {
    named.iter().map(|(name, content)| resource(kind, name, content)).collect()
}

/// Pushes at once, so that tests do not wait.
pub fn swift() -> Settings {
    Settings { quiet: Duration::from_millis(5), ..Settings::default() }
}

/// A server on a free port, or on one that was free a moment ago.
pub async fn serve(world: &Arc<World>, at: Option<SocketAddr>, tls: Option<ServerTls>) -> (Server, SocketAddr) {
    let address = at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
    // The server that was there before may still be closing.
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            Err(error) => panic!("{error}"),
        }
    };
    let address = listener.local_addr().unwrap();
    let server = Server::start(world.clone(), swift());
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener, tls).await.unwrap() });
    (server, address)
}

pub fn node() -> Node {
    let mut node = Node { id: "sidecar~10.0.0.7~client-1.redis~redis.svc.cluster.local".to_owned(), ..Node::default() };
    node.metadata.insert("ISTIO_VERSION".to_owned(), "1.30.0".into());
    node
}

pub fn settings(address: SocketAddr, dialect: Dialect) -> ClientSettings {
    let addresses = vec![Address::Tcp(address.ip().to_string(), address.port())];
    let quick = Duration::from_millis(20);
    ClientSettings {
        dialect,
        backoff: quick,
        longest_backoff: quick * 10,
        seed: 1,
        ..ClientSettings::new(node(), addresses)
    }
}

/// The next update of any kind.
pub async fn next(updates: &mut mpsc::Receiver<Update>) -> Update {
    tokio::time::timeout(PATIENT, updates.recv()).await.expect("an update comes").expect("the client runs")
}

/// The next update, which must be of this kind and is accepted: names of what changed, and of what is gone.
pub async fn accept(updates: &mut mpsc::Receiver<Update>, kind: Kind) -> (Vec<String>, Vec<String>) {
    let update = next(updates).await;
    assert_eq!(update.kind, kind, "{update:?}");
    let changed = update.changed.iter().map(|resource| resource.name.to_string()).collect();
    let removed = update.removed.iter().map(|name| name.to_string()).collect();
    update.accept();
    (changed, removed)
}

/// Waits until a condition holds.
pub async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(started.elapsed() < PATIENT, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn client(address: SocketAddr, dialect: Dialect) -> (Client, mpsc::Receiver<Update>) {
    Client::start(settings(address, dialect))
}
