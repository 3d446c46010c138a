//! Clients in closed loops, each reply checked, and one that is idle.

use crate::scripted::PATIENT;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use testkit::{Client, Reply, wait};

/// Clients at the same time.
const CLIENTS: usize = 20;
/// Between two requests of a client: many clients, not a measurement.
const PACE: Duration = Duration::from_millis(1);
/// Keys of a client.
const KEYS: u64 = 10;

#[derive(Debug, Default)]
struct Tally {
    stop: AtomicBool,
    requests: AtomicUsize,
    cut: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

/// Running clients.
pub struct Traffic {
    tally: Arc<Tally>,
    loops: Vec<JoinHandle<()>>,
    idle: Client,
    port: u16,
}

impl Traffic {
    /// Clients of a listener; `prefix` begins their keys.
    pub fn start(port: u16, prefix: &str) -> Self {
        let tally = Arc::<Tally>::default();
        let each = |number: usize| {
            let (tally, prefix) = (Arc::clone(&tally), format!("{prefix}:{number}"));
            thread::spawn(move || tally.play(port, &prefix))
        };
        let loops = (0..CLIENTS).map(each).collect();
        let idle = crate::driven::client(port, &format!("{prefix}:idle"));
        let traffic = Self { tally, loops, idle, port };
        traffic.go_on();
        traffic
    }

    /// Waits until every client has had some more replies, on the average.
    pub fn go_on(&self) {
        let enough = self.requests() + CLIENTS * 4 * KEYS as usize;
        wait::until_true("the clients go on", PATIENT, || Ok(self.requests() >= enough))
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.tally));
    }

    pub fn requests(&self) -> usize {
        self.tally.requests.load(Ordering::Relaxed)
    }

    /// How often a client in a loop lost its connection.
    pub fn cut(&self) -> usize {
        self.tally.cut.load(Ordering::Relaxed)
    }

    /// Replies that were not those of the request.
    pub fn wrong(&self) -> Vec<String> {
        self.tally.wrong.lock().unwrap().clone()
    }

    /// Ends the clients. Whether the idle one is still served on the connection that it had.
    pub fn end(mut self) -> bool {
        self.tally.stop.store(true, Ordering::Relaxed);
        self.loops.drain(..).for_each(|client| client.join().unwrap());
        assert_ne!(self.port, 0);
        self.idle.ask("PING").is_ok_and(|reply| reply == Reply::simple("PONG"))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.tally.stop.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    fn play(&self, port: u16, prefix: &str) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(mut client) = Client::connect(("127.0.0.1", port)) else {
                thread::sleep(PACE);
                continue;
            };
            while !self.stop.load(Ordering::Relaxed) {
                if self.turn(&mut client, prefix, number).is_err() {
                    self.cut.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                number += 1;
                thread::sleep(PACE);
            }
        }
    }

    /// A write and a read of one key. Replicas may be behind: an older value of the same key is right as well, and none in
    /// the beginning.
    fn turn(&self, client: &mut Client, prefix: &str, number: u64) -> testkit::Result<()> {
        let key = format!("{prefix}:{}", number % KEYS);
        let written = client.call(&["SET", &key, &format!("{key}={number}")])?;
        if written != Reply::ok() {
            self.note(format!("SET {key}: {written:?}"));
        }
        let read = client.call(&["GET", &key])?;
        let text = read.text();
        let value = text.strip_prefix(&format!("{key}=")).and_then(|value| value.parse::<u64>().ok());
        let is_new = read == Reply::NilBulk && number < 5 * KEYS;
        if !is_new && value.is_none_or(|value| value > number || value % KEYS != number % KEYS) {
            self.note(format!("GET {key} after {number}: {read:?}"));
        }
        self.requests.fetch_add(2, Ordering::Relaxed);
        Ok(())
    }

    fn note(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }
}
