//! A slot, and the slot of a key (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).

use crate::crc16;
use memchr::memchr;

/// One of the 16,384 parts of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many slots there are.
    pub const COUNT: usize = 16_384;

    /// The slot with this number, if there is one.
    pub fn new(number: u16) -> Option<Self> {
        (usize::from(number) < Self::COUNT).then_some(Self(number))
    }

    /// The slot that `key` lives in: the CRC16 of its [`tag`], modulo [`Slot::COUNT`].
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        // Nearly every key is without a brace, which costs less to find out on the way than ahead.
        let crc = crc16::unless(key, b'{').unwrap_or_else(|| crc16::crc16(tag(key)));
        Self(crc & (Self::COUNT as u16 - 1))
    }

    /// The slot with this number, if there is one: [`Slot::new`] for a number of any size.
    pub(crate) fn at(number: usize) -> Option<Self> {
        u16::try_from(number).ok().and_then(Self::new)
    }

    /// The number, below [`Slot::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The part of `key` that decides its slot: what lies between the first `{` and the first `}` after it, unless that
/// is nothing; else the whole key.
pub fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = find(b'{', key) else { return key };
    let inside = &key[open + 1..];
    match find(b'}', inside) {
        None | Some(0) => key,
        Some(close) => &inside[..close],
    }
}

/// Where `byte` first stands in `bytes`. Below 16 bytes a plain loop is faster than the start of a vector search.
fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    if bytes.len() < 16 { bytes.iter().position(|other| *other == byte) } else { memchr(byte, bytes) }
}

#[cfg(test)]
mod tests {
    use super::{Slot, tag};
    use proptest::prelude::*;

    fn slot(key: &str) -> usize {
        Slot::of(key.as_bytes()).index()
    }

    #[test]
    fn known_keys() {
        // As `CLUSTER KEYSLOT` of Redis 7.0.15 says.
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("bar"), 5_061);
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot(""), 0);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("{user1000}.following"), slot("user1000"));
    }

    #[test]
    fn the_first_and_the_last_slot_have_keys() {
        assert_eq!(slot("3560"), 0);
        assert_eq!(slot("39296"), 16_383);
    }

    #[test]
    fn tags() {
        for (key, expected) in [
            ("{a}b", "a"),
            ("foo{bar}{zap}", "bar"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("{}", "{}"),
            ("foo{bar", "foo{bar"),
            ("}foo{bar}", "bar"),
            ("foo}bar{", "foo}bar{"),
            ("", ""),
        ] {
            assert_eq!(tag(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }

    #[test]
    fn numbers_end_at_16383() {
        assert_eq!(Slot::new(16_383).map(Slot::index), Some(16_383));
        assert_eq!(Slot::new(16_384), None);
    }

    proptest! {
        #[test]
        fn whatever_surrounds_a_tag_does_not_matter(before in "[^{]{0,20}", name in "[^}]{1,20}", after in ".{0,20}") {
            let key = format!("{before}{{{name}}}{after}");
            prop_assert_eq!(tag(key.as_bytes()), name.as_bytes());
            prop_assert_eq!(Slot::of(key.as_bytes()), Slot::of(name.as_bytes()));
        }
    }
}
