//! Envoy's words as written (YAML, JSON, protobuf), then what they mean, checked; only the second leaves this room.
//!
//! The road of a configuration, one module a station: [`schema`] knows every message and field of Envoy's API;
//! `written` turns text into a message of that schema and remembers on which line each field stood; `rules` applies
//! Envoy's own validation rules, which are part of the schema; `meaning` turns the message into the types of the room
//! `meant`; `dump` shows the message with its secrets hidden. [`mod@print`] walks the other way.
//!
//! What a control plane sends takes the same road from `rules` on, see [`delivered`].
//!
//! Three promises. A field that Envoy does not know is refused with the nearest name that it knows. A field that
//! Envoy knows and slotmesh does not honour is refused by its path: nothing is silently ignored. All problems are
//! listed at once, each with file, line and path.
//!
//! Reading is driven by Envoy's protobuf descriptors and not by types written by hand, so that the list of known
//! fields cannot be wrong, and so that the same rules and meaning serve configuration that arrives as protobuf bytes.

// The road of a configuration.
mod load;

pub mod schema;

mod written;

mod rules;

mod meaning;

mod dump;

// What a control plane sends, on the same road.
pub mod delivered;

mod apart;

// For rooms that read and write other documents and messages of Envoy's API.
mod message;
pub mod text;

pub mod dynamic;

// What goes wrong on it.
pub mod problem;
mod notes;
mod report;

// The way back.
pub mod print;

#[cfg(test)]
mod testing;

pub use apart::{Afresh, apart};
pub use load::{Loaded, load_file, load_file_with_dump, load_text, load_text_with_dump};
pub use message::Mismatch;
pub use problem::{Problem, Problems};
pub use schema::Schema;
