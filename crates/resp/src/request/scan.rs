use memchr::memchr;

use super::{Arg, Request, head::Head, inline::Inline};
use crate::{
    Limits, Malformed,
    line::{self, Line},
    number,
};

/// What [`Scan::next`] found.
#[derive(Debug)]
pub enum Step<'a> {
    /// A whole request. The scan is fresh again for the next one.
    Whole {
        /// The request, which borrows from the bytes and from the scan.
        request: Request<'a>,
        /// Whether it has the name, byte for byte, and the number of arguments of the request before. (If not, it may
        /// have them all the same.)
        repeats: bool,
        /// How many of the bytes it was; for an inline request not the same as `request.bytes.len()`.
        consumed: usize,
    },
    /// Bytes that ask for nothing and get no reply, as in Redis: a blank inline line, `*0`, `*-1`.
    Skip {
        /// How many bytes.
        consumed: usize,
    },
    /// The request goes on.
    Partial {
        /// How many bytes there must be in total, at least, before another call can find more.
        needed: usize,
    },
}

/// Finds the end and the arguments of one request after the other; resumable.
///
/// It owns the list of arguments (and the re-encoded bytes of an inline request) and uses it again and again.
#[derive(Debug, Default)]
pub struct Scan {
    /// The arguments found so far.
    args: Vec<Arg>,
    /// Where the next header begins; 0 while the request's own header is not whole.
    pub(super) at: usize,
    /// How far the unfinished line at `at` has been searched for its end.
    seen: usize,
    /// How many arguments are still to come.
    pub(super) left: usize,
    /// An inline request as an array.
    inline: Inline,
    /// How the last array began.
    head: Head,
    /// Whether the request that is being read begins like the one before.
    repeats: bool,
}

/// What is kept of the argument list between requests; a longer one is given back, or each client that ever sent a
/// giant request would hold megabytes.
const KEEP: usize = 1024;

impl Scan {
    /// Looks at the bytes from where the current request begins. After [`Step::Partial`] call again with the same bytes
    /// and more behind them: the scan goes on where it stopped.
    ///
    /// # Errors
    /// What Redis calls a protocol error. The scan is fresh afterwards, but the bytes cannot be read any further.
    #[inline(always)]
    pub fn next<'a>(&'a mut self, bytes: &'a [u8], limits: &Limits) -> Result<Step<'a>, Malformed> {
        match bytes.first() {
            Some(b'*') => self.array(bytes, limits),
            Some(_) => self.line(bytes, limits),
            None => Ok(Step::Partial { needed: 1 }),
        }
    }

    /// The request that the last [`Step::Whole`] was, once more; `bytes` are those that it consumed.
    pub fn again<'a>(&'a self, bytes: &'a [u8]) -> Request<'a> {
        let bytes = if bytes.first() == Some(&b'*') { bytes } else { self.inline.encoded() };
        Request { bytes, args: &self.args }
    }

