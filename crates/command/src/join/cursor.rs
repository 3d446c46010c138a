//! A SCAN of the whole cluster as one cursor.
//!
//! The client's cursor is a plain 64-bit number, as Redis promises: its low 14 bits are a slot of the shard that is being
//! scanned (the shard's first), the rest is that shard's own cursor. The slot and not the shard's number, because the slot
//! still finds the shard's successor after the map has changed. 0 is both the beginning and the end.

use super::reply::{Reply, read};

const SLOT_BITS: u32 = 14;

/// The client's cursor for going on at `node_cursor` in the shard that begins with this slot. `None` for a slot past
/// 16383, for a node's cursor that does not fit into 50 bits (hash tables of 2^50 buckets), and for 0 at slot 0, which
/// is the beginning and would tell the client that the scan is over.
pub fn pack(node_cursor: u64, shard_first_slot: u16) -> Option<u64> {
    let slot = u64::from(shard_first_slot);
    let fits = node_cursor >> (u64::BITS - SLOT_BITS) == 0 && slot >> SLOT_BITS == 0;
    let cursor = node_cursor << SLOT_BITS | slot;
    (fits && cursor != 0).then_some(cursor)
}

/// The node's cursor and the slot whose shard is to be scanned. Every number is a cursor; 0 is the beginning.
pub fn unpack(cursor: u64) -> (u64, u16) {
    let slot = cursor & ((1 << SLOT_BITS) - 1);
    (cursor >> SLOT_BITS, slot as u16)
}

/// The cursor that a client wrote or a node answered: decimal digits only.
pub fn parse(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    if plain { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

/// The node's cursor in its reply to SCAN. `None` for an error or anything else.
pub fn of_reply(reply: &[u8]) -> Option<u64> {
    let Reply::Array(elements) = read(reply) else { return None };
    let Reply::Bulk(digits) = read(elements.first()?) else { return None };
    parse(digits)
}

/// The node's reply with another cursor. What is no reply to SCAN, such as an error, stays as it is.
pub fn rewrite(reply: &[u8], cursor: u64, out: &mut Vec<u8>) {
    let Reply::Array(elements) = read(reply) else { return out.extend_from_slice(reply) };
    resp::write::array(out, elements.len());
    resp::write::bulk(out, cursor.to_string().as_bytes());
    elements.iter().skip(1).for_each(|element| out.extend_from_slice(element));
}
