//! Events: what has changed with a resource, told once, and as one Event however often it is so again.

use super::kinds::Kind;
use super::wire::Record;
use crate::status::{About, Condition, Truth, Verdict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime};
use xxhash_rust::xxh64::xxh64;

/// The most that waits to be told; of more the oldest news are as good as none.
const MOST: usize = 1000;
/// Kubernetes takes 1024 bytes.
const LONGEST: usize = 1000;
/// The name by which others know who tells.
pub(super) const REPORTER: &str = "slotmesh-control";

/// One piece of news of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) is_warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What was last told of a resource: status and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    accepted: Option<(String, String)>,
    /// The last that was known, and of which generation.
    programmed: Option<(String, String, i64)>,
}

/// How often something was told, and since when.
#[derive(Debug)]
struct Series {
    first: SystemTime,
    count: u32,
    sent: Option<Instant>,
}

/// What is to be told, and what was.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    told: HashMap<About, Told>,
    series: HashMap<(About, &'static str), Series>,
    waiting: BTreeMap<(About, &'static str), (News, SystemTime)>,
}

impl Announcer {
    /// Notes what is new in a verdict. What the object said before counts as told.
    pub(super) fn note(&mut self, verdict: &Verdict, record: &Record, now: SystemTime) {
        let about = &verdict.about;
        let told = self.told.entry(about.clone()).or_insert_with(|| Told::of(record));
        for news in told.news(verdict) {
            let key = (about.clone(), news.reason);
            let series = self.series.entry(key.clone()).or_insert(Series { first: now, count: 0, sent: None });
            series.count += 1;
            if self.waiting.len() < MOST || self.waiting.contains_key(&key) {
                self.waiting.insert(key, (news, now));
            }
        }
    }

    /// Forgets resources that are no more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&About) -> bool) {
        self.told.retain(|about, _| is_there(about));
        self.series.retain(|(about, _), _| is_there(about));
        self.waiting.retain(|(about, _), _| is_there(about));
    }

    /// What may be told now.
    pub(super) fn due(&self, repeated: Duration, now: Instant) -> Option<(About, &'static str)> {
        let may = |key: &&(About, &'static str)| {
            let sent = self.series.get(*key).and_then(|series| series.sent);
            sent.is_none_or(|sent| now.duration_since(sent) >= repeated)
        };
        self.waiting.keys().find(may).cloned()
    }

    /// The Event of something that waits: its name and what it says.
    pub(super) fn event(
        &self,
        key: &(About, &'static str),
        (kind, version): (&Kind, &str),
        uid: &str,
        instance: &str,
    ) -> Option<(String, Value)> {
        let ((news, at), series) = (self.waiting.get(key)?, self.series.get(key)?);
        let About { namespace, name, .. } = &key.0;
        let event = format!("{name:.200}.{:016x}", xxh64(format!("{uid} {}", news.reason).as_bytes(), 0));
        let time = |at: SystemTime| humantime::format_rfc3339_seconds(at).to_string();
        let body = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event, "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind.api_version(version), "kind": kind.name, "namespace": namespace, "name": name, "uid": uid,
            },
            "type": if news.is_warning { "Warning" } else { "Normal" },
            "reason": news.reason,
            "message": news.message.chars().take(LONGEST / 4).collect::<String>(),
            "source": {"component": REPORTER},
            "reportingComponent": REPORTER,
            "reportingInstance": instance,
            "firstTimestamp": time(series.first),
            "lastTimestamp": time(*at),
            "count": series.count,
        });
        Some((event, body))
    }

    /// It was told, or cannot be.
    pub(super) fn done(&mut self, key: &(About, &'static str), now: Instant) {
        self.waiting.remove(key);
        if let Some(series) = self.series.get_mut(key) {
            series.sent = Some(now);
        }
    }
}

impl Told {
    fn of(record: &Record) -> Self {
        let of = |kind: &str| {
            let known = record.conditions.iter().find(|known| known["type"] == kind)?;
            let text = |key: &str| known[key].as_str().map(str::to_owned);
            Some((text("status")?, text("reason")?, known["observedGeneration"].as_i64().or(record.observed)))
        };
        let accepted = of("Accepted").map(|(status, reason, _)| (status, reason));
        let programmed = of("Programmed").filter(|(status, ..)| status != Truth::Unknown.word());
        let programmed = programmed.map(|(status, reason, observed)| (status, reason, observed.unwrap_or(0)));
        Self { accepted, programmed }
    }

    fn news(&mut self, verdict: &Verdict) -> Vec<News> {
        let [accepted, programmed] = &verdict.conditions;
        let mut news = Vec::new();
        let now = (accepted.truth.word().to_owned(), accepted.reason.to_owned());
        if self.accepted.as_ref() != Some(&now) {
            let was_refused = self.accepted.as_ref().is_some_and(|(status, _)| status == Truth::False.word());
            match accepted.truth {
                Truth::False => news.push(told(true, accepted.reason, accepted)),
                _ if was_refused => news.push(told(false, "Accepted", accepted)),
                _ => {}
            }
            self.accepted = Some(now);
        }
        // What is on its way is no news, and one that is refused has been told.
        if programmed.truth == Truth::Unknown || accepted.truth == Truth::False {
            return news;
        }
        let now = (programmed.truth.word().to_owned(), programmed.reason.to_owned(), verdict.generation);
        if self.programmed.as_ref() != Some(&now) {
            let reason = if programmed.reason == "Refused" { "RefusedByProxy" } else { programmed.reason };
            news.push(told(programmed.truth == Truth::False, reason, programmed));
            self.programmed = Some(now);
        }
        news
    }
}

fn told(is_warning: bool, reason: &'static str, condition: &Condition) -> News {
    News { is_warning, reason, message: condition.message.clone() }
}
