//! Where the second word decides: SCRIPT EXISTS is not SCRIPT FLUSH.
//!
//! A subcommand that is in no list has the effect of its command's row, which is `Write` wherever a subcommand that a
//! later server adds could change something.

use crate::row::{Command, Effect, Id, Join};

/// What one subcommand differs in from its command's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subcommand {
    /// The second word, lower-case.
    pub name: &'static str,
    /// Whether it may change data or the server's state.
    pub effect: Effect,
    /// How the shards' replies become one. `None`: not offered where the row says [`Join::BySubcommand`].
    pub join: Option<Join>,
}

/// How the parts' replies become one, the subcommand considered. `None`: this subcommand is not offered
/// (`ERR unsupported cluster scope command or invalid arguments`).
pub fn join_of(id: Id, request: &resp::Request) -> Option<Join> {
    let command = crate::get(id);
    match command.join {
        Join::BySubcommand => subcommand_of(command, request)?.join,
        join => Some(join),
    }
}

/// Whether this request may change data or a server's state, the subcommand considered.
pub fn effect_of(id: Id, request: &resp::Request) -> Effect {
    let command = crate::get(id);
    if command.subcommands.is_empty() {
        return command.effect;
    }
    subcommand_of(command, request).map_or(command.effect, |sub| sub.effect)
}

fn subcommand_of(command: &Command, request: &resp::Request) -> Option<&'static Subcommand> {
    let word = request.get(1)?;
    command.subcommands.iter().find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(word))
}

const fn read(name: &'static str) -> Subcommand {
    Subcommand { name, effect: Effect::Read, join: None }
}

const fn write(name: &'static str) -> Subcommand {
    Subcommand { name, effect: Effect::Write, join: None }
}

impl Subcommand {
    const fn joined(mut self, join: Join) -> Subcommand {
        self.join = Some(join);
        self
    }
}

pub(crate) const ACL: &[Subcommand] = &[
    read("cat"),
    write("deluser"),
    read("dryrun"),
    read("genpass"),
    read("getuser"),
    read("help"),
    read("list"),
    write("load"),
    write("log"), // ACL LOG RESET
    write("save"),
    write("setuser"),
    read("users"),
    read("whoami"),
];

pub(crate) const CLUSTER: &[Subcommand] = &[
    read("count-failure-reports"),
    read("countkeysinslot"),
    read("getkeysinslot"),
    read("help"),
    read("info"),
    read("keyslot"),
    read("links"),
    read("myid"),
    read("myshardid"),
    read("nodes"),
    read("replicas"),
    read("shards"),
    read("slaves"),
    read("slot-stats"),
    read("slots"),
];

pub(crate) const COMMANDLOG: &[Subcommand] = &[read("get"), read("help"), read("len"), write("reset")];

/// HELP is not offered: every shard would say the same, and Envoy refuses it too.
pub(crate) const CONFIG: &[Subcommand] = &[
    read("get").joined(Join::Pairs),
    read("help"),
    write("resetstat").joined(Join::Same),
    write("rewrite").joined(Join::Same),
    write("set").joined(Join::Same),
];

pub(crate) const FUNCTION: &[Subcommand] = &[
    write("delete"),
    read("dump"),
    write("flush"),
    read("help"),
    write("kill"),
    read("list"),
    write("load"),
    write("restore"),
    read("stats"),
];

pub(crate) const HOTKEYS: &[Subcommand] = &[read("get"), read("help"), write("reset"), write("start"), write("stop")];

pub(crate) const LATENCY: &[Subcommand] =
    &[read("doctor"), read("graph"), read("help"), read("histogram"), read("history"), read("latest"), write("reset")];

pub(crate) const MEMORY: &[Subcommand] =
    &[read("doctor"), read("help"), read("malloc-stats"), write("purge"), read("stats"), read("usage")];

pub(crate) const MODULE: &[Subcommand] = &[read("help"), read("list"), write("load"), write("loadex"), write("unload")];

/// EXISTS and SHOW change nothing, yet only primaries can answer: since Redis 7 a script that SCRIPT LOAD brought to the
/// primaries is not replicated, so a replica would deny a script that EVALSHA finds. DEBUG is not offered: it would
/// change a connection that others share.
pub(crate) const SCRIPT: &[Subcommand] = &[
    write("debug"),
    write("exists").joined(Join::Everywhere),
    write("flush").joined(Join::Same),
    read("help").joined(Join::Same),
    write("kill").joined(Join::AnyOk),
    write("load").joined(Join::Same),
    write("show").joined(Join::Same),
];

pub(crate) const SLOWLOG: &[Subcommand] =
    &[read("get").joined(Join::Concat), read("help"), read("len").joined(Join::Sum), write("reset").joined(Join::Same)];

pub(crate) const XGROUP: &[Subcommand] =
    &[write("create"), write("createconsumer"), write("delconsumer"), write("destroy"), read("help"), write("setid")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::Invocation;
    use crate::{TABLE, lookup};

    fn of(line: &str) -> (Effect, Option<Join>) {
        let id = lookup(line.split(' ').next().unwrap().as_bytes()).unwrap();
        let invocation = Invocation::new(line);
        (effect_of(id, &invocation.request()), join_of(id, &invocation.request()))
    }

    #[test]
    fn the_second_word_decides_in_any_case() {
        use Effect::{Read, Write};
        assert_eq!(of("CONFIG get maxmemory"), (Read, Some(Join::Pairs)));
        assert_eq!(of("config SeT maxmemory 1"), (Write, Some(Join::Same)));
        assert_eq!(of("script exists abc"), (Write, Some(Join::Everywhere)));
        assert_eq!(of("script kill"), (Write, Some(Join::AnyOk)));
        assert_eq!(of("slowlog len"), (Read, Some(Join::Sum)));
        assert_eq!(of("slowlog get 5"), (Read, Some(Join::Concat)));
        assert_eq!(of("cluster slots"), (Read, Some(Join::Only)));
        assert_eq!(of("cluster failover"), (Write, Some(Join::Only)));
        assert_eq!(of("object freq k"), (Read, Some(Join::Only)));
        assert_eq!(of("get k"), (Read, Some(Join::Only)));
    }

    #[test]
    fn what_is_not_offered_has_no_join_and_may_write() {
        for line in ["config", "config nonsense", "slowlog nonsense", "script debug yes", "script"] {
            assert_eq!(of(line), (Effect::Write, None), "{line}");
        }
        assert_eq!(of("config help"), (Effect::Read, None));
    }

    #[test]
    fn a_row_that_asks_for_the_subcommand_has_them_and_a_list_is_sorted() {
        for row in TABLE {
            assert!(
                row.join != Join::BySubcommand || row.subcommands.iter().any(|sub| sub.join.is_some()),
                "{}",
                row.name
            );
            assert!(row.subcommands.windows(2).all(|pair| pair[0].name < pair[1].name), "{}", row.name);
        }
    }
}
