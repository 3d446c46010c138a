//! A Maglev table (`MAGLEV`), filled as Envoy 1.40 fills it
//! (<https://research.google/pubs/maglev-a-fast-and-reliable-software-network-load-balancer/>, section 3.4).
//!
//! Each host has its own order of all places of the table (`offset`, then steps of `skip`, modulo a prime). Hosts,
//! ordered by the text they are hashed by, take turns in claiming their next free place; a host lighter than the
//! heaviest sits out the turns that its weight does not pay for.

use crate::Host;
use crate::placement::{hash_key, shares};
use xxhash_rust::xxh64::xxh64;

/// A lookup table from hash to host.
#[derive(Clone, Debug)]
pub struct Maglev {
    /// The host at each place; empty without hosts.
    table: Box<[u32]>,
}

/// Marks a place that nobody has claimed yet.
const FREE: u32 = u32::MAX;

/// A host that fills the table.
struct Claimant {
    key: String,
    host: u32,
    share: f64,
    /// The share that its next claim asks for.
    due: f64,
    next: u64,
    skip: u64,
}

impl Maglev {
    /// Fills a table of `table` places (`table_size`, a prime). `by_hostname` hashes a host's name, where it has one,
    /// instead of its address.
    pub fn new(hosts: &[Host], table: u64, by_hostname: bool) -> Self {
        let size = table.max(1);
        let mut claimants = claimants(hosts, size, by_hostname);
        let heaviest = claimants.iter().map(|claimant| claimant.share).fold(0.0, f64::max);
        let mut places = vec![FREE; if hosts.is_empty() { 0 } else { size as usize }];
        let mut free = places.len();
        let mut turn = 1.0;
        while free > 0 {
            for claimant in claimants.iter_mut().filter(|claimant| turn * claimant.share >= claimant.due).take(free) {
                claimant.due += heaviest;
                claimant.claim(&mut places);
                free -= 1;
            }
            turn += 1.0;
        }
        Self { table: places.into() }
    }

    /// The place in the list of hosts that `hash` belongs to; nothing if there are no hosts.
    pub fn choose(&self, hash: u64) -> Option<usize> {
        let at = hash.checked_rem(self.table.len() as u64)?;
        self.table.get(at as usize).map(|host| *host as usize)
    }
}

fn claimants(hosts: &[Host], size: u64, by_hostname: bool) -> Vec<Claimant> {
    let with_share = hosts.iter().zip(shares(hosts)).zip(0..);
    let mut claimants: Vec<_> = with_share
        .map(|((host, share), index)| {
            let key = hash_key(host, by_hostname).into_owned();
            let next = xxh64(key.as_bytes(), 0) % size;
            let skip = xxh64(key.as_bytes(), 1).checked_rem(size - 1).map_or(0, |skip| skip + 1);
            Claimant { key, host: index, share, due: 0.0, next, skip }
        })
        .collect();
    claimants.sort_by(|a, b| a.key.cmp(&b.key));
    claimants
}

impl Claimant {
    /// Takes the next free place of its own order. The order meets every place because the size is a prime; were it
    /// none, the first free place is taken once the order comes round, so that this ends in any case.
    fn claim(&mut self, places: &mut [u32]) {
        for _ in 0..places.len() {
            let at = self.next as usize;
            self.next = (self.next + self.skip) % places.len() as u64;
            if places[at] == FREE {
                places[at] = self.host;
                return;
            }
        }
        if let Some(place) = places.iter_mut().find(|place| **place == FREE) {
            *place = self.host;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Maglev;
    use crate::view::tests::hosts;
    use xxhash_rust::xxh64::xxh64;

    fn counts(maglev: &Maglev, hosts: usize) -> Vec<usize> {
        (0..hosts).map(|host| maglev.table.iter().filter(|of| **of as usize == host).count()).collect()
    }

    #[test]
    fn nobody_without_hosts() {
        assert_eq!(Maglev::new(&[], 65_537, false).choose(1), None);
    }

    #[test]
    fn equal_hosts_share_equally() {
        let maglev = Maglev::new(&hosts(&[1, 1, 1]), 65_537, false);
        assert_eq!(counts(&maglev, 3), [21_846, 21_846, 21_845]);
        assert_eq!(maglev.choose(65_537 + 7), maglev.choose(7));
    }

    #[test]
    fn weights_are_kept() {
        let counts = counts(&Maglev::new(&hosts(&[1, 2, 3]), 601, false), 3);
        assert_eq!(counts.iter().sum::<usize>(), 601);
        for (count, expected) in counts.iter().zip([100, 200, 300]) {
            assert!(count.abs_diff(expected) <= 1, "{counts:?}");
        }
    }

    #[test]
    fn the_first_claim_is_the_offset() {
        let maglev = Maglev::new(&hosts(&[1, 1]), 65_537, false);
        let offset = xxh64(b"10.0.0.1:6379", 0) % 65_537;
        assert_eq!(maglev.table[offset as usize], 0);
        let mut named = hosts(&[1, 1]);
        named[0].name = Some("redis-0".into());
        named[1].name = Some("redis-1".into());
        let maglev = Maglev::new(&named, 65_537, true);
        assert_eq!(maglev.table[(xxh64(b"redis-0", 0) % 65_537) as usize], 0);
    }

    #[test]
    fn the_order_of_hosts_does_not_matter() {
        let forward = hosts(&[1, 1, 1, 1]);
        let backward: Vec<_> = forward.iter().rev().cloned().collect();
        let (a, b) = (Maglev::new(&forward, 251, false), Maglev::new(&backward, 251, false));
        for hash in 0..251 {
            assert_eq!(a.choose(hash), b.choose(hash).map(|host| 3 - host));
        }
    }

    #[test]
    fn a_size_that_is_no_prime_ends_too() {
        for size in [0, 1, 2, 4, 8, 64, 100] {
            assert!(Maglev::new(&hosts(&[1, 5, 2]), size, false).choose(3).is_some(), "{size}");
        }
    }
}
