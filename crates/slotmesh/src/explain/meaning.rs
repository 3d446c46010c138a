//! A Redis filter of a dump and the clusters around it, as the engine understands them.
//!
//! Of a dump only the filter and what finds a cluster's members is read: certificates and passwords are hidden in it, and
//! what does not concern a command's way must not keep it from being explained.

use super::known::Known;
use super::nodes;
use crate::ask::{items, text};
use crate::config_of::address;
use anyhow::{Context as _, anyhow};
use config::Schema;
use config::delivered::{self, Sources};
use meant::{Discovery, Filter, RedisProxy};
use serde_json::{Value, json};
use slots::{Host, Node, Part, Range, Slot, Topology, View};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Where nobody is (RFC 5737): the primary and the replica of a cluster whose members are not known.
pub const NO_PRIMARY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 6379);
/// See [`NO_PRIMARY`].
pub const NO_REPLICA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 6379);

/// A filter and its clusters.
#[derive(Debug)]
pub struct Meant {
    /// The filter.
    pub filter: RedisProxy,
    /// The places of its routes in the configuration, in the order in which they are tried; the catch-all, whose place is
    /// behind all others, is last.
    pub order: Vec<usize>,
    /// The clusters that its routes name and that are there.
    pub clusters: HashMap<String, Cluster>,
    /// Nodes that are left alone now.
    pub unhealthy: BTreeSet<SocketAddr>,
}

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    /// What it means.
    pub meant: meant::Cluster,
    /// Its members.
    pub members: Members,
}

/// The members of a cluster.
#[derive(Debug)]
pub enum Members {
    /// As they are known.
    Known(View),
    /// Not known: one shard at [`NO_PRIMARY`] and [`NO_REPLICA`] stands for all.
    Assumed(View),
}

impl Members {
    /// How many there are.
    pub fn count(&self) -> usize {
        let (Self::Known(view) | Self::Assumed(view)) = self;
        match view {
            View::Slots(topology) => topology.nodes().len(),
            View::Hosts(hosts) => hosts.len(),
        }
    }
}

impl Meant {
    /// The Redis filter `config` of a dump, and its clusters.
    ///
    /// Fails where the filter says what slotmesh would refuse.
    pub fn read(known: &Known, config: &Value) -> anyhow::Result<Self> {
        let Known { schema, dump, statuses, .. } = known;
        let filter = filter(schema, config)?;
        let mut order: Vec<usize> = (0..filter.routes.routes.len()).collect();
        order.sort_by_key(|place| Reverse(filter.routes.routes[*place].prefix.len()));
        order.extend(filter.routes.catch_all.as_ref().map(|_| filter.routes.routes.len()));
        let mut meant = Self { filter, order, clusters: HashMap::new(), unhealthy: BTreeSet::new() };
        let named: BTreeSet<String> = meant.routes().flat_map(named).map(str::to_owned).collect();
        for entry in dump.clusters() {
            let name = text(entry.resource, "/name");
            if named.contains(name) {
                let cluster = cluster(schema, entry.resource)?;
                let status = items(statuses, "/cluster_statuses").iter().find(|status| text(status, "/name") == name);
                let mut members = members(&cluster, status, &mut meant.unhealthy);
                if known.asks_nodes && matches!(members, Members::Assumed(View::Slots(_))) {
                    let topology = nodes::ask(name, &whom(&cluster, status))?;
                    members = Members::Known(View::Slots(Arc::new(topology)));
                }
                meant.clusters.insert(name.to_owned(), Cluster { meant: cluster, members });
            }
        }
        Ok(meant)
    }

    /// Its routes, in the order in which they are tried.
    pub fn routes(&self) -> impl Iterator<Item = &meant::Route> {
        let routes = &self.filter.routes;
        self.order.iter().filter_map(|place| routes.routes.get(*place).or(routes.catch_all.as_ref()))
    }

    /// The route at a place of [`Meant::routes`].
    pub fn route(&self, place: usize) -> Option<&meant::Route> {
        self.routes().nth(place)
    }
}

/// The clusters that a route names.
fn named(route: &meant::Route) -> impl Iterator<Item = &str> {
    let mirrors = route.mirrors.iter().map(|mirror| mirror.cluster.as_str());
    std::iter::once(route.cluster.as_str()).chain(route.read_cluster.as_deref()).chain(mirrors)
}

fn filter(schema: &Schema, config: &Value) -> anyhow::Result<RedisProxy> {
    let mut config = config.clone();
    hide_passwords(&mut config);
    let listener = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "explained",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 6379}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.redis_proxy", "typed_config": config}]}],
    });
    let read = delivered::listener(schema, &Sources::default(), &bytes(schema, &listener)?);
    let listener = read.map_err(|problems| anyhow!("this filter is one that slotmesh refuses: {problems}"))?.meant;
    let redis = listener.all_chains().find_map(|chain| match &chain.filter {
        Filter::Redis(filter) => Some(RedisProxy::clone(filter)),
        Filter::Tcp(_) => None,
    });
    redis.context("this filter is none of Redis")
}

