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
mod command;
mod forward;
mod frame;
mod guard;
mod join;
mod mirror;
mod redirect;
mod reply;
mod route;
pub mod session;
mod shard;
mod split;

// What it stands on.
mod buffer;
mod cluster;
mod engine;
mod failure;
mod filter;
mod limits;
mod loss;
mod random;
mod time;
mod timer;
mod upstream;

pub use engine::{ClusterId, Decision, Engine, FilterId, Report, SessionId, UpstreamId};
pub use failure::Closed;
pub use limits::Limits;
pub use time::Time;
