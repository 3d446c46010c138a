//! What the tests of the drivers share: clusters as meant, a resolver of their own, views as they are published.

use crate::names::Names;
use crate::task::{Begin, spawn_with};
use crate::{DiscoveryStats, Handle};
use meant::{Balance, Cluster, Credentials, Discovery, DnsFamily, Endpoint, RedisCluster, Secret, Upstream};
use slots::{Host, Topology, View};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{Act, Request};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Longer than anything here should take, also on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// A refresh rate that a test never sees the end of.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

pub(crate) fn settings(refresh_rate: Duration) -> RedisCluster {
    RedisCluster {
        refresh_rate,
        refresh_timeout: Duration::from_secs(3),
        redirect_refresh_interval: Duration::ZERO,
        redirect_refresh_threshold: 5,
        failure_refresh_threshold: 0,
        host_degraded_refresh_threshold: 0,
    }
}

pub(crate) fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.to_owned(), port, weight: 1, hostname: None, priority: 0, labels: Vec::new() }
}

pub(crate) fn cluster(discovery: Discovery, endpoints: Vec<Endpoint>) -> Cluster {
    Cluster {
        name: "test".into(),
        connect_timeout: Duration::from_secs(5),
        discovery,
        endpoints,
        dns_family: DnsFamily::Auto,
        dns_refresh_rate: Duration::from_millis(20),
        upstream: Upstream::default(),
        keepalive: None,
        source: None,
        sockets: meant::Sockets::default(),
    }
}

pub(crate) fn redis(refresh_rate: Duration, seeds: &[SocketAddr]) -> Cluster {
    let seeds = seeds.iter().map(|seed| endpoint(&seed.ip().to_string(), seed.port())).collect();
    cluster(Discovery::Redis(settings(refresh_rate)), seeds)
}

pub(crate) fn credentials(username: Option<&str>, password: &str) -> Credentials {
    Credentials { username: username.map(Secret::new), password: Some(Secret::new(password)) }
}

/// Names that a test may change at any time; a name that is not there is an error.
#[derive(Clone, Default)]
pub(crate) struct Zone(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl Zone {
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), addresses);
    }

    pub(crate) fn forget(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    pub(crate) fn names(&self) -> Names {
        let zone = self.clone();
        Names::new(DnsFamily::Auto, move |name| {
            let found = zone.0.lock().unwrap().get(&name).cloned();
            Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such host")) })
        })
    }
}

/// A discovery in progress and what it publishes.
pub(crate) struct Watched {
    pub(crate) handle: Handle,
    pub(crate) stats: Arc<DiscoveryStats>,
    views: UnboundedReceiver<View>,
}

pub(crate) fn watch(cluster: Cluster) -> Watched {
    watch_with(cluster, &Zone::default())
}

/// One that waits until it is needed.
pub(crate) fn watch_when_used(cluster: Cluster) -> Watched {
    watch_from(cluster, Begin::WhenUsed, &Zone::default())
}

pub(crate) fn watch_with(cluster: Cluster, zone: &Zone) -> Watched {
    watch_from(cluster, Begin::AtOnce, zone)
}

fn watch_from(cluster: Cluster, begin: Begin, zone: &Zone) -> Watched {
    let (sender, views) = unbounded_channel();
    let stats = Arc::new(DiscoveryStats::default());
    let publish = move |view| sender.send(view).unwrap_or_default();
    let handle = spawn_with(Arc::new(cluster), begin, Arc::clone(&stats), publish, zone.names());
    Watched { handle, stats, views }
}

impl Watched {
    pub(crate) async fn view(&mut self) -> View {
        match timeout(LONG, self.views.recv()).await {
            Ok(Some(view)) => view,
            other => panic!("no view: {other:?}; {:?}", self.handle.status()),
        }
    }

    /// The next slot map.
    pub(crate) async fn map(&mut self) -> Arc<Topology> {
        match self.view().await {
            View::Slots(map) => map,
            other => panic!("{other:?}"),
        }
    }

    /// The addresses of the next hosts.
    pub(crate) async fn hosts(&mut self) -> Vec<String> {
        match self.view().await {
            View::Hosts(hosts) => hosts.iter().map(|host: &Host| host.address.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until `fits`.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !fits(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(timeout(LONG, waiting).await.is_ok(), "{what}: {:?}, {:?}", self.handle.status(), self.stats);
    }

    pub(crate) async fn until_problem(&self, text: &str) {
        let told = |watched: &Self| watched.handle.status().last_problem.is_some_and(|problem| problem.contains(text));
        self.until(text, told).await;
    }

    /// Whether nothing more has been published.
    pub(crate) fn quiet(&mut self) -> bool {
        self.views.try_recv().is_err()
    }
}

/// Ranges as a fake server tells them: first slot, last slot, primary and replicas.
pub(crate) type Layout = Arc<Mutex<Vec<(u16, u16, Vec<SocketAddr>)>>>;

/// Answers CLUSTER SHARDS, SLOTS and INFO for `layout` as it is at that moment.
pub(crate) fn topology(request: &Request, layout: &Layout, info: &str) -> Act {
    let layout = layout.lock().unwrap().clone();
    match request.text().to_uppercase().as_str() {
        "CLUSTER SHARDS" => Act::say(&testkit::fake::shards_reply(&layout)),
        "CLUSTER SLOTS" => Act::say(&testkit::fake::slots_reply(&layout)),
        "CLUSTER INFO" => Act::bulk(info),
        _ => Act::say("+OK\r\n"),
    }
}

/// What a sound node says to CLUSTER INFO.
pub(crate) const SOUND: &str = "cluster_state:ok\r\ncluster_current_epoch:3\r\n";

/// Any kind of balancing.
pub(crate) const BALANCE: Balance = Balance::RoundRobin;
