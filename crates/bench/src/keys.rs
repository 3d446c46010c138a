//! Keys whose owner all contenders agree about.
//!
//! twemproxy knows no cluster: it spreads keys by a hash modulo the number of its servers. To give it the same keys on
//! the same cluster as everybody else, only keys are used for which its choice and the cluster's are the same primary
//! (one in three). Everybody gets the same keys, so nobody gains from the choice.

/// Shards in the cluster of a measurement.
pub const SHARDS: usize = 3;

/// Keys of each shard, the same number everywhere.
#[derive(Clone, Debug)]
pub struct Keys {
    shards: [Vec<String>; SHARDS],
}

impl Keys {
    /// `each` keys for every shard, beginning with `prefix`; all keys have the same length.
    pub fn new(prefix: &str, each: usize) -> Self {
        let mut shards: [Vec<String>; SHARDS] = Default::default();
        for number in 0u64.. {
            let key = format!("{prefix}:{number:07}");
            if let Some(shard) = agreed_owner(key.as_bytes())
                && shards[shard].len() < each
            {
                shards[shard].push(key);
            }
            if shards.iter().all(|keys| keys.len() == each) {
                break;
            }
        }
        Self { shards }
    }

    /// The keys of one shard, in mixed order.
    pub fn of(&self, shard: usize) -> Vec<String> {
        shuffled(self.shards[shard].clone())
    }

    /// The keys of all shards, in mixed order.
    pub fn all(&self) -> Vec<String> {
        shuffled(self.shards.concat())
    }
}

/// The shard that the cluster and twemproxy agree about.
fn agreed_owner(key: &[u8]) -> Option<usize> {
    let hash = crc16_unmasked(key);
    let owner = owner_of(hash as u16 & 16_383)?;
    (hash as usize % SHARDS == owner).then_some(owner)
}

/// As `redis-cli --cluster create` cuts the slots for three primaries; the slots at the cuts are left out, as other
/// ways to create a cluster round them differently.
fn owner_of(slot: u16) -> Option<usize> {
    match slot {
        0..=5459 => Some(0),
        5462..=10_920 => Some(1),
        10_924..=16_383 => Some(2),
        _ => None,
    }
}

/// CRC16 (XMODEM) as twemproxy computes it (`hash: crc16`): in a 32-bit register whose upper half is never cleared, so
/// that the lower 16 bits are the cluster's CRC and the number as a whole is twemproxy's hash.
fn crc16_unmasked(key: &[u8]) -> u32 {
    key.iter().fold(0, |crc: u32, byte| (crc << 8) ^ u32::from(table_entry((crc >> 8) as u8 ^ byte)))
}

fn table_entry(index: u8) -> u16 {
    let shift = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    (0..8).fold(u16::from(index) << 8, |crc, _| shift(crc))
}

/// A fixed mixture: neighbours in a batch go to different shards, and every run has the same order.
fn shuffled(mut keys: Vec<String>) -> Vec<String> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for i in (1..keys.len()).rev() {
        // Knuth's constants; the upper bits are the better ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        keys.swap(i, (state >> 33) as usize % (i + 1));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16_unmasked(b"123456789") as u16, 0x31C3);
        assert_eq!(crc16_unmasked(b"foo") as u16 & 16_383, 12_182);
        assert_eq!(crc16_unmasked(b"bar") as u16 & 16_383, 5061);
    }

    #[test]
    fn every_shard_has_as_many_distinct_keys_of_one_length() {
        let keys = Keys::new("k", 20);
        let mut all = keys.all();
        assert_eq!(all.len(), 60);
        assert!(all.iter().all(|key| key.len() == all[0].len()));
        assert_ne!(all, keys.shards.concat(), "mixed");
        for shard in 0..SHARDS {
            assert!(keys.of(shard).iter().all(|key| agreed_owner(key.as_bytes()) == Some(shard)));
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 60);
    }
}
