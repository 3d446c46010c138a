//! Clients arrive: one thread accepts for all workers and gives each client to the least busy one.
//!
//! A socket per worker with SO_REUSEPORT would spread by a hash of the addresses: few long-lived connections then pile up
//! on few workers (Envoy #28150). A connection is accepted once in its life, so one thread costs nothing on the path.

use crate::mail::{Address, Door, Mail};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A listening socket and what it does with clients.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) socket: TcpListener,
    pub(crate) door: Door,
    pub(crate) name: String,
}

/// The accepting thread.
#[derive(Debug)]
pub(crate) struct Acceptor {
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: JoinHandle<()>,
}

const WAKER: Token = Token(usize::MAX);

impl Acceptor {
    pub(crate) fn start(mut listening: Vec<Listening>, workers: Vec<Address>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        for (i, listener) in listening.iter_mut().enumerate() {
            poll.registry().register(&mut listener.socket, Token(i), Interest::READABLE)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let name = "accept".to_string();
        let thread = thread::Builder::new().name(name).spawn(move || run(poll, &listening, &workers, &flag))?;
        Ok(Self { stop, waker, thread })
    }

    /// Closes the listening sockets.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.waker.wake().is_ok() && self.thread.join().is_err() {
            tracing::error!("the accepting thread had failed");
        }
    }
}

fn run(mut poll: Poll, listening: &[Listening], workers: &[Address], stop: &AtomicBool) {
    let mut events = Events::with_capacity(64);
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                tracing::error!(%error, "waiting for clients failed; no more clients are accepted");
                return;
            }
            _ => {}
        }
        for listener in events.iter().filter_map(|event| listening.get(event.token().0)) {
            accept_all(listener, workers, &mut next, stop);
        }
    }
}

fn accept_all(listener: &Listening, workers: &[Address], next: &mut usize, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match listener.socket.accept() {
            Ok((stream, _)) => give_away(std::net::TcpStream::from(stream), listener.door, workers, next),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of file descriptors, most likely: clients wait in the kernel's queue meanwhile.
                tracing::warn!(listener = listener.name, %error, "cannot accept clients; trying again in 100 ms");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// To the worker with the fewest clients; among equals, in turn.
fn give_away(stream: std::net::TcpStream, door: Door, workers: &[Address], next: &mut usize) {
    *next = next.wrapping_add(1);
    let order = (0..workers.len()).map(|i| (i + *next) % workers.len());
    if let Some(worker) = order.min_by_key(|i| workers[*i].load()).and_then(|i| workers.get(i)) {
        worker.clients.fetch_add(1, Ordering::Relaxed);
        worker.post(Mail::Client(stream, door));
    }
}
