//! Invocations to ask the server about: made from `COMMAND DOCS`, from the table's own key columns, and by hand.

use crate::server::Reply;
use command::{Command, Keys};

/// A small generator of numbers; the same seed makes the same samples.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// One invocation as the documented syntax allows it: every option may be there or not, every repetition one to three
/// times, and a string is now and then a word that a careless search for options would fall for.
pub fn from_docs(name: &[&str], arguments: Option<&Reply>, dice: &mut Dice) -> Vec<String> {
    let mut words: Vec<String> = name.iter().map(|word| (*word).to_owned()).collect();
    let mut sample = Sample { dice, keys: 0, numkeys: None };
    for argument in arguments.map_or(&[][..], Reply::items) {
        sample.argument(argument, &mut words);
    }
    words
}

struct Sample<'d> {
    dice: &'d mut Dice,
    keys: usize,
    /// Where the number of keys was written, until it is known.
    numkeys: Option<usize>,
}

impl Sample<'_> {
    fn argument(&mut self, docs: &Reply, words: &mut Vec<String>) {
        let flags: Vec<&str> =
            docs.field("flags").map_or(Vec::new(), |flags| flags.items().iter().map(Reply::text).collect());
        if flags.contains(&"optional") && self.dice.roll(2) == 0 {
            return;
        }
        let token = docs.field("token").map(Reply::text);
        let times = if flags.contains(&"multiple") { 1 + self.dice.roll(3) } else { 1 };
        let kind = docs.field("type").map_or("string", Reply::text);
        if kind == "key"
            && flags.contains(&"multiple")
            && let Some(at) = self.numkeys.take()
        {
            words[at] = times.to_string();
        }
        for time in 0..times {
            if let Some(token) = token
                && (time == 0 || flags.contains(&"multiple_token"))
            {
                words.push(token.to_owned());
            }
            self.value(docs, kind, words);
        }
    }

    fn value(&mut self, docs: &Reply, kind: &str, words: &mut Vec<String>) {
        let parts = docs.field("arguments").map_or(&[][..], Reply::items);
        match kind {
            "block" => parts.iter().for_each(|part| self.argument(part, words)),
            "oneof" => {
                let part = &parts[self.dice.roll(parts.len())];
                self.argument(part, words);
            }
            "pure-token" => {}
            "key" => {
                self.keys += 1;
                words.push(format!("key{}", self.keys));
            }
            "integer" | "double" | "unix-time" => {
                if docs.field("name").map(Reply::text) == Some("numkeys") {
                    self.numkeys = Some(words.len());
                }
                words.push((1 + self.dice.roll(9)).to_string());
            }
            _ => words.push(["a", "b", "c", "streams", "STORE", "keys"][self.dice.roll(6)].to_owned()),
        }
    }
}

/// Invocations of every length from the smallest on, keys or not: the number of keys too small, right and too large.
pub fn from_table(command: &Command) -> Vec<Vec<String>> {
    let least = usize::from(command.arity.unsigned_abs());
    let lengths = if command.arity < 0 { least..least + 7 } else { least..least + 1 };
    let plain = |len: usize| -> Vec<String> {
        std::iter::once(command.name.to_owned()).chain((1..len).map(|i| format!("a{i}"))).collect()
    };
    let pairs = matches!(command.keys, Keys::Range { step: 2, .. });
    let lengths = lengths.filter(|len| !pairs || len % 2 == 1);
    match command.keys {
        Keys::Counted { count, .. } | Keys::CountedPairs { count, .. } => lengths
            .flat_map(|len| {
                (0..len).map(move |keys| {
                    let mut words = plain(len);
                    words[usize::from(count)] = keys.to_string();
                    words
                })
            })
            .collect(),
        _ => lengths.map(plain).collect(),
    }
}

