//! Clients that write and read without a pause while something is changed around them: is one of them cut?

use super::ground::Ground;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;
use testkit::{Client, Reply};

/// How many work; one more is connected and idle.
pub const CLIENTS: usize = 20;
/// How long a client waits between two requests: twenty of them ask for some thousand a second.
const PAUSE: Duration = Duration::from_millis(2);

/// What became of all clients.
#[derive(Debug, Default)]
pub struct Tally {
    stop: AtomicBool,
    requests: AtomicU64,
    wrong: AtomicU64,
    cut: AtomicU64,
}

impl Tally {
    /// Starts the clients, which are where the client is.
    pub fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, ground: &'scope Ground) {
        let address = ground.service();
        for number in 0..CLIENTS {
            scope.spawn(move || ground.enter_pod().is_ok().then(|| self.work(address, number)));
        }
        scope.spawn(move || ground.enter_pod().is_ok().then(|| self.idle(address)));
    }

    /// Lets all clients end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Requests answered, of these wrongly, and connections lost.
    pub fn counts(&self) -> (u64, u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.requests), count(&self.wrong), count(&self.cut))
    }

    fn work(&self, address: SocketAddr, number: usize) {
        let (key, mut round) = (format!("load:{number}"), 0_u64);
        let mut client = None;
        while !self.stop.load(Ordering::Relaxed) {
            round += 1;
            let value = round.to_string();
            let connection = match client.take() {
                Some(connection) => Ok(connection),
                None => Client::connect(address),
            };
            let answer = connection.and_then(|mut connection| {
                let reply = connection.call(&["SET", &key, &value])?;
                Ok((connection, reply))
            });
            match answer {
                Ok((connection, reply)) => {
                    self.requests.fetch_add(1, Ordering::Relaxed);
                    self.wrong.fetch_add(u64::from(reply != Reply::ok()), Ordering::Relaxed);
                    client = Some(connection);
                }
                Err(_) => drop(self.cut.fetch_add(1, Ordering::Relaxed)),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A connection on which nothing is under way: a proxy may think that nobody misses it.
    fn idle(&self, address: SocketAddr) {
        let Ok(mut client) = Client::connect(address) else { return };
        let alive = client.ask("PING").is_ok();
        while alive && !self.stop.load(Ordering::Relaxed) {
            if closed(client.stream()) {
                self.cut.fetch_add(1, Ordering::Relaxed);
                return;
            }
            std::thread::sleep(PAUSE * 10);
        }
    }
}

/// Whether the other end has closed, seen without taking anything.
fn closed(stream: &TcpStream) -> bool {
    let mut byte = [0];
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut byte));
    let again = stream.set_nonblocking(false);
    again.is_err()
        || matches!(peeked, Ok(0))
        || peeked.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
}
