//! What all objects mean together: services with their endpoints, and the rules for them.
//!
//! A [`State`] is built whole from all objects and never changed; what is equal to the former state is the very same
//! `Arc`, so that whoever made something of it can keep it. It knows no files: any source of objects feeds it.
//!
//! **Where endpoints come from**, the first that exists for a service: its EndpointSlices; its Endpoints; the Pods that
//! its selector selects, as Kubernetes' own controller would (so a folder without EndpointSlices needs the Pods'
//! addresses only). WorkloadEntries that the selector selects are added. A StatefulSet or Deployment has no addresses:
//! it serves to tell a service that selects something from one that selects nothing.

// The words.
mod protocol;
pub mod service;

// How the objects become services.
mod pods;
mod kubernetes;
mod endpoints;
mod entries;

// And what holds for them.
mod rules;
mod served;
mod notes;
mod state;

pub use protocol::Protocol;
pub(crate) use rules::Modes;
pub use rules::{Authentication, Rule, Scope};
pub(crate) use served::Served;
pub use state::State;
