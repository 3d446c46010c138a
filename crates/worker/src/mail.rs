//! What a worker can be told, and how: a letter in its box, and a ring at its epoll.

use crate::numbers::Orders;
use engine::{ClusterId, FilterId};
use mio::Waker;
use slots::View;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// One letter.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A client, and the number of the listener it came to.
    Client(TcpStream, usize),
    /// The members of a cluster.
    View(ClusterId, View),
    /// What has changed in the configuration.
    Change(Arc<Orders>),
    /// Take no more requests; end when the last client has gone.
    Drain,
    /// End now.
    Stop,
}

/// What a chain does with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Its commands go through this filter; the listener's number is for its statistics.
    Redis { filter: FilterId, listener: usize },
    /// Its bytes pass through this filter.
    Tcp { filter: usize, listener: usize },
}

/// Where a worker is reached.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) sender: mpsc::Sender<Mail>,
    pub(crate) waker: Arc<Waker>,
    /// How many clients it has: whoever accepts gives the next one to the least busy.
    pub(crate) clients: Arc<AtomicUsize>,
}

impl Address {
    /// Puts a letter into the box and rings. A worker that has ended gets no letters, which is no fault.
    pub(crate) fn post(&self, mail: Mail) {
        if self.sender.send(mail).is_ok() && self.waker.wake().is_err() {
            tracing::warn!("a worker could not be woken; it will read its mail with its next turn");
        }
    }

    pub(crate) fn load(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }
}
