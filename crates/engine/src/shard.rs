//! Station 5: which shard, and which member of it.

use crate::cluster::Cluster;
use crate::engine::{Decision, Engine, Report};
use crate::failure::Failure;
use crate::forward::Errand;
use crate::random::Random;
use crate::upstream::{Role, Spot};
use meant::ReadPolicy;

/// Where a request goes.
pub(crate) struct Target {
    pub(crate) node: u16,
    pub(crate) role: Role,
}

impl Engine {
    /// The node that takes `errand` now; the failure to report if none does.
    pub(crate) fn target(&mut self, errand: &Errand) -> Result<Target, Failure<'static>> {
        let cluster = &mut self.clusters[errand.cluster.index()];
        let Some(shard) = cluster.shard_of(errand.spot, &mut self.random) else {
            self.decisions.push(Decision::Report(errand.cluster, Report::Unknown));
            return Err(nobody(errand.spot));
        };
        let policy = match errand.read && cluster.has_slots() {
            true => self.filters[errand.filter.index()].settings.read_policy,
            false => ReadPolicy::Primary,
        };
        let node = match policy != ReadPolicy::Primary && is_cursor(errand.command) {
            // A cursor means something only to the server that gave it out: the same member every time.
            true => cluster.member(shard, policy, errand.avoid, self.now, &mut Random::new(u64::from(shard))),
            false => cluster.member(shard, policy, errand.avoid, self.now, &mut self.random),
        };
        let Some(node) = node else {
            // Replicas of a new cluster are named only once they have replicated something: look again soon.
            self.decisions.push(Decision::Report(errand.cluster, Report::Unknown));
            return Err(Failure::NoMember(""));
        };
        Ok(Target { node, role: role(cluster, shard, node) })
    }
}

/// SCAN, HSCAN, SSCAN, ZSCAN.
pub(crate) fn is_cursor(id: command::Id) -> bool {
    command::get(id).name.ends_with("scan")
}

fn nobody(spot: Spot) -> Failure<'static> {
    match spot {
        Spot::Slot(slot) => Failure::NoOwner(slot.index() as u16),
        _ => Failure::NoMembers(""),
    }
}

pub(crate) fn role(cluster: &Cluster, shard: u16, node: u16) -> Role {
    if cluster.shards[usize::from(shard)].primary == node { Role::Primary } else { Role::Replica }
}
