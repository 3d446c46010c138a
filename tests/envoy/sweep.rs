//! Every command that Envoy knows, on a key of every type and on none, with too few arguments and too many.

use crate::judge::Verdict;
use crate::play::{self, PLAIN};
use crate::script::{Act, Chapter, Compare, Step, words};
use crate::world::{Side, World};
use std::collections::BTreeSet;
use testkit::Reply;

/// One key of each type, with one element each, so that nothing random can be chosen. `none` is missing.
const KEYS: [(&str, &str); 8] = [
    ("none", "DEL none"),
    ("string", "SET string text"),
    ("number", "SET number 10"),
    ("list", "RPUSH list 1"),
    ("set", "SADD set 1"),
    ("hash", "HSET hash 1 1"),
    ("zset", "ZADD zset 1 1"),
    ("stream", "XADD stream 1-1 1 1"),
];

/// Offered by Envoy, not yet by slotmesh.
const TRANSACTIONS: [&str; 5] = ["discard", "exec", "multi", "unwatch", "watch"];
/// Known to Envoy without statistics of their own.
const WITHOUT_STATISTICS: [&str; 6] = ["auth", "client", "echo", "ping", "quit", "time"];

/// The names of all commands that the real Envoy supports outside transactions, as its statistics tell.
pub fn names(world: &World) -> BTreeSet<String> {
    let page = world.variants(Side::Envoy).get("/stats?filter=redis.plain.command").unwrap();
    let names = page.body.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("redis.plain.command.")?.split_once(".total: ")?;
        Some(name.to_owned())
    });
    let names: BTreeSet<String> = names.chain(WITHOUT_STATISTICS.map(str::to_owned)).collect();
    assert!(names.len() >= 190, "Envoy tells of only {} commands", names.len());
    names.into_iter().filter(|name| !TRANSACTIONS.contains(&name.as_str())).collect()
}

/// What the server says of a command: the number of words, negative where more are allowed, and where the key is.
struct Info {
    arity: i64,
    key: usize,
}

impl Info {
    fn of(world: &World, name: &str) -> Option<Self> {
        let reply = world.redis.ask(&format!("COMMAND INFO {name}")).unwrap();
        let [Reply::Int(arity), flags, Reply::Int(first), ..] = reply.items().first()?.items().get(1..)? else {
            return None;
        };
        // With keys behind their number, one key is at the third place.
        let movable = flags.items().contains(&Reply::simple("movablekeys"));
        let key = if *first == 0 && movable { 2 } else { usize::try_from(*first).unwrap() };
        Some(Self { arity: *arity, key })
    }
}

/// Whether the server knows a command.
pub fn is_known(world: &World, name: &str) -> bool {
    Info::of(world, name).is_some()
}

pub fn play(world: &World, names: &BTreeSet<String>, verdict: &mut Verdict) {
    let mut steps = Vec::new();
    for name in names {
        let Some(info) = Info::of(world, name).filter(|info| info.key > 0) else { continue };
        steps.push(command(name));
        for (key, make) in KEYS {
            // What the command before has made expire may or may not be gone.
            steps.push(Step { compare: Compare::Shape, ..command(&format!("DEL {key}")) });
            steps.push(command(make));
            let least = usize::try_from(info.arity.unsigned_abs()).unwrap();
            for count in [least, least + 1] {
                let mut words = vec!["1"; count.max(info.key + 1)];
                (words[0], words[info.key]) = (name, key);
                steps.push(command(&words.join(" ")));
            }
        }
    }
    steps.push(command("FLUSHALL"));
    play::chapter(world, &PLAIN, &Chapter::new("every command", steps), verdict);
}

fn command(line: &str) -> Step {
    Step { text: line.to_owned(), act: Act::Command(words(line)), compare: Compare::Exact }
}
