//! Station 9: fragments back to one reply.

use crate::engine::{ClusterId, Engine};
use crate::places::Ticket;
use crate::session::NONE;
use command::Join;
use command::join::{self, cursor};
use resp::reply::Scan;

/// The parts of one request, on their way back.
#[derive(Debug)]
pub(crate) struct Gather {
    join: Join,
    way: Way,
    pub(crate) parts: Vec<Part>,
    /// For each key of the request, in order, the part it is in.
    pub(crate) order: Vec<u32>,
    pub(crate) missing: usize,
}

/// How the request was cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By key.
    Keys,
    /// The same to every shard.
    Shards,
    /// SCAN, at the shard of this name.
    Scan { cluster: ClusterId, name: u16 },
}

/// One part.
#[derive(Debug, Default)]
pub(crate) struct Part {
    reply: Vec<u8>,
    arrived: bool,
    /// The proxy's own failure, not a node's reply.
    failed: bool,
    /// How many keys it carries.
    keys: u32,
    /// Its keys are in other parts now.
    replaced: bool,
}

impl Part {
    pub(crate) fn of(keys: usize) -> Self {
        Self { keys: keys as u32, ..Self::default() }
    }
}

impl Gather {
    pub(crate) fn new(join: Join, way: Way, keys: usize) -> Self {
        Self { join, way, parts: Vec::new(), order: vec![0; keys], missing: 0 }
    }

    fn replies(&self) -> Vec<&[u8]> {
        self.parts.iter().filter(|part| !part.replaced).map(|part| part.reply.as_slice()).collect()
    }

    /// Replaces a part by one part a key; the number of the first of them.
    fn cut_part(&mut self, part: u32, keys: usize) -> Option<u32> {
        let first = self.parts.len() as u32;
        let old = self.parts.get_mut(part as usize).filter(|part| !part.arrived)?;
        *old = Part { arrived: true, replaced: true, ..Part::default() };
        self.parts.extend((0..keys).map(|_| Part::of(1)));
        self.missing += keys - 1;
        self.order.iter_mut().filter(|of| **of == part).zip(first..).for_each(|(of, next)| *of = next);
        Some(first)
    }

    /// How many keys are in parts that came back as errors, or as something that cannot be added up.
    fn failed_keys(&self, fits: impl Fn(&[u8]) -> bool) -> usize {
        self.parts.iter().filter(|part| !fits(&part.reply)).map(|part| part.keys as usize).sum()
    }
}

impl Engine {
    /// Makes one part a key of what `ticket` was for, a part or a whole request; the number of the first of them.
    /// Nothing, if nobody waits for it any more.
    pub(crate) fn part_anew(&mut self, ticket: Ticket, join: Join, keys: usize) -> Option<u32> {
        let (_, place) = self.places.holder(ticket)?;
        if ticket.part != NONE {
            return self.gathers.get_mut(place.gather as usize)?.cut_part(ticket.part, keys);
        }
        if place.ready {
            return None;
        }
        let mut gather = Gather::new(join, Way::Keys, keys);
        gather.order = (0..keys as u32).collect();
        gather.parts.extend((0..keys).map(|_| Part::of(1)));
        self.attach(ticket, gather);
        Some(0)
    }

    /// A part has come back; with the last one, so has the whole.
    pub(crate) fn gather(&mut self, ticket: Ticket, reply: &[u8], success: bool) {
        let Some((index, place)) = self.places.holder(ticket) else { return };
        let gather_index = place.gather;
        let Some(gather) = self.gathers.get_mut(gather_index as usize) else { return };
        let Some(part) = gather.parts.get_mut(ticket.part as usize).filter(|part| !part.arrived) else { return };
        part.arrived = true;
        part.failed = !success;
        part.reply = self.pool.take();
        part.reply.extend_from_slice(reply);
        gather.missing -= 1;
        if gather.missing > 0 {
            return;
        }
        let gather = self.gathers.remove(gather_index as usize);
        self.places.at(index).gather = NONE;
        let mut joined = self.pool.take();
        self.join(&gather, &mut joined);
        let success = !gather.parts.iter().any(|part| part.failed);
        for part in gather.parts {
            self.pool.give(part.reply);
        }
        self.deliver(ticket.for_part(NONE), &joined, success);
        self.pool.give(joined);
    }

    fn join(&self, gather: &Gather, out: &mut Vec<u8>) {
        match gather.way {
            Way::Keys => join_keys(gather, &self.limits.frames, out),
            Way::Shards => {
                join::shards(gather.join, &gather.replies(), out);
            }
            Way::Scan { cluster, name } => self.join_scan(&gather.parts[0].reply, cluster, name, out),
        }
    }

    /// A node's SCAN reply with the client's cursor: on in this shard, or at the beginning of the next.
    fn join_scan(&self, reply: &[u8], cluster: ClusterId, here: u16, out: &mut Vec<u8>) {
        let cursor = match cursor::of_reply(reply) {
            None => return out.extend_from_slice(reply),
            Some(0) => match self.clusters[cluster.index()].name_after(here) {
                Some(next) => cursor::pack(0, next),
                None => Some(0),
            },
            Some(node_cursor) => cursor::pack(node_cursor, here),
        };
        match cursor {
            Some(cursor) => cursor::rewrite(reply, cursor, out),
            None => resp::write::error(out, b"ERR the node's SCAN cursor is too large to be passed on"),
        }
    }
}

fn join_keys(gather: &Gather, limits: &resp::Limits, out: &mut Vec<u8>) {
    let failed = match gather.join {
        Join::ByKey => return join_by_key(gather, limits, out),
        Join::Sum => gather.failed_keys(|reply| reply.first() == Some(&b':')),
        _ => gather.failed_keys(|reply| reply == b"+OK\r\n"),
    };
    match gather.join {
        _ if failed > 0 => join::finished_with_errors(failed, out),
        Join::Sum => join::sum(&gather.replies(), out),
        _ => join::same(&gather.replies(), out),
    }
}

/// One element a key, in the order of the keys. An error stands in the place of each key that it hit.
fn join_by_key(gather: &Gather, limits: &resp::Limits, out: &mut Vec<u8>) {
    let mut rest: Vec<&[u8]> = gather.parts.iter().map(elements).collect();
    resp::write::array(out, gather.order.len());
    for part in &gather.order {
        let elements = &mut rest[*part as usize];
        if elements.first() == Some(&b'-') {
            out.extend_from_slice(elements);
            continue;
        }
        match Scan::default().next(elements, limits) {
            Ok(Some(len)) => {
                out.extend_from_slice(&elements[..len]);
                *elements = &elements[len..];
            }
            _ => out.extend_from_slice(b"-upstream protocol error\r\n"),
        }
    }
}

/// What follows the header of a part's array, if it has as many elements as the part has keys; else its error.
fn elements(part: &Part) -> &[u8] {
    let reply = part.reply.as_slice();
    if reply.first() == Some(&b'-') {
        return reply;
    }
    let header = format!("*{}\r\n", part.keys);
    reply.strip_prefix(header.as_bytes()).unwrap_or(b"-upstream protocol error\r\n")
}
