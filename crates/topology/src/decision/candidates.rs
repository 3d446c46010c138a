//! Any node of a cluster can describe it. Primaries are preferred, because a replica learns of changes from others; nodes
//! that failed of late come last, after the seeds, when there is nobody else: asking the node whose failure is the
//! reason to ask would only cost the time-out.

use super::Random;
use slots::Topology;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a failed node is not asked while there are others.
const AVOIDED: Duration = Duration::from_secs(10);
/// How many of the nodes known are asked in one read before the seeds are. If so many drawn at random all fail, the
/// cluster has moved or the network is gone.
const ASKED: usize = 8;

/// A node that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The host names it is known by.
    pub(crate) names: Vec<String>,
}

/// Remembers who failed, and says whom to ask.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    failed: BTreeMap<SocketAddr, Instant>,
}

impl Candidates {
    /// `node` did not serve a request, or did not describe its cluster.
    pub(crate) fn failed(&mut self, node: SocketAddr, now: Instant) {
        self.failed.retain(|_, since| now < *since + AVOIDED);
        self.failed.insert(node, now);
    }

    /// `node` has described its cluster.
    pub(crate) fn answered(&mut self, node: SocketAddr) {
        self.failed.remove(&node);
    }

    /// Whether `node` failed of late.
    pub(crate) fn avoids(&self, node: SocketAddr, now: Instant) -> bool {
        self.failed.get(&node).is_some_and(|since| now < *since + AVOIDED)
    }

    /// The nodes of `map` to ask, the best first; not those that failed of late.
    pub(crate) fn known(&self, map: &Topology, now: Instant, random: &mut Random) -> Vec<Candidate> {
        let primaries: BTreeSet<_> = map.shards().iter().map(|shard| map.node(shard.primary).address).collect();
        let fresh = map.nodes().iter().filter(|node| !self.avoids(node.address, now));
        let mut fresh: Vec<_> = fresh.collect();
        random.shuffle(&mut fresh);
        fresh.sort_by_key(|node| !primaries.contains(&node.address));
        fresh.truncate(ASKED);
        let candidate = |node: &slots::Node| Candidate { address: node.address, names: node.names.clone() };
        fresh.into_iter().map(candidate).collect()
    }

    /// The nodes of `map` that failed of late, in any order: when there is nobody else to ask.
    pub(crate) fn avoided(&self, map: &Topology, now: Instant, random: &mut Random) -> Vec<Candidate> {
        let failed = map.nodes().iter().filter(|node| self.avoids(node.address, now));
        let mut failed: Vec<_> =
            failed.map(|node| Candidate { address: node.address, names: node.names.clone() }).collect();
        random.shuffle(&mut failed);
        failed.truncate(ASKED);
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::{ASKED, AVOIDED, Candidates};
    use crate::decision::Random;
    use slots::{Node, Part, Range, Slot, Topology};
    use std::collections::BTreeSet;
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    /// Shard `n` has the primary at port `n` and replicas at `100 + n` and `200 + n`.
    fn map(shards: u16) -> Topology {
        let node = |port| Node { address: at(port), names: vec![format!("node-{port}")] };
        let slots = |n| Slot::new(n).map(|slot| Range { first: slot, last: slot }).into_iter().collect();
        let part = |n| Part { primary: node(n), replicas: vec![node(100 + n), node(200 + n)], slots: slots(n) };
        Topology::build((1..=shards).map(part))
    }

    fn known(candidates: &Candidates, map: &Topology, now: Instant, seed: u64) -> Vec<u16> {
        let known = candidates.known(map, now, &mut Random::new(seed));
        known.iter().map(|candidate| candidate.address.port()).collect()
    }

    #[test]
    fn primaries_come_first_in_any_order() {
        let now = Instant::now();
        let mut firsts = BTreeSet::new();
        for seed in 0..50 {
            let order = known(&Candidates::default(), &map(2), now, seed);
            assert_eq!(order.len(), 6);
            assert!(order[..2].iter().all(|port| *port < 100), "{order:?}");
            firsts.insert(order[0]);
        }
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn who_failed_is_not_asked_for_a_while() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        candidates.failed(at(1), now);
        let soon = now + Duration::from_secs(9);
        assert!(!known(&candidates, &map(2), soon, 1).contains(&1));
        let avoided = candidates.avoided(&map(2), soon, &mut Random::new(1));
        assert_eq!(avoided.iter().map(|candidate| candidate.address).collect::<Vec<_>>(), [at(1)]);
        assert_eq!(avoided[0].names, ["node-1"]);
        assert!(known(&candidates, &map(2), now + AVOIDED, 1).contains(&1));
    }

    #[test]
    fn an_answer_forgives() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        candidates.failed(at(1), now);
        candidates.answered(at(1));
        assert!(!candidates.avoids(at(1), now));
    }

    #[test]
    fn a_large_cluster_is_not_asked_whole() {
        let order = known(&Candidates::default(), &map(60), Instant::now(), 1);
        assert_eq!(order.len(), ASKED);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let mut candidates = Candidates::default();
        (0..1000).for_each(|port| candidates.failed(at(port), now));
        candidates.failed(at(1), now + AVOIDED);
        assert_eq!(candidates.failed.len(), 1);
    }
}
