//! One direction of a connection: what the kernels and the network between two programs hold.

use super::random::Dice;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// How a network treats bytes.
#[derive(Clone, Debug)]
pub struct Network {
    /// Microseconds from one end to the other.
    pub latency: RangeInclusive<u64>,
    /// How often, in percent, a write is cut into pieces that travel by themselves.
    pub cut: u64,
    /// How many bytes are on their way or unread at most.
    pub capacity: usize,
}

impl Network {
    /// A tenth of a millisecond, nothing is cut.
    pub fn calm() -> Self {
        Self { latency: 100..=100, cut: 0, capacity: 4 << 20 }
    }
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order, behind all bytes.
    Finished,
    /// At once; bytes that have not been read are lost.
    Reset,
}

/// What a reader finds.
#[derive(Debug)]
pub enum Read {
    Bytes(Vec<u8>),
    End(End),
    Nothing,
}

#[derive(Debug)]
pub struct Pipe {
    network: Network,
    flying: VecDeque<(u64, Vec<u8>)>,
    arrived: Vec<u8>,
    held: usize,
    last: u64,
    end: Option<(u64, End)>,
    /// When somebody should look again.
    pub wakes: Vec<u64>,
}

impl Pipe {
    pub fn new(network: Network) -> Self {
        let (flying, arrived) = (VecDeque::new(), Vec::new());
        Self { network, flying, arrived, held: 0, last: 0, end: None, wakes: Vec::new() }
    }

    /// Takes as much as there is room for; how much that was.
    pub fn write(&mut self, now: u64, bytes: &[u8], dice: &mut Dice) -> usize {
        if self.end.is_some() {
            return bytes.len();
        }
        let room = self.network.capacity.saturating_sub(self.held).min(bytes.len());
        let mut rest = &bytes[..room];
        self.held += room;
        while !rest.is_empty() {
            let cut = self.network.cut > 0 && rest.len() > 1 && dice.percent(self.network.cut);
            let len = if cut { 1 + dice.index(rest.len() - 1) } else { rest.len() };
            self.last = self.last.max(now + dice.within(&self.network.latency));
            self.flying.push_back((self.last, rest[..len].to_vec()));
            self.wakes.push(self.last);
            rest = &rest[len..];
        }
        room
    }

    pub fn finish(&mut self, now: u64, end: End, dice: &mut Dice) {
        let again = self.end.is_some_and(|(_, old)| old == End::Finished && end == End::Reset);
        if self.end.is_none() || again {
            let at = now + dice.within(&self.network.latency);
            let at = if end == End::Finished { at.max(self.last) } else { at };
            self.end = Some((at, end));
            self.wakes.push(at);
        }
    }

    /// Lets arrive what is due.
    pub fn arrive(&mut self, now: u64) {
        if self.end.is_some_and(|(at, end)| end == End::Reset && at <= now) {
            self.flying.clear();
            self.arrived.clear();
            self.held = 0;
        }
        while self.flying.front().is_some_and(|(at, _)| *at <= now) {
            let bytes = self.flying.pop_front().unwrap().1;
            self.arrived.extend(bytes);
        }
    }

    /// At most `most` bytes, or the end if it has come.
    pub fn read(&mut self, now: u64, most: usize) -> Read {
        self.arrive(now);
        if !self.arrived.is_empty() {
            let rest = self.arrived.split_off(most.min(self.arrived.len()));
            let bytes = std::mem::replace(&mut self.arrived, rest);
            self.held -= bytes.len();
            return Read::Bytes(bytes);
        }
        match self.end {
            Some((at, end)) if at <= now && self.flying.is_empty() => Read::End(end),
            _ => Read::Nothing,
        }
    }

    pub fn has_room(&self) -> bool {
        self.held < self.network.capacity
    }

    /// Whether its reader has been told of a reset.
    pub fn is_reset(&self, now: u64) -> bool {
        self.end.is_some_and(|(at, end)| end == End::Reset && at <= now)
    }

    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }
}
