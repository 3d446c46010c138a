//! Many proxies in memory: the server as it is, with everything but sockets.
#![allow(dead_code, reason = "the test and the example use different parts")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use xds::proto::{self, DeltaDiscoveryRequest};
use xds::server::{Refusal, Server, Settings, Snapshot, Source};
use xds::{Kind, Node, Resource, ResourceSet};

/// Bytes before each message of gRPC: a flag and a length.
const FRAME: usize = 5;

/// Services that every proxy sees, and for each proxy an inbound cluster and listener of its own. The sizes are those of
/// what istiod makes for a TCP service.
pub struct Mesh {
    common: Mutex<Arc<Snapshot>>,
    changes: watch::Sender<u64>,
}

fn body(kind: Kind, name: &str, size: usize, content: u64) -> Arc<Resource> {
    let mut message = vec![10, name.len() as u8];
    message.extend(name.as_bytes());
    message.extend([0xa2, 0x06, 0x80 | (size & 0x7f) as u8, (size >> 7) as u8]);
    message.extend(content.to_be_bytes().iter().cycle().take(size));
    Arc::new(Resource::new(kind, name, message))
}

fn size(kind: Kind) -> usize {
    match kind {
        Kind::Cluster => 630,
        Kind::Endpoints => 300,
        _ => 730,
    }
}

fn service(number: usize) -> String {
    format!("outbound|6379||redis-{number}.redis.svc.cluster.local")
}

impl Mesh {
    pub fn new(services: usize) -> Arc<Mesh> {
        let mut snapshot = Snapshot::new("v1");
        for kind in [Kind::Cluster, Kind::Endpoints, Kind::Listener] {
            let all = (0..services).map(|number| body(kind, &service(number), size(kind), 1));
            snapshot = snapshot.with(kind, Arc::new(ResourceSet::new(all)));
        }
        Arc::new(Mesh { common: Mutex::new(Arc::new(snapshot)), changes: watch::Sender::new(0) })
    }

    /// Gives the first `count` services other resources of some kinds.
    pub fn change(&self, kinds: &[Kind], count: usize) {
        let stamp = self.changes.borrow().wrapping_add(2);
        let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::new(format!("v{stamp}"));
        for kind in Kind::ALL {
            next = next.with(kind, common.set(kind).clone());
        }
        for kind in kinds {
            let set = common.set(*kind).iter().enumerate();
            let changed = set.map(|(number, resource)| {
                if number < count { body(*kind, &resource.name, size(*kind), stamp) } else { resource.clone() }
            });
            next = next.with(*kind, Arc::new(ResourceSet::new(changed)));
        }
        *common = Arc::new(next);
        drop(common);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Source for Mesh {
    fn snapshot(&self, node: &Node) -> Result<Arc<Snapshot>, Refusal> {
        let common = self.common.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut own = (*common).clone();
        for kind in [Kind::Cluster, Kind::Listener] {
            let inbound = body(kind, &format!("inbound {}", node.id), size(kind), 7);
            own = own.with(kind, Arc::new(common.set(kind).with([inbound])));
        }
        Ok(Arc::new(own))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// What the proxies have received.
#[derive(Default)]
struct Seen {
    bytes: AtomicU64,
    resources: AtomicU64,
    /// Microseconds after the fleet's start.
    last: AtomicU64,
}

/// Proxies, each a task that acknowledges what comes.
pub struct Fleet {
    pub mesh: Arc<Mesh>,
    pub server: Server,
    seen: Arc<Seen>,
    started: Instant,
    proxies: usize,
}

/// What happened between a change and its last push.
#[derive(Clone, Copy, Debug)]
pub struct Wave {
    /// From the change to the moment when the last proxy had what follows from it.
    pub time: Duration,
    pub bytes: u64,
    pub resources: u64,
}

impl Fleet {
    /// Connects the proxies, which ask for everything, and waits until they have it.
    pub async fn start(proxies: usize, services: usize) -> (Fleet, Wave) {
        let mesh = Mesh::new(services);
        let server = Server::start(mesh.clone(), Settings::default());
        let (seen, started) = (Arc::new(Seen::default()), Instant::now());
        for number in 0..proxies {
            tokio::spawn(proxy(server.clone(), number, seen.clone(), started));
        }
        let fleet = Fleet { mesh, server, seen, started, proxies };
        let each = services * 3 + 2;
        let wave = fleet.wait(Instant::now(), (proxies * each) as u64).await;
        (fleet, wave)
    }

    /// Changes the first `count` services, and waits until every proxy has heard of it.
    pub async fn change(&self, kinds: &[Kind], count: usize) -> Wave {
        for counter in [&self.seen.bytes, &self.seen.resources] {
            counter.store(0, Ordering::Relaxed);
        }
        let (changed, each) =
            (Instant::now(), if kinds.contains(&Kind::Cluster) { kinds.len().max(3) } else { kinds.len() });
        self.mesh.change(kinds, count);
        self.wait(changed, (self.proxies * count * each) as u64).await
    }

    async fn wait(&self, since: Instant, resources: u64) -> Wave {
        while self.seen.resources.load(Ordering::Relaxed) < resources {
            assert!(since.elapsed() < Duration::from_secs(300), "the fleet does not hear of it");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let last = self.started + Duration::from_micros(self.seen.last.load(Ordering::Relaxed));
        let (bytes, resources) = (&self.seen.bytes, &self.seen.resources);
        let (bytes, resources) = (bytes.load(Ordering::Relaxed), resources.load(Ordering::Relaxed));
        Wave { time: last.duration_since(since), bytes, resources }
    }
}

async fn proxy(server: Server, number: usize, seen: Arc<Seen>, started: Instant) {
    let (up, requests) = mpsc::unbounded_channel();
    let mut responses = server.delta(UnboundedReceiverStream::new(requests));
    let node = proto::Node { id: format!("sidecar~10.0.0.1~app-{number}.redis~redis.svc"), ..proto::Node::default() };
    let ask = |kind: Kind, node: Option<proto::Node>, resource_names_subscribe: Vec<String>| {
        let type_url = kind.url().to_owned();
        let request =
            DeltaDiscoveryRequest { node, type_url, resource_names_subscribe, ..DeltaDiscoveryRequest::default() };
        drop(up.send(Ok(request)));
    };
    ask(Kind::Cluster, Some(node), Vec::new());
    ask(Kind::Listener, None, Vec::new());
    let mut subscribed = false;
    while let Some(Ok(response)) = responses.next().await {
        seen.bytes.fetch_add((response.encoded_len() + FRAME) as u64, Ordering::Relaxed);
        seen.last.fetch_max(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        seen.resources.fetch_add(response.resources.len() as u64, Ordering::Relaxed);
        if response.type_url == Kind::Cluster.url() && !subscribed {
            subscribed = true;
            let names = response.resources.iter().map(|cluster| cluster.name.clone());
            ask(Kind::Endpoints, None, names.filter(|name| name.starts_with("outbound")).collect());
        }
        let (type_url, response_nonce) = (response.type_url, response.nonce);
        drop(up.send(Ok(DeltaDiscoveryRequest { type_url, response_nonce, ..DeltaDiscoveryRequest::default() })));
    }
}
