//! The places of all clients: positions in line, one for each request.
//!
//! Replies leave in the order of the places. The line owns the places: whoever brings a reply holds only a [`Ticket`],
//! which a place that was given up no longer accepts, so a late reply can never reach another request.

use crate::buffer::Pool;
use crate::session::{NONE, Session};
use crate::time::Time;
use rustc_hash::FxHashMap;

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
    next: u32,
    pub(crate) command: command::Id,
    /// Its reply is there, and waits for its turn.
    pub(crate) ready: bool,
    /// The reply that is held back is a failure of the proxy's own.
    pub(crate) failed: bool,
    /// An injected fault lets the reply come later.
    pub(crate) delayed: bool,
    /// The parts of a request that was cut up, or [`NONE`].
    pub(crate) gather: u32,
    /// A reply that came before its turn: its length, and where it lies in [`Session::early`].
    len: usize,
    at: usize,
    pub(crate) started: Time,
}

const VACANT: Place = Place {
    session: NONE,
    generation: 0,
    next: NONE,
    command: command::Id(0),
    ready: false,
    failed: false,
    delayed: false,
    gather: NONE,
    len: 0,
    at: 0,
    started: Time(0),
};

/// All places of all clients: one arena, so that idle clients own none and steady state allocates none.
#[derive(Debug)]
pub(crate) struct Places {
    all: Vec<Place>,
    free: u32,
    /// By how many microseconds injected faults delay the replies of places.
    delays: FxHashMap<u32, u64>,
}

/// Early replies that have left are moved out once there are so many bytes of them and they are the larger part.
const COMPACT: usize = 64 << 10;

impl Places {
    pub(crate) fn new() -> Self {
        Self { all: Vec::new(), free: NONE, delays: FxHashMap::default() }
    }

    /// A new place at the end of `session`'s line.
    #[inline]
    pub(crate) fn push(&mut self, id: u32, session: &mut Session, command: command::Id, started: Time) -> Ticket {
        let index = self.vacant();
        let place = &mut self.all[index as usize];
        let generation = place.generation;
        *place = Place { session: id, generation, command, started, ..VACANT };
        match self.all.get_mut(session.tail as usize) {
            Some(last) => last.next = index,
            None => session.head = index,
        }
        session.tail = index;
        session.waiting += 1;
        Ticket { place: index, generation, part: NONE }
    }

    #[inline]
    fn vacant(&mut self) -> u32 {
        match self.all.get(self.free as usize) {
            Some(place) => std::mem::replace(&mut self.free, place.next),
            None => self.grow(),
        }
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        self.all.push(VACANT);
        (self.all.len() - 1) as u32
    }

    /// The place a ticket was given for, unless it has been given up since.
    #[inline]
    pub(crate) fn holder(&mut self, ticket: Ticket) -> Option<(u32, &mut Place)> {
        let place = self.all.get_mut(ticket.place as usize)?;
        (place.generation == ticket.generation).then_some((ticket.place, place))
    }

    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut Place {
        &mut self.all[index as usize]
    }

    /// Takes the head off `session`'s line; its tickets are void from now on.
    #[inline]
    pub(crate) fn pop(&mut self, session: &mut Session) {
        let index = session.head;
        let place = &mut self.all[index as usize];
        place.generation = place.generation.wrapping_add(1);
        session.head = std::mem::replace(&mut place.next, self.free);
        self.free = index;
        if session.head == NONE {
            session.tail = NONE;
        }
        session.waiting -= 1;
        session.held -= std::mem::take(&mut place.len);
        if place.delayed {
            self.delays.remove(&index);
        }
    }

    /// How many places of a line have no reply yet.
    pub(crate) fn unready(&self, session: &Session) -> u64 {
        let mut count = 0;
        let mut index = session.head;
        while let Some(place) = self.all.get(index as usize) {
            count += u64::from(!place.ready);
            index = place.next;
        }
        count
    }

    /// Lets the reply of a place come so many microseconds later.
    pub(crate) fn delay(&mut self, ticket: Ticket, micros: u64) {
        if let Some((index, place)) = self.holder(ticket) {
            place.delayed = true;
            self.delays.insert(index, micros);
        }
    }

