//! Where a key lives: hash tags, CRC16, the slot map, and the topology replies that fill it.
//!
//! A Redis Cluster places a key by its [`Slot`] and a [`Topology`]; any other cluster by a hash of the key ([`murmur`])
//! and a [`ring`] or a [`maglev`] table of its [`Host`]s.

pub mod slot;
mod crc16;
pub mod topology;
pub mod view;
pub mod parse;
pub mod described;
mod placement;
pub mod murmur;
pub mod ring;
pub mod maglev;

pub use described::Described;
pub use slot::Slot;
pub use topology::{Node, NodeIndex, Part, Range, Shard, ShardIndex, Topology};
pub use view::{Host, View};
