//! What the admin face shows of the running proxy.

use admin::{ClusterStatus, House, Info, ListenerStatus, Missing, NodeStatus, Role, State};
use meant::Discovery;
use observe::{Registry, Sample, Scope};
use serde_json::{Map, Value, json};
use slots::{NodeIndex, Topology, View};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;
use topology::{DiscoveryStats, Handle};

/// The running proxy.
pub struct Inside {
    proxy: Arc<meant::Proxy>,
    registry: Arc<Registry>,
    listeners: Vec<(String, SocketAddr)>,
    /// One a cluster, in the configuration's order.
    discoveries: Vec<(Handle, Arc<DiscoveryStats>)>,
    bootstrap: Value,
    workers: usize,
    started: Instant,
    quit: Arc<Notify>,
}

impl Inside {
    pub fn new(
        proxy: Arc<meant::Proxy>,
        registry: Arc<Registry>,
        listeners: Vec<(String, SocketAddr)>,
        discoveries: Vec<(Handle, Arc<DiscoveryStats>)>,
        dump: &str,
        workers: usize,
    ) -> Self {
        let bootstrap = serde_json::from_str(dump).unwrap_or_default();
        let (started, quit) = (Instant::now(), Arc::default());
        Self { proxy, registry, listeners, discoveries, bootstrap, workers, started, quit }
    }

    /// Rung when the process is to end.
    pub fn quit(&self) -> Arc<Notify> {
        Arc::clone(&self.quit)
    }

    fn clusters_and_handles(&self) -> impl Iterator<Item = (&meant::Cluster, &Handle, &DiscoveryStats)> {
        let pairs = self.proxy.clusters.iter().zip(&self.discoveries);
        pairs.map(|(cluster, (handle, stats))| (cluster.as_ref(), handle, stats.as_ref()))
    }
}

impl House for Inside {
    fn state(&self) -> State {
        State::Live
    }

    fn missing(&self) -> Vec<Missing> {
        let missing = |(cluster, handle, _): (&meant::Cluster, &Handle, _)| {
            let status = handle.status();
            let reason = status.last_problem.unwrap_or_else(|| "it is being asked for the first time".into());
            (!status.ready).then(|| Missing { cluster: cluster.name.clone(), reason })
        };
        self.clusters_and_handles().filter_map(missing).collect()
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    fn extra_stats(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (cluster, _, stats) in self.clusters_and_handles() {
            stats.each(|name, kind, value| {
                samples.push(Sample { scope: Scope::Cluster(cluster.name.clone()), name: name.into(), kind, value });
            });
        }
        samples
    }

    fn clusters(&self) -> Vec<ClusterStatus> {
        let status = |(cluster, handle, _): (&meant::Cluster, &Handle, _)| ClusterStatus {
            name: cluster.name.clone(),
            kind: kind(&cluster.discovery).into(),
            added_via_api: false,
            nodes: handle.status().view.as_ref().map(nodes).unwrap_or_default(),
        };
        self.clusters_and_handles().map(status).collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let status = |(name, address): &(String, SocketAddr)| ListenerStatus { name: name.clone(), address: *address };
        self.listeners.iter().map(status).collect()
    }

    fn config_dump(&self) -> Value {
        let kind = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
        let of = |name: &str| self.bootstrap["static_resources"][name].as_array().cloned().unwrap_or_default();
        let (listeners, clusters) = (of("listeners"), of("clusters"));
        let listeners: Vec<Value> = listeners.into_iter().map(|listener| json!({ "listener": listener })).collect();
        let clusters: Vec<Value> = clusters.into_iter().map(|cluster| json!({ "cluster": cluster })).collect();
        json!({ "configs": [
            { "@type": kind("BootstrapConfigDump"), "bootstrap": self.bootstrap },
            { "@type": kind("ClustersConfigDump"), "static_clusters": clusters },
            { "@type": kind("ListenersConfigDump"), "static_listeners": listeners },
        ]})
    }

    fn info(&self) -> Info {
        let mut options = Map::new();
        options.insert("concurrency".into(), json!(self.workers));
        Info {
            version: concat!("slotmesh/", env!("CARGO_PKG_VERSION")).into(),
            started: self.started,
            command_line_options: options,
            node_id: self.proxy.node.id.clone(),
            node_cluster: self.proxy.node.cluster.clone(),
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