/// What neither of the others comes upon.
pub const BY_HAND: &[&str] = &[
    "SORT k",
    "sort k store d",
    "SORT k BY w_* LIMIT 0 5 GET # GET o_* ASC ALPHA STORE d",
    "SORT k STORE d1 STORE d2",
    "SORT k BY store STORE d",
    "SORT k GET store",
    "SORT k GET store ALPHA",
    "SORT k LIMIT store store",
    "SORT k STORE",
    "SORT_RO k BY w_* GET store",
    "GEORADIUS k 1 2 3 km",
    "GEORADIUS k 1 2 3 km STORE d",
    "GEORADIUS k 1 2 3 km STOREDIST d",
    "GEORADIUS k 1 2 3 km COUNT 3 ANY STORE d1 STOREDIST d2",
    "GEORADIUS k 1 2 3 km STORE",
    "GEORADIUSBYMEMBER k member 3 km STORE d",
    "GEORADIUSBYMEMBER k store 3 km",
    "GEORADIUSBYMEMBER k store 3 km storedist d",
    "GEORADIUS_RO k 1 2 3 km",
    "GEOSEARCHSTORE d k FROMMEMBER m BYRADIUS 1 km",
    "EVAL return 0",
    "EVAL return 0 a b",
    "EVAL return 2 k1 k2",
    "EVAL return 2 k1 k2 a1 a2",
    "EVAL return 3 k1 k2",
    "EVAL return -1 k1",
    "EVAL return x k1",
    "EVALSHA abc 1 k1 a1",
    "EVAL_RO return 1 k1",
    "FCALL f 2 k1 k2 a",
    "FCALL_RO f 0",
    "ZUNIONSTORE d 2 k1 k2",
    "ZUNIONSTORE d 2 k1 k2 WEIGHTS 1 2 AGGREGATE MAX",
    "ZUNIONSTORE d 3 k1 k2",
    "ZUNIONSTORE k 1 k",
    "ZINTERSTORE d 1 k1",
    "ZDIFFSTORE d 2 k1 k2",
    "ZDIFF 2 k1 k2 WITHSCORES",
    "ZINTERCARD 2 k1 k2 LIMIT 1",
    "SINTERCARD 3 k1 k2 k3 LIMIT 5",
    "LMPOP 2 k1 k2 LEFT COUNT 2",
    "ZMPOP 1 k1 MIN",
    "BLMPOP 0 2 k1 k2 RIGHT",
    "BZMPOP 0.5 1 k1 MAX COUNT 9",
    "BLPOP k1 0",
    "BLPOP k1 k2 k3 0.1",
    "BRPOPLPUSH k1 k2 0",
    "BLMOVE k1 k2 LEFT RIGHT 0",
    "XREAD STREAMS k1 0",
    "XREAD COUNT 2 BLOCK 0 STREAMS k1 k2 0 $",
    "XREAD STREAMS k1 k2 0",
    "XREAD streams STREAMS k1 0 0",
    "XREADGROUP GROUP g c STREAMS k1 >",
    "XREADGROUP GROUP streams streams STREAMS k1 k2 > >",
    "XREADGROUP GROUP g c COUNT 1 BLOCK 5 NOACK STREAMS k1 >",
    "XREADGROUP GROUP g c NOACK NOACK k1 >",
    "XGROUP CREATE k g $ MKSTREAM",
    "XGROUP DELCONSUMER k g c",
    "XINFO STREAM k FULL",
    "XINFO GROUPS k",
    "XINFO HELP",
    "XAUTOCLAIM k g c 10 0 COUNT 5",
    "XCLAIM k g c 10 1-1 2-2 JUSTID",
    "XADD k NOMKSTREAM MAXLEN ~ 5 * f v",
    "BITOP AND d k1",
    "BITOP NOT d k1",
    "BITOP XOR d k1 k2 k3",
    "MIGRATE host 6379 k 0 1000",
    "MIGRATE host 6379 k 0 1000 COPY REPLACE",
    "MIGRATE host 6379 k 0 1000 AUTH keys",
    "MIGRATE host 6379  0 1000 KEYS k1 k2 k3",
    "MIGRATE host 6379  0 1000 COPY AUTH2 u keys KEYS k1",
    "MIGRATE host 6379 k 0 1000 KEYS k1",
    "OBJECT ENCODING k",
    "OBJECT HELP",
    "MEMORY USAGE k",
    "MEMORY USAGE k SAMPLES 5",
    "MEMORY DOCTOR",
    "MSET k1 v1",
    "MSET k1 v1 k2 v2 k1 v3",
    "MSETNX k1 v1 k2 v2",
    "MGET k",
    "MGET k1 k2 k1",
    "COPY s d DB 1 REPLACE",
    "RENAME s d",
    "SMOVE s d m",
    "LMOVE s d LEFT LEFT",
    "RPOPLPUSH s d",
    "ZRANGESTORE d s 0 -1",
    "SINTERSTORE d k1 k2",
    "SDIFFSTORE d k1",
    "PFCOUNT k1 k2",
    "PFMERGE d",
    "PFMERGE d k1 k2",
    "LCS k1 k2 LEN",
    "GETEX k PERSIST",
    "SET k v EX 10 NX GET",
    "WATCH k1 k2",
    "PUBLISH channel message",
    "SUBSCRIBE c1 c2",
    "CLUSTER KEYSLOT k",
    "SCRIPT LOAD return",
    "SCAN 0 MATCH k* COUNT 10",
    "PING",
    "PING k",
    "INFO server",
];
