//! Real clusters on loopback, recording clients, and servers that misbehave on request.
//!
//! Everything here is synchronous, uses the standard library and `tempfile` alone, and is independent of the
//! rooms it tests: the RESP reader of [`Client`] is a second opinion on `resp`, not a user of it. Every wait has
//! a deadline and says in its error what it waited for. Every process started here ends with its owner, also when
//! the owner is killed: see [`reaper`].
//!
//! The proxy's `demo` uses this room too: it starts the same servers and watches them in the same way.

pub mod error;
pub mod wait;
pub mod reaper;
pub mod process;
pub mod ports;
pub mod reply;
pub mod client;
pub mod server;
pub mod cluster;
pub mod monitor;
pub mod fake;
pub mod http;
pub mod bootstrap;
pub mod proxy;

pub use bootstrap::Bootstrap;
pub use client::Client;
pub use cluster::{Builder as ClusterBuilder, Cluster, Migration, NodeView};
pub use error::{Error, Result};
pub use fake::{Act, Fake, Request};
pub use monitor::{Monitor, Seen};
pub use process::Process;
pub use proxy::Proxy;
pub use reply::Reply;
pub use server::Server;
