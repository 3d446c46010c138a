//! Clients arrive: one thread accepts for all workers and gives each client to the least busy one.
//!
//! A socket per worker with SO_REUSEPORT would spread by a hash of the addresses: few long-lived connections then pile up
//! on few workers (Envoy #28150). A connection is accepted once in its life, so one thread costs nothing on the path.

use crate::mail::{Address, Mail};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What the accepting thread is told. Gates are numbered by whoever opens them.
#[derive(Debug)]
pub(crate) enum Order {
    /// Accept here, for this listener.
    Open { gate: usize, socket: TcpListener, listener: usize },
    /// From now on clients of this gate are another listener's.
    Hand { gate: usize, listener: usize },
    /// Accept no more here.
    Close { gate: usize },
}

/// The accepting thread, as others hold it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    stop: Arc<AtomicBool>,
    waker: Waker,
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<()>,
}

const WAKER: Token = Token(usize::MAX);

impl Acceptor {
    pub(crate) fn start(workers: Vec<Address>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (orders, heard) = mpsc::channel();
        let accepting =
            Accepting { poll, orders: heard, workers, gates: HashMap::new(), next: 0, stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("accept".to_owned()).spawn(move || accepting.run())?;
        Ok(Self { stop, waker, orders, thread })
    }

    pub(crate) fn tell(&self, order: Order) {
        // A thread that has ended has said so.
        if self.orders.send(order).is_ok() && self.waker.wake().is_err() {
            tracing::warn!("the accepting thread could not be woken; it will hear with the next client");
        }
    }

    /// Closes the listening sockets.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.waker.wake().is_ok() && self.thread.join().is_err() {
            tracing::error!("the accepting thread had failed");
        }
    }
}

/// A listening socket and whose clients come by it.
#[derive(Debug)]
struct Gate {
    socket: TcpListener,
    listener: usize,
}

/// The accepting thread's own.
struct Accepting {
    poll: Poll,
    orders: mpsc::Receiver<Order>,
    workers: Vec<Address>,
    gates: HashMap<usize, Gate>,
    /// Whose turn it is among workers with equally many clients.
    next: usize,
    stop: Arc<AtomicBool>,
}

impl Accepting {
    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        while !self.stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "waiting for clients failed; no more clients are accepted");
                    return;
                }
                _ => {}
            }
            self.hear();
            for token in events.iter().map(|event| event.token()).filter(|token| *token != WAKER) {
                self.accept_all(token.0);
            }
        }
    }

    fn hear(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Open { gate, mut socket, listener } => {
                    if let Err(error) = self.poll.registry().register(&mut socket, Token(gate), Interest::READABLE) {
                        tracing::error!(%error, "a listening socket cannot be watched; it takes no clients");
                    }
                    self.gates.insert(gate, Gate { socket, listener });
                }
                Order::Hand { gate, listener } => {
                    if let Some(gate) = self.gates.get_mut(&gate) {
                        gate.listener = listener;
                    }
                }
                Order::Close { gate } => drop(self.gates.remove(&gate)),
            }
        }
    }

    fn accept_all(&mut self, gate: usize) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(Gate { socket, listener }) = self.gates.get(&gate) else { return };
            let listener = *listener;
            match socket.accept() {
                Ok((stream, _)) => self.give_away(std::net::TcpStream::from(stream), listener),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Out of file descriptors, most likely: clients wait in the kernel's queue meanwhile.
                    tracing::warn!(%error, "cannot accept clients; trying again in 100 ms");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// To the worker with the fewest clients; among equals, in turn.
    fn give_away(&mut self, stream: std::net::TcpStream, listener: usize) {
        self.next = self.next.wrapping_add(1);
        let (next, workers) = (self.next, &self.workers);
        let order = (0..workers.len()).map(|i| (i + next) % workers.len());
        if let Some(worker) = order.min_by_key(|i| workers[*i].load()).and_then(|i| workers.get(i)) {
            worker.clients.fetch_add(1, Ordering::Relaxed);
            worker.post(Mail::Client(stream, listener));
        }
    }
}
