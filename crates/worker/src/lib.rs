//! Threads and sockets that drive the engine: one thread, one epoll, nothing shared.
//!
//! # Layout
//!
//! A [`Crew`] is one thread that accepts and N that work. Each worker owns its clients and its connections to nodes; it
//! hears from outside only through its mail (`mail`), between two turns: clients, members of clusters, and what has
//! changed in the configuration.

// The whole, and what a change of configuration is to it.
mod crew;
mod numbers;
mod chains;
mod gates;
mod accept;

// One worker.
mod mail;
mod turn;
mod adopt;
pub mod sniff;
mod hall;
mod clients;
mod upstreams;
mod settings;
mod wire;
mod reach;
mod way;
mod pass;

pub use crew::{Crew, Error, Plan, Told};
pub use engine::{Limits, Report};
