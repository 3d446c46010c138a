//! When the requests of an open loop are due: at a constant rate, without drift.

use std::time::Duration;

/// Nanoseconds in a second.
const SECOND: u128 = 1_000_000_000;

/// Requests at a constant rate; the first is due at once.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    rate: u64,
}

impl Schedule {
    /// `rate` requests a second, at least 1.
    pub fn new(rate: u64) -> Self {
        Self { rate: rate.max(1) }
    }

    /// When the request `index` is due, in nanoseconds since the start.
    pub fn due(&self, index: u64) -> u64 {
        // From the start each time: adding up a rounded interval would drift.
        (u128::from(index) * SECOND / u128::from(self.rate)) as u64
    }

    /// How many requests are due within `nanoseconds` since the start.
    pub fn due_by(&self, nanoseconds: u64) -> u64 {
        let passed = u128::from(nanoseconds) * u128::from(self.rate);
        // The last one whose time, rounded down as in `due`, is not later.
        ((passed + u128::from(self.rate) - 1) / SECOND) as u64 + 1
    }

    /// From one request to the next.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.due(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_even_and_do_not_drift() {
        let schedule = Schedule::new(3);
        assert_eq!([0, 1, 2, 3].map(|i| schedule.due(i)), [0, 333_333_333, 666_666_666, 1_000_000_000]);
        assert_eq!(Schedule::new(70_001).due(70_001 * 3600), 3600 * 1_000_000_000);
        assert_eq!(Schedule::new(50_000).interval(), Duration::from_micros(20));
        assert_eq!(Schedule::new(0).interval(), Duration::from_secs(1));
    }

    #[test]
    fn a_request_is_due_from_its_moment_on() {
        for rate in [1, 3, 7, 999, 1000, 33_333, 1_000_000] {
            let schedule = Schedule::new(rate);
            for index in [0, 1, 2, 5, 1000, 12_345] {
                let due = schedule.due(index);
                assert_eq!(schedule.due_by(due), index + 1, "rate {rate} index {index}");
                if due > 0 {
                    assert_eq!(schedule.due_by(due - 1), index, "rate {rate} before index {index}");
                }
            }
        }
    }
}
