//! A cluster is asked every `cluster_refresh_rate`, counted from the end of one read to the begin of the next, and:
//! - after a failed read soon, then ever later: 50 ms, doubling up to the refresh rate;
//! - when one of the thresholds of `RedisClusterConfig` is reached. As in Envoy, the interval between two such reads is
//!   common to the three thresholds, and what happens inside it is not counted;
//! - whenever somebody has no owner for a slot, but not more often than every 100 ms; after failed reads not more
//!   often than the next one is due anyway, or once a second.

use super::Random;
use crate::Report;
use meant::RedisCluster;
use std::time::{Duration, Instant};

/// The first pause after a failed read.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The shortest time from one read to the next that `Report::Unknown` asks for.
const UNKNOWN_GAP: Duration = Duration::from_millis(100);
/// The longest time that `Report::Unknown` waits for a read while reads fail.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(1);

/// When the next read is due.
#[derive(Debug)]
pub(crate) struct Schedule {
    due: Instant,
    rate: Duration,
    /// The pause after the next failed read, before jitter.
    pause: Duration,
    /// When the last read began.
    last: Option<Instant>,
    /// The shortest gap between two reads because of a threshold.
    interval: Duration,
    /// When a threshold was last reached.
    triggered: Option<Instant>,
    redirects: Threshold,
    failures: Threshold,
    degraded: Threshold,
}

impl Schedule {
    /// The first read is due at once.
    pub(crate) fn new(settings: &RedisCluster, now: Instant) -> Self {
        Self {
            due: now,
            rate: settings.refresh_rate,
            pause: FIRST_PAUSE,
            last: None,
            interval: settings.redirect_refresh_interval,
            triggered: None,
            redirects: Threshold::new(settings.redirect_refresh_threshold),
            failures: Threshold::new(settings.failure_refresh_threshold),
            degraded: Threshold::new(settings.host_degraded_refresh_threshold),
        }
    }

    /// When the next read is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// A read begins.
    pub(crate) fn begun(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// A read has ended with a map that can be trusted.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.pause = FIRST_PAUSE;
        self.due = now + self.rate;
    }

    /// A read has ended without one.
    pub(crate) fn failed(&mut self, now: Instant, random: &mut Random) {
        let pause = self.pause.min(self.rate);
        self.due = now + random.jitter(pause);
        self.pause = (pause * 2).min(self.rate);
    }

    /// Something happened on the way of requests.
    pub(crate) fn heard(&mut self, report: &Report, now: Instant) {
        let (threshold, count) = match report {
            Report::Redirected { count } => (&mut self.redirects, *count),
            Report::Failed { count, .. } => (&mut self.failures, *count),
            Report::Degraded { .. } => (&mut self.degraded, 1),
            Report::Unknown => return self.unknown(now),
        };
        let inside = self.triggered.is_some_and(|triggered| now < triggered + self.interval);
        if !inside && threshold.reached(count) {
            self.triggered = Some(now);
            self.due = self.due.min(now);
        }
    }

    fn unknown(&mut self, now: Instant) {
        // After a success `pause` is the shortest, so that the gap decides.
        let gap = self.pause.min(UNKNOWN_PATIENCE).max(UNKNOWN_GAP);
        let wanted = self.last.map_or(now, |last| now.max(last + gap));
        self.due = self.due.min(wanted);
    }
}

/// A count that triggers; 0 never does.
#[derive(Debug)]
struct Threshold {
    at: u32,
    seen: u32,
}

impl Threshold {
    fn new(at: u32) -> Self {
        Self { at, seen: 0 }
    }

