//! A hash ring (`RING_HASH`), placed as Envoy 1.40 places it, so that a key keeps its host when slotmesh takes over.
//!
//! The fact behind it: the ring has `scale` entries in all, of which a host gets its share of the weight; the share
//! need not be whole, so entries are added while the running count is behind the running target. Entry `i` of a
//! host lies at the hash of `<ip:port>_<i>`; a key belongs to the first entry at or after its own hash.

use crate::placement::{hash_key, shares};
use crate::{Host, murmur};
use xxhash_rust::xxh64::xxh64;

/// Hosts on a ring of 64-bit hashes.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Hash and host, ordered by hash.
    entries: Box<[(u64, u32)]>,
}

impl Ring {
    /// Places `hosts` on a ring of at least `minimum` entries and at most `maximum` (`minimum_ring_size`,
    /// `maximum_ring_size`). `murmur` hashes entries with [`murmur::hash`] instead of xxHash64; `by_hostname` hashes a
    /// host's name, where it has one, instead of its address.
    pub fn new(hosts: &[Host], minimum: u64, maximum: u64, murmur: bool, by_hostname: bool) -> Self {
        let shares = shares(hosts);
        let scale = scale(&shares, minimum, maximum);
        let mut entries = Vec::with_capacity(scale.ceil() as usize);
        let mut target = 0.0;
        for ((host, share), index) in hosts.iter().zip(shares).zip(0..) {
            target += scale * share;
            let key = hash_key(host, by_hostname);
            let mut i = 0;
            while (entries.len() as f64) < target {
                entries.push((entry_hash(&format!("{key}_{i}"), murmur), index));
                i += 1;
            }
        }
        entries.sort_unstable();
        Self { entries: entries.into() }
    }

    /// The place in the list of hosts that `hash` belongs to; nothing if there are no hosts.
    pub fn choose(&self, hash: u64) -> Option<usize> {
        let at = self.entries.partition_point(|(entry, _)| *entry < hash);
        let (_, host) = self.entries.get(at).or_else(|| self.entries.first())?;
        Some(*host as usize)
    }
}

/// How many entries the ring has: enough that the lightest host gets a whole number of them.
fn scale(shares: &[f64], minimum: u64, maximum: u64) -> f64 {
    let lightest = shares.iter().copied().fold(1.0, f64::min);
    if shares.is_empty() || lightest == 0.0 {
        return 0.0;
    }
    ((lightest * minimum as f64).ceil() / lightest).min(maximum as f64)
}

fn entry_hash(text: &str, murmur: bool) -> u64 {
    if murmur { murmur::hash(text.as_bytes()) } else { xxh64(text.as_bytes(), 0) }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use crate::view::tests::hosts;
    use xxhash_rust::xxh64::xxh64;

    fn counts(ring: &Ring, hosts: usize) -> Vec<usize> {
        (0..hosts).map(|host| ring.entries.iter().filter(|(_, of)| *of as usize == host).count()).collect()
    }

    #[test]
    fn nobody_without_hosts() {
        assert_eq!(Ring::new(&[], 1024, 8 << 20, false, false).choose(1), None);
    }

    #[test]
    fn an_entry_owns_what_lies_before_it_and_the_end_wraps() {
        let ring = Ring::new(&hosts(&[1, 1, 1]), 12, 8 << 20, false, false);
        assert_eq!(ring.entries.len(), 12);
        for window in ring.entries.windows(2) {
            assert_eq!(ring.choose(window[0].0 + 1), Some(window[1].1 as usize));
            assert_eq!(ring.choose(window[1].0), Some(window[1].1 as usize));
        }
        let first = ring.entries[0].1 as usize;
        assert_eq!(ring.choose(u64::MAX), Some(first));
        assert_eq!(ring.choose(0), Some(first));
    }

    #[test]
    fn an_entry_lies_at_the_hash_of_address_and_number() {
        let ring = Ring::new(&hosts(&[1]), 2, 8 << 20, false, false);
        let mut expected = [xxh64(b"10.0.0.1:6379_0", 0), xxh64(b"10.0.0.1:6379_1", 0)];
        expected.sort_unstable();
        assert_eq!(ring.entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), expected);
        let murmur = Ring::new(&hosts(&[1]), 1, 8 << 20, true, false);
        assert_eq!(murmur.entries[0].0, crate::murmur::hash(b"10.0.0.1:6379_0"));
    }

    #[test]
    fn names_are_hashed_where_asked_for_and_known() {
        let mut named = hosts(&[1]);
        named[0].name = Some("redis-0".into());
        assert_eq!(Ring::new(&named, 1, 8, false, true).entries[0].0, xxh64(b"redis-0_0", 0));
        assert_eq!(Ring::new(&named, 1, 8, false, false).entries[0].0, xxh64(b"10.0.0.1:6379_0", 0));
        assert_eq!(Ring::new(&hosts(&[1]), 1, 8, false, true).entries[0].0, xxh64(b"10.0.0.1:6379_0", 0));
    }

    #[test]
    fn sizes_follow_weights_and_bounds() {
        // The example in Envoy's own source: four equal hosts, at most six entries.
        assert_eq!(counts(&Ring::new(&hosts(&[1, 1, 1, 1]), 1024, 6, false, false), 4), [2, 1, 2, 1]);
        // The lightest of 1/6, 2/6, 3/6 gets ceil(12/6) = 2.
        assert_eq!(counts(&Ring::new(&hosts(&[1, 2, 3]), 12, 8 << 20, false, false), 3), [2, 4, 6]);
        // More hosts than entries asked for: one each.
        assert_eq!(counts(&Ring::new(&hosts(&[1; 5]), 1, 8 << 20, false, false), 5), [1; 5]);
    }
}
