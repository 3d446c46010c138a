//! What a node answers: a handful of commands over an in-memory key space.
//!
//! A *mark* is a word with a `#` in it: a client puts one into each write, never the same twice, so that the world sees
//! whether a write was carried out twice.

use super::random::Dice;
use super::redis::{Redis, Ruling};

/// One request as a node sees it.
pub struct Asked<'a> {
    pub words: &'a [Vec<u8>],
    pub readonly: bool,
    pub asking: bool,
}

impl Redis {
    /// Carries a request out at `node`, or turns it away.
    pub fn execute(&mut self, node: usize, asked: &Asked<'_>, out: &mut Vec<u8>) {
        let words = asked.words;
        let name = String::from_utf8_lossy(&words[0]).to_ascii_lowercase();
        let (keys, write) = keys_of(&name, words);
        assert!(!(write && asked.readonly), "a write on a connection for reads: {}", show(words));
        if let Ruling::Refuse(text) = self.rule(node, &keys, write, asked.readonly, asked.asking) {
            return resp::write::error(out, text.as_bytes());
        }
        if write {
            self.mark(words);
            keys.iter().for_each(|key| self.wrote(node, key));
        }
        match name.as_str() {
            "get" | "set" | "mget" | "mset" | "del" | "unlink" | "exists" | "touch" | "incr" | "rename" | "append" => {
                self.data(node, &name, words, out);
            }
            _ => self.keyless(node, &name, words, out),
        }
    }

    fn mark(&mut self, words: &[Vec<u8>]) {
        for word in words.iter().filter(|word| word.contains(&b'#')) {
            *self.executed.entry(String::from_utf8_lossy(word).into_owned()).or_default() += 1;
        }
    }

    fn data(&mut self, node: usize, name: &str, words: &[Vec<u8>], out: &mut Vec<u8>) {
        let store = self.store(node);
        let bulk = |out: &mut Vec<u8>, value: Option<&Vec<u8>>| match value {
            Some(value) => resp::write::bulk(out, value),
            None => resp::write::null(out),
        };
        match name {
            "get" => bulk(out, store.get(&words[1])),
            "set" => {
                store.insert(words[1].clone(), words[2].clone());
                resp::write::simple(out, "OK");
            }
            "mget" => {
                resp::write::array(out, words.len() - 1);
                words[1..].iter().for_each(|key| bulk(out, store.get(key)));
            }
            "mset" => {
                words[1..].chunks(2).for_each(|pair| drop(store.insert(pair[0].clone(), pair[1].clone())));
                resp::write::simple(out, "OK");
            }
            "del" | "unlink" => {
                let count = words[1..].iter().filter(|key| store.remove(*key).is_some()).count();
                resp::write::integer(out, count as i64);
            }
            "exists" | "touch" => {
                let count = words[1..].iter().filter(|key| store.contains_key(*key)).count();
                resp::write::integer(out, count as i64);
            }
            "incr" => {
                let old = store.get(&words[1]).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                let new = old.unwrap_or(0i64) + 1;
                store.insert(words[1].clone(), new.to_string().into_bytes());
                resp::write::integer(out, new);
            }
            "append" => {
                let value = store.entry(words[1].clone()).or_default();
                value.extend_from_slice(&words[2]);
                resp::write::integer(out, value.len() as i64);
            }
            _ => match store.remove(&words[1]) {
                Some(value) => {
                    store.insert(words[2].clone(), value);
                    resp::write::simple(out, "OK");
                }
                None => resp::write::error(out, b"ERR no such key"),
            },
        }
    }

    fn keyless(&mut self, node: usize, name: &str, words: &[Vec<u8>], out: &mut Vec<u8>) {
        match name {
            "keys" => {
                let start = words[1].strip_suffix(b"*").unwrap_or(&words[1]).to_vec();
                let keys: Vec<_> = self.keys_of(node).into_iter().filter(|key| key.starts_with(&start)).collect();
                resp::write::array(out, keys.len());
                keys.iter().for_each(|key| resp::write::bulk(out, key));
            }
            "scan" => self.scan(node, words, out),
            "flushall" => {
                for key in self.keys_of(node) {
                    self.store(node).remove(&key);
                }
                resp::write::simple(out, "OK");
            }
            "config" => {
                resp::write::array(out, 2);
                resp::write::bulk(out, &words[2]);
                resp::write::bulk(out, b"100");
            }
            "info" => {
                let keys = self.keys_of(node).len();
                let text = format!("# Stats\r\ntotal_commands_processed:{}\r\n", keys + 1);
                resp::write::bulk(out, text.as_bytes());
            }
            "role" => {
                resp::write::array(out, 1);
                resp::write::bulk(out, node.to_string().as_bytes());
            }
            "eval" => resp::write::integer(out, 7),
            "publish" | "slowlog" => resp::write::integer(out, 1),
            "script" => resp::write::simple(out, "OK"),
            "randomkey" | "cluster" => resp::write::null(out),
            _ => resp::write::error(out, format!("ERR unknown command '{name}'").as_bytes()),
        }
    }

    /// Three keys at a time, in an order that is this node's alone. The cursor is a place in that order: what is written
    /// and deleted meanwhile moves no other key.
    fn scan(&mut self, node: usize, words: &[Vec<u8>], out: &mut Vec<u8>) {
        let from: u64 = String::from_utf8_lossy(&words[1]).parse().unwrap();
        let mut keys: Vec<(u64, Vec<u8>)> =
            self.keys_of(node).into_iter().map(|key| (place(node, &key), key)).filter(|(at, _)| *at >= from).collect();
        keys.sort_unstable();
        let next = keys.get(3).map_or(0, |(at, _)| *at);
        keys.truncate(3);
        resp::write::array(out, 2);
        resp::write::bulk(out, next.to_string().as_bytes());
        resp::write::array(out, keys.len());
        keys.iter().for_each(|(_, key)| resp::write::bulk(out, key));
    }
}

/// Where a key stands in a node's table: a number of 32 bits that both decide, never 0.
fn place(node: usize, key: &[u8]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let hash = [node as u8].iter().chain(key).copied().fold(0xCBF2_9CE4_8422_2325, step);
    Dice::new(hash).below(1 << 32).max(1)
}

/// The keys of a request, and whether it is a write. Independent of the table that the engine uses.
fn keys_of<'a>(name: &str, words: &'a [Vec<u8>]) -> (Vec<&'a [u8]>, bool) {
    let slice = |step: usize| words[1..].iter().step_by(step).map(Vec::as_slice).collect();
    match name {
        "get" => (vec![&words[1]], false),
        "mget" | "exists" => (slice(1), false),
        "set" | "incr" | "append" => (vec![&words[1]], true),
        "del" | "unlink" | "touch" | "rename" => (slice(1), true),
        "mset" => (slice(2), true),
        "flushall" | "eval" | "script" | "publish" => (Vec::new(), true),
        "config" | "slowlog" => (Vec::new(), !words[1].eq_ignore_ascii_case(b"get")),
        _ => (Vec::new(), false),
    }
}

pub fn show(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
}
