//! Where a key lives: hash tags, CRC16, the slot map, and the topology replies that fill it.

pub mod slot;
pub mod topology;
pub mod view;

pub use slot::Slot;
pub use topology::{Node, NodeIndex, Shard, ShardIndex, Topology};
pub use view::{Host, View};
