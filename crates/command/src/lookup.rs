//! From a name to its row, once per request: no allocation, one cache line.
//!
//! The names are known when the program is compiled, so the hash table is built then, by open addressing in an array
//! that a third of fills. A name is at most `LONGEST` bytes and thus three machine words, which are hashed and compared
//! as such: a third of what a `phf` map costs (13 against 42 ns over six names of 3 to 13 bytes, one busy machine).

use crate::row::{Command, Id};
use crate::table::{ROWS, TABLE};

/// No command's name is longer, in bytes.
const LONGEST: usize = 24;

const BUCKETS: usize = 1024;

/// A name's bytes, padded with zeroes.
type Words = [u64; 3];

#[derive(Clone, Copy)]
struct Bucket {
    words: Words,
    /// The name's length; 0 in an empty bucket. Without it `get\0` would be `get`.
    len: u16,
    id: u16,
}

static INDEX: [Bucket; BUCKETS] = index();

/// The command of that name, in any mix of cases.
#[inline]
pub fn lookup(name: &[u8]) -> Option<Id> {
    find(words_of(name)?, name.len())
}

#[inline]
fn find(words: Words, len: usize) -> Option<Id> {
    let words = words.map(lower_case);
    let mut at = home(words);
    loop {
        let bucket = &INDEX[at % BUCKETS];
        if bucket.len == 0 {
            return None;
        }
        if bucket.words == words && usize::from(bucket.len) == len {
            return Some(Id(bucket.id));
        }
        at += 1;
    }
}

/// The command that was looked up last: a client mostly repeats itself, and then its name need not be hashed.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    words: Words,
    len: usize,
    id: Option<Id>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { words: [0; 3], len: usize::MAX, id: None }
    }
}

impl Recent {
    /// As [`lookup`].
    #[inline]
    pub fn lookup(&mut self, name: &[u8]) -> Option<Id> {
        let words = words_of(name)?;
        if name.len() != self.len || words != self.words {
            *self = Self { words, len: name.len(), id: find(words, name.len()) };
        }
        self.id
    }
}

/// The row of a command.
#[inline]
pub fn get(id: Id) -> &'static Command {
    &TABLE[id.index()]
}

/// The name as words, by overlapping reads: a copy of unknown length into a buffer that is then read as words would
/// wait for the store.
#[inline]
fn words_of(name: &[u8]) -> Option<Words> {
    let len = name.len();
    Some(match len {
        0..=3 => [name.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0, 0],
        4..=7 => [four(name) | u64::from(u32::from_le_bytes(*name.last_chunk()?)) << (8 * (len - 4)), 0, 0],
        8 => [eight(name), 0, 0],
        9..=16 => [eight(name), last(name) >> (8 * (16 - len)), 0],
        17..=LONGEST => [eight(name), eight(&name[8..]), last(name) >> (8 * (LONGEST - len))],
        _ => return None,
    })
}

#[inline]
fn four(name: &[u8]) -> u64 {
    name.first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

#[inline]
fn eight(name: &[u8]) -> u64 {
    name.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[inline]
fn last(name: &[u8]) -> u64 {
    name.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Eight bytes to ASCII lower case at once: bit 7 of each byte's lower seven bits plus a constant tells whether it is at
/// least `A`, and whether it is past `Z`; the bit between a capital and its small letter is two below.
const fn lower_case(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * EACH);
    let from_a = low + (0x80 - b'A' as u64) * EACH;
    let past_z = low + (0x7f - b'Z' as u64) * EACH;
    word | ((from_a ^ past_z) & !word & (0x80 * EACH)) >> 2
}

const fn home(words: Words) -> usize {
    let mixed = words[0] ^ words[1].rotate_left(23) ^ words[2].rotate_left(46);
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize
}

const fn index() -> [Bucket; BUCKETS] {
    let mut buckets = [Bucket { words: [0; 3], len: 0, id: 0 }; BUCKETS];
    let mut id = 0;
    while id < ROWS.len() {
        let name = ROWS[id].name.as_bytes();
        let mut words = [0; 3];
        let mut i = 0;
        while i < name.len() {
            words[i / 8] |= (name[i] as u64) << (8 * (i % 8));
            i += 1;
        }
        let mut at = home(words);
        while buckets[at % BUCKETS].len != 0 {
            at += 1;
        }
        buckets[at % BUCKETS] = Bucket { words, len: name.len() as u16, id: id as u16 };
        id += 1;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (i, command) in TABLE.iter().enumerate() {
            let id = Some(Id(i as u16));
            let mixed: String =
                command.name.char_indices().map(|(i, c)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
            assert_eq!(lookup(command.name.as_bytes()), id, "{}", command.name);
            assert_eq!(lookup(command.name.to_uppercase().as_bytes()), id, "{}", command.name);
            assert_eq!(lookup(mixed.as_bytes()), id, "{mixed}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_found() {
        let long = "x".repeat(1000);
        let padded = "get".to_owned() + &"\0".repeat(LONGEST - 3);
        for name in ["", "ge", "gett", " get", "get ", "get\0", "\0", "g\u{e9}t", &long, &long[..24], &padded, "@"] {
            assert_eq!(lookup(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_every_name_is_lower_case() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
        assert!(TABLE.iter().all(|c| c.name == c.name.to_ascii_lowercase()));
    }

    #[test]
    fn the_last_name_is_not_taken_for_another() {
        let mut recent = Recent::default();
        for name in ["", "get", "get", "GET", "set", "set\0", "nosuch", "nosuch", "mget", "", "get", "zrangestore"] {
            assert_eq!(recent.lookup(name.as_bytes()), lookup(name.as_bytes()), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn lookup_answers_as_a_search_does(name in "[a-zA-Z._|-]{0,26}") {
            let lower = name.to_ascii_lowercase();
            let found = TABLE.iter().position(|c| c.name == lower).map(|i| Id(i as u16));
            prop_assert_eq!(lookup(name.as_bytes()), found);
        }

        #[test]
        fn lookup_takes_any_bytes(name in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(id) = lookup(&name) {
                prop_assert!(get(id).name.as_bytes().eq_ignore_ascii_case(&name));
            }
        }
    }
}
