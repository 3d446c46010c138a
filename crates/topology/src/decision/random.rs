use std::time::Duration;

/// A small generator (SplitMix64): the same seed gives the same run. Not for secrets.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator that begins with `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Brings `items` into any order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }

    /// Between half of `whole` and all of it, so that many proxies do not knock at the same moment.
    pub(crate) fn jitter(&mut self, whole: Duration) -> Duration {
        let part = (self.next() >> 40) as f64 / (1u64 << 24) as f64;
        whole.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::time::Duration;

    #[test]
    fn a_shuffle_keeps_every_item_and_reaches_every_order() {
        let mut random = Random::new(7);
        let mut firsts = [0; 4];
        for _ in 0..400 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            firsts[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(firsts.iter().all(|count| *count > 50), "{firsts:?}");
        random.shuffle::<u8>(&mut []);
    }

    #[test]
    fn jitter_stays_in_the_upper_half() {
        let mut random = Random::new(1);
        let whole = Duration::from_millis(100);
        let drawn: Vec<_> = (0..200).map(|_| random.jitter(whole)).collect();
        assert!(drawn.iter().all(|wait| (whole / 2..=whole).contains(wait)));
        assert!(drawn.iter().any(|wait| *wait < whole * 3 / 5) && drawn.iter().any(|wait| *wait > whole * 9 / 10));
    }
}
