//! What a command is: one table row each - keys, effect, split, join, state class.

pub mod row;

pub use row::{Command, Effect, Id, Join, Keys, Split, State};
