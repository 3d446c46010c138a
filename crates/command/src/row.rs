//! One row of the table: the columns and what they mean.

use crate::subcommand::Subcommand;

/// A command's place in the table: below [`crate::TABLE`]'s length, stable within one build only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u16);

impl Id {
    /// The number, an index of the table.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// The name, lower-case: `get`, `bf.add`.
    pub name: &'static str,
    /// As `COMMAND INFO` gives it: exact if positive, at least `-arity` if negative; counts the name.
    pub arity: i16,
    /// Where its keys stand.
    pub keys: Keys,
    /// Whether it may change data.
    pub effect: Effect,
    /// How it is cut and where its parts go.
    pub split: Split,
    /// How the replies of the parts become one.
    pub join: Join,
    /// What it asks of the connection.
    pub state: State,
    /// Its subcommands, if it has any and they differ in effect or join (SCRIPT, CONFIG, OBJECT).
    pub subcommands: &'static [Subcommand],
}

impl Command {
    /// Whether every request of it goes whole to where its key says, and nothing but its name need be looked at to know
    /// where the key stands and whether data may change.
    pub fn is_plain(&self) -> bool {
        self.plain_key().is_some()
    }

    /// Where the first key stands in every request of it, if it is plain.
    pub fn plain_key(&self) -> Option<usize> {
        match self.keys {
            Keys::Range { first, .. } if self.split == Split::Whole && self.subcommands.is_empty() => {
                Some(first.into())
            }
            _ => None,
        }
    }
}

/// Where a command's keys stand among its arguments (the name is argument 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// It has no key.
    None,
    /// From `first`, every `step`-th, up to `last`; a negative `last` counts from the end (-1 is the last argument).
    Range {
        /// The first key.
        first: u8,
        /// The last key, inclusive.
        last: i8,
        /// The distance between keys.
        step: u8,
    },
    /// `count` names the argument that says how many keys follow at `first`.
    Counted {
        /// The argument that holds the number.
        count: u8,
        /// The first key.
        first: u8,
        /// One more key before the counted ones (the destination of ZUNIONSTORE), if any.
        destination: Option<u8>,
    },
    /// The keys are the first half of what follows the word STREAMS (XREAD, XREADGROUP).
    Streams,
    /// As many as argument `count` says, each followed by a value, from `first` on (MSETEX).
    CountedPairs {
        /// The argument that holds the number.
        count: u8,
        /// The first key.
        first: u8,
    },
    /// Key 1, and one more after the word STORE if it is there (SORT).
    Stored,
    /// Key 1, and one more after the word STORE or STOREDIST if it is there (GEORADIUS, GEORADIUSBYMEMBER).
    NearStored,
    /// Key 3; if that is empty, all that follows the word KEYS (MIGRATE).
    Migrated,
}

/// Whether a command may change data. What may is never sent to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing: a replica may serve it.
    Read,
    /// It may change data or the server's state: primaries only.
    Write,
}

/// How a command is cut and where its parts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Whole, to the shard of its first key; a random shard if it has none at all (EVAL with 0 keys).
    Whole,
    /// One part for the keys of one slot, each argument after the name a key (MGET, DEL).
    PerKey,
    /// One part for the pairs of one slot, each pair a key and a value (MSET).
    PerPair,
    /// The same to every shard (FLUSHALL, KEYS, CONFIG).
    EveryShard,
    /// To one random shard (RANDOMKEY).
    AnyShard,
    /// To the shard that its first argument names by number (INFO.SHARD).
    NamedShard,
    /// To one shard after the other, the cursor says which (SCAN).
    Cursor,
    /// Answered by the proxy itself (PING, AUTH, CLIENT).
    Here,
    /// Not offered yet: `ERR unknown command`.
    Never,
}

/// How the replies of the parts become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// There is one part; its reply is the reply.
    Only,
    /// An array with one element a key, in the order of the keys (MGET).
    ByKey,
    /// The sum of integers (DEL, EXISTS, DBSIZE).
    Sum,
    /// All must be the same; that one (MSET, FLUSHALL, SELECT).
    Same,
    /// The elements of all arrays in one (KEYS, SLOWLOG GET).
    Concat,
    /// One element a part (ROLE).
    Nest,
    /// Name and value pairs, each name once (CONFIG GET).
    Pairs,
    /// INFO texts merged by metric.
    Info,
    /// A SCAN reply whose cursor is rewritten.
    Cursor,
    /// An array of 0 and 1, an element being 1 only where it is 1 in every part (SCRIPT EXISTS).
    Everywhere,
    /// One OK is enough; else the first error that is not NOTBUSY (SCRIPT KILL: usually one shard is busy).
    AnyOk,
    /// Decided by the subcommand (SCRIPT, CONFIG, SLOWLOG): see [`crate::join_of`].
    BySubcommand,
}

/// What a command asks of the connection it travels on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing: it shares an upstream with everybody.
    Plain,
    /// It may wait on the server (BLPOP, XREAD BLOCK).
    Blocking,
    /// It opens, fills or ends a transaction (MULTI, WATCH).
    Transaction,
    /// It turns the connection into a subscriber (SUBSCRIBE).
    Subscribe,
    /// It changes the connection itself (AUTH, HELLO, SELECT, CLIENT).
    Connection,
}
