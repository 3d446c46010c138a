//! From a name to its row, once per request: no allocation, one cache line.
//!
//! The names are known when the program is compiled, so the hash table is built then, by open addressing in an array
//! that a third of fills. A name is at most [`LONGEST`] bytes and thus three machine words, which are hashed and compared
//! as such.

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
    let mut padded = [0; LONGEST];
    padded.get_mut(..name.len())?.copy_from_slice(name);
    padded.make_ascii_lowercase();
    let words = words(&padded);
    let mut at = home(words);
    loop {
        let bucket = &INDEX[at % BUCKETS];
        if bucket.len == 0 {
            return None;
        }
        if bucket.words == words && usize::from(bucket.len) == name.len() {
            return Some(Id(bucket.id));
        }
        at += 1;
    }
}

/// The row of a command.
#[inline]
pub fn get(id: Id) -> &'static Command {
    &TABLE[id.index()]
}

const fn words(name: &[u8; LONGEST]) -> Words {
    let mut words = [0; 3];
    let mut i = LONGEST;
    while i > 0 {
        i -= 1;
        words[i / 8] = words[i / 8] << 8 | name[i] as u64;
    }
    words
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
        let mut padded = [0; LONGEST];
        let mut i = 0;
        while i < name.len() {
            padded[i] = name[i];
            i += 1;
        }
        let words = words(&padded);
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