    /// What is there of a request that goes on: its arguments so far; and how many are still to come.
    pub fn begun<'a>(&'a self, bytes: &'a [u8]) -> (Request<'a>, usize) {
        (Request { bytes, args: if self.at == 0 { &[] } else { &self.args } }, self.left)
    }

    /// Forgets a partial request, and gives back what a giant one has taken.
    pub fn reset(&mut self) {
        self.forget();
        self.head.forget();
        self.args.clear();
        self.args.shrink_to(KEEP);
        self.inline.reset();
    }

    /// Whether there is no partial request: the next call starts one.
    pub fn is_fresh(&self) -> bool {
        self.at == 0 && self.seen == 0
    }

    /// The next call starts a request.
    #[inline]
    fn forget(&mut self) {
        (self.at, self.seen, self.left) = (0, 0, 0);
    }

    /// An array of bulk strings.
    #[inline(always)]
    fn array<'a>(&'a mut self, bytes: &'a [u8], limits: &Limits) -> Result<Step<'a>, Malformed> {
        if self.at == 0 {
            self.repeats = self.head.fits(bytes, limits);
            if self.repeats {
                // The name is where it was, and remains the first argument.
                (self.at, self.left) = self.head.behind();
                self.args.truncate(1);
            } else {
                match self.header(bytes, limits) {
                    Ok(None) => {}
                    Ok(Some(step)) => return Ok(step),
                    Err(malformed) => return self.refuse(malformed),
                }
            }
        }
        match self.arguments(bytes, limits) {
            Ok(None) => {
                let consumed = self.at;
                self.forget();
                let request = Request { bytes: bytes.get(..consumed).unwrap_or(bytes), args: &self.args };
                if !self.repeats {
                    self.head = Head::of(&request);
                }
                Ok(Step::Whole { request, repeats: self.repeats, consumed })
            }
            Ok(Some(needed)) => Ok(Step::Partial { needed }),
            Err(malformed) => self.refuse(malformed),
        }
    }

    /// Leaves no partial state behind an error.
    #[cold]
    fn refuse<'a>(&mut self, malformed: Malformed) -> Result<Step<'a>, Malformed> {
        self.reset();
        Err(malformed)
    }

    /// `*n`: how many arguments follow. Something, if the request ends or pauses here.
    #[inline]
    fn header<'a>(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Step<'a>>, Malformed> {
        let (count, next) = match number::short(bytes, 1) {
            Some((count, next)) => (count, next),
            None => match self.number(bytes, limits, Malformed::MultibulkLine, Malformed::MultibulkLength)? {
                // Below zero is as good as zero: Redis ignores both.
                Some((count, next)) => (usize::try_from(count).unwrap_or(0), next),
                None => return Ok(Some(Step::Partial { needed: bytes.len() + 1 })),
            },
        };
        if count > limits.arguments {
            return Err(Malformed::MultibulkLength);
        }
        if count == 0 {
            self.forget();
            return Ok(Some(Step::Skip { consumed: next }));
        }
        (self.at, self.left) = (next, count);
        self.head.forget();
        self.args.clear();
        if self.args.capacity() > KEEP {
            self.args.shrink_to(KEEP);
        }
        Ok(None)
    }

    /// The arguments, as far as they are here. Nothing, if all are; else how many bytes are needed.
    #[inline(always)]
    fn arguments(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
        let most = limits.request.min(u32::MAX as usize);
        let (mut at, mut left) = (self.at, self.left);
        let outcome = loop {
            if left == 0 {
                break Ok(None);
            }
            let (len, start) = match bytes.get(at) {
                Some(b'$') => match number::short(bytes, at + 1) {
                    Some(found) => found,
                    None => {
                        self.at = at;
                        match self.careful_length(bytes, limits) {
                            Ok(Some(found)) => found,
                            Ok(None) => break Ok(Some(bytes.len() + 1)),
                            Err(malformed) => break Err(malformed),
                        }
                    }
                },
                Some(&other) => break Err(Malformed::ExpectedBulk(other)),
                None => break Ok(Some(bytes.len() + 1)),
            };
            if len > limits.bulk {
                break Err(Malformed::BulkLength);
            }
            // `start` is within the bytes and `len` below 2^63: neither sum overflows.
            let (end, next) = (start + len, start + len + 2);
            if next > most {
                break Err(Malformed::TooBig);
            }
            match bytes.get(end..next) {
                Some(b"\r\n") => {}
                Some(_) => break Err(Malformed::BulkEnd),
                None => break Ok(Some(next)),
            }
            // Both fit: neither is above `most`.
            self.args.push(Arg { start: start as u32, len: len as u32 });
            at = next;
            left -= 1;
        };
        (self.at, self.left) = (at, left);
        outcome
    }

    /// [`Self::length`] for what is not a short number.
    #[cold]
    fn careful_length(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, Malformed> {
        match self.number(bytes, limits, Malformed::BulkLine, Malformed::BulkLength)? {
            Some((len, start)) => {
                let len = usize::try_from(len).map_err(|_| Malformed::BulkLength)?;
                Ok(Some((len, start)))
            }
            None => Ok(None),
        }
    }

    /// The number behind the type byte at `self.at`, and where the next line begins. Nothing, if the line goes on.
    #[cold]
    fn number(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        too_long: Malformed,
        invalid: Malformed,
    ) -> Result<Option<(i64, usize)>, Malformed> {
        match line::find(bytes, self.at, &mut self.seen, limits.inline) {
            Line::Whole(end) => {
                let number = bytes.get(self.at + 1..end).and_then(number::strict).ok_or(invalid)?;
                Ok(Some((number, end + 2)))
            }
            Line::Partial => Ok(None),
            Line::TooLong => Err(too_long),
            Line::Broken => Err(invalid),
        }
    }

    /// An inline request: words on a line that ends in LF or CRLF.
    #[cold]
    fn line<'a>(&'a mut self, bytes: &[u8], limits: &Limits) -> Result<Step<'a>, Malformed> {
        // Re-encoding makes `x ` seven bytes of two: up to 1 GiB still counts in 32 bits.
        let limit = limits.inline.min(limits.request).min(1 << 30);
        let window = bytes.get(self.seen..bytes.len().min(limit + 1)).unwrap_or_default();
        let Some(end) = memchr(b'\n', window).map(|found| self.seen + found) else {
            if bytes.len() > limit {
                return self.refuse(Malformed::InlineLine);
            }
            self.seen = bytes.len();
            return Ok(Step::Partial { needed: bytes.len() + 1 });
        };
        self.forget();
        self.head.forget();
        self.repeats = false;
        let line = bytes.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.inline.encode(line, &mut self.args, limits) {
            Ok([]) => Ok(Step::Skip { consumed: end + 1 }),
            Ok(encoded) => Ok(Step::Whole {
                request: Request { bytes: encoded, args: &self.args },
                repeats: false,
                consumed: end + 1,
            }),
            Err(malformed) => {
                self.args.clear();
                Err(malformed)
            }
        }
    }
}

#[cfg(test)]
mod tests;
