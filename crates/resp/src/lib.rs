//! Bytes to frames and back: RESP2, RESP3, inline commands; limits.
//!
//! Nothing here builds a tree of values for the path of a request: [`request::Scan`] finds where a request and its
//! arguments lie, [`reply::Scan`] how long a reply is. [`value`] does build a tree, for the few replies that must be
//! understood (topology, merged INFO).
//!
//! Both scans are resumable. Their result never depends on how the bytes were cut on the way, they look at each byte a
//! bounded number of times, and they allocate only for what has arrived, never for what a header promises.
//!
//! Where Redis itself is lax, this room is strict: Redis takes any two bytes for the CRLF behind a bulk string. A proxy
//! forwards the bytes as they came to a connection that others share, so it must not accept what the next reader could
//! cut elsewhere.

/// How much of anything is accepted.
mod limits;
/// What is wrong with bytes that are no frame.
mod malformed;
/// Numbers as they stand in headers.
mod number;
/// Where a line ends.
mod line;
/// The first line of one element of a reply.
mod head;
pub mod request;
pub mod reply;
pub mod value;
pub mod write;

pub use limits::Limits;
pub use malformed::Malformed;
pub use request::{Arg, Request};

/// What holds for all bytes, however they are cut.
#[cfg(test)]
mod properties;
