//! What is to happen later: the rare kinds, in a heap. (Timeouts of requests are not here: each upstream knows its own
//! earliest, see `upstream`.)

use crate::engine::{ClusterId, UpstreamId};
use crate::forward::Errand;
use crate::places::Ticket;
use crate::time::Time;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something to do later.
#[derive(Debug)]
pub(crate) enum Timer {
    /// A reply held back by an injected fault may go.
    Release(Ticket),
    /// Bytes that were collected for an upstream are to be written.
    Flush(UpstreamId, u32),
    /// An upstream should be open by now.
    Connect(UpstreamId, u32),
    /// A request is to be sent again.
    Again(Box<(Errand, Vec<u8>)>),
    /// Requests that wait for a cluster's members may have waited long enough.
    Parked(ClusterId),
    /// Requests that wait for older ones on a connection have waited long enough.
    Handover(UpstreamId, u32),
}

#[derive(Debug)]
struct Entry {
    due: Time,
    order: u64,
    timer: Timer,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

/// The heap; equal moments come out in the order they were put in.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

impl Timers {
    pub(crate) fn push(&mut self, due: Time, timer: Timer) {
        self.order += 1;
        self.heap.push(Reverse(Entry { due, order: self.order, timer }));
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn next(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |entry| entry.0.due)
    }

    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        (self.next() <= now).then(|| self.heap.pop().map(|entry| entry.0.timer)).flatten()
    }
}
