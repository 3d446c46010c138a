//! Waiting for quiet before a push: one `kubectl apply` is many changes.

use std::time::{Duration, Instant};

/// Collects changes until none has come for a while, or the first has waited long enough.
#[derive(Clone, Debug)]
pub struct Debounce {
    quiet: Duration,
    longest: Duration,
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    first: Instant,
    last: Instant,
    changes: u64,
}

/// Changes that are pushed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// When the first of them came.
    pub first: Instant,
    /// How many there were.
    pub changes: u64,
}

impl Debounce {
    /// Waits for `quiet` without a change, but for `longest` at most.
    pub fn new(quiet: Duration, longest: Duration) -> Debounce {
        Debounce { quiet, longest, open: None }
    }

    /// A change came.
    pub fn note(&mut self, now: Instant) {
        let open = self.open.get_or_insert(Open { first: now, last: now, changes: 0 });
        open.last = now;
        open.changes += 1;
    }

    /// When to call [`Debounce::take`].
    pub fn due(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| (open.last + self.quiet).min(open.first + self.longest))
    }

    /// The batch, if its time has come.
    pub fn take(&mut self, now: Instant) -> Option<Batch> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        self.open.take().map(|open| Batch { first: open.first, changes: open.changes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_lone_change_waits_for_quiet_only() {
        let start = Instant::now();
        let mut debounce = Debounce::new(100 * MS, 1000 * MS);
        assert_eq!(debounce.due(), None);
        debounce.note(start);
        assert_eq!(debounce.take(start + 99 * MS), None);
        assert_eq!(debounce.take(start + 100 * MS), Some(Batch { first: start, changes: 1 }));
        assert_eq!(debounce.take(start + 500 * MS), None);
    }

    #[test]
    fn an_endless_stream_of_changes_is_cut() {
        let start = Instant::now();
        let mut debounce = Debounce::new(100 * MS, 1000 * MS);
        let pushed: Vec<(u32, u64)> = (0..250)
            .filter_map(|step| {
                let now = start + step * 10 * MS;
                debounce.note(now);
                debounce.take(now).map(|batch| (step * 10, batch.changes))
            })
            .collect();
        assert_eq!(pushed, [(1000, 101), (2010, 101)]);
    }
}
