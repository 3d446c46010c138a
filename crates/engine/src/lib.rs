//! The journey of a request as a state machine: bytes and time in, bytes and decisions out.
//!
//! The engine knows no socket, clock or thread. A driver (the `worker` room, or a simulated world in a test) tells it
//! what happened ([`Engine::client_bytes`], [`Engine::upstream_bytes`], …), then carries out what it decided
//! ([`Engine::decisions`]) and writes what it left to be written. Time and randomness are arguments: the same seed and
//! the same inputs give the same run.
//!
//! # Layout
//!
//! The stations of the journey, in the order a request passes them; then what they stand on.

// The journey.
mod session;
mod frame;
mod command;
mod guard;
mod route;
mod split;
mod shard;
mod forward;
mod mirror;
mod redirect;
mod join;
mod reply;

// Off the road.
mod large;
mod loss;
mod handover;
mod change;

// The journey once more, in one pass, for most requests and replies.
mod plain;

// What they stand on.
mod engine;
mod cluster;
mod filter;
mod upstream;
mod places;
mod buffer;
mod limits;
mod failure;
mod time;
mod timer;
mod random;
mod usage;

pub use change::{Change, NewCluster, NewFilter};
pub use engine::{ClusterId, Decision, Engine, FilterId, Report, SessionId, UpstreamId};
pub use failure::Closed;
pub use limits::Limits;
pub use time::Time;
pub use usage::Usage;
