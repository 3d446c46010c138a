//! Typed Redis resources: what users write instead of EnvoyFilters, and what it means.
//!
//! The road: `spec` holds the two kinds of `slotmesh.io/v1alpha1` as written, `aeraki` those of Aeraki; `sound`
//! knows what is wrong with one whatever else there is; `world` finds the services and Secrets that they name; `upstream` and `traffic` are what one means, and `bound` what all of them mean
//! together for each port of a service: a `filter` in the place of its `tcp_proxy`, and another shape of its cluster.
//! Pure: no files, no proxies, no caches. `generate` asks for it where it makes a service's listeners and clusters.

pub(crate) mod spec;
pub(crate) mod aeraki;
mod schema;
mod crd;
mod secret;

mod fault;
mod sound;
mod world;

mod traffic;
mod upstream;
mod filter;
mod bound;

pub mod translate;

pub(crate) use bound::{Bound, Typed};
pub use crd::crds;
pub(crate) use crd::fields_beside;
pub(crate) use fault::{Fault, steps};
pub use secret::Secret;

use config::text::Node;
use std::sync::Arc;

/// A typed resource as its user wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    pub(crate) what: What,
    /// The whole document, for its lines.
    pub(crate) document: Arc<Node>,
}

/// Which resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Service(Box<spec::RedisService>),
    Route(spec::RedisRoute),
    AerakiService(aeraki::RedisService),
    AerakiDestination(aeraki::RedisDestination),
}

impl Declared {
    /// The kind, with its group where it is not ours.
    pub(crate) fn word(&self) -> &'static str {
        match self.what {
            What::Service(_) => "RedisService",
            What::Route(_) => "RedisRoute",
            What::AerakiService(_) => "Aeraki's RedisService",
            What::AerakiDestination(_) => "Aeraki's RedisDestination",
        }
    }

    /// What is wrong with it whatever else there is.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        match &self.what {
            What::Service(written) => sound::service(written),
            What::Route(written) => sound::route(written),
            What::AerakiService(written) => {
                let mut found = sound::route(&written.as_route(""));
                found.iter_mut().for_each(|fault| fault.path = aeraki::path(&fault.path));
                found
            }
            What::AerakiDestination(_) => Vec::new(),
        }
    }
}
