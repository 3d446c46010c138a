//! What the admin face shows of the running proxy.

use super::ledger::Ledger;
use admin::{ClusterStatus, House, Info, ListenerStatus, Missing, NodeStatus, Role, State};
use meant::Discovery;
use observe::{Registry, Sample, Scope};
use serde_json::{Map, Value, json};
use slots::{NodeIndex, Topology, View};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use topology::{DiscoveryStats, Handle};

/// A cluster and its discovery.
#[derive(Clone)]
pub struct Known {
    pub cluster: Arc<meant::Cluster>,
    pub handle: Arc<Handle>,
    pub stats: Arc<DiscoveryStats>,
}

/// What runs now; replaced whole with every configuration.
#[derive(Default)]
pub struct Shown {
    pub proxy: Arc<meant::Proxy>,
    /// Those that have a socket.
    pub listeners: Vec<(String, SocketAddr)>,
    /// In the configuration's order.
    pub clusters: Vec<Known>,
}

/// The running proxy.
pub struct Inside {
    shown: Arc<Mutex<Arc<Shown>>>,
    registry: Arc<Registry>,
    bootstrap: Value,
    workers: usize,
    /// What was delivered, if there is somebody who delivers.
    delivered: Option<Arc<Ledger>>,
    started: Instant,
    quit: Arc<Notify>,
}

impl Inside {
    pub fn new(
        shown: Arc<Mutex<Arc<Shown>>>,
        registry: Arc<Registry>,
        dump: &str,
        workers: usize,
        delivered: Option<Arc<Ledger>>,
    ) -> Self {
        let bootstrap = serde_json::from_str(dump).unwrap_or_default();
        let (started, quit) = (Instant::now(), Arc::default());
        Self { shown, registry, bootstrap, workers, delivered, started, quit }
    }

    /// Rung when the process is to end.
    pub fn quit(&self) -> Arc<Notify> {
        Arc::clone(&self.quit)
    }

    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl House for Inside {
    fn state(&self) -> State {
        match &self.delivered {
            Some(delivered) if !delivered.is_ready() => State::Initializing,
            _ => State::Live,
        }
    }

    fn missing(&self) -> Vec<Missing> {
        let missing = |known: &Known| {
            let status = known.handle.status();
            let reason = status.last_problem.unwrap_or_else(|| "it is being asked for the first time".into());
            (!status.ready && !status.asleep).then(|| Missing { cluster: known.cluster.name.clone(), reason })
        };
        self.shown().clusters.iter().filter_map(missing).collect()
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    fn extra_stats(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for known in &self.shown().clusters {
            let scope = || Scope::Cluster(known.cluster.name.clone());
            known.stats.each(|name, kind, value| {
                samples.push(Sample { scope: scope(), name: name.into(), kind, value });
            });
        }
        samples.extend(self.delivered.iter().flat_map(|delivered| delivered.samples()));
        samples
    }

    fn clusters(&self) -> Vec<ClusterStatus> {
        let status = |known: &Known| ClusterStatus {
            name: known.cluster.name.clone(),
            kind: kind(&known.cluster.discovery).into(),
            added_via_api: self.delivered.as_ref().is_some_and(|ledger| ledger.has_cluster(&known.cluster.name)),
            nodes: known.handle.status().view.as_ref().map(nodes).unwrap_or_default(),
        };
        self.shown().clusters.iter().map(status).collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let status = |(name, address): &(String, SocketAddr)| ListenerStatus { name: name.clone(), address: *address };
        self.shown().listeners.iter().map(status).collect()
    }

    fn config_dump(&self) -> Value {
        let kind = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
        let of = |name: &str| self.bootstrap["static_resources"][name].as_array().cloned().unwrap_or_default();
        let (listeners, clusters) = (of("listeners"), of("clusters"));
        let listeners: Vec<Value> = listeners.into_iter().map(|listener| json!({ "listener": listener })).collect();
        let clusters: Vec<Value> = clusters.into_iter().map(|cluster| json!({ "cluster": cluster })).collect();
        let mut configs = vec![
            json!({ "@type": kind("BootstrapConfigDump"), "bootstrap": self.bootstrap }),
            json!({ "@type": kind("ClustersConfigDump"), "static_clusters": clusters }),
            json!({ "@type": kind("ListenersConfigDump"), "static_listeners": listeners }),
        ];
        if let Some(delivered) = &self.delivered {
            let dump = delivered.dump();
            configs[1]["dynamic_active_clusters"] = dump.clusters.into();
            configs[1]["dynamic_warming_clusters"] = dump.refused_clusters.into();
            configs[2]["dynamic_listeners"] = dump.listeners.into();
            configs.push(json!({ "@type": kind("EndpointsConfigDump"), "dynamic_endpoint_configs": dump.endpoints }));
            configs.push(json!({ "@type": kind("SecretsConfigDump"), "dynamic_active_secrets": dump.secrets }));
        }
        json!({ "configs": configs })
    }

    fn info(&self) -> Info {
        let mut options = Map::new();
        options.insert("concurrency".into(), json!(self.workers));
        Info {
            version: concat!("slotmesh/", env!("CARGO_PKG_VERSION")).into(),
            started: self.started,
            command_line_options: options,
            node_id: self.shown().proxy.node.id.clone(),
            node_cluster: self.shown().proxy.node.cluster.clone(),
        }
    }

    fn quit(&self) {
        self.quit.notify_one();
    }
}

fn kind(discovery: &Discovery) -> &'static str {
    match discovery {
        Discovery::Redis(_) => "redis",
        Discovery::Static(_) => "static",
        Discovery::StrictDns(_) => "strict_dns",
        Discovery::LogicalDns(_) => "logical_dns",
        Discovery::Delivered { .. } => "eds",
        Discovery::Original => "original_dst",
    }
}

fn nodes(view: &View) -> Vec<NodeStatus> {
    match view {
        View::Hosts(hosts) => hosts
            .iter()
            .map(|host| node(host.address, host.name.clone().unwrap_or_default(), Role::Member, String::new()))
            .collect(),
        View::Slots(topology) => shards(topology),
    }
}

fn shards(topology: &Topology) -> Vec<NodeStatus> {
    let mut all = Vec::new();
    for (place, shard) in topology.shards().iter().enumerate() {
        let owned = topology.ranges().filter(|(_, owner)| usize::from(owner.0) == place);
        let slots: Vec<String> = owned.map(|(range, _)| range.to_string()).collect();
        let slots = slots.join(" ");
        let mut add = |index: NodeIndex, role| {
            let known = topology.node(index);
            all.push(node(known.address, known.names.first().cloned().unwrap_or_default(), role, slots.clone()));
        };
        add(shard.primary, Role::Primary);
        shard.replicas.iter().for_each(|replica| add(*replica, Role::Replica));
    }
    all
}

fn node(address: SocketAddr, hostname: String, role: Role, slots: String) -> NodeStatus {
    NodeStatus { address, hostname, role, slots, zone: String::new(), healthy: true }
}
