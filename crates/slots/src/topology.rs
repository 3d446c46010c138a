//! The slot map: which shard owns a slot, which nodes make up a shard. An immutable snapshot.
//!
//! [`Topology::build`] brings every description into one form (nodes ordered by address, replicas likewise, shards by
//! their lowest slot), so that `==` says whether anything changed, in whatever order a reply told it.

use crate::Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// A node's place in [`Topology::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u16);

/// A shard's place in [`Topology::shards`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex(pub u16);

/// One server process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// Host names it is known by (without the port): a redirect or a credential may use one.
    pub names: Vec<String>,
}

/// A primary and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The member that takes writes.
    pub primary: NodeIndex,
    /// The other members; may be empty.
    pub replicas: Vec<NodeIndex>,
}

/// Neighbouring slots, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The lowest slot.
    pub first: Slot,
    /// The highest slot; not below `first`.
    pub last: Slot,
}

/// What [`Topology::build`] is told: one primary, its replicas, and slots that they own. A shard may come in several
/// parts, as CLUSTER SLOTS tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The member that takes writes.
    pub primary: Node,
    /// The other members.
    pub replicas: Vec<Node>,
    /// Slots they own.
    pub slots: Vec<Range>,
}

/// Who owns which slot. Shards are ordered by their lowest slot. An unassigned slot belongs to no shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    nodes: Vec<Node>,
    shards: Vec<Shard>,
    owners: Box<[u16]>,
}

/// Marks a slot without an owner in [`Topology`].
const NOBODY: u16 = u16::MAX;

impl Topology {
    /// How many nodes a map can hold; further replicas are left out.
    pub const MAX_NODES: usize = u16::MAX as usize;

    /// A map without a node: every slot is unassigned.
    pub fn empty() -> Self {
        Self { nodes: Vec::new(), shards: Vec::new(), owners: vec![NOBODY; Slot::COUNT].into_boxed_slice() }
    }

    /// The map that `parts` describe. Parts with the same primary address are one shard; a slot claimed twice goes to
    /// the later claim; a primary that owns no slot is left out, and so are its replicas. Nodes with the same address
    /// are one node that has the names of all.
    pub fn build(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut draft = Draft::new();
        parts.into_iter().for_each(|part| draft.add(part));
        draft.finish()
    }

    /// The nodes, ordered by address; addresses are unique.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shards, ordered by their lowest slot.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard that owns `slot`, if any does.
    pub fn owner(&self, slot: Slot) -> Option<ShardIndex> {
        self.owners.get(slot.index()).copied().filter(|owner| *owner != NOBODY).map(ShardIndex)
    }

    /// The node behind an index of this map.
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[usize::from(index.0)]
    }

    /// The shard behind an index of this map.
    pub fn shard(&self, index: ShardIndex) -> &Shard {
        &self.shards[usize::from(index.0)]
    }

    /// The node that listens at `address`, if the map knows one.
    pub fn find(&self, address: SocketAddr) -> Option<NodeIndex> {
        self.nodes.binary_search_by_key(&address, |node| node.address).ok().map(|at| NodeIndex(at as u16))
    }

    /// How many slots have an owner.
    pub fn covered(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }

    /// The assigned slots as ranges, lowest first, each with its owner.
    pub fn ranges(&self) -> impl Iterator<Item = (Range, ShardIndex)> {
        let ends = self.owners.chunk_by(|a, b| a == b).scan(0, |next, chunk| {
            let first = *next;
            *next += chunk.len();
            Some((first, *next - 1, chunk[0]))
        });
        ends.filter(|(.., owner)| *owner != NOBODY).filter_map(|(first, last, owner)| {
            let range = Range { first: Slot::at(first)?, last: Slot::at(last)? };
            Some((range, ShardIndex(owner)))
        })
    }
}

impl Range {
    /// How many slots it holds; at least one.
    pub fn count(self) -> usize {
        self.last.index() - self.first.index() + 1
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first.index(), self.last.index())
    }
}

/// A map in the making: shards in the order told, members by address.
struct Draft {
    names: BTreeMap<SocketAddr, BTreeSet<String>>,
    shards: Vec<(SocketAddr, BTreeSet<SocketAddr>)>,
    by_primary: BTreeMap<SocketAddr, u16>,
    owners: Box<[u16]>,
}

impl Draft {
    fn new() -> Self {
        let owners = vec![NOBODY; Slot::COUNT].into_boxed_slice();
        Self { names: BTreeMap::new(), shards: Vec::new(), by_primary: BTreeMap::new(), owners }
    }

    fn add(&mut self, part: Part) {
        let primary = part.primary.address;
        let known = self.by_primary.get(&primary).copied();
        // Past so many primaries, most own nothing: a reply that no cluster gives.
        let Some(shard) = known.or_else(|| u16::try_from(self.shards.len()).ok().filter(|new| *new != NOBODY)) else {
            return;
        };
        if known.is_none() {
            self.shards.push((primary, BTreeSet::new()));
            self.by_primary.insert(primary, shard);
        }
        for range in part.slots {
            self.owners[range.first.index()..=range.last.index().max(range.first.index())].fill(shard);
        }
        self.names.entry(primary).or_default().extend(part.primary.names);
        for replica in part.replicas.into_iter().filter(|replica| replica.address != primary) {
            self.shards[usize::from(shard)].1.insert(replica.address);
            self.names.entry(replica.address).or_default().extend(replica.names);
        }
    }

    fn finish(self) -> Topology {
        let order = self.by_lowest_slot();
        let nodes = self.members(&order);
        let index: BTreeMap<_, _> = nodes.iter().map(|node| node.address).zip((0..).map(NodeIndex)).collect();
        let mut places = vec![NOBODY; self.shards.len()];
        let mut shards = Vec::with_capacity(order.len());
        for (place, at) in (0..).zip(order) {
            let (primary, replicas) = &self.shards[usize::from(at)];
            if let Some(primary) = index.get(primary).copied() {
                places[usize::from(at)] = place;
                let replicas = replicas.iter().filter_map(|replica| index.get(replica).copied()).collect();
                shards.push(Shard { primary, replicas });
            }
        }
        let place = |owner: &u16| places.get(usize::from(*owner)).copied().unwrap_or(NOBODY);
        Topology { nodes, shards, owners: self.owners.iter().map(place).collect() }
    }

    /// The shards that own a slot, ordered by the lowest.
    fn by_lowest_slot(&self) -> Vec<u16> {
        let mut seen = vec![false; self.shards.len()];
        let first = |owner: &u16| seen.get_mut(usize::from(*owner)).is_some_and(|seen| !std::mem::replace(seen, true));
        self.owners.iter().copied().filter(first).collect()
    }

    /// The members of these shards, primaries first served, ordered by address.
    fn members(&self, order: &[u16]) -> Vec<Node> {
        let shards = || order.iter().map(|at| &self.shards[usize::from(*at)]);
        let all = shards().map(|shard| shard.0).chain(shards().flat_map(|shard| shard.1.iter().copied()));
        let mut members = BTreeSet::new();
        for address in all {
            if members.len() == Topology::MAX_NODES {
                break;
            }
            members.insert(address);
        }
        let names = |address| self.names.get(&address).into_iter().flatten().cloned().collect();
        members.into_iter().map(|address| Node { address, names: names(address) }).collect()
    }
}

#[cfg(test)]
mod tests;
