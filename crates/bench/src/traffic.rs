//! The requests of a workload.

use crate::Result;
use crate::keys::Keys;
use crate::load::requests::Requests;
use crate::workload::{Action, MANY, Scope};

/// Keys of each shard, by the size of a value: all values together stay small beside a machine's memory.
const fn keys_each(value: usize) -> usize {
    match value {
        0..=255 => 1000,
        256..=4095 => 300,
        4096..=65_535 => 100,
        _ => 8,
    }
}

/// The keys for values of so many bytes.
pub fn keys(value: usize) -> Keys {
    Keys::new(&format!("v{value}"), keys_each(value))
}

/// The name of a key inside the slot of `key`.
fn in_slot_of(key: &str, index: usize) -> String {
    format!("{{{key}}}:{index}")
}

/// A value of so many bytes. Not all the same byte, as nothing on the way should find it easy.
pub fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| b'a' + (i % 23) as u8).collect()
}

/// Every pair that reads of `value` bytes expect: single keys, then those that share a slot.
pub fn every_key(value: usize) -> Vec<String> {
    let single = keys(value).all();
    let tags = if value <= 64 { single.clone() } else { Vec::new() };
    let together = tags.iter().flat_map(|tag| (0..MANY).map(move |index| in_slot_of(tag, index)));
    single.iter().cloned().chain(together).collect()
}

/// The requests of `action` with values of `bytes` bytes, for batches of up to `batch`. With `only`, all keys are those
/// of one shard: for those who can reach only one.
///
/// # Errors
/// None that can happen: there are always keys.
pub fn requests(action: Action, bytes: usize, batch: usize, only: Option<usize>) -> Result<Requests> {
    let keys = keys(bytes);
    let keys = only.map_or_else(|| keys.all(), |shard| keys.of(shard));
    let lists: Vec<Vec<String>> = match action {
        Action::Get | Action::Set | Action::Mixed => keys.iter().map(|key| vec![key.clone()]).collect(),
        Action::Mget(Scope::SameSlot) | Action::Mset(Scope::SameSlot) => {
            keys.iter().map(|key| (0..MANY).map(|index| in_slot_of(key, index)).collect()).collect()
        }
        Action::Mget(Scope::Spread) | Action::Mset(Scope::Spread) => {
            keys.chunks_exact(MANY).map(<[_]>::to_vec).collect()
        }
    };
    let value = value(bytes);
    let commands: Vec<Vec<&[u8]>> =
        lists.iter().enumerate().map(|(i, keys)| command(action, i, keys, &value)).collect();
    Requests::new(&commands, batch)
}

/// The words of the request `index`.
fn command<'a>(action: Action, index: usize, keys: &'a [String], value: &'a [u8]) -> Vec<&'a [u8]> {
    let name: &[u8] = match action {
        Action::Get => b"GET",
        Action::Set => b"SET",
        Action::Mixed if index % 4 == 3 => b"SET",
        Action::Mixed => b"GET",
        Action::Mget(_) => b"MGET",
        Action::Mset(_) => b"MSET",
    };
    let writes = matches!(name, b"SET" | b"MSET");
    let mut words = vec![name];
    for key in keys {
        words.push(key.as_bytes());
        words.extend(writes.then_some(value));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(action: Action, count: usize, only: Option<usize>) -> String {
        let requests = requests(action, 64, count, only).unwrap();
        String::from_utf8_lossy(requests.bytes(requests.batch(0, count))).into_owned()
    }

    #[test]
    fn a_mixture_has_one_write_in_four() {
        let text = text(Action::Mixed, 8, None);
        assert_eq!((text.matches("GET").count(), text.matches("SET").count()), (6, 2));
        assert_eq!(text.matches("$64\r\n").count(), 2);
    }

    #[test]
    fn many_keys_are_ten_with_values_where_they_are_written() {
        let spread = text(Action::Mget(Scope::Spread), 1, None);
        assert!(spread.starts_with("*11\r\n$4\r\nMGET\r\n") && !spread.contains('{'));
        let same = text(Action::Mset(Scope::SameSlot), 1, None);
        assert!(same.starts_with("*21\r\n$4\r\nMSET\r\n"));
        assert_eq!((same.matches('{').count(), same.matches("$64\r\n").count()), (MANY, MANY));
    }

    #[test]
    fn what_is_read_is_among_what_was_written() {
        let written = every_key(64);
        let read = text(Action::Mget(Scope::SameSlot), 1, Some(1));
        let key = read.split("\r\n").find(|word| word.starts_with('{')).unwrap();
        assert!(written.iter().any(|one| one == key), "{key}");
        assert_eq!(value(100).len(), 100);
    }
}
