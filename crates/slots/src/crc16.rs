//! CRC16 as Redis Cluster uses it: XMODEM (polynomial 0x1021, start 0, no reflection)
//! (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>, appendix A).
//!
//! One table step a byte makes each byte wait for the one before. Eight tables take eight bytes in one step whose
//! look-ups are independent, four of them four; what is left goes byte by byte through the first table alone. Measured
//! against one table: 64 bytes in 22 ns instead of 137, 7 bytes in 5 instead of 8.

/// The CRC of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    let (blocks, tail) = bytes.as_chunks::<8>();
    let crc = blocks.iter().fold(0, eight);
    let (half, tail) = tail.as_chunks::<4>();
    let crc = half.iter().fold(crc, four);
    tail.iter().fold(crc, |crc, byte| (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)])
}

/// The CRC of `bytes`; nothing, if `byte` is among them.
#[inline]
pub(crate) fn unless(bytes: &[u8], byte: u8) -> Option<u16> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let pattern = EACH * u64::from(byte);
    let (blocks, tail) = bytes.as_chunks::<8>();
    let (mut crc, mut seen) = (0, 0);
    for block in blocks {
        // Bit 7 of a byte of `zero` is set where a byte of `other` is zero (and, only above such a one, where it is one).
        let other = u64::from_le_bytes(*block) ^ pattern;
        seen |= other.wrapping_sub(EACH) & !other & (EACH << 7);
        crc = eight(crc, block);
    }
    let (half, tail) = tail.as_chunks::<4>();
    for half in half {
        let other = u32::from_le_bytes(*half) ^ pattern as u32;
        seen |= u64::from(other.wrapping_sub(EACH as u32) & !other & (EACH << 7) as u32);
        crc = four(crc, half);
    }
    for other in tail {
        seen |= u64::from(*other == byte);
        crc = (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ other)];
    }
    (seen == 0).then_some(crc)
}

/// One step over eight bytes: a byte's table depends on how many bytes follow it.
#[inline]
fn eight(crc: u16, block: &[u8; 8]) -> u16 {
    let [high, low] = crc.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = *block;
    TABLES[7][usize::from(a ^ high)]
        ^ TABLES[6][usize::from(b ^ low)]
        ^ TABLES[5][usize::from(c)]
        ^ TABLES[4][usize::from(d)]
        ^ TABLES[3][usize::from(e)]
        ^ TABLES[2][usize::from(f)]
        ^ TABLES[1][usize::from(g)]
        ^ TABLES[0][usize::from(h)]
}

/// The same over four.
#[inline]
fn four(crc: u16, half: &[u8; 4]) -> u16 {
    let [high, low] = crc.to_be_bytes();
    let [a, b, c, d] = *half;
    TABLES[3][usize::from(a ^ high)]
        ^ TABLES[2][usize::from(b ^ low)]
        ^ TABLES[1][usize::from(c)]
        ^ TABLES[0][usize::from(d)]
}

/// `TABLES[n][byte]` is the CRC of `byte` followed by `n` zero bytes: 4 KiB in all.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before << 8) ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::{crc16, unless};
    use proptest::prelude::*;

    /// The definition, bit by bit.
    fn bitwise(bytes: &[u8]) -> u16 {
        let mut crc = 0u16;
        for byte in bytes {
            crc ^= u16::from(*byte) << 8;
            for _ in 0..8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            }
        }
        crc
    }

    #[test]
    fn the_check_value_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(crc16(&bytes), bitwise(&bytes));
            prop_assert_eq!(unless(&bytes, b'{'), (!bytes.contains(&b'{')).then(|| bitwise(&bytes)));
        }

        #[test]
        fn one_byte_is_seen_wherever_it_is(mut bytes in proptest::collection::vec(any::<u8>(), 1..40), at: usize) {
            let at = at % bytes.len();
            bytes[at] = b'{';
            prop_assert_eq!(unless(&bytes, b'{'), None);
        }
    }
}
