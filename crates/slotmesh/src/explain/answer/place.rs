//! Where something is sent: which cluster, shard and node.

use crate::explain::meaning::{Cluster, Meant, Members, NO_PRIMARY, NO_REPLICA};
use crate::explain::rehearsal::{Errand, Played, Sent, Whose};
use meant::Discovery;
use serde_json::{Value, json};
use slots::{Slot, Topology, View};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The name of the cluster that a route names for something.
pub fn name(meant: &Meant, (route, errand): Whose) -> Option<&str> {
    let route = meant.route(route)?;
    Some(match errand {
        Errand::Serve => &route.cluster,
        Errand::Read => route.read_cluster.as_ref()?,
        Errand::Mirror(number) => &route.mirrors.get(number)?.cluster,
    })
}

/// A node of a cluster: where it is, and its role in a Redis Cluster. An address where nobody is stands for one that is
/// not known.
pub fn node(cluster: &Cluster, at: SocketAddr) -> Value {
    let role = match &cluster.members {
        Members::Known(View::Slots(topology)) => role(topology, at),
        Members::Assumed(View::Slots(_)) if at == NO_REPLICA => Some("replica"),
        Members::Assumed(View::Slots(_)) => Some("primary"),
        _ => None,
    };
    let is_known = at != NO_PRIMARY && at != NO_REPLICA;
    json!({"address": is_known.then(|| at.to_string()), "role": role})
}

fn role(topology: &Topology, at: SocketAddr) -> Option<&'static str> {
    let index = topology.find(at)?;
    let is_primary = topology.shards().iter().any(|shard| shard.primary == index);
    Some(if is_primary { "primary" } else { "replica" })
}

/// The nodes that a command may be sent to along one route for one purpose.
pub fn nodes_of(meant: &Meant, played: &Played, whose: impl Fn(Whose) -> bool) -> Vec<Value> {
    let sent = played.sent.iter().filter(|sent| whose(sent.whose));
    let places: BTreeSet<(Whose, SocketAddr)> = sent.map(|sent| (sent.whose, sent.node)).collect();
    let shown = |(whose, at)| Some(node(meant.clusters.get(name(meant, whose)?)?, at));
    places.into_iter().filter_map(shown).collect()
}

/// The nodes that may serve a command, mirrors left out.
pub fn nodes(meant: &Meant, played: &Played) -> Vec<Value> {
    nodes_of(meant, played, |(_, errand)| !matches!(errand, Errand::Mirror(_)))
}

/// What is sent for a command, once: each part with its cluster and node.
pub fn parts(meant: &Meant, played: &Played) -> Vec<Value> {
    let served = played.sent.iter().filter(|sent| !matches!(sent.whose.1, Errand::Mirror(_)));
    let part = |sent: &Sent| {
        let name = name(meant, sent.whose)?;
        let mut part = node(meant.clusters.get(name)?, sent.node);
        part["cluster"] = name.into();
        part["command"] = super::shown(&sent.words).into();
        Some(part)
    };
    served.filter_map(part).collect()
}

/// The slots, primary and replicas of the shard that owns a slot; null if they are not known, or nobody owns it.
pub fn shard(cluster: &Cluster, slot: Slot) -> Value {
    let Members::Known(View::Slots(topology)) = &cluster.members else { return Value::Null };
    let Some(owner) = topology.owner(slot) else { return Value::Null };
    let shard = topology.shard(owner);
    let ranges = topology.ranges().filter(|(_, of)| *of == owner).map(|(range, _)| range.to_string());
    let address = |index: &slots::NodeIndex| topology.node(*index).address.to_string();
    json!({
        "number": owner.0,
        "slots": ranges.collect::<Vec<_>>().join(" "),
        "primary": address(&shard.primary),
        "replicas": shard.replicas.iter().map(address).collect::<Vec<_>>(),
    })
}

/// How the members of a cluster are found, in Envoy's word for it.
pub fn kind(cluster: &Cluster) -> &'static str {
    match cluster.meant.discovery {
        Discovery::Redis(_) => "envoy.clusters.redis",
        Discovery::Static(_) => "STATIC",
        Discovery::StrictDns(_) => "STRICT_DNS",
        Discovery::LogicalDns(_) => "LOGICAL_DNS",
        Discovery::Delivered { .. } => "EDS",
        Discovery::Original => "ORIGINAL_DST",
    }
}
