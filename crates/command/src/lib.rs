//! What a command is: one table row each - keys, effect, split, join, state class.

pub mod row;
pub mod subcommand;
pub mod table;

pub mod lookup;

pub mod join;
pub mod keys;

#[cfg(test)]
mod invocation;

pub use keys::BadKeys;
pub use lookup::{get, lookup};
pub use row::{Command, Effect, Id, Join, Keys, Split, State};
pub use subcommand::{effect_of, join_of};
pub use table::TABLE;
