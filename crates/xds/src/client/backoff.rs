//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// Waits that double, each spread over its whole length: after a control plane has died, ten thousand proxies do not come
/// back in one moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    longest: Duration,
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// The first wait is up to `base`, none is over `longest`. Equal seeds give equal waits.
    pub fn new(base: Duration, longest: Duration, seed: u64) -> Backoff {
        // Zero would stay zero for ever.
        Backoff { base, longest, attempts: 0, random: seed | 1 }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let widest = self.base.saturating_mul(1 << self.attempts.min(16)).min(self.longest);
        self.attempts += 1;
        widest.mul_f64(self.spread())
    }

    /// The connection worked: the next failure begins anew.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// From 0 to 1, by xorshift64*.
    fn spread(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let mixed = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_begin_anew() {
        let (base, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        let mut backoff = Backoff::new(base, longest, 7);
        for attempt in 0..100 {
            assert!(backoff.wait() <= base.saturating_mul(1 << attempt.min(16)).min(longest));
        }
        let late: Vec<Duration> = (0..50).map(|_| backoff.wait()).collect();
        assert!(late.iter().any(|wait| *wait > longest / 2), "{late:?}");
        assert!(late.iter().any(|wait| *wait < longest / 2), "spread over the whole length: {late:?}");
        backoff.reset();
        assert!(backoff.wait() <= base);
    }

    #[test]
    fn other_seeds_wait_otherwise() {
        let wait = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(9), seed).wait();
        assert_eq!(wait(3), wait(3));
        assert_ne!(wait(3), wait(1 << 40));
    }
}
