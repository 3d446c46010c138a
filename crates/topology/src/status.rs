//! What the discovery of a cluster has come to, for `/ready` and `/clusters`.

use slots::View;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The state of one cluster's discovery.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether a view has been published, ever.
    pub ready: bool,
    /// Whether nobody has needed it so far, so that nobody has been asked.
    pub asleep: bool,
    /// Reads begun so far.
    pub attempts: u64,
    /// When the last read succeeded.
    pub last_success: Option<Instant>,
    /// Why the last read failed, in an operator's words: who was tried and what each said. Nothing after a success.
    pub last_problem: Option<String>,
    /// What the published map does without, each in words: replicas that are loading, nodes without an address.
    pub left_out: Vec<String>,
    /// The view last published.
    pub view: Option<View>,
}

/// Where the task writes its status and others read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Status>>);

impl Board {
    /// The status now.
    pub(crate) fn read(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it waits until it is needed.
    pub(crate) fn sleeps(&self, asleep: bool) {
        self.change(|status| status.asleep = asleep);
    }

    /// A read begins.
    pub(crate) fn begun(&self) {
        self.change(|status| {
            status.asleep = false;
            status.attempts += 1;
        });
    }

    /// A read has succeeded and found `view`, if that is another one than before.
    pub(crate) fn succeeded(&self, view: Option<View>, left_out: Vec<String>) {
        self.change(|status| {
            status.ready |= view.is_some();
            status.last_success = Some(Instant::now());
            status.last_problem = None;
            status.left_out = left_out;
            status.view = view.or(status.view.take());
        });
    }

    /// A read has failed; says whether the problem is another one than last time.
    pub(crate) fn failed(&self, problem: String) -> bool {
        let mut new = false;
        self.change(|status| {
            new = status.last_problem.as_ref() != Some(&problem);
            status.last_problem = Some(problem);
        });
        new
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
