//! The table against a live server: no command missing, no write taken for a read, every key where the server sees it.

// Outside of `#[test]` functions too, a test says what failed by panicking and what it did by printing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod samples;
mod server;

use command::{Command, Effect, Keys, State, get, lookup};
use resp::{Arg, Request};
use samples::Dice;
use server::{Reply, Server};
use std::collections::BTreeSet;

/// Every server that is there: Redis must be, Valkey is tested where it is installed.
fn servers() -> Vec<Server> {
    let redis = Server::start("redis-server").expect("redis-server is needed for this test (Debian: redis-server)");
    std::iter::once(redis).chain(Server::start("valkey-server")).collect()
}

/// Commands that a server calls reads and the table does not, and why.
const HELD_BACK: &[(&str, &str)] =
    &[("touch", "it is called for its effect on the primary's idle times, which decide what is evicted")];

/// Commands that a server calls neither read nor write and the table calls reads. All others of that kind are writes.
const HARMLESS: &[(&str, &str)] = &[
    ("auth", "answered by the proxy"),
    ("client", "answered by the proxy"),
    ("command", "tells about commands"),
    ("echo", "answered by the proxy"),
    ("hello", "answered by the proxy"),
    ("info", "figures of the server that is asked"),
    ("lastsave", "tells a time"),
    ("object", "looks at a key; all its subcommands are reads"),
    ("ping", "answered by the proxy"),
    ("pubsub", "tells about subscriptions"),
    ("quit", "answered by the proxy"),
    ("role", "tells the server's role"),
    ("select", "answered by the proxy"),
    ("time", "answered by the proxy"),
    ("xinfo", "looks at a key; all its subcommands are reads"),
];

/// Subcommands that change nothing, as far as they are not of a command in [`HARMLESS`] or called reads by the server.
const HARMLESS_SUBCOMMANDS: &[&str] = &[
    "acl|cat acl|dryrun acl|genpass acl|getuser acl|help acl|list acl|users acl|whoami",
    "cluster|count-failure-reports cluster|countkeysinslot cluster|getkeysinslot cluster|help cluster|info cluster|keyslot",
    "cluster|links cluster|myid cluster|myshardid cluster|nodes cluster|replicas cluster|shards cluster|slaves",
    "cluster|slot-stats cluster|slots",
    "commandlog|get commandlog|help commandlog|len",
    "config|get config|help",
    "hotkeys|get hotkeys|help",
    "function|dump function|help function|list function|stats",
    "latency|doctor latency|graph latency|help latency|histogram latency|history latency|latest",
    "memory|doctor memory|help memory|malloc-stats memory|stats",
    "module|help module|list",
    "script|help",
    "slowlog|get slowlog|help slowlog|len",
    "xgroup|help",
];

/// Commands whose key column is not what `COMMAND INFO` and `COMMAND GETKEYS` say, and why.
const OTHER_KEYS: &[(&str, &str)] = &[
    ("spublish", "a shard channel is no key to the server, but it has a slot and is sent where that is"),
    ("ssubscribe", "as spublish"),
    ("sunsubscribe", "as spublish"),
    ("clusterscan", "as spublish; the cursor carries a hash tag"),
];

fn is_in(list: &[(&str, &str)], name: &str) -> bool {
    list.iter().any(|(listed, _)| *listed == name)
}

/// A request that owns its bytes.
struct Invocation {
    words: Vec<String>,
    bytes: Vec<u8>,
    args: Vec<Arg>,
}

impl Invocation {
    fn new(words: Vec<String>) -> Self {
        let mut bytes = Vec::new();
        let args = words.iter().map(|word| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(word.as_bytes());
            Arg { start, len: word.len() as u32 }
        });
        let args = args.collect();
        Self { words, bytes, args }
    }

    fn request(&self) -> Request<'_> {
        Request { bytes: &self.bytes, args: &self.args }
    }
}

/// What `COMMAND INFO` says of one command or subcommand.
struct Info {
    name: String,
    arity: i64,
    flags: BTreeSet<String>,
    range: [i64; 3],
    subcommands: Vec<Info>,
}

