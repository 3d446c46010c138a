//! How often something is written, so that nothing that flaps can flood an API server.

use std::time::{Duration, Instant};

/// What is written, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Whether conditions are written into status.
    pub status: bool,
    /// Whether Events are made of what changes.
    pub events: bool,
    /// Writes of status a second, in the long run.
    pub per_second: f64,
    /// Between two writes to one object.
    pub apart: Duration,
    /// The same where nothing but words and numbers has changed.
    pub unhurried: Duration,
    /// Between two Events of one object for one reason.
    pub repeated: Duration,
    /// After a 403.
    pub forbidden: Duration,
    /// How long an answer may take.
    pub answer: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        let of = Duration::from_secs;
        Self {
            status: true,
            events: true,
            per_second: 50.0,
            apart: of(1),
            unhurried: of(10),
            repeated: of(30),
            forbidden: of(60),
            answer: of(10),
        }
    }
}

/// Leave to do something so many times a second, and up to two seconds' worth of it at once.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, tokens: 2.0 * per_second, at: now }
    }

    /// Whether it may be done now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let more = now.duration_since(self.at).as_secs_f64() * self.per_second;
        (self.tokens, self.at) = ((self.tokens + more).min(2.0 * self.per_second), now);
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }
}

/// Between two attempts while the server fails: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The most that a server's `Retry-After` is heeded.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// A server that fails is left alone for a while, longer each time.
#[derive(Debug, Default)]
pub(super) struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Rest {
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    pub(super) fn failed(&mut self, wish: Option<Duration>, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.until = Some(now + wish.map_or(pause, |wish| wish.min(LONGEST_WISH)).max(pause));
        self.failures += 1;
    }

    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Rest};
    use std::time::{Duration, Instant};

    #[test]
    fn so_many_a_second() {
        let began = Instant::now();
        let mut bucket = Bucket::new(10.0, began);
        let taken =
            |bucket: &mut Bucket, at: u64| (0..1000).filter(|_| bucket.take(began + Duration::from_millis(at))).count();
        assert_eq!([0, 1000, 1050, 1100, 3_600_000].map(|at| taken(&mut bucket, at)), [20, 10, 0, 1, 20]);
    }

    #[test]
    fn longer_rests_and_what_the_server_wishes() {
        let now = Instant::now();
        let mut rest = Rest::default();
        assert!(rest.is_over(now));
        let over = |rest: &Rest, after: u64| rest.is_over(now + Duration::from_millis(after));
        rest.failed(None, now);
        assert_eq!((over(&rest, 499), over(&rest, 500)), (false, true));
        rest.failed(None, now);
        assert_eq!((over(&rest, 999), over(&rest, 1000)), (false, true));
        rest.failed(Some(Duration::from_secs(3600)), now);
        assert_eq!((over(&rest, 59_999), over(&rest, 60_000)), (false, true));
        (0..40).for_each(|_| rest.failed(None, now));
        assert_eq!((over(&rest, 19_999), over(&rest, 20_000)), (false, true));
        rest.answered();
        assert!(rest.is_over(now));
    }
}
