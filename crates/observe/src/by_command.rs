//! One set of statistics per command, made when the command is first used.

use std::sync::OnceLock;

/// A table as long as the command table whose entries appear on first use: what nobody calls costs 16 bytes and no
/// line in the output. (Envoy makes all of them at once: 1150 statistics per listener.)
#[derive(Debug)]
pub struct ByCommand<T>(Box<[OnceLock<Box<T>>]>);

impl<T> Default for ByCommand<T> {
    fn default() -> Self {
        Self(command::TABLE.iter().map(|_| OnceLock::new()).collect())
    }
}

impl<T: Default> ByCommand<T> {
    /// The entry of a command; `id` comes from the command table.
    #[inline]
    pub fn get(&self, id: command::Id) -> &T {
        self.0[id.index()].get_or_init(Box::default)
    }

    /// The entries that exist, each with its command's name.
    pub fn used(&self) -> impl Iterator<Item = (&'static str, &T)> {
        command::TABLE.iter().zip(&self.0).filter_map(|(row, entry)| Some((row.name, entry.get()?.as_ref())))
    }
}
