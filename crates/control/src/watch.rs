//! The folder, looked at again and again: what changed is published, and what is wrong is told once. What an API server
//! says beside it is published with it.
//!
//! Looking is polling, on purpose. It works on every file system (network shares and overlays tell of no changes), it
//! sees through the links that Kubernetes turns in a mounted ConfigMap, it has no limit on the number of folders, and it
//! is cheap: the time of a look is a few microseconds a file, and no more than a twentieth of a processor is spent on it.

use crate::files::{Files, Refreshed};
use crate::kube::Mirror;
use crate::plane::Plane;
use crate::telling::{Telling, Weight};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Between two looks at least.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The pause is, between the two, this many times what a look costs that finds nothing new.
const REST: u32 = 20;
/// After a change proxies ask anew within the debounce of the server; what EnvoyFilters did is told after that.
const QUIET: Duration = Duration::from_millis(500);
/// Between two looks while the folder is changing.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// A folder that does not stop changing is taken as it is after this.
const LONGEST: Duration = Duration::from_secs(1);

/// Keeps a [`Plane`] at what a folder says.
#[derive(Debug)]
pub struct Watcher {
    files: Files,
    plane: Arc<Plane>,
    /// What is wrong with the files.
    of_files: Telling,
    /// That the folder cannot be listed.
    of_folder: Telling,
    /// What EnvoyFilters do not do.
    of_filters: Telling,
    /// The state of things that was last told of.
    told: u64,
    /// Since when files, or what the API server has, have been changing.
    changing: Option<Instant>,
    beside: Option<Beside>,
}

/// An API server that is published beside the files.
#[derive(Debug)]
struct Beside {
    mirror: Arc<Mirror>,
    /// Its version at the last look, and the one that was taken.
    seen: u64,
    taken: Option<u64>,
    /// How it stands with the server.
    of_server: Telling,
}

impl Watcher {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(files: Files, plane: Arc<Plane>) -> Self {
        let (of_files, of_folder, of_filters) = (Telling::default(), Telling::default(), Telling::default());
        Self { files, plane, of_files, of_folder, of_filters, told: 0, changing: None, beside: None }
    }

    /// The same, with what an API server has. Nothing is published before all of that has been listed once.
    #[must_use]
    pub fn beside(self, mirror: Arc<Mirror>) -> Self {
        let beside = Beside { mirror, seen: 0, taken: None, of_server: Telling::default() };
        Self { beside: Some(beside), ..self }
    }

    /// Looks for the first time, and publishes what is there.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn first(&mut self) -> io::Result<()> {
        let read = self.files.refresh()?;
        match self.beside {
            Some(_) => self.changing = Some(Instant::now()),
            None => self.take(read),
        }
        Ok(())
    }

    /// Looks, and publishes what has changed. Files that are replaced together are one change: nothing is taken until a
    /// look finds nothing new and no file that may still be written to. `false` if nothing changes.
    fn look(&mut self) -> io::Result<bool> {
        if let Some(goes_on) = self.look_beside() {
            return Ok(goes_on);
        }
        let read = self.files.refresh()?;
        if !read.is_new && self.changing.is_none() {
            return Ok(false);
        }
        let since = *self.changing.get_or_insert_with(Instant::now);
        if (read.is_new || read.waits) && since.elapsed() < LONGEST {
            return Ok(true);
        }
        self.changing = None;
        self.take(read);
        Ok(true)
    }

    /// Looks at what the API server has, and takes it once it is quiet. `Some` if there is nothing to publish yet;
    /// `true` in it if something changes.
    fn look_beside(&mut self) -> Option<bool> {
        let beside = self.beside.as_mut()?;
        let (version, is_complete) = beside.mirror.version();
        if !is_complete {
            return Some(false);
        }
        let is_moving = std::mem::replace(&mut beside.seen, version) != version;
        if beside.taken == Some(version) {
            return None;
        }
        let since = *self.changing.get_or_insert_with(Instant::now);
        if is_moving && since.elapsed() < LONGEST {
            return Some(true);
        }
        beside.taken = Some(version);
        self.files.set_beside(beside.mirror.content());
        None
    }

    fn take(&mut self, read: Refreshed) {
        let (services, filters) = (read.state.services.len(), read.state.envoy_filters.len());
        let (problems, notes) = (read.problems.len(), read.notes.len());
        let told = self.plane.publish(read);
        let what = if self.beside.is_some() { "what is declared was read" } else { "the files were read" };
        tracing::info!(services, envoy_filters = filters, problems, notes, "{what}");
        let weigh = |weight: Weight, list: &[config::Problem]| -> Vec<(Weight, String)> {
            list.iter().map(|problem| (weight, problem.to_string())).collect()
        };
        let all = [
            weigh(Weight::Error, &told.problems),
            weigh(Weight::Error, &told.refused),
            weigh(Weight::Warning, &told.odd),
            weigh(Weight::Note, &told.notes),
        ];
        self.of_files.now(all.into_iter().flatten());
    }

    /// Looks until `ended` says something or its sender is gone.
    pub fn run(mut self, ended: &Receiver<()>) {
        let mut cost = PAUSE / REST;
        loop {
            let rest = (cost * REST).clamp(PAUSE, LONGEST_PAUSE);
            let pause = if self.changing.is_some() { SHORT_PAUSE } else { rest };
            if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let began = Instant::now();
            let looked = self.look();
            if matches!(looked, Ok(false)) {
                // A look that took long because others were busy says little about the next.
                cost = began.elapsed().min(cost * 11 / 10);
            }
            self.of_folder.now(looked.err().map(|error| {
                let text = "the folder cannot be listed, so the last state stays in force";
                (Weight::Error, format!("{text}: {error}"))
            }));
            if let Some(beside) = &mut self.beside {
                beside.of_server.now(beside.mirror.lines());
            }
            self.tell_findings();
        }
    }

    /// Tells what became of the EnvoyFilters, once all proxies have asked again after a change.
    fn tell_findings(&mut self) {
        let (stirred, at) = self.plane.stirred();
        if stirred == self.told || at.elapsed() < QUIET {
            return;
        }
        self.told = stirred;
        let findings = self.plane.findings();
        if findings.kinds_of_proxies > 0 {
            self.of_filters.now(findings.lines());
        }
    }
}