    /// Counts; whether that reaches the threshold, from which it counts anew.
    fn reached(&mut self, count: u32) -> bool {
        if self.at == 0 {
            return false;
        }
        self.seen = self.seen.saturating_add(count);
        let reached = self.seen >= self.at;
        if reached {
            self.seen = 0;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Schedule};
    use crate::Report;
    use meant::RedisCluster;
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn settings() -> RedisCluster {
        RedisCluster {
            refresh_rate: 60 * S,
            refresh_timeout: 3 * S,
            redirect_refresh_interval: 5 * S,
            redirect_refresh_threshold: 5,
            failure_refresh_threshold: 2,
            host_degraded_refresh_threshold: 1,
        }
    }

    /// A schedule after one good read, and the moment it ended.
    fn settled(settings: &RedisCluster) -> (Schedule, Instant) {
        let now = Instant::now();
        let mut schedule = Schedule::new(settings, now);
        assert_eq!(schedule.due(), now);
        schedule.begun(now);
        schedule.succeeded(now);
        assert_eq!(schedule.due(), now + settings.refresh_rate);
        (schedule, now)
    }

    fn redirected(count: u32) -> Report {
        Report::Redirected { count }
    }

    fn failed(count: u32) -> Report {
        Report::Failed { node: SocketAddr::from(([127, 0, 0, 1], 1)), count }
    }

    fn degraded() -> Report {
        Report::Degraded { node: SocketAddr::from(([127, 0, 0, 1], 1)) }
    }

    #[test]
    fn redirects_trigger_at_their_threshold() {
        let (mut schedule, start) = settled(&settings());
        schedule.heard(&redirected(4), start + S);
        assert_eq!(schedule.due(), start + 60 * S);
        schedule.heard(&redirected(1), start + 2 * S);
        assert_eq!(schedule.due(), start + 2 * S);
    }

    #[test]
    fn events_inside_the_interval_are_not_counted() {
        let (mut schedule, start) = settled(&settings());
        schedule.heard(&redirected(5), start);
        schedule.succeeded(start);
        // 4.999 s later a hundred redirects, failures, degraded nodes: none counts.
        let inside = start + 4999 * MS;
        for report in [redirected(100), failed(100), degraded()] {
            schedule.heard(&report, inside);
        }
        assert_eq!(schedule.due(), start + 60 * S);
        schedule.heard(&redirected(4), start + 5 * S);
        assert_eq!(schedule.due(), start + 60 * S, "counts from zero after the interval");
        schedule.heard(&redirected(1), start + 6 * S);
        assert_eq!(schedule.due(), start + 6 * S);
    }

    #[test]
    fn each_kind_is_counted_apart() {
        let (mut schedule, start) = settled(&settings());
        schedule.heard(&redirected(4), start);
        schedule.heard(&failed(1), start);
        assert_eq!(schedule.due(), start + 60 * S);
        schedule.heard(&failed(1), start + S);
        assert_eq!(schedule.due(), start + S);
        let (mut schedule, start) = settled(&settings());
        schedule.heard(&degraded(), start + S);
        assert_eq!(schedule.due(), start + S);
    }

    #[test]
    fn zero_disables() {
        let off = RedisCluster {
            redirect_refresh_threshold: 0,
            failure_refresh_threshold: 0,
            host_degraded_refresh_threshold: 0,
            ..settings()
        };
        let (mut schedule, start) = settled(&off);
        for report in [redirected(u32::MAX), failed(u32::MAX), degraded()] {
            schedule.heard(&report, start + S);
        }
        assert_eq!(schedule.due(), start + 60 * S);
    }

    #[test]
    fn a_trigger_never_delays() {
        let (mut schedule, start) = settled(&settings());
        schedule.heard(&redirected(5), start + 61 * S);
        assert_eq!(schedule.due(), start + 60 * S);
    }

    #[test]
    fn an_unknown_slot_triggers_every_100_ms_at_most() {
        let (mut schedule, start) = settled(&settings());
        schedule.heard(&Report::Unknown, start + 10 * MS);
        assert_eq!(schedule.due(), start + 100 * MS, "100 ms after the last read began");
        schedule.begun(start + 100 * MS);
        schedule.succeeded(start + 110 * MS);
        schedule.heard(&Report::Unknown, start + S);
        assert_eq!(schedule.due(), start + S);
    }

    #[test]
    fn failed_reads_are_repeated_ever_later() {
        let (mut schedule, start) = settled(&RedisCluster { refresh_rate: S, ..settings() });
        let mut random = Random::new(3);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            schedule.failed(start, &mut random);
            pauses.push(schedule.due() - start);
        }
        for (pause, whole) in pauses.iter().zip([50, 100, 200, 400, 800, 1000, 1000]) {
            assert!((whole * MS / 2..=whole * MS).contains(pause), "{pauses:?}");
        }
        schedule.succeeded(start);
        schedule.failed(start, &mut random);
        assert!(schedule.due() <= start + 50 * MS, "a success starts the pauses anew");
    }

    #[test]
    fn an_unknown_slot_waits_longer_while_reads_fail() {
        let (mut schedule, start) = settled(&settings());
        let mut random = Random::new(3);
        for _ in 0..10 {
            schedule.begun(start);
            schedule.failed(start, &mut random);
        }
        assert!(schedule.due() > start + 10 * S);
        schedule.heard(&Report::Unknown, start + 10 * MS);
        assert_eq!(schedule.due(), start + S);
    }
}
