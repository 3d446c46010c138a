//! Replies that should be the same on every shard.

use super::reply::{error, first_error, is_error};

pub(super) const NOT_SAME: &str = "all responses not same";

/// The reply that all parts gave (FLUSHALL, CONFIG SET, SCRIPT LOAD).
pub fn same(parts: &[&[u8]], out: &mut Vec<u8>) {
    let Some(first) = first_error(parts).or(parts.first().copied()) else { return };
    if is_error(first) || parts.iter().all(|part| *part == first) {
        out.extend_from_slice(first);
    } else {
        error(NOT_SAME, out);
    }
}

/// One reply that is no error is enough. Else the first error that says more than NOTBUSY, which every shard but one says
/// of a SCRIPT KILL.
pub fn any_ok(parts: &[&[u8]], out: &mut Vec<u8>) {
    let good = parts.iter().find(|part| !is_error(part));
    let telling = || parts.iter().find(|part| !part.starts_with(b"-NOTBUSY"));
    if let Some(reply) = good.or_else(telling).or(parts.first()) {
        out.extend_from_slice(reply);
    }
}
