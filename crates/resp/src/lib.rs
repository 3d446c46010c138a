//! Bytes to frames and back: RESP2, RESP3, inline commands; limits.
//!
//! Nothing here builds a tree of values for the path of a request: [`request::Scan`] finds where a request and its
//! arguments lie, [`reply::Scan`] how long a reply is. [`value`] does build a tree, for the few replies that must be
//! understood (topology, merged INFO).

pub mod request;

pub use request::{Arg, Request};
