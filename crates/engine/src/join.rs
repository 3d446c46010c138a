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
    /// The replies of the parts, in the order in which they came.
    bytes: Vec<u8>,
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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    /// Where in the bytes its reply lies.
    at: usize,
    end: usize,
    arrived: bool,
    /// The proxy's own failure, not a node's reply.
    failed: bool,
    /// Its keys are in other parts now.
    replaced: bool,
    /// How many keys it carries.
    keys: u32,
}

/// So many gathers are kept for use again, and none that has grown beyond so many bytes or keys.
const SPARE: usize = 256;
const SPARE_BYTES: usize = 16 << 10;
const SPARE_KEYS: usize = 256;

impl Part {
    pub(crate) fn of(keys: usize) -> Self {
        Self { keys: keys as u32, ..Self::default() }
    }

    fn reply<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.at..self.end).unwrap_or_default()
    }
}

impl Gather {
    fn replies(&self) -> Vec<&[u8]> {
        self.parts.iter().filter(|part| !part.replaced).map(|part| part.reply(&self.bytes)).collect()
    }

    /// Takes the reply to a part in; whether it was the last. Nothing, if that part is not waited for.
    #[inline]
    pub(crate) fn take(&mut self, part: u32, reply: &[u8], success: bool) -> Option<bool> {
        let part = self.parts.get_mut(part as usize).filter(|part| !part.arrived)?;
        (part.arrived, part.failed) = (true, !success);
        (part.at, part.end) = (self.bytes.len(), self.bytes.len() + reply.len());
        self.bytes.extend_from_slice(reply);
        self.missing -= 1;
        Some(self.missing == 0)
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
        self.parts.iter().filter(|part| !fits(part.reply(&self.bytes))).map(|part| part.keys as usize).sum()
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
        let mut gather = self.new_gather(join, Way::Keys);
        gather.order.extend(0..keys as u32);
        gather.parts.extend((0..keys).map(|_| Part::of(1)));
        self.attach(ticket, gather);
        Some(0)
    }

    /// A gather without parts and keys.
    pub(crate) fn new_gather(&mut self, join: Join, way: Way) -> Gather {
        match self.spare_gathers.pop() {
            Some(gather) => Gather { join, way, ..gather },
            None => Gather { join, way, parts: Vec::new(), order: Vec::new(), missing: 0, bytes: Vec::new() },
        }
    }

    /// A part has come back; with the last one, so has the whole.
    pub(crate) fn gather(&mut self, ticket: Ticket, reply: &[u8], success: bool) {
        let Some((_, place)) = self.places.holder(ticket) else { return };
        let Some(gather) = self.gathers.get_mut(place.gather as usize) else { return };
        if gather.take(ticket.part, reply, success) == Some(true) {
            self.gathered(ticket);
        }
    }

    /// All parts have come back.
    pub(crate) fn gathered(&mut self, ticket: Ticket) {
        let Some((_, place)) = self.places.holder(ticket) else { return };
        let Some(mut gather) = self.gathers.try_remove(std::mem::replace(&mut place.gather, NONE) as usize) else {
            return;
        };
        let mut joined = self.pool.take();
        self.join(&mut gather, &mut joined);
        let success = !gather.parts.iter().any(|part| part.failed);
        self.spare(gather);
        self.deliver(ticket.for_part(NONE), &joined, success);
        self.pool.give(joined);
    }

    /// Keeps a gather for use again.
    fn spare(&mut self, mut gather: Gather) {
        let small = gather.bytes.capacity() <= SPARE_BYTES && gather.order.capacity() <= SPARE_KEYS;
        if small && gather.parts.capacity() <= SPARE_KEYS && self.spare_gathers.len() < SPARE {
            gather.parts.clear();
            gather.order.clear();
            gather.bytes.clear();
            self.spare_gathers.push(gather);
        }
    }

    fn join(&self, gather: &mut Gather, out: &mut Vec<u8>) {
        match gather.way {
            Way::Keys => join_keys(gather, &self.limits.frames, out),
            Way::Shards => {
                join::shards(gather.join, &gather.replies(), out);
            }
            Way::Scan { cluster, name } => self.join_scan(gather.parts[0].reply(&gather.bytes), cluster, name, out),
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

fn join_keys(gather: &mut Gather, limits: &resp::Limits, out: &mut Vec<u8>) {
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

/// What stands in the place of a key whose part came back in a shape that it cannot have.
const MISSHAPEN: &[u8] = b"-upstream protocol error\r\n";

/// One element a key, in the order of the keys. An error stands in the place of each key that it hit.
fn join_by_key(gather: &mut Gather, limits: &resp::Limits, out: &mut Vec<u8>) {
    let Gather { parts, order, bytes, .. } = gather;
    parts.iter_mut().for_each(|part| part.behind_header(bytes));
    resp::write::array(out, order.len());
    for part in order {
        let part = &mut parts[*part as usize];
        let elements = part.reply(bytes);
        let len = match elements.first() {
            Some(b'-') => Some(elements.len()),
            // The node's whole reply has been scanned: one element is all there is.
            Some(_) if part.keys == 1 => Some(elements.len()),
            Some(_) => Scan::default().next(elements, limits).ok().flatten(),
            None => None,
        };
        out.extend_from_slice(len.map_or(MISSHAPEN, |len| &elements[..len]));
        if elements.first() != Some(&b'-') {
            part.at += len.unwrap_or_default();
        }
    }
}

impl Part {
    /// Leaves of the reply what follows the header of its array; nothing, if it is no array of as many elements as there
    /// are keys. An error stays as it is.
    fn behind_header(&mut self, bytes: &[u8]) {
        let reply = self.reply(bytes);
        if reply.first() == Some(&b'-') {
            return;
        }
        let mut digits = itoa::Buffer::new();
        let count = reply.strip_prefix(b"*").and_then(|rest| rest.strip_prefix(digits.format(self.keys).as_bytes()));
        let behind = count.and_then(|rest| rest.strip_prefix(b"\r\n"));
        self.at = behind.map_or(self.end, |elements| self.end - elements.len());
    }
}
