//! What TLS needs: certificates, trust and names become rustls settings.
//!
//! Envoy's rules, which differ from a browser's: without `trusted_ca` nothing is verified; with it the chain is, and the
//! host name is not - which names are accepted is what the matchers say, and any will do if there are none. So it has to
//! be, since a SPIFFE identity is a URI and no host name.
//!
//! The room does no I/O: it takes PEM that was read or delivered, and gives what a connection is made with.

mod problem;
mod secrets;
mod material;
mod suites;
mod names;
mod judge;
mod signature;
mod client;
mod server;
mod fault;

pub use client::{Client, check_client, client};
pub use fault::{Fault, fault};
pub use problem::Problem;
pub use rustls;
pub use rustls_pki_types::ServerName;
pub use secrets::Secrets;
pub use server::{Server, check_server, server};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
