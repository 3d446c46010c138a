//! Clients that write and read without a break, each its own keys, and know what every reply must be.

use super::*;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use testkit::Client;

/// Commands sent at once.
const BATCH: usize = 8;
/// Keys of one client: those with the tag, and others anywhere.
const TAGGED: u64 = 8;
const ELSEWHERE: u64 = 8;

/// What a value that was read is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// With what this client wrote last. An error reply is wrong, too.
    Exact,
    /// With what this client ever wrote to that very key: a failover may lose the last writes, and errors are allowed.
    Ever,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    pub replies: u64,
    pub errors: Vec<(Instant, String)>,
    pub wrong: Vec<String>,
}

/// Running clients.
pub struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// `clients` threads, each with one connection; half of the keys have the tag `{tag}`.
    pub fn start(proxy: &Proxy, clients: u64, tag: &str, memory: Memory) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let start = |id| {
            let (stop, rounds, tag, address) =
                (Arc::clone(&stop), Arc::clone(&rounds), tag.to_owned(), proxy.address());
            std::thread::spawn(move || run(id, address, &tag, memory, &stop, &rounds))
        };
        let clients = (0..clients).map(start).collect();
        Self { stop, rounds, clients }
    }

    /// Waits until every client has had several more batches answered.
    pub fn wait_for_rounds(&self, count: u64) {
        let goal = self.rounds.load(Ordering::SeqCst) + count * self.clients.len() as u64;
        let enough = || Ok(self.rounds.load(Ordering::SeqCst) >= goal);
        wait::until_true("the clients go on", Duration::from_secs(30), enough).unwrap();
    }

    /// Ends the clients and adds up what they saw.
    pub fn end(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        let mut sum = Tally::default();
        for client in self.clients {
            let tally = client.join().unwrap();
            sum.replies += tally.replies;
            sum.errors.extend(tally.errors);
            sum.wrong.extend(tally.wrong);
        }
        sum
    }
}

struct Writer {
    id: u64,
    tag: String,
    memory: Memory,
    random: u64,
    written: u64,
    /// What each key holds, if it is known.
    held: HashMap<String, Option<String>>,
    tally: Tally,
}

fn run(id: u64, address: SocketAddr, tag: &str, memory: Memory, stop: &AtomicBool, rounds: &AtomicU64) -> Tally {
    let mut writer = Writer {
        id,
        tag: tag.to_owned(),
        memory,
        random: id + 1,
        written: 0,
        held: HashMap::new(),
        tally: Tally::default(),
    };
    let mut client = Client::connect(address).unwrap();
    while !stop.load(Ordering::SeqCst) {
        let batch = writer.batch();
        match client.pipeline(&batch) {
            Ok(replies) => batch.iter().zip(&replies).for_each(|(command, reply)| writer.check(command, reply)),
            Err(error) => {
                writer.tally.wrong.push(format!("client {id}: {error}: {batch:?}"));
                break;
            }
        }
        rounds.fetch_add(1, Ordering::SeqCst);
    }
    writer.tally.wrong.truncate(10);
    writer.tally
}

impl Writer {
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn key(&mut self) -> String {
        match self.draw(TAGGED + ELSEWHERE) {
            n if n < TAGGED => format!("{{{}}}:{}:{n}", self.tag, self.id),
            n => format!("{}:{}:{n}", self.tag, self.id),
        }
    }

    /// Seven commands of one key each and one of several, which no other of the batch touches: the first request that
    /// meets a slot on its way is divided after those behind it have left.
    fn batch(&mut self) -> Vec<Vec<String>> {
        let several: Vec<String> = (0..3).map(|_| self.key()).collect();
        let name = if self.draw(3) == 0 { "DEL" } else { "MGET" };
        let mut batch: Vec<Vec<String>> = (1..BATCH).map(|_| self.single(&several)).collect();
        let place = self.draw(BATCH as u64) as usize;
        batch.insert(place, std::iter::once(name.to_owned()).chain(several).collect());
        batch
    }

    fn single(&mut self, apart: &[String]) -> Vec<String> {
        let mut key = self.key();
        while apart.contains(&key) {
            key = self.key();
        }
        match self.draw(10) {
            0..=4 => {
                self.written += 1;
                let value = format!("{key}={}", self.written);
                vec!["SET".into(), key, value]
            }
            5..=8 => vec!["GET".into(), key],
            _ => vec!["DEL".into(), key],
        }
    }

    /// Compares a reply with what is known, and learns from it.
    fn check(&mut self, command: &[String], reply: &Reply) {
        self.tally.replies += 1;
        let keys = &command[1..];
        match (command[0].as_str(), reply) {
            (_, Reply::Error(text)) => {
                if self.memory == Memory::Exact {
                    self.tally.wrong.push(format!("{command:?}: {text}"));
                }
                self.tally.errors.push((Instant::now(), text.clone()));
            }
            ("SET", reply) if *reply == Reply::ok() => drop(self.held.insert(keys[0].clone(), Some(keys[1].clone()))),
            ("GET", value) => self.check_value(&keys[0], value),
            ("MGET", Reply::Array(values)) if values.len() == keys.len() => {
                for (key, value) in keys.iter().zip(values) {
                    self.check_value(key, value);
                }
            }
            ("DEL", Reply::Int(count)) => {
                let held: BTreeSet<&String> =
                    keys.iter().filter(|key| self.held.get(*key).is_some_and(Option::is_some)).collect();
                if self.memory == Memory::Exact && *count != held.len() as i64 {
                    self.tally.wrong.push(format!("{command:?}: {count}, there were {held:?}"));
                }
                self.held.extend(keys.iter().map(|key| (key.clone(), None)));
            }
            _ => self.tally.wrong.push(format!("{command:?}: {reply:?}")),
        }
    }

    fn check_value(&mut self, key: &str, reply: &Reply) {
        let value = match reply {
            Reply::NilBulk => None,
            Reply::Bulk(value) => Some(String::from_utf8_lossy(value).into_owned()),
            Reply::Error(text) if self.memory == Memory::Ever => {
                return self.tally.errors.push((Instant::now(), text.clone()));
            }
            other => return self.tally.wrong.push(format!("{key}: {other:?}")),
        };
        let own = value.as_ref().is_none_or(|value| value.split('=').next() == Some(key));
        let held = self.held.get(key).cloned().flatten();
        if !own || (self.memory == Memory::Exact && value != held) {
            self.tally.wrong.push(format!("{key}: {value:?} instead of {held:?}"));
        }
    }
}
