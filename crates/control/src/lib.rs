//! Registry (files, Kubernetes) to listeners and clusters to EnvoyFilter patches to push.
//!
//! The road, one module a station: [`object`] is what a user wrote, [`files`] the folder that it stands in, and
//! [`kube`] the API server that has it; [`registry`] is what all objects mean together: services, their endpoints and the rules for them; [`node`] is who
//! asks; `generate` makes the resources of Envoy's API as istiod makes them for a sidecar, and `patched` applies the
//! EnvoyFilters to them; [`snapshot`] is what one proxy gets, and [`generator`] makes it, sharing with other proxies
//! what is equal. [`mod@print`] shows it; [`plane`] offers it to the server of xDS, [`watch`] keeps it at what the folder
//! says, [`status`] knows what became of each resource, [`face`] shows people what is served and what is wrong, and
//! [`webhook`] tells them before it is stored. [`analyze`] looks at files that nobody serves yet.
//!
//! The measure is istiod: `tests/worlds.rs` compares with recordings of it, and what differs on purpose is a table
//! there and in `docs/generation.md`.

// What users wrote.
mod written;
pub mod object;
pub mod files;
pub mod kube;

// What it means.
pub mod typed;
pub mod registry;
pub mod node;

// What a proxy gets.
mod generate;
mod patched;
pub mod snapshot;
pub mod generator;
pub mod print;

// What is served, and to whom it is told.
mod telling;
mod moved;
pub mod findings;
pub mod plane;
pub mod status;
pub mod watch;
pub mod face;
pub mod webhook;

// What is wrong with files, before anybody serves them.
pub mod analyze;

pub use config::{Problem, Schema};
pub use written::mesh::{Mesh, OutboundMode, OutboundPolicy};
