//! MurmurHash2, 64 bits, as libstdc++'s `std::hash` computes it on 64-bit machines: what Envoy hashes a Redis key
//! with where the cluster is not a Redis Cluster, and its ring entries under `hash_function: MURMUR_HASH_2`.

/// libstdc++'s seed.
const SEED: u64 = 0xc70f_6907;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;

/// The hash of `bytes`.
pub fn hash(bytes: &[u8]) -> u64 {
    let start = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (blocks, tail) = bytes.as_chunks::<8>();
    let mut hash = blocks.iter().fold(start, |hash, block| {
        let word = u64::from_le_bytes(*block).wrapping_mul(MULTIPLIER);
        (hash ^ fold(word).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER)
    });
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    fold(fold(hash).wrapping_mul(MULTIPLIER))
}

/// Brings the high bits down.
fn fold(word: u64) -> u64 {
    word ^ (word >> 47)
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn as_libstdcxx_hashes() {
        // `std::hash<std::string_view>` of g++ 12 on x86-64.
        for (bytes, expected) in [
            (&b""[..], 0x553e_9390_1e46_2a6e),
            (b"a", 0x454d_dee4_88c1_ed6b),
            (b"foo", 0x85a8_e535_edf1_1e5a),
            (b"1234567", 0x6d7a_4e79_e8a2_cbf6),
            (b"12345678", 0x8c5b_90a3_3a04_dca5),
            (b"123456789", 0xaaeb_28d3_d5f1_65c0),
            (b"127.0.0.1:6379_0", 0x0067_82c8_40b0_ea5c),
            (b"{user1000}.following", 0x9f19_c972_d202_e649),
            (b"\xff\x80\x00\x01", 0xb455_398f_32bf_1af9),
        ] {
            assert_eq!(hash(bytes), expected, "{bytes:?}");
        }
    }
}
