//! What an API server has, as far as it is known here: shared by those who listen to it and the one who publishes it.

use super::course::{Ask, Course, Heard, Next, Standing};
use super::kinds::{KINDS, Kind};
use super::shelf::Shelf;
use super::wire::{Name, Reading, Record};
use crate::object::{Key, Object, Objection};
use crate::telling::Weight;
use config::Problem;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// What an API server has.
pub struct Mirror {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tracks: Vec<Track>,
    /// Moves with whatever the registry may read differently.
    changes: u64,
    /// Moves with whatever is heard of kinds that get a verdict.
    records: u64,
    /// Since when the server does not answer, and why.
    away: Option<(SystemTime, String)>,
}

/// One kind, in all namespaces or in one.
pub(super) struct Track {
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<String>,
    pub(super) course: Course,
    pub(super) shelf: Shelf,
    /// Since when it is not watched.
    since: Option<SystemTime>,
    /// When the last object came or went.
    pub(super) last_event: Option<SystemTime>,
}

/// All objects, and what is wrong or odd with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) objects: BTreeMap<Key, Arc<Object>>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notes: Vec<Problem>,
    /// Why newest versions do not count.
    pub(crate) objections: Vec<Objection>,
}

impl Mirror {
    /// Nothing is known yet. Of all namespaces, or of `namespaces` only; then kinds that stand in none are not watched.
    /// Secrets only if they are asked for: whoever may list them may read them all.
    #[must_use]
    pub fn new(namespaces: &[String], secrets: bool) -> Self {
        let places = |kind: &'static Kind| -> Vec<Option<String>> {
            match (namespaces.is_empty(), kind.namespaced) {
                (true, _) => vec![None],
                (false, true) => namespaces.iter().cloned().map(Some).collect(),
                (false, false) => Vec::new(),
            }
        };
        let track = |(kind, namespace)| Track {
            kind,
            namespace,
            course: Course::new(kind),
            shelf: Shelf::default(),
            since: None,
            last_event: None,
        };
        let kinds = KINDS.iter().filter(|kind| secrets || !kind.on_demand);
        let tracks = kinds.flat_map(|kind| places(kind).into_iter().map(move |place| (kind, place))).map(track);
        Self { inner: Mutex::new(Inner { tracks: tracks.collect(), ..Inner::default() }) }
    }

    /// How many things are to be watched.
    pub(super) fn track_count(&self) -> usize {
        self.inner().tracks.len()
    }

    /// What to ask for next, how long to wait before, and the path.
    pub(super) fn next(&self, track: usize) -> (Duration, Ask, Reading, String) {
        let mut inner = self.inner();
        let Track { kind, namespace, course, shelf, .. } = &mut inner.tracks[track];
        let (pause, ask) = course.next(shelf);
        let version = course.version();
        (pause, ask, Reading { kind, version }, kind.path(version, namespace.as_deref()))
    }

    /// Takes what was heard. Returns what becomes of the stream at hand.
    pub(super) fn hear(&self, track: usize, heard: Heard, now: SystemTime) -> Next {
        let mut inner = self.inner();
        let Track { course, shelf, since, last_event, .. } = &mut inner.tracks[track];
        if matches!(&heard, Heard::Event(_) | Heard::Page(_)) {
            *last_event = Some(now);
        }
        let was_complete = course.is_complete;
        let (next, is_new) = course.hear(heard, shelf);
        let is_news = is_new || course.is_complete != was_complete;
        match &course.standing {
            Standing::Current | Standing::Absent => *since = None,
            Standing::Unknown => {}
            _ => drop(since.get_or_insert(now)),
        }
        inner.changes += u64::from(is_news);
        inner.records += u64::from(inner.tracks[track].kind.is_judged());
        inner.look_after(now);
        next
    }

    /// A number that moves with every change, and whether everything has been listed once.
    pub(crate) fn version(&self) -> (u64, bool) {
        let inner = self.inner();
        (inner.changes, inner.is_complete())
    }

    /// Whether every kind has been listed once, or is not installed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.inner().is_complete()
    }

    /// All objects.
    pub(crate) fn content(&self) -> Content {
        let inner = self.inner();
        let mut content = Content::default();
        for track in &inner.tracks {
            content.objects.extend(track.shelf.objects().map(|object| (object.key(), Arc::clone(object))));
            content.problems.extend(track.shelf.problems().cloned());
            content.notes.extend(track.shelf.notes().cloned());
            content.objections.extend(track.shelf.objections(track.kind));
        }
        content
    }

    /// A number that moves with whatever may change [`Mirror::record`].
    pub(super) fn records(&self) -> u64 {
        self.inner().records
    }

    /// What is needed to write the status of an object, and how it is read; `None` if there is no such object, or its
    /// status is not ours to write.
    pub(super) fn record(&self, kind: &str, name: &Name) -> Option<(Reading, Record)> {
        let inner = self.inner();
        let of_kind = inner.tracks.iter().filter(|track| track.kind.is_written() && track.kind.word() == kind);
        let reading = |track: &Track| Reading { kind: track.kind, version: track.course.version() };
        let found = |track: &Track| Some((reading(track), track.shelf.record(name)?.clone()));
        of_kind.into_iter().find_map(found)
    }

    /// What people are to hear of, one line each.
    pub(crate) fn lines(&self) -> Vec<(Weight, String)> {
        let inner = self.inner();
        let away = inner.away.iter().map(|(since, why)| {
            let last = if inner.is_complete() { "; the last state is served" } else { "" };
            (Weight::Error, format!("the API server is away since {}: {why}{last}", time(*since)))
        });
        away.chain(inner.tracks.iter().filter_map(Track::line)).collect()
    }

    /// What is not as it should be, a line each: the server is away, a rule is missing, a kind is not listed yet.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let lines = self.lines().into_iter().filter(|(weight, _)| *weight != Weight::Note).map(|(_, line)| line);
        let inner = self.inner();
        let waiting = inner.tracks.iter().filter(|track| track.waits());
        let waiting = waiting.map(|track| format!("{}: not listed yet", track.kind.full_name()));
        let all: Vec<String> = lines.chain(waiting).collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }

    pub(super) fn with_tracks<T>(&self, read: impl FnOnce(&[Track], Option<SystemTime>) -> T) -> T {
        let inner = self.inner();
        read(&inner.tracks, inner.away.as_ref().map(|(since, _)| *since))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is left half done by a panic but a list, which is asked for again.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Inner {
    fn is_complete(&self) -> bool {
        self.tracks.iter().all(|track| track.course.is_complete)
    }

    /// Notes when the server goes away and when it is back.
    fn look_after(&mut self, now: SystemTime) {
        let silent = self.tracks.iter().find_map(|track| match &track.course.standing {
            Standing::Unreachable(why) => Some((track.since.unwrap_or(now), format!("{}: {why}", track.kind.plural))),
            _ => None,
        });
        self.away = match (self.away.take(), silent) {
            (Some(known), Some(_)) => Some(known),
            (_, silent) => silent,
        };
    }
}

impl Track {
    /// Whether what is known of it is so.
    pub(super) fn is_well(&self) -> bool {
        matches!(self.course.standing, Standing::Current | Standing::Absent)
    }

    /// What people are to hear of.
    fn line(&self) -> Option<(Weight, String)> {
        let (kind, since) = (self.kind, self.since.map(time).unwrap_or_default());
        let place =
            self.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in the namespace {namespace}"));
        let what = format!("{}{place}", kind.full_name());
        match &self.course.standing {
            Standing::Absent => Some((Weight::Note, format!("{what}: not installed; it is watched for"))),
            Standing::Forbidden(why) => Some((
                Weight::Error,
                format!("{what}: not allowed since {since} ({why}): add this rule to the role: {}", kind.rule()),
            )),
            Standing::Refused(why) => {
                let last = if self.course.is_complete { "; the last state counts" } else { "" };
                Some((Weight::Error, format!("{what}: cannot be watched since {since}: {why}{last}")))
            }
            Standing::Unknown | Standing::Current | Standing::Unreachable(_) => None,
        }
    }

    /// Whether there is no list of it yet, and nothing is known that is in the way.
    fn waits(&self) -> bool {
        !self.course.is_complete && self.course.standing == Standing::Unknown
    }
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
