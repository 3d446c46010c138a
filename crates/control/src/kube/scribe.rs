//! Writes verdicts into the status of their objects, and Events of what has changed. What is known is written, never
//! what was known when something went wrong: whatever waits is made anew when its time has come.

use super::kinds::{EVENTS_RULE, Kind};
use super::mirror::Mirror;
use super::news::{Announcer, REPORTER};
use super::pace::{Bucket, Manners, Rest};
use super::pen::{is_urgent, patch};
use super::talk::{Answer, Talk};
use super::wire::{Name, Reading, Record, Status, record};
use crate::status::{About, Board, Shown, Verdict};
use crate::telling::{Telling, Weight};
use ::kube::Client;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Between two looks whether there is anything to write.
const LOOK: Duration = Duration::from_millis(100);
/// How often a conflict is tried again at once.
const CONFLICTS: usize = 3;
/// Events a second.
const EVENTS: f64 = 5.0;

/// Writes what `board` says into the objects that `mirror` knows, until it is dropped.
pub async fn write(client: Client, mirror: Arc<Mirror>, board: Arc<Board>, manners: Manners) {
    let mut scribe = Scribe::new(client, mirror, board, manners);
    loop {
        tokio::time::sleep(LOOK).await;
        scribe.round().await;
    }
}

struct Scribe {
    talk: Talk,
    mirror: Arc<Mirror>,
    board: Arc<Board>,
    manners: Manners,
    /// What was looked through last.
    seen: Option<(u64, u64)>,
    shown: BTreeMap<About, Arc<Shown>>,
    /// What may have to be written, what is urgent first.
    due: BTreeSet<(bool, About)>,
    written: HashMap<About, Written>,
    bucket: Bucket,
    rest: Rest,
    announcer: Announcer,
    events: Bucket,
    /// Until when something is not tried, since it is not allowed; and all that is wrong.
    forbidden: HashMap<&'static str, Instant>,
    wrong: BTreeMap<String, String>,
    telling: Telling,
    /// Who we are, for Events.
    instance: String,
}

/// What was written last into an object.
struct Written {
    at: Instant,
    verdict: Verdict,
    /// The version that was written over, and what the server made of it.
    over: String,
    record: Record,
}

/// What becomes of something that is due.
#[derive(PartialEq, Eq)]
enum Next {
    Done,
    Later,
    /// Nothing more can be written now.
    Stop,
}

impl Scribe {
    fn new(client: Client, mirror: Arc<Mirror>, board: Arc<Board>, manners: Manners) -> Self {
        let now = Instant::now();
        Self {
            talk: Talk { client, patience: manners.answer },
            mirror,
            board,
            manners,
            seen: None,
            shown: BTreeMap::new(),
            due: BTreeSet::new(),
            written: HashMap::new(),
            bucket: Bucket::new(manners.per_second, now),
            rest: Rest::default(),
            announcer: Announcer::default(),
            events: Bucket::new(EVENTS, now),
            forbidden: HashMap::new(),
            wrong: BTreeMap::new(),
            telling: Telling::default(),
            instance: std::env::var("HOSTNAME").unwrap_or_else(|_| REPORTER.to_owned()),
        }
    }

    async fn round(&mut self) {
        let now = (self.board.version(), self.mirror.records());
        if self.seen != Some(now) {
            self.seen = Some(now);
            self.look();
        }
        if self.manners.status {
            self.write_due().await;
        }
        if self.manners.events {
            self.announce().await;
        }
        let wrong: Vec<String> = self.wrong.values().cloned().collect();
        self.board.set_trouble(&wrong);
        self.telling.now(wrong.into_iter().map(|text| (Weight::Error, text)));
    }

    /// Looks through all verdicts.
    fn look(&mut self) {
        let all = self.board.all().into_iter().filter(|shown| shown.verdict.about.is_on_server());
        self.shown = all.map(|shown| (shown.verdict.about.clone(), shown)).collect();
        self.due.clear();
        for (about, shown) in &self.shown {
            let Some((_, known)) = self.mirror.record(about.kind, &name(about)) else { continue };
            if self.manners.events {
                self.announcer.note(&shown.verdict, &known, SystemTime::now());
            }
            if patch(&known, shown).is_some() {
                self.due.insert((!is_urgent(&known, &shown.verdict), about.clone()));
            }
        }
        self.written.retain(|about, _| self.shown.contains_key(about));
        self.announcer.keep(|about| self.shown.contains_key(about));
    }

    async fn write_due(&mut self) {
        for due in self.due.clone() {
            if !self.rest.is_over(Instant::now()) {
                return;
            }
            match self.write_one(&due.1).await {
                Next::Done => drop(self.due.remove(&due)),
                Next::Later => {}
                Next::Stop => return,
            }
        }
    }

    async fn write_one(&mut self, about: &About) -> Next {
        let Some(shown) = self.shown.get(about).cloned() else { return Next::Done };
        let Some((reading, mirrored)) = self.mirror.record(about.kind, &name(about)) else { return Next::Done };
        let now = Instant::now();
        if self.is_forbidden(reading.kind.plural, now) {
            return Next::Later;
        }
        let known = self.newest(about, mirrored);
        let Some(body) = patch(&known, &shown) else { return Next::Done };
        if let Some(written) = self.written.get(about) {
            // A server that leaves out what it was sent is not sent it again, nor one that does not take it.
            if written.verdict == shown.verdict && written.record == known {
                return Next::Done;
            }
            let urgent = is_urgent(&known, &shown.verdict);
            let apart = if urgent { self.manners.apart } else { self.manners.unhurried };
            if now.duration_since(written.at) < apart {
                return Next::Later;
            }
        }
        if !self.bucket.take(now) {
            return Next::Stop;
        }
        let path = format!("{}/{}", reading.kind.path(reading.version, Some(&about.namespace)), about.name);
        let sent = self.send(&path, &known, body, &shown).await;
        self.heard(about, reading.kind, &shown, known, sent)
    }

