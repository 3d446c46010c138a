//! The kinds that users write, as they are written.

// How a document becomes one of them.
mod read;
pub(crate) mod fault;
mod lineless;

// What their fields may hold.
pub(crate) mod value;

// The kinds.
pub(crate) mod kubernetes;
pub(crate) mod istio;
pub(crate) mod rule;
pub(crate) mod mesh;

#[cfg(test)]
pub(crate) use read::KINDS;
pub(crate) use read::{mesh, object, objects};