/// A password and user name that are known, in the place of those that are not shown, or that stand in files elsewhere.
fn hide_passwords(config: &mut Value) {
    let Some(fields) = config.as_object_mut() else { return };
    let asks = fields.remove("downstream_auth_password").is_some();
    if fields.remove("downstream_auth_passwords").is_some() || asks {
        fields.insert("downstream_auth_passwords".to_owned(), json!([{"inline_string": "password"}]));
    }
    if let Some(name) = fields.get_mut("downstream_auth_username") {
        *name = json!({"inline_string": "user"});
    }
}

fn cluster(schema: &Schema, written: &Value) -> anyhow::Result<meant::Cluster> {
    let mut written = written.clone();
    if let Some(fields) = written.as_object_mut() {
        // How nodes are greeted and watched.
        for field in ["transport_socket", "transport_socket_matches", "typed_extension_protocol_options", "metadata"] {
            fields.remove(field);
        }
        fields.insert("@type".to_owned(), "type.googleapis.com/envoy.config.cluster.v3.Cluster".into());
    }
    let read = delivered::cluster(schema, &Sources::default(), &bytes(schema, &written)?);
    let read = read.map_err(|problems| anyhow!("this cluster is one that slotmesh refuses: {problems}"))?;
    Ok(meant::Cluster::clone(&read.meant))
}

/// A resource of a dump as protobuf.
fn bytes(schema: &Schema, resource: &Value) -> anyhow::Result<Vec<u8>> {
    let response = json!({"resources": [resource]}).to_string();
    let read = delivered::file(schema, &response, "dump.json").map_err(|problems| anyhow!("{problems}"))?;
    Ok(read.resources.into_iter().next().context("there is no resource")?.message)
}

/// Who is in a cluster: as its proxy says, else as it is written, else nobody knows.
fn members(cluster: &meant::Cluster, status: Option<&Value>, unhealthy: &mut BTreeSet<SocketAddr>) -> Members {
    let mut told = Vec::new();
    for member in status.map(|status| items(status, "/host_statuses")).unwrap_or_default() {
        let Ok(at) = address(&member["address"]).parse::<SocketAddr>() else { continue };
        if !crate::config_of::is_healthy(&member["health_status"]) {
            unhealthy.insert(at);
        }
        told.push((at, member));
    }
    if matches!(cluster.discovery, Discovery::Redis(_)) {
        return topology(&told).map_or_else(assumed_slots, |topology| Members::Known(View::Slots(Arc::new(topology))));
    }
    let host = |address| Host { address, name: None, weight: 1, socket: 0 };
    let mut hosts: Vec<Host> = told.iter().map(|(at, _)| host(*at)).collect();
    if hosts.is_empty() && matches!(cluster.discovery, Discovery::Static(_)) {
        let written = cluster.endpoints.iter();
        let at = written.filter_map(|one| Some(SocketAddr::new(one.host.parse().ok()?, one.port)));
        hosts = at.map(host).collect();
    }
    match hosts.is_empty() {
        true => Members::Assumed(View::Hosts([host(NO_PRIMARY)].into())),
        false => Members::Known(View::Hosts(hosts.into())),
    }
}

/// Who may be asked: the members that are told, and those that are written.
fn whom(cluster: &meant::Cluster, status: Option<&Value>) -> Vec<(String, u16)> {
    let told = status.map(|status| items(status, "/host_statuses")).unwrap_or_default().iter();
    let told = told.filter_map(|member| address(&member["address"]).parse::<SocketAddr>().ok());
    let told = told.map(|at| (at.ip().to_string(), at.port()));
    told.chain(cluster.endpoints.iter().map(|one| (one.host.clone(), one.port))).collect()
}

fn assumed_slots() -> Members {
    let node = |address| Node { address, names: Vec::new() };
    let all = Range { first: Slot::of(b"3560"), last: Slot::of(b"39296") };
    let part = Part { primary: node(NO_PRIMARY), replicas: vec![node(NO_REPLICA)], slots: vec![all] };
    Members::Assumed(View::Slots(Arc::new(Topology::build([part]))))
}

/// The slot map, if roles and slots are told: the members with the same slots are a shard.
fn topology(told: &[(SocketAddr, &Value)]) -> Option<Topology> {
    let mut shards: BTreeMap<&str, (Option<Node>, Vec<Node>)> = BTreeMap::new();
    for (address, member) in told {
        let slots = text(member, "/slots");
        let node = Node { address: *address, names: Vec::new() };
        let shard = shards.entry(slots).or_default();
        match text(member, "/role") {
            "primary" => shard.0 = Some(node),
            "replica" => shard.1.push(node),
            _ => {}
        }
    }
    let part = |(slots, (primary, replicas)): (&str, (Option<Node>, Vec<Node>))| {
        Some(Part { primary: primary?, replicas, slots: ranges(slots) })
    };
    let topology = Topology::build(shards.into_iter().filter_map(part));
    (topology.covered() > 0).then_some(topology)
}

/// `0-5460 5470`.
fn ranges(written: &str) -> Vec<Range> {
    let slot = |text: &str| text.trim().parse().ok().and_then(Slot::new);
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(Range { first: slot(first)?, last: slot(last)? })
    };
    written.split([' ', ',']).filter_map(range).collect()
}