    /// What is known of the object: by the server's answer to the last write, until the mirror has heard of that too.
    fn newest(&self, about: &About, mirrored: Record) -> Record {
        let written = self.written.get(about).filter(|written| written.over == mirrored.version);
        written.map_or(mirrored, |written| written.record.clone())
    }

    /// Writes. What another has written meanwhile is read, and its conditions are kept.
    async fn send(&self, path: &str, known: &Record, mut body: Value, shown: &Shown) -> Answer {
        let mut answer = Answer::Broken(String::new());
        for _ in 0..=CONFLICTS {
            answer = self.talk.patch(&format!("{path}/status"), "application/merge-patch+json", &body).await;
            if !matches!(&answer, Answer::Refused(Status { code: 409, .. }, _)) {
                return answer;
            }
            self.board.count(|counts| counts.conflicts += 1);
            let object = match self.talk.get(path).await {
                Answer::Fine(object) => object,
                other => return other,
            };
            let fresh = record(&object);
            match patch(&fresh, shown) {
                // The verdict is not about another object of this name, of which the mirror will tell.
                Some(again) if fresh.uid == known.uid => body = again,
                _ => return Answer::Fine(object),
            }
        }
        answer
    }

    fn heard(&mut self, about: &About, kind: &'static Kind, shown: &Shown, known: Record, answer: Answer) -> Next {
        let (now, over) = (Instant::now(), known.version.clone());
        let (record, next) = match answer {
            Answer::Fine(object) => {
                self.board.count(|counts| counts.writes += 1);
                self.is_well(kind.plural);
                (record(&object), Next::Done)
            }
            Answer::Refused(status, wish) => match status.code {
                // Gone, as the mirror will tell; or there is no such subresource.
                404 => (known, Next::Done),
                403 => {
                    self.forbid(
                        kind.plural,
                        &format!("the status of {}", kind.full_name()),
                        &status,
                        &kind.status_rule(),
                    );
                    return Next::Later;
                }
                409 => return Next::Later,
                code if code == 429 || code >= 500 || code == 401 => {
                    self.fails(&format!("{code} {}", status.message), wish);
                    return Next::Stop;
                }
                code => {
                    self.board.count(|counts| counts.failures += 1);
                    let text = format!("the status of {} is not taken: {code} {}", kind.full_name(), status.message);
                    self.wrong.insert(kind.plural.to_owned(), text);
                    (known, Next::Done)
                }
            },
            Answer::Broken(why) => {
                self.fails(&why, None);
                return Next::Stop;
            }
        };
        self.rest.answered();
        let written = Written { at: now, verdict: shown.verdict.clone(), over, record };
        self.written.insert(about.clone(), written);
        next
    }

    async fn announce(&mut self) {
        let now = Instant::now();
        while self.rest.is_over(now) && !self.is_forbidden("events", now) {
            let Some(key) = self.announcer.due(self.manners.repeated, now) else { return };
            if !self.events.take(now) {
                return;
            }
            let about = &key.0;
            let found = self.mirror.record(about.kind, &name(about));
            let event = found.and_then(|(Reading { kind, version }, record)| {
                self.announcer.event(&key, (kind, version), &record.uid, &self.instance)
            });
            if let Some((name, body)) = event {
                let place = format!("/api/v1/namespaces/{}/events/{name}", about.namespace);
                let path = format!("{place}?fieldManager={REPORTER}&force=true");
                match self.talk.patch(&path, "application/apply-patch+yaml", &body).await {
                    Answer::Fine(_) => {
                        self.board.count(|counts| counts.events += 1);
                        self.is_well("events");
                    }
                    Answer::Refused(status, _) if status.code == 403 => {
                        return self.forbid("events", "Events", &status, EVENTS_RULE);
                    }
                    Answer::Refused(status, wish) if status.code == 429 || status.code >= 500 => {
                        return self.fails(&format!("{} {}", status.code, status.message), wish);
                    }
                    // News that a server does not take is old when it takes it.
                    Answer::Refused(..) => self.board.count(|counts| counts.failures += 1),
                    Answer::Broken(why) => return self.fails(&why, None),
                }
            }
            self.announcer.done(&key, now);
        }
    }

    fn is_forbidden(&self, what: &str, now: Instant) -> bool {
        self.forbidden.get(what).is_some_and(|until| now < *until)
    }

    fn is_well(&mut self, what: &'static str) {
        self.rest.answered();
        self.forbidden.remove(what);
        self.wrong.remove(what);
    }

    fn forbid(&mut self, what: &'static str, named: &str, status: &Status, rule: &str) {
        self.board.count(|counts| counts.failures += 1);
        self.forbidden.insert(what, Instant::now() + self.manners.forbidden);
        let why = &status.message;
        self.wrong.insert(
            what.to_owned(),
            format!("{named}: not allowed to write it ({why}): add this rule to the role: {rule}"),
        );
    }

    /// The server does not answer as it should: everything waits.
    fn fails(&mut self, why: &str, wish: Option<Duration>) {
        self.board.count(|counts| counts.failures += 1);
        self.rest.failed(wish, Instant::now());
        tracing::debug!("what became of resources could not be written: {why}");
    }
}

fn name(about: &About) -> Name {
    (about.namespace.clone(), about.name.clone())
}
