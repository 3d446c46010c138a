//! The proxy's side.
//!
//! [`Client::start`] keeps one stream to a control plane open. Everything that is new or changed comes as an [`Update`],
//! which wants a [`Verdict`]: only what was accepted is acknowledged, kept, claimed on the next stream, and written to the
//! cache. What a server repeats without a change is acknowledged without troubling anybody. [`watch_file`] delivers the
//! content of files in the same way.

// The conversation, without I/O.
mod backoff;
mod lane;
mod talk;
mod update;

// The drivers: a connection, or a file.
mod cache;
mod connect;
mod files;
mod run;
mod settings;

pub use backoff::Backoff;
pub use connect::{Address, ClientTls};
pub use files::{Decode, FileError, watch_file};
pub use lane::Want;
pub use run::Client;
pub use settings::{Settings, State};
pub use talk::{Arrival, Outcome, Request, Talk};
pub use update::{Origin, Refused, Update, Verdict};