    /// How many microseconds the reply of a place has to come later, which it is told once.
    pub(crate) fn take_delay(&mut self, index: u32) -> u64 {
        self.at(index).delayed = false;
        self.delays.remove(&index).unwrap_or_default()
    }

    /// Lets out all that is ready at the head of a client's line.
    #[inline]
    pub(crate) fn let_out(&mut self, session: &mut Session, pool: &mut Pool) {
        while let Some(place) = self.all.get(session.head as usize).filter(|place| place.ready) {
            let reply = session.early.get(place.at..place.at + place.len).unwrap_or_default();
            pool.extend(&mut session.output, reply);
            self.pop(session);
        }
        if session.held == 0 && session.early.capacity() > 0 {
            pool.give(std::mem::take(&mut session.early));
        }
    }

    /// Keeps a reply that came before its turn.
    #[inline]
    pub(crate) fn keep(&mut self, index: u32, session: &mut Session, reply: &[u8], pool: &mut Pool) {
        if session.early.capacity() == 0 {
            session.early = pool.take();
        }
        if session.early.len() > COMPACT && session.held < session.early.len() / 2 {
            self.compact(session);
        }
        let place = &mut self.all[index as usize];
        (place.at, place.len) = (session.early.len(), reply.len());
        session.early.extend_from_slice(reply);
        session.held += reply.len();
    }

    /// The reply that was kept at a place, which keeps it no more.
    pub(crate) fn take_kept(&mut self, index: u32, session: &mut Session) -> Vec<u8> {
        let place = &mut self.all[index as usize];
        let (at, len) = (place.at, std::mem::take(&mut place.len));
        session.held -= len;
        session.early.get(at..at + len).unwrap_or_default().to_vec()
    }

    /// Moves out of the early replies those that have left.
    #[cold]
    fn compact(&mut self, session: &mut Session) {
        let mut rest = Vec::with_capacity(session.held);
        let mut index = session.head;
        while let Some(place) = self.all.get_mut(index as usize) {
            let reply = session.early.get(place.at..place.at + place.len).unwrap_or_default();
            place.at = rest.len();
            rest.extend_from_slice(reply);
            index = place.next;
        }
        session.early = rest;
    }

    /// How many places are in somebody's line.
    pub(crate) fn used(&self) -> usize {
        let next = |index: &u32| self.all.get(*index as usize).map(|place| place.next);
        let free = std::iter::successors(Some(self.free), next).filter(|index| *index != NONE).count();
        self.all.len() - free
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPACT, Places};
    use crate::buffer::Pool;
    use crate::engine::FilterId;
    use crate::session::Session;
    use crate::time::Time;
    use std::net::{Ipv4Addr, SocketAddr};

    fn session() -> Session {
        Session::new(FilterId(0), SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), 1, true)
    }

    #[test]
    fn a_place_that_was_given_up_takes_nothing() {
        let (mut places, mut session) = (Places::new(), session());
        let first = places.push(0, &mut session, command::Id(1), Time(1));
        places.pop(&mut session);
        let second = places.push(0, &mut session, command::Id(1), Time(2));
        assert!(places.holder(first).is_none(), "the same place, another request");
        assert!(places.holder(second).is_some());
        assert_eq!((places.used(), session.waiting), (1, 1));
    }

    #[test]
    fn early_replies_do_not_pile_up_behind_one_that_is_late() {
        let (mut places, mut session, mut pool) = (Places::new(), session(), Pool::default());
        let mut line = std::collections::VecDeque::new();
        for round in 0..1000u32 {
            let ticket = places.push(0, &mut session, command::Id(1), Time(1));
            let (index, _) = places.holder(ticket).unwrap();
            places.keep(index, &mut session, &[round as u8; 1000], &mut pool);
            line.push_back((index, round as u8));
            if line.len() > 3 {
                let (index, byte) = line.pop_front().unwrap();
                assert_eq!(places.take_kept(index, &mut session), [byte; 1000]);
                places.pop(&mut session);
            }
        }
        assert_eq!(session.held, 3000);
        assert!(session.early.len() < 2 * COMPACT, "{} bytes", session.early.len());
    }
}
