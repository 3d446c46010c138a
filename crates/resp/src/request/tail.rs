use super::Scan;
use crate::{Limits, Malformed, number};

/// Follows a request that is too large to be kept: how many of the bytes that come are still its own.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    /// Bytes of what has been announced that are still to come, line ends included.
    skip: usize,
    /// Arguments that have not been announced.
    left: usize,
}

/// No header of an argument is longer, in bytes: `$`, nineteen digits, CRLF.
const HEADER: usize = 22;

impl Tail {
    /// The tail of the request that `scan` has begun; it is fed from the request's first byte on.
    pub fn of(scan: &Scan) -> Self {
        Self { skip: scan.at, left: scan.left }
    }

    /// How many of `bytes` belong to the request and are known to, and whether it ends with them. The rest, if the
    /// request goes on, is a header that is not whole: come back with the same bytes and more behind them.
    ///
    /// # Errors
    /// An argument's header is none, or one beyond the limits.
    pub fn next(&mut self, bytes: &[u8], limits: &Limits) -> Result<(usize, bool), Malformed> {
        let mut at = 0;
        loop {
            let step = self.skip.min(bytes.len() - at);
            (at, self.skip) = (at + step, self.skip - step);
            if self.skip > 0 || self.left == 0 {
                return Ok((at, self.skip == 0));
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(whole) = header(rest, limits)? else { return Ok((at, false)) };
            (self.skip, self.left) = (whole, self.left - 1);
        }
    }
}

/// How long the argument is that begins here, header and line end included. Nothing, if the header is not whole.
fn header(bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
    match bytes.first() {
        None => return Ok(None),
        Some(b'$') => {}
        Some(&other) => return Err(Malformed::ExpectedBulk(other)),
    }
    let Some(end) = bytes.iter().take(HEADER).position(|byte| *byte == b'\r') else {
        return if bytes.len() < HEADER { Ok(None) } else { Err(Malformed::BulkLength) };
    };
    let number = bytes.get(1..end).and_then(number::strict).and_then(|number| usize::try_from(number).ok());
    let len = number.filter(|len| *len <= limits.bulk).ok_or(Malformed::BulkLength)?;
    match bytes.get(end + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(end + 2 + len + 2)),
        Some(_) => Err(Malformed::BulkLength),
    }
}

#[cfg(test)]
mod tests {
    use super::{Scan, Tail};
    use crate::Limits;
    use crate::request::Step;

    const REQUEST: &[u8] = b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n$2\r\nEX\r\n$2\r\n10\r\n";

    /// However the bytes are cut, the tail ends where the request does.
    #[test]
    fn ends_where_the_request_ends() {
        let all = [REQUEST, b"*1\r\n$4\r\nPING\r\n"].concat();
        for begun in 21..REQUEST.len() {
            let mut scan = Scan::default();
            let step = scan.next(&all[..begun], &Limits::DEFAULT);
            assert!(matches!(step, Ok(Step::Partial { .. })), "{begun}");
            for chunk in 1..all.len() {
                let mut tail = Tail::of(&scan);
                let (mut at, mut seen, mut done) = (0, 0, false);
                while !done {
                    seen = (seen + chunk).min(all.len());
                    let (n, end) = tail.next(&all[at..seen], &Limits::DEFAULT).unwrap();
                    (at, done) = (at + n, end);
                }
                assert_eq!(at, REQUEST.len(), "begun with {begun}, then by {chunk}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_header() {
        for header in ["x", "$x\r\n", "$-1\r\n", "$99999999999999999999999\r\n", "$1\rx", ":1\r\n"] {
            let mut tail = Tail { skip: 0, left: 1 };
            assert!(tail.next(header.as_bytes(), &Limits::DEFAULT).is_err(), "{header:?}");
        }
        let mut tail = Tail { skip: 0, left: 1 };
        let small = Limits { bulk: 5, ..Limits::DEFAULT };
        assert!(tail.next(b"$6\r\n", &small).is_err());
    }
}
