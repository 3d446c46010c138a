//! The slot map: which shard owns a slot, which nodes make up a shard. An immutable snapshot.

use crate::Slot;
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
    /// A map without a node: every slot is unassigned.
    pub fn empty() -> Self {
        Self { nodes: Vec::new(), shards: Vec::new(), owners: vec![NOBODY; Slot::COUNT].into_boxed_slice() }
    }

    /// The nodes, in no promised order; addresses are unique.
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
}
