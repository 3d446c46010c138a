//! `EnvoyFilter`s applied to listeners, clusters and routes as istiod does: a pure function from resources and filters
//! to resources and a report.
//!
//! The road: a resource of a user becomes an [`EnvoyFilter`] or is refused with istiod's words (`filter`); of all
//! filters those that concern a proxy are chosen and put in order (`select`); `engine` applies their patches, each at
//! the places that `matching` finds for it, with the rules of `merge`; `report` tells for every patch what it hit or
//! why it hit nothing; `refusal` knows what a proxy would not accept, and holds back the patch that caused it.
//!
//! What istiod does is the measure, with its surprises: a patch that matches nothing is not an error, INSERT_FIRST of a
//! cluster appends it, a MERGE cannot set a field to its default. Where istiod panics, stops half-way, leaks into
//! other chains or comes out at random, this room does not: every message is its own, and a patch that cannot be
//! applied at one place is told and changes nothing there.

// What comes in.
mod field;
pub mod resources;
pub mod proxy;
pub mod filter;

// Which patches concern a proxy, and where they match.
mod select;
mod matching;

// What they do.
mod merge;
mod engine;

// What is told.
pub mod report;
mod refusal;

mod apply;

// For the tool: what a proxy has, from a file.
pub mod base;

pub use apply::{Refused, apply};
pub use filter::{EnvoyFilter, NotRead};
pub use proxy::ProxyInfo;
pub use report::Report;
pub use resources::Resources;
