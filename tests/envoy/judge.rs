//! Whether two replies are alike, and what is to be said if they are not.

use crate::differences::{self, DIFFERENCES};
use crate::script::Compare;
use crate::talk::Heard;
use std::collections::{BTreeMap, BTreeSet};
use testkit::Reply;

/// The same request to both, and what came of it.
pub struct Case {
    /// The listener; `mirror` or `data` where it is not a reply that is compared.
    pub part: &'static str,
    /// The request as the script has it.
    pub text: String,
    /// Its words; none for raw bytes.
    pub words: Vec<Vec<u8>>,
    pub compare: Compare,
    pub envoy: Heard,
    pub ours: Heard,
    /// What a plain Redis answers, where it was asked.
    pub redis: Option<Heard>,
}

impl Case {
    /// A word in lower case, lossy; empty if it is not there.
    pub fn word(&self, index: usize) -> String {
        self.words.get(index).map(|word| String::from_utf8_lossy(word).to_lowercase()).unwrap_or_default()
    }

    /// Whether the replies are alike in the way that was asked for.
    fn equal(&self) -> bool {
        alike(self.compare, &self.envoy, &self.ours)
    }

    /// Whether Redis, if it knows the command, answers something else than slotmesh.
    fn unlike_redis(&self) -> bool {
        let unknown = |heard: &Heard| heard.reply().is_error("ERR unknown command");
        let other = |redis: &Heard| !alike(self.compare, &self.ours, redis) && unknown(&self.ours) == unknown(redis);
        self.redis.as_ref().is_some_and(other)
    }
}

fn alike(compare: Compare, a: &Heard, b: &Heard) -> bool {
    if a.end != b.end {
        return false;
    }
    let (replies, others) = (a.replies(), b.replies());
    let each =
        || replies.len() == others.len() && replies.iter().zip(&others).all(|(one, other)| same(compare, one, other));
    a.bytes == b.bytes || (compare != Compare::Exact && each())
}

fn same(compare: Compare, a: &Reply, b: &Reply) -> bool {
    let each = |a: &[Reply], b: &[Reply]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(compare, a, b));
    match (compare, a, b) {
        (Compare::Sorted, Reply::Array(a), Reply::Array(b)) => sorted(a) == sorted(b),
        (Compare::Near, Reply::Int(a), Reply::Int(b)) => a.abs_diff(*b) <= 2,
        (Compare::Shape, Reply::Int(a), Reply::Int(b)) => a == b || (*a >= 0 && *b >= 0),
        (Compare::Shape, Reply::Bulk(_), Reply::Bulk(_)) => true,
        (Compare::Names, Reply::Bulk(a), Reply::Bulk(b)) => names(a) == names(b),
        (Compare::Near | Compare::Shape, Reply::Array(a), Reply::Array(b)) => each(a, b),
        _ => a == b,
    }
}

/// The elements in an order of their own, those of inner arrays as well (SSCAN).
fn sorted(items: &[Reply]) -> Vec<String> {
    let text = |item: &Reply| match item {
        Reply::Array(items) => sorted(items).join(" "),
        item => format!("{item:?}"),
    };
    let mut texts: Vec<String> = items.iter().map(text).collect();
    texts.sort();
    texts
}

/// The sections of an INFO text, and the names in front of the colons.
fn names(text: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text).into_owned();
    text.lines().map(|line| line.split(':').next().unwrap_or(line).to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Everything that was compared so far.
#[derive(Default)]
pub struct Verdict {
    pub equal: usize,
    /// How often each intended difference was met.
    pub intended: BTreeMap<&'static str, usize>,
    /// How often Redis agreed with slotmesh where Envoy did not.
    pub confirmed: usize,
    pub wrong: Vec<String>,
    /// Commands that were carried out at least once.
    pub valid: BTreeSet<String>,
}

impl Verdict {
    pub fn judge(&mut self, case: &Case) {
        if case.part != "mirror" && !matches!(case.ours.reply(), Reply::Error(_)) {
            self.valid.insert(case.word(0));
        }
        if case.equal() {
            self.equal += 1;
            return;
        }
        let told = || {
            let redis = case.redis.as_ref().map_or(String::new(), |redis| format!("\n    Redis:    {redis}"));
            format!("[{}] {}\n    Envoy:    {}\n    slotmesh: {}{redis}", case.part, case.text, case.envoy, case.ours)
        };
        let Some(difference) = differences::of(case) else { return self.wrong.push(told()) };
        if difference.as_redis && case.unlike_redis() {
            return self.wrong.push(format!("{}\n    {:?} is said to be as in Redis", told(), difference.what));
        }
        self.confirmed += usize::from(difference.as_redis && case.redis.is_some());
        *self.intended.entry(difference.what).or_default() += 1;
    }

    pub fn compared(&self) -> usize {
        self.equal + self.wrong.len() + self.intended.values().sum::<usize>()
    }

    /// The intended differences that were never met.
    pub fn stale(&self) -> Vec<&'static str> {
        DIFFERENCES.iter().map(|difference| difference.what).filter(|what| !self.intended.contains_key(what)).collect()
    }
}
