//! What CLUSTER SLOTS, SHARDS and NODES show: a cluster of one node, the proxy itself, where the client reached it.
//!
//! Envoy passes these on, so that a client that knows clusters learns the nodes' addresses and bypasses the proxy. Here
//! such a client works through the proxy, as every other.

use crate::engine::{Engine, SessionId};
use std::net::SocketAddr;

/// A node id is 40 hexadecimal digits; this one is nobody's.
const NODE: &str = "736c6f746d657368000000000000000000000000";
const LAST_SLOT: i64 = slots::Slot::COUNT as i64 - 1;

impl Engine {
    pub(super) fn picture(&mut self, id: SessionId, draw: fn(SocketAddr, &mut Vec<u8>)) {
        let mut reply = self.pool.take();
        draw(self.sessions[id.0 as usize].local, &mut reply);
        self.answer(id, &reply);
        self.pool.give(reply);
    }
}

/// <https://redis.io/docs/latest/commands/cluster-slots/>
pub(super) fn slots(local: SocketAddr, out: &mut Vec<u8>) {
    resp::write::array(out, 1);
    resp::write::array(out, 3);
    resp::write::integer(out, 0);
    resp::write::integer(out, LAST_SLOT);
    resp::write::array(out, 4);
    resp::write::bulk(out, local.ip().to_string().as_bytes());
    resp::write::integer(out, i64::from(local.port()));
    resp::write::bulk(out, NODE.as_bytes());
    resp::write::array(out, 0);
}

/// <https://redis.io/docs/latest/commands/cluster-shards/>
pub(super) fn shards(local: SocketAddr, out: &mut Vec<u8>) {
    let (ip, port) = (local.ip().to_string(), i64::from(local.port()));
    resp::write::array(out, 1);
    resp::write::array(out, 4);
    resp::write::bulk(out, b"slots");
    resp::write::array(out, 2);
    resp::write::integer(out, 0);
    resp::write::integer(out, LAST_SLOT);
    resp::write::bulk(out, b"nodes");
    resp::write::array(out, 1);
    resp::write::array(out, 14);
    for (name, value) in [("id", NODE), ("ip", &ip), ("endpoint", &ip), ("role", "master"), ("health", "online")] {
        resp::write::bulk(out, name.as_bytes());
        resp::write::bulk(out, value.as_bytes());
    }
    for (name, value) in [("port", port), ("replication-offset", 0)] {
        resp::write::bulk(out, name.as_bytes());
        resp::write::integer(out, value);
    }
}

/// <https://redis.io/docs/latest/commands/cluster-nodes/>
pub(super) fn nodes(local: SocketAddr, out: &mut Vec<u8>) {
    let bus = local.port().wrapping_add(10_000);
    let line = format!("{NODE} {local}@{bus} myself,master - 0 0 1 connected 0-{LAST_SLOT}\n");
    resp::write::bulk(out, line.as_bytes());
}
