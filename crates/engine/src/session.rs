//! What one client carries: its unfinished input, its unsent output, and its line of places.
//!
//! Every request has a place in its client's line; replies leave in the order of the places. The line owns the places:
//! whoever brings a reply holds only a [`Ticket`], which a place that was given up no longer accepts, so a late reply
//! can never reach another request.

use crate::buffer::Buffer;
use crate::engine::FilterId;
use crate::time::Time;
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
    pub(crate) output: Buffer,
    /// Bytes of replies that came before their turn.
    pub(crate) held: usize,
    /// First and last place of the line.
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) waiting: u32,
    /// Not read now: it has too much under way.
    pub(crate) paused: bool,
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
            output: Buffer::default(),
            held: 0,
            head: NONE,
            tail: NONE,
            waiting: 0,
            paused: false,
            dirty: false,
        }
    }
}

/// What brings a reply to a place: valid as long as the place is the one it was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    place: u32,
    generation: u32,
    /// Which part of the request, or [`NONE`] for the whole.
    pub(crate) part: u32,
}

impl Ticket {
    /// Nobody waits: a mirror's copy, a handshake.
    pub(crate) const NOBODY: Self = Self { place: NONE, generation: 0, part: NONE };

    pub(crate) fn is_nobody(self) -> bool {
        self.place == NONE
    }

    pub(crate) fn for_part(self, part: u32) -> Self {
        Self { part, ..self }
    }
}

/// A request's position in its client's line.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) session: u32,
    generation: u32,
    pub(crate) next: u32,
    pub(crate) ready: bool,
    /// The reply that is held back is a failure of the proxy's own.
    pub(crate) failed: bool,
    pub(crate) command: command::Id,
    pub(crate) started: Time,
    /// How much later an injected fault lets the reply come, in microseconds.
    pub(crate) delay: u64,
    /// The parts of a request that was cut up, or [`NONE`].
    pub(crate) gather: u32,
    /// A reply that came before its turn.
    pub(crate) reply: Vec<u8>,
}

/// All places of all clients: one arena, so that idle clients own none and steady state allocates none.
#[derive(Debug)]
pub(crate) struct Places {
    all: Vec<Place>,
    free: u32,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self { all: Vec::new(), free: NONE }
    }

    /// A new place at the end of `session`'s line.
    pub(crate) fn push(&mut self, id: u32, session: &mut Session, command: command::Id, started: Time) -> Ticket {
        let index = self.vacant();
        let place = &mut self.all[index as usize];
        place.session = id;
        place.next = NONE;
        place.ready = false;
        place.failed = false;
        place.command = command;
        place.started = started;
        place.delay = 0;
        place.gather = NONE;
        let ticket = Ticket { place: index, generation: place.generation, part: NONE };
        if session.tail == NONE {
            session.head = index;
        } else {
            self.all[session.tail as usize].next = index;
        }
        session.tail = index;
        session.waiting += 1;
        ticket
    }

    fn vacant(&mut self) -> u32 {
        if self.free != NONE {
            let index = self.free;
            self.free = self.all[index as usize].next;
            return index;
        }
        self.all.push(Place {
            session: NONE,
            generation: 0,
            next: NONE,
            ready: false,
            failed: false,
            command: command::Id(0),
            started: Time(0),
            delay: 0,
            gather: NONE,
            reply: Vec::new(),
        });
        (self.all.len() - 1) as u32
    }

    /// The place a ticket was given for, unless it has been given up since.
    pub(crate) fn holder(&mut self, ticket: Ticket) -> Option<(u32, &mut Place)> {
        let place = self.all.get_mut(ticket.place as usize)?;
        (place.generation == ticket.generation).then_some((ticket.place, place))
    }

    pub(crate) fn at(&mut self, index: u32) -> &mut Place {
        &mut self.all[index as usize]
    }

    /// Takes the head off `session`'s line; its tickets are void from now on. Its held reply, if any.
    pub(crate) fn pop(&mut self, session: &mut Session) -> Vec<u8> {
        let index = session.head;
        let place = &mut self.all[index as usize];
        place.generation = place.generation.wrapping_add(1);
        session.head = std::mem::replace(&mut place.next, self.free);
        self.free = index;
        if session.head == NONE {
            session.tail = NONE;
        }
        session.waiting -= 1;
        std::mem::take(&mut place.reply)
    }

    /// How many places are in somebody's line.
    pub(crate) fn used(&self) -> usize {
        let next = |index: &u32| self.all.get(*index as usize).map(|place| place.next);
        let free = std::iter::successors(Some(self.free), next).filter(|index| *index != NONE).count();
        self.all.len() - free
    }
}
