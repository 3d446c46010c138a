//! A connection to a node: the requests on it, in order, and what is known of each.
//!
//! The bytes of a request stay in the *window* until its reply has come, so that MOVED and ASK can send the same bytes
//! elsewhere without a copy having been kept. The *line* has one entry for every reply that is owed; an entry leaves it
//! only when that reply has been drained or the connection has ended, whoever still waits for it.

use crate::buffer::Buffer;
use crate::engine::{ClusterId, FilterId};
use crate::large::Large;
use crate::limits::Limits;
use crate::places::Ticket;
use crate::time::Time;
use observe::NodeStats;
use resp::reply::Scan;
use slots::Slot;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a connection may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The node as a primary: nothing is sent that changes how the node answers.
    Primary = 0,
    /// The node as a replica: READONLY is sent first.
    Replica = 1,
}

/// Where a request belongs within its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    /// Whoever owns the slot.
    Slot(Slot),
    /// Whoever the hash falls to (ring hash, Maglev).
    Hash(u64),
    /// This shard.
    Shard(u16),
    /// Any shard.
    Any,
    /// Nobody knows before the shards are known: the request is parked, and cut up then.
    Later,
}

/// Why a reply is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client's request.
    Request,
    /// A mirror's copy; nobody waits.
    Mirror,
    /// AUTH, when the connection began.
    Auth,
    /// READONLY or ASKING; its reply does not matter.
    Notice,
    /// Where a large request is to go.
    Question,
    /// A large request, whose bytes are not kept.
    Body,
}

/// One reply that is owed.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) ticket: Ticket,
    pub(crate) spot: Spot,
    pub(crate) filter: FilterId,
    pub(crate) command: command::Id,
    pub(crate) kind: Kind,
    pub(crate) read: bool,
    pub(crate) hops: u8,
    /// Bytes in the window.
    pub(crate) len: u32,
    pub(crate) deadline: Time,
    pub(crate) queued: Time,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) cluster: ClusterId,
    pub(crate) node: u16,
    pub(crate) role: Role,
    pub(crate) address: SocketAddr,
    /// Tells this connection from an earlier one with the same id.
    pub(crate) serial: u32,
    pub(crate) open: bool,
    /// It has answered a request.
    pub(crate) served: bool,
    /// Ended; forgotten at the turn's end.
    pub(crate) gone: bool,
    /// To be closed once nothing is owed any more.
    pub(crate) retiring: bool,
    /// A slot has changed hands while requests for it are in the line.
    pub(crate) handing_over: bool,
    /// Requests that are unanswered, those that are written first.
    pub(crate) window: Buffer,
    /// How many bytes of the window are written.
    pub(crate) sent: usize,
    pub(crate) line: VecDeque<InFlight>,
    pub(crate) input: Buffer,
    pub(crate) needed: usize,
    pub(crate) scan: Scan,
    /// A reply that is passed on as it comes.
    pub(crate) large: Option<Large>,
    /// Not read now: a client has to read first.
    pub(crate) paused: bool,
    /// The client whose large request it was opened for.
    pub(crate) feeds: u32,
    /// No deadline in the line lies before this.
    pub(crate) earliest: Time,
    pub(crate) last_read: Time,
    pub(crate) dirty: bool,
    pub(crate) flush_set: bool,
    pub(crate) stats: Arc<NodeStats>,
}

impl Upstream {
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.window.data()[self.sent..]
    }

    /// Whether it has no room for a request of `more` bytes, where `bytes` may wait.
    #[inline]
    pub(crate) fn is_full(&self, more: usize, bytes: usize, limits: &Limits) -> bool {
        !self.line.is_empty() && self.window.len() + more > bytes || self.line.len() >= limits.upstream_requests
    }

    /// Puts a request at the end of the line.
    #[inline]
    pub(crate) fn push(&mut self, entry: InFlight, bytes: &[u8]) {
        self.window.extend(bytes);
        self.enter(entry);
    }

    /// Puts a request whose bytes have been written at the end of the line.
    #[inline]
    pub(crate) fn enter(&mut self, entry: InFlight) {
        self.earliest = self.earliest.min(entry.deadline);
        self.line.push_back(entry);
    }

    /// The head of the line has been answered: its bytes are no longer needed.
    pub(crate) fn answered(&mut self, len: u32) {
        self.window.consume(len as usize);
        self.sent = self.sent.saturating_sub(len as usize);
    }
}
