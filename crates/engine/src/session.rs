//! What one client carries: its unfinished input, its unsent output, and its line of places.
//!
//! Every request has a place in its client's line; replies leave in the order of the places (see `places`).

use crate::buffer::Buffer;
use crate::engine::FilterId;
use crate::filter::Filter;
use crate::large::Body;
use crate::limits::Limits;
use resp::request::Scan;
use std::net::SocketAddr;

/// No place, no gather.
pub(crate) const NONE: u32 = u32::MAX;

/// One client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) filter: FilterId,
    /// The address the client connected to: what CLUSTER SLOTS shows it.
    pub(crate) local: SocketAddr,
    /// Unique among the engine's clients for ever: CLIENT ID.
    pub(crate) number: u64,
    pub(crate) name: Option<Box<[u8]>>,
    pub(crate) authorized: bool,
    pub(crate) phase: Phase,
    /// Bytes that are not a whole request yet, or that wait because the client is paused.
    pub(crate) input: Buffer,
    /// No use to look at the input before it is so long.
    pub(crate) needed: usize,
    /// Where the cutting of an unfinished request stands.
    pub(crate) partial: Option<Box<Scan>>,
    /// A large request that is passed on as it comes.
    pub(crate) body: Option<Box<Body>>,
    pub(crate) output: Buffer,
    /// Replies that came before their turn, one behind the other, some of which may have left; how many bytes have not.
    pub(crate) early: Vec<u8>,
    pub(crate) held: usize,
    /// First and last place of the line.
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) waiting: u32,
    /// The connection that is not read because of what this client has not read.
    pub(crate) feeder: u32,
    /// Not read now: it has too much under way.
    pub(crate) paused: bool,
    /// If paused, so until nothing at all is under way.
    pub(crate) quiet: bool,
    /// Listed among the clients with output this turn.
    pub(crate) dirty: bool,
}

/// How far a client's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// No more requests are taken; it is closed once its replies are out.
    Leaving,
    /// Closed; forgotten at the turn's end.
    Gone,
}

impl Session {
    pub(crate) fn new(filter: FilterId, local: SocketAddr, number: u64, authorized: bool) -> Self {
        Self {
            filter,
            local,
            number,
            name: None,
            authorized,
            phase: Phase::Open,
            input: Buffer::default(),
            needed: 0,
            partial: None,
            body: None,
            output: Buffer::default(),
            early: Vec::new(),
            held: 0,
            head: NONE,
            tail: NONE,
            waiting: 0,
            feeder: NONE,
            paused: false,
            quiet: false,
            dirty: false,
        }
    }

    /// Whether nothing but too much under way keeps it paused.
    pub(crate) fn may_go_on(&self) -> bool {
        match &self.body {
            Some(body) => !body.is_asking(),
            None => !self.quiet || self.head == NONE,
        }
    }

    /// Whether it has so much under way that no more of its requests are taken.
    #[inline]
    pub(crate) fn is_full(&self, filter: &Filter, limits: &Limits) -> bool {
        self.waiting >= limits.places || self.output.len() + self.held > filter.buffer_limit
    }
}
