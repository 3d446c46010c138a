//! An API server of Kubernetes as a source of objects, listed and watched.
//!
//! `kinds` is what is watched, `wire` reads what the server says, and `trim` keeps of it what the registry needs;
//! `course` decides for each kind what to ask for next, `shelf` holds its objects. A [`Mirror`] is all of them together
//! and what there is to tell about them; [`follow`] keeps it true. It is published by [`crate::watch`], as files are.
//!
//! The last state stays in force whatever happens to the server or on the way to it: a list takes the place of what was
//! known once it is whole, and a watch goes on where the last one ended.
//!
//! What became of resources is written back by [`write()`]: `pen` says what, `pace` how often, `news` what is told as an
//! Event, `scribe` does it.

// What is asked for, and what is kept of the answer.
pub(crate) mod kinds;
mod trim;
pub(crate) mod wire;
mod shelf;

// What to ask next.
mod course;
mod mirror;
mod numbers;

// Asking.
mod access;
mod driver;

// Writing.
mod pen;
mod pace;
mod news;
mod talk;
mod scribe;

pub use ::kube::Client;
pub use access::{Access, AccessError};
pub use driver::{Patience, follow};
pub(crate) use mirror::Content;
pub use mirror::Mirror;
pub use pace::Manners;
pub use scribe::write;
