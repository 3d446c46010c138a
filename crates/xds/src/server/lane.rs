//! One kind of resource on one stream: what the proxy asked for, what it has, what it has not answered yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::kind::Kind;
use crate::nack::{Nack, blamed};
use crate::proto::Status;
use crate::resource::{Difference, Resource, ResourceSet};

use super::interest::Interest;
use super::status::{LaneStatus, Stamp};
use super::stream::{Dialect, Moment};

/// Unanswered responses that are remembered; a proxy that never answers is not remembered for ever.
const UNANSWERED: usize = 64;

/// One kind of resource on one stream.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// None until the first request.
    pub(super) interest: Option<Interest>,
    /// What the proxy has, as far as it is interested in it: what was sent, whether it was accepted or not.
    pub(super) known: Arc<ResourceSet>,
    pub(super) due: Due,
    unanswered: VecDeque<Sent>,
    sent: Option<Stamp>,
    acked: Option<Stamp>,
    nack: Option<Nack>,
}

/// What must be sent although it did not change.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Everything that the proxy is interested in.
    pub(super) all: bool,
    /// A response, even one without resources.
    pub(super) answer: bool,
    pub(super) names: Vec<Arc<str>>,
}

impl Due {
    pub(super) fn is_none(&self) -> bool {
        !self.all && !self.answer && self.names.is_empty()
    }
}

#[derive(Debug)]
struct Sent {
    stamp: Stamp,
    at: Moment,
    set: Arc<ResourceSet>,
    /// The resource, where it was only one.
    only: Option<Arc<str>>,
}

/// What a request said about an earlier response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing.
    None,
    Acked,
    Refused,
    /// It speaks of a response that has been overtaken, or of none that was sent.
    Stale,
    /// It repeats the last answer.
    Repeated,
}

/// What one response will hold.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Positions in the goal.
    pub(super) positions: Vec<u32>,
    pub(super) removed: Vec<Arc<str>>,
    /// Positions in the goal of resources that the proxy has in another version.
    pub(super) updated: Vec<u32>,
}

impl Lane {
    /// Whether a response is unanswered and not yet given up on.
    pub(super) fn is_waiting(&self, now: Moment, patience: Duration) -> bool {
        self.unanswered.back().is_some_and(|sent| now.steady < sent.at.steady + patience)
    }

    /// Whether every response has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// When the newest unanswered response was sent.
    pub(super) fn waits_since(&self) -> Option<Moment> {
        self.unanswered.back().map(|sent| sent.at)
    }

    /// The proxy has this version from an earlier stream.
    pub(super) fn resume(&mut self, known: Arc<ResourceSet>, version: &Arc<str>, now: Moment) {
        let stamp = Stamp { nonce: String::new(), version: version.clone(), at: now.wall };
        (self.known, self.sent, self.acked) = (known, Some(stamp.clone()), Some(stamp));
    }

    /// Reads the nonce and the error of a request. With `latest_only` only the newest response can be answered.
    pub(super) fn answer(
        &mut self,
        kind: Kind,
        nonce: &str,
        error: Option<&Status>,
        latest_only: bool,
        wall: SystemTime,
    ) -> Answer {
        if nonce.is_empty() {
            return Answer::None;
        }
        let Some(found) = self.unanswered.iter().rposition(|sent| sent.stamp.nonce == nonce) else {
            let last = self.sent.as_ref().is_some_and(|sent| sent.nonce == nonce);
            return if last { Answer::Repeated } else { Answer::Stale };
        };
        if latest_only && found + 1 < self.unanswered.len() {
            return Answer::Stale;
        }
        let Some(sent) = self.unanswered.drain(..=found).next_back() else { return Answer::Stale };
        match error {
            None => {
                (self.acked, self.nack) = (Some(sent.stamp), None);
                Answer::Acked
            }
            Some(error) => {
                self.nack = Some(sent.refused(kind, error, wall));
                Answer::Refused
            }
        }
    }

    pub(super) fn nack(&self) -> Option<&Nack> {
        self.nack.as_ref()
    }

    /// What must go out for the proxy to have `goal`; none if it has it.
    pub(super) fn plan(&self, goal: &ResourceSet, dialect: Dialect, kind: Kind) -> Option<Plan> {
        let whole = dialect == Dialect::Sotw && kind.is_whole();
        let interest = self.interest.as_ref()?;
        let difference =
            if std::ptr::eq(&*self.known, goal) { Difference::default() } else { self.known.difference(goal) };
        let wanted = |at: &u32| goal.at(*at).is_some_and(|resource| interest.contains(&resource.name));
        let had = |at: &u32| goal.at(*at).is_some_and(|resource| self.known.get(&resource.name).is_some());
        let mut plan = Plan { positions: difference.changed.into_iter().filter(wanted).collect(), ..Plan::default() };
        plan.updated = plan.positions.iter().copied().filter(had).collect();
        let gone = difference.removed.iter().map(|resource| &resource.name).filter(|name| interest.contains(name));
        plan.removed = gone.cloned().collect();
        let changes = !plan.positions.is_empty() || !plan.removed.is_empty();
        if self.due.all || (whole && changes) {
            plan.positions = (0..u32::try_from(goal.len()).unwrap_or(u32::MAX)).filter(wanted).collect();
        }
        self.add_due_names(&mut plan, goal);
        if dialect == Dialect::Sotw && !whole {
            // There is no way to say it.
            plan.removed.clear();
        }
        let something = !plan.positions.is_empty() || !plan.removed.is_empty();
        (something || self.due.answer || (whole && (self.due.all || changes))).then_some(plan)
    }

    fn add_due_names(&self, plan: &mut Plan, goal: &ResourceSet) {
        for name in &self.due.names {
            match goal.position(name) {
                Some(at) => plan.positions.push(at),
                None => plan.removed.push(name.clone()),
            }
        }
        plan.positions.sort_unstable();
        plan.positions.dedup();
        plan.removed.sort_unstable();
        plan.removed.dedup();
    }

    /// A response goes out, after which the proxy has `goal`.
    pub(super) fn sent(&mut self, stamp: Stamp, goal: Arc<ResourceSet>, only: Option<Arc<str>>, at: Moment) {
        self.sent = Some(stamp.clone());
        self.unanswered.push_back(Sent { stamp, at, set: goal.clone(), only });
        if self.unanswered.len() > UNANSWERED {
            self.unanswered.pop_front();
        }
        self.reached(goal);
    }

    /// Nothing has to be sent for the proxy to have `goal`.
    pub(super) fn reached(&mut self, goal: Arc<ResourceSet>) {
        (self.known, self.due) = (goal, Due::default());
    }

    pub(super) fn status(&self, kind: Kind) -> Option<LaneStatus> {
        let interest = self.interest.as_ref()?;
        Some(LaneStatus {
            kind,
            wildcard: interest.wildcard,
            names: interest.names.len(),
            sent: self.sent.clone(),
            acked: self.acked.clone(),
            nack: self.nack.clone(),
            resources: self.known.clone(),
        })
    }
}

impl Sent {
    fn refused(self, kind: Kind, error: &Status, at: SystemTime) -> Nack {
        let mut resources = blamed(&error.message, self.set.iter().map(|resource: &Arc<Resource>| &resource.name));
        if resources.is_empty() {
            resources.extend(self.only);
        }
        Nack {
            kind,
            nonce: self.stamp.nonce,
            version: self.stamp.version,
            message: error.message.clone(),
            resources,
            at,
        }
    }
}
