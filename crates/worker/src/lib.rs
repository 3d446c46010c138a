//! Threads and sockets that drive the engine: one thread, one epoll, nothing shared.
//!
//! # Layout
//!
//! A [`Crew`] is one thread that accepts and N that work. Each worker owns its clients and its connections to nodes; it
//! hears from outside only through its mail (`mail`), between two turns.

mod crew;
mod accept;
mod mail;
mod turn;
mod wire;
mod reach;
mod clients;
mod upstreams;
mod settings;
mod pass;

pub use crew::{Crew, Error, Plan, Told};
pub use engine::{Limits, Report};
