//! The newest verdicts, and since when each condition is what it is.

use super::condition::{About, Condition, Verdict};
use super::judge::verdicts;
use crate::plane::Plane;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use xds::server::Server;

/// Between two looks whether anything has changed.
const LOOK: Duration = Duration::from_millis(200);
/// Verdicts are made when nothing has changed for this long: in between proxies are on the way from one state to the next.
const QUIET: Duration = Duration::from_millis(500);
/// Where it does not become quiet, they are made after this.
const LONGEST: Duration = Duration::from_secs(3);

/// The newest verdicts.
#[derive(Default)]
pub struct Board {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    shown: BTreeMap<About, Arc<Shown>>,
    version: u64,
    counts: Counts,
    /// Why something cannot be written.
    trouble: Option<String>,
}

/// What was written into an API server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) writes: u64,
    pub(crate) conflicts: u64,
    pub(crate) failures: u64,
    pub(crate) events: u64,
}

/// A verdict, and since when each of its conditions has its status.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) verdict: Verdict,
    pub(crate) since: [SystemTime; 2],
}

/// Keeps `board` at what `plane` and `server` know, until it is dropped.
pub async fn keep(board: Arc<Board>, plane: Arc<Plane>, server: Server) {
    let (mut seen, mut judged) = (None, None);
    let (mut since, mut at) = (Instant::now(), Instant::now());
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Some(tide(&plane, &server));
        if now == judged {
            since = Instant::now();
            continue;
        }
        if now != seen {
            (seen, at) = (now, Instant::now());
        }
        if at.elapsed() < QUIET && since.elapsed() < LONGEST {
            continue;
        }
        if let Some(outlook) = plane.outlook() {
            board.update(verdicts(&outlook, &server.proxies()), SystemTime::now());
            judged = now;
        }
    }
}

/// What moves with anything that a verdict is made from.
fn tide(plane: &Plane, server: &Server) -> [u64; 2] {
    let metrics = server.metrics();
    let kinds = xds::Kind::ALL.into_iter().map(|kind| &metrics.kinds[kind]);
    let answers: u64 = kinds.map(|kind| kind.pushes + kind.acks + kind.rejects).sum();
    [plane.tide(), answers + metrics.streams]
}

impl Board {
    /// These are all verdicts by now.
    pub(crate) fn update(&self, verdicts: Vec<Verdict>, now: SystemTime) {
        let mut inner = self.inner();
        let mut former = std::mem::take(&mut inner.shown);
        let mut is_new = false;
        for verdict in verdicts {
            let known = former.remove(&verdict.about);
            let shown = match known {
                Some(known) if known.verdict == verdict => known,
                known => {
                    is_new = true;
                    let since = since(&verdict, known.as_deref(), now);
                    Arc::new(Shown { verdict, since })
                }
            };
            inner.shown.insert(shown.verdict.about.clone(), shown);
        }
        inner.version += u64::from(is_new || !former.is_empty());
    }

    /// All.
    pub(crate) fn all(&self) -> Vec<Arc<Shown>> {
        self.inner().shown.values().cloned().collect()
    }

    /// Counts something that was written.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.inner().counts);
    }

    /// What is not allowed or not taken by now, a line each.
    pub(crate) fn set_trouble(&self, lines: &[String]) {
        self.inner().trouble = (!lines.is_empty()).then(|| lines.join("\n"));
    }

    /// Why verdicts cannot be written into an API server, a line each.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner().trouble.clone()
    }

    /// What was written, in the text format of Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let Counts { writes, conflicts, failures, events } = self.inner().counts;
        let rows = [
            ("slotmesh_status_writes_total", "Conditions written into the status of a resource.", writes),
            ("slotmesh_status_conflicts_total", "Writes that another's was ahead of; they are tried again.", conflicts),
            ("slotmesh_status_failures_total", "Writes of status and Events that failed otherwise.", failures),
            ("slotmesh_status_events_total", "Events made of what changed.", events),
        ];
        let row = |(name, about, value)| format!("# HELP {name} {about}\n# TYPE {name} counter\n{name} {value}\n");
        rows.map(row).concat()
    }

    /// Moves with what [`Board::all`] says.
    pub(crate) fn version(&self) -> u64 {
        self.inner().version
    }

    /// All, for people and programs.
    #[must_use]
    pub fn json(&self) -> Value {
        self.inner().shown.values().map(|shown| shown.json()).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is left half done by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Shown {
    fn json(&self) -> Value {
        let Verdict { about, generation, conditions } = &self.verdict;
        let conditions = conditions.iter().zip(self.since).map(|(one, since)| one.json(*generation, since));
        json!({
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "source": &*about.source,
            "generation": generation,
            "conditions": conditions.collect::<Vec<_>>(),
        })
    }
}

impl Condition {
    /// As Kubernetes has it.
    pub(crate) fn json(&self, generation: i64, since: SystemTime) -> Value {
        json!({
            "type": self.kind,
            "status": self.truth.word(),
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": humantime::format_rfc3339_seconds(since).to_string(),
            "observedGeneration": generation,
        })
    }
}

/// A condition is as old as its status.
fn since(verdict: &Verdict, known: Option<&Shown>, now: SystemTime) -> [SystemTime; 2] {
    let Some(known) = known else { return [now; 2] };
    let same = |at: usize| known.verdict.conditions[at].truth == verdict.conditions[at].truth;
    [0, 1].map(|at| if same(at) { known.since[at] } else { now })
}
