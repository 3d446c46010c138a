//! One reply: how long it is.

use crate::{
    Limits, Malformed,
    head::{self, Head},
    number,
};

/// Finds the end of one reply after the other; resumable. No allocation for replies that are not nested.
#[derive(Debug, Default)]
pub struct Scan {
    /// Where the next element begins; 0 while the reply's first line is not whole.
    at: usize,
    /// How far the unfinished line at `at` has been searched for its end.
    seen: usize,
    /// How many elements the innermost open aggregate still lacks; 0 between replies.
    left: usize,
    /// The same for the aggregates around it, outermost first. The outermost of all is the reply itself.
    outer: Vec<usize>,
    /// How many elements the reply has announced so far.
    elements: usize,
    /// See [`Scan::needed`].
    needed: usize,
}

impl Scan {
    /// The length of the first whole reply in `bytes`, or nothing if it goes on: then call again with the same bytes and
    /// more behind them, and the scan goes on where it stopped. An attribute is part of the reply that follows it.
    ///
    /// # Errors
    /// The bytes are no reply, or one beyond the limits. The scan is fresh afterwards, but the bytes cannot be read any
    /// further.
    #[inline]
    pub fn next(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
        if self.at == 0
            && let Some(len) = plain(bytes, limits)
        {
            (self.seen, self.left) = (0, 0);
            return Ok(Some(len));
        }
        let outcome = self.walk(bytes, limits);
        if !matches!(outcome, Ok(None)) {
            self.reset();
        }
        outcome
    }

    /// Forgets a partial reply.
    pub fn reset(&mut self) {
        (self.at, self.seen, self.left, self.elements, self.needed) = (0, 0, 0, 0, 0);
        self.outer.clear();
    }

    /// After `None`: how many bytes there must be in total, at least, before another call can find more.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Element by element, whatever they are.
    fn walk(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
        self.left = self.left.max(usize::from(self.at == 0));
        while self.left > 0 {
            let Some(head) = head::read(bytes, self.at, &mut self.seen, limits)? else {
                self.needed = bytes.len() + 1;
                return Ok(None);
            };
            match head {
                Head::Line { end } => self.past(end + 2),
                Head::Null { next } => self.past(next),
                Head::Bulk { start, len } => match body(bytes, start, len)? {
                    Some(next) => self.past(next),
                    None => {
                        self.needed = start.saturating_add(len).saturating_add(2);
                        return Ok(None);
                    }
                },
                Head::Many { count, next, attribute } => self.open(count, next, attribute, limits)?,
            }
        }
        Ok(Some(self.at))
    }

    /// One element is over, and with it perhaps the aggregates around it.
    #[inline]
    fn past(&mut self, next: usize) {
        self.at = next;
        self.left -= 1;
        while self.left == 0 {
            let Some(outer) = self.outer.pop() else { return };
            self.left = outer;
        }
    }

    /// An aggregate begins. Attributes are extra: the element that they belong to is still to come.
    fn open(&mut self, count: usize, next: usize, attribute: bool, limits: &Limits) -> Result<(), Malformed> {
        self.elements = self.elements.saturating_add(count).saturating_add(usize::from(attribute));
        if self.elements > limits.elements {
            return Err(Malformed::ReplyElements);
        }
        if count == 0 && !attribute {
            self.past(next);
            return Ok(());
        }
        self.at = next;
        if count == 0 {
            return Ok(());
        }
        if self.outer.len() >= limits.depth {
            return Err(Malformed::ReplyDepth);
        }
        // The aggregate counts as seen now, so a finished one may leave a zero for `past` to unwind.
        self.outer.push(self.left - usize::from(!attribute));
        self.left = count;
        Ok(())
    }
}

/// Whether the reply that begins here is a push: something that nobody asked for and that takes no place in line.
#[inline]
pub fn is_push(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'>')
}

/// The length of the commonest replies, if they are whole: `+OK`, a short integer, a bulk string, a null.
#[inline]
fn plain(bytes: &[u8], limits: &Limits) -> Option<usize> {
    match bytes {
        [b'$', ..] => bulk(bytes, limits),
        [b'+', b'O', b'K', b'\r', b'\n', ..] => Some(5),
        [b':', ..] => number::short(bytes, 1).map(|(_, next)| next),
        // What a node answers to MGET of one key, into which MGET is cut.
        [b'*', b'1', b'\r', b'\n', inner @ ..] if limits.depth > 0 && limits.elements > 0 => {
            bulk(inner, limits).map(|len| len + 4)
        }
        _ => None,
    }
}

/// The length of a bulk string or a null, if it is whole.
#[inline(always)]
fn bulk(bytes: &[u8], limits: &Limits) -> Option<usize> {
    match bytes {
        [b'$', b'-', b'1', b'\r', b'\n', ..] => Some(5),
        [b'$', ..] => {
            let (len, start) = number::short(bytes, 1)?;
            let end = start + len;
            (len <= limits.bulk && bytes.get(end..end + 2)? == b"\r\n").then_some(end + 2)
        }
        _ => None,
    }
}

/// Where a bulk string with its CRLF ends. Nothing, if it goes on.
#[inline]
fn body(bytes: &[u8], start: usize, len: usize) -> Result<Option<usize>, Malformed> {
    let end = start.saturating_add(len);
    match bytes.get(end..end.saturating_add(2)) {
        Some(b"\r\n") => Ok(Some(end + 2)),
        Some(_) => Err(Malformed::ReplyEnd),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
