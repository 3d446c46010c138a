//! What a command is: one table row each - keys, effect, split, join, state class.

pub mod row;
pub mod table;
pub mod subcommand;
pub mod lookup;
pub mod keys;
pub mod join;

#[cfg(test)]
mod invocation;

pub use keys::BadKeys;
pub use lookup::{Recent, get, lookup};
pub use row::{Command, Effect, Id, Join, Keys, Split, State};
pub use subcommand::{effect_of, join_of};
pub use table::TABLE;