impl Info {
    fn read(reply: &Reply) -> Self {
        let fields = reply.items();
        Self {
            name: fields[0].text().to_owned(),
            arity: fields[1].integer(),
            flags: fields[2].items().iter().map(|flag| flag.text().to_owned()).collect(),
            range: [fields[3].integer(), fields[4].integer(), fields[5].integer()],
            subcommands: fields[9].items().iter().map(Self::read).collect(),
        }
    }

    fn all(server: &mut Server) -> Vec<Self> {
        server.call(&["COMMAND"]).items().iter().map(Self::read).collect()
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }
}

fn row(name: &str) -> Option<&'static Command> {
    lookup(name.as_bytes()).map(get)
}

/// The effect that the server's flags ask for; `None` if they leave it open.
fn flagged(info: &Info) -> Option<Effect> {
    match (info.has("write"), info.has("readonly")) {
        (true, _) => Some(Effect::Write),
        (false, true) => Some(Effect::Read),
        (false, false) => None,
    }
}

#[test]
fn every_command_has_a_row_with_its_arity_and_effect() {
    for mut server in servers() {
        let commands = Info::all(&mut server);
        let missing: Vec<&str> = commands.iter().filter(|c| row(&c.name).is_none()).map(|c| &*c.name).collect();
        assert!(missing.is_empty(), "not in the table: {missing:?}");
        let mut wrong = Vec::new();
        let mut subcommands = 0;
        for info in &commands {
            let row = row(&info.name).unwrap();
            // A module need not say how many arguments its commands take.
            if i64::from(row.arity) != info.arity && !info.has("module") {
                wrong.push(format!("{}: arity {} here, {} there", info.name, row.arity, info.arity));
            }
            let expected = match flagged(info) {
                Some(Effect::Read) if is_in(HELD_BACK, &info.name) => Effect::Write,
                Some(effect) => effect,
                None if is_in(HARMLESS, &info.name) => Effect::Read,
                None => Effect::Write,
            };
            if row.effect != expected {
                wrong.push(format!("{}: {:?} here, {expected:?} there", info.name, row.effect));
            }
            let blocking = info.has("blocking") || info.name.starts_with("wait");
            if blocking != (row.state == State::Blocking) {
                wrong.push(format!("{}: blocking {blocking}, {:?} here", info.name, row.state));
            }
            subcommands += info.subcommands.len();
            wrong.extend(info.subcommands.iter().filter_map(|sub| wrong_subcommand(row, sub)));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        println!("effects checked: {} commands and {subcommands} subcommands", commands.len());
        assert!(commands.len() >= 240, "{} commands are fewer than Redis 7.0 has", commands.len());
    }
}

fn wrong_subcommand(row: &Command, sub: &Info) -> Option<String> {
    let words: Vec<String> = sub.name.split('|').map(str::to_owned).collect();
    let invocation = Invocation::new(words);
    let effect = command::effect_of(lookup(row.name.as_bytes())?, &invocation.request());
    let harmless = HARMLESS_SUBCOMMANDS.iter().any(|line| line.split(' ').any(|name| name == sub.name));
    let expected = match flagged(sub) {
        Some(effect) => effect,
        None if harmless || is_in(HARMLESS, row.name) => Effect::Read,
        None => Effect::Write,
    };
    (effect != expected).then(|| format!("{}: {effect:?} here, {expected:?} there", sub.name))
}

#[test]
fn fixed_key_positions_are_those_of_command_info() {
    for mut server in servers() {
        let mut checked = 0;
        for info in Info::all(&mut server) {
            let Some(row) = row(&info.name) else { continue };
            // Where arguments decide, the server gives no range, or only that of the keys that are always there.
            let movable = info.has("movablekeys") || !info.subcommands.is_empty();
            if movable || is_in(OTHER_KEYS, &info.name) {
                continue;
            }
            let range = match row.keys {
                Keys::None => [0, 0, 0],
                Keys::Range { first, last, step } => [first.into(), last.into(), step.into()],
                other => panic!("{}: {other:?}, but the server gives a plain range", info.name),
            };
            assert_eq!(range, info.range, "{}", info.name);
            checked += 1;
        }
        println!("key ranges checked: {checked}");
        assert!(checked > 180, "only {checked} key ranges checked");
    }
}

#[test]
fn keys_are_where_command_getkeys_finds_them() {
    for mut server in servers() {
        let commands = Info::all(&mut server);
        let docs = server.call(&["COMMAND", "DOCS"]);
        let mut samples: Vec<Vec<String>> = Vec::new();
        for (i, info) in commands.iter().enumerate() {
            let row = row(&info.name).unwrap();
            let mut dice = Dice::new(i as u64);
            samples.extend(documented(&docs, &info.name, &mut dice));
            if info.subcommands.is_empty() {
                samples.extend(samples::from_table(row));
            }
        }
        // An empty word is written as nothing between two spaces.
        samples.extend(samples::BY_HAND.iter().map(|line| line.split(' ').map(str::to_owned).collect()));
        let mut checked = BTreeSet::new();
        let mut wrong = Vec::new();
        for words in &samples {
            let name = words[0].to_ascii_lowercase();
            if is_in(OTHER_KEYS, &name) || row(&name).is_none() {
                continue;
            }
            wrong.extend(compare(&mut server, words.clone()));
            checked.insert(name);
        }
        assert!(wrong.is_empty(), "{} of {} differ: {wrong:#?}", wrong.len(), samples.len());
        let left_out = commands.iter().filter(|c| !is_in(OTHER_KEYS, &c.name) && !checked.contains(&c.name)).count();
        println!("keys checked: {} commands with {} invocations", checked.len(), samples.len());
        assert_eq!(left_out, 0, "commands without a sample");
    }
}

fn documented(docs: &Reply, name: &str, dice: &mut Dice) -> Vec<Vec<String>> {
    const EACH: usize = 40;
    let Some(command) = docs.field(name) else { return Vec::new() };
    let Some(subcommands) = command.field("subcommands") else {
        return (0..EACH).map(|_| samples::from_docs(&[name], command.field("arguments"), dice)).collect();
    };
    let of_one = |pair: &[Reply]| {
        let words: Vec<&str> = pair[0].text().split('|').collect();
        let once = |_| samples::from_docs(&words, pair[1].field("arguments"), dice);
        (0..EACH / 4).map(once).collect::<Vec<_>>()
    };
    subcommands.items().chunks_exact(2).flat_map(of_one).collect()
}

/// The difference between the server's keys and ours, if there is one.
fn compare(server: &mut Server, words: Vec<String>) -> Option<String> {
    let invocation = Invocation::new(words);
    let words = invocation.words.iter().map(String::as_str);
    let call: Vec<&str> = ["COMMAND", "GETKEYS"].into_iter().chain(words).collect();
    let theirs = server.call(&call);
    let request = invocation.request();
    let command = row(&invocation.words[0].to_ascii_lowercase())?;
    let mut ours = Vec::new();
    let outcome = command.for_each_key(&request, |i| ours.push(invocation.words[i].clone()));
    if outcome.is_ok() {
        let first = command.first_key(&request).map(|i| invocation.words[i].clone());
        assert_eq!(first.as_ref(), ours.first(), "{:?}", invocation.words);
    }
    let agree = match (&outcome, &theirs) {
        // Whatever the server thinks the keys are: if we say that the arguments contradict, it must refuse to run them.
        (Err(_), _) => matches!(server.call(&call[2..]), Reply::Error(_)),
        (_, Reply::Array(keys)) => keys.iter().map(Reply::text).eq(ours.iter().map(String::as_str)),
        (_, Reply::Error(text)) if text.contains("no key arguments") => ours.is_empty(),
        // A name alone cannot be asked about, and has no keys.
        (_, Reply::Error(text)) if text.contains("'command|getkeys'") => request.len() == 1 && ours.is_empty(),
        (_, Reply::Error(text)) if text.contains("Invalid number of arguments") => !command.arity_fits(request.len()),
        (_, Reply::Error(text)) if text.contains("Invalid arguments") => is_misread(command, &request),
        _ => false,
    };
    (!agree).then(|| format!("{:?}: {ours:?} {outcome:?} here, {theirs:?} there", invocation.words.join(" ")))
}

/// What the server calls invalid and is not a contradiction.
fn is_misread(command: &Command, request: &Request) -> bool {
    match command.keys {
        // Zero keys where there must be one: whoever is asked refuses to run it.
        Keys::Counted { count, .. } => request.get(count.into()) == Some(b"0"),
        // `PFMERGE d` is valid; the server wants to see sources that need not be there.
        _ => command.name == "pfmerge" && request.len() == 2,
    }
}
