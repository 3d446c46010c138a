//! How the replies of several shards become one: pure functions over whole RESP2 replies.
//!
//! A part is one shard's reply, all its bytes and nothing else. Wherever a part is an error, that error is the reply, the
//! first in the order of the parts; who cuts one client's command into fragments (DEL, MSET) may rather count the keys
//! that failed, in Envoy's words: [`finished_with_errors`]. An element of an array is copied as its bytes, never taken apart.

mod array;
pub mod cursor;
mod info;
mod integer;
mod reply;
mod same;

pub use array::{concat, nest, pairs};
pub use info::info;
pub use integer::{everywhere, sum};
pub use reply::{finished_with_errors, first_error, is_error};
pub use same::{any_ok, same};

use crate::row::Join;

/// Writes the one reply of all shards to `out`. `false`, and nothing written, for the joins that are not a matter of
/// whole replies: [`Join::ByKey`], [`Join::Cursor`], [`Join::BySubcommand`] (resolve that with [`crate::join_of`]).
pub fn shards(how: Join, parts: &[&[u8]], out: &mut Vec<u8>) -> bool {
    match how {
        Join::Only => out.extend_from_slice(parts.first().copied().unwrap_or_default()),
        Join::Sum => sum(parts, out),
        Join::Same => same(parts, out),
        Join::Concat => concat(parts, out),
        Join::Nest => nest(parts, out),
        Join::Pairs => pairs(parts, out),
        Join::Info => info(parts, out),
        Join::Everywhere => everywhere(parts, out),
        Join::AnyOk => any_ok(parts, out),
        Join::ByKey | Join::Cursor | Join::BySubcommand => return false,
    }
    true
}

#[cfg(test)]
mod tests;
