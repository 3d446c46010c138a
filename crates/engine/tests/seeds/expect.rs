//! What may be answered.

use super::player::Player;
use resp::value::{Value, parse};
use std::collections::BTreeSet;

/// A key that one client writes.
#[derive(Debug)]
pub struct Key {
    pub name: String,
    /// How often it has been written.
    pub writes: u64,
    /// Writes that are not answered.
    pub open: u32,
    /// What a single server would hold, all requests in order.
    pub model: Option<String>,
    /// What was written last and acknowledged, if `sure`.
    pub last: Option<String>,
    /// No write has failed, and no two were under way at once.
    pub sure: bool,
    possible: Vec<Option<String>>,
}

impl Key {
    pub fn new(name: String) -> Self {
        Self { name, writes: 0, open: 0, model: None, last: None, sure: true, possible: vec![None] }
    }

    pub fn begin_write(&mut self, value: Option<&str>) {
        self.sure &= self.open == 0;
        self.writes += 1;
        self.open += 1;
        self.model = value.map(str::to_owned);
        self.possible.push(value.map(str::to_owned));
    }

    fn end_write(&mut self, value: Option<&String>, failed: bool) {
        self.open -= 1;
        self.sure &= !failed;
        self.last = value.cloned();
    }
}

/// What one element may be.
#[derive(Clone, Debug)]
pub enum Want {
    /// The value that this key has always had.
    Shared(String),
    /// This key of the client's own: `value`, if it is known, unless it has been written since.
    Own { key: usize, writes: u64, value: Option<Option<String>>, strict: bool },
}

#[derive(Debug)]
pub enum Expect {
    /// These bytes; errors of the proxy do not come between.
    Surely(Vec<u8>),
    /// These bytes.
    Exactly(Vec<u8>),
    /// These bytes, or READONLY: nothing tells which node is the primary now.
    Keyless(Vec<u8>),
    One(Want),
    Many(Vec<Want>),
    /// Success of a write to these keys of the client's own.
    Wrote(Vec<(usize, Option<String>)>),
    /// One more than at the last time; where requests fail, a number that was not answered before, and no larger than
    /// the number of requests.
    Counted(usize),
    /// A page of a scan, and all shared keys by its end.
    Scanned,
    /// Every shared key, in any order.
    AllShared,
    /// A protocol error.
    Refused,
}

/// Errors that the proxy may answer, and those of a node that it may pass on.
const ERRORS: &[&str] = &[
    "upstream failure: ",
    "no upstream host: ",
    "finished with ",
    "CLUSTERDOWN ",
    "LOADING ",
    "MASTERDOWN ",
    "MOVED ",
    "ASK ",
    "TRYAGAIN ",
    "READONLY ",
    "NOAUTH ",
    "Fault Injected: Error",
];

pub fn check(player: &mut Player, expect: &Expect, reply: &[u8], whom: &str) {
    let (value, _) = parse(reply, &resp::Limits::default()).unwrap().unwrap();
    if let Expect::Wrote(pairs) = expect {
        let failed = matches!(value, Value::Error(_));
        pairs.iter().rev().for_each(|(key, value)| player.keys[*key].end_write(value.as_ref(), failed));
    }
    match (expect, &value) {
        (Expect::Surely(bytes), _) => assert_eq!(reply, bytes, "{whom}"),
        (Expect::Refused, Value::Error(text)) => assert!(text.starts_with(b"ERR Protocol error"), "{whom}"),
        (_, Value::Error(text)) => {
            check_error(text, whom);
            if matches!(expect, Expect::Scanned) {
                (player.cursor, player.scanned) = (Some("0".into()), BTreeSet::new());
            }
        }
        (Expect::Exactly(bytes) | Expect::Keyless(bytes), _) => assert_eq!(reply, bytes, "{whom}"),
        (Expect::One(want), value) => check_want(player, want, value, whom),
        (Expect::Many(wants), Value::Array(values)) => {
            assert_eq!(wants.len(), values.len(), "{whom}");
            wants.iter().zip(values).for_each(|(want, value)| check_want(player, want, value, whom));
        }
        (Expect::Wrote(_), Value::Simple(text)) => assert_eq!(*text, b"OK", "{whom}"),
        (Expect::Wrote(pairs), Value::Integer(0..=1)) => assert_eq!(pairs[0].1, None, "{whom}"),
        (Expect::Counted(n), Value::Integer(value)) => {
            let (seen, asked) = &mut player.counters[*n];
            let next = seen.len() as i64 + 1;
            assert!(!player.rules.ordered || *value == next, "{whom}, and not {next}");
            assert!(seen.insert(*value) && (1..=*asked).contains(value), "{whom}, after {seen:?} of {asked}");
        }
        (Expect::Scanned, Value::Array(values)) => {
            let cursor = values[0].as_bytes().unwrap();
            let keys = values[1].as_array().unwrap().iter().filter_map(Value::as_bytes);
            player.scanned.extend(keys.filter(|key| key.starts_with(b"s")).map(<[u8]>::to_vec));
            player.cursor = Some(String::from_utf8(cursor.to_vec()).unwrap());
            if cursor == b"0" {
                let seen = std::mem::take(&mut player.scanned).len();
                assert!(!player.rules.strict || seen == player.rules.shared, "{whom}, the end, and {seen} keys");
            }
        }
        (Expect::AllShared, Value::Array(values)) => {
            let start = format!("{}s", player.rules.prefix);
            let mut keys: Vec<_> = values.iter().filter_map(Value::as_bytes).collect();
            keys.sort_unstable();
            keys.dedup();
            assert!(keys.iter().all(|key| key.starts_with(start.as_bytes())), "{whom}");
            assert!(!player.rules.strict || keys.len() == player.rules.shared, "{whom}");
        }
        _ => panic!("{whom}"),
    }
}

fn check_error(text: &[u8], whom: &str) {
    let text = String::from_utf8_lossy(text);
    assert!(ERRORS.iter().any(|error| text.starts_with(error)), "{whom}");
}

fn check_want(player: &Player, want: &Want, value: &Value<'_>, whom: &str) {
    if let Value::Error(text) = value {
        assert!(player.rules.errors, "{whom}");
        return check_error(text, whom);
    }
    let text = value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(text.is_some() || matches!(value, Value::Null), "{whom}");
    match want {
        Want::Shared(name) => assert_eq!(text, Some(format!("{name}=")), "{whom}"),
        Want::Own { key, writes, value: Some(known), strict } if *strict || player.keys[*key].writes == *writes => {
            assert_eq!(text, *known, "{whom}");
        }
        Want::Own { key, .. } => assert!(player.keys[*key].possible.contains(&text), "{whom}"),
    }
}
