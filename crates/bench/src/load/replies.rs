//! Replies counted as they stream in, without keeping them: only where one ends matters.

/// What came back so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Whole replies.
    pub replies: u64,
    /// Errors, also inside arrays.
    pub errors: u64,
    /// Nulls, also inside arrays.
    pub misses: u64,
    /// The text of the first error.
    pub first_error: Option<String>,
}

/// The reader of one connection. It survives any cut: it remembers half a line, or how much of a body is to come.
#[derive(Debug, Default)]
pub struct Replies {
    /// Values still to come of the reply that has begun; 0 between two replies.
    values: u64,
    /// Bytes still to come of the body that has begun, with its CRLF.
    body: u64,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
}

impl Replies {
    /// Counts what ends within `bytes`.
    ///
    /// # Errors
    /// The line that is not RESP.
    pub fn feed(&mut self, mut bytes: &[u8], counted: &mut Counted) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.body > 0 {
                let n = self.body.min(bytes.len() as u64);
                self.body -= n;
                bytes = &bytes[n as usize..];
                if self.body == 0 {
                    self.value_ends(counted);
                }
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                return Ok(());
            };
            if self.line.is_empty() {
                self.header(&bytes[..end], counted)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&bytes[..end]);
                self.header(&line, counted)?;
            }
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    /// The first line of a value, still with its CR.
    fn header(&mut self, line: &[u8], counted: &mut Counted) -> Result<(), String> {
        if self.values == 0 {
            self.values = 1;
        }
        match line.first() {
            Some(b'+' | b':' | b'#' | b',' | b'(') => self.value_ends(counted),
            Some(b'-') => self.error(line, counted),
            Some(b'_') => self.null(counted),
            Some(b'$' | b'=') => match number(line)? {
                ..0 => self.null(counted),
                length => self.body = length.unsigned_abs() + 2,
            },
            Some(b'*' | b'~' | b'>') => self.array(number(line)?, counted),
            Some(b'%') => self.array(number(line)? * 2, counted),
            _ => return Err(line.escape_ascii().to_string()),
        }
        Ok(())
    }

    fn array(&mut self, count: i64, counted: &mut Counted) {
        match count {
            ..0 => self.null(counted),
            count => {
                self.values += count.unsigned_abs();
                self.value_ends(counted);
            }
        }
    }

    fn error(&mut self, line: &[u8], counted: &mut Counted) {
        counted.errors += 1;
        let text = || String::from_utf8_lossy(&line[1..]).trim_end().to_owned();
        counted.first_error.get_or_insert_with(text);
        self.value_ends(counted);
    }

    fn null(&mut self, counted: &mut Counted) {
        counted.misses += 1;
        self.value_ends(counted);
    }

    fn value_ends(&mut self, counted: &mut Counted) {
        self.values -= 1;
        counted.replies += u64::from(self.values == 0);
    }
}

/// The number after the type byte.
fn number(line: &[u8]) -> Result<i64, String> {
    let text = std::str::from_utf8(line.get(1..).unwrap_or_default()).unwrap_or_default();
    text.trim_end().parse().map_err(|_| line.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(pieces: &[&[u8]]) -> Counted {
        let (mut replies, mut counted) = (Replies::default(), Counted::default());
        for piece in pieces {
            replies.feed(piece, &mut counted).unwrap();
        }
        counted
    }

    #[test]
    fn every_kind_of_reply_is_one_reply_wherever_it_is_cut() {
        let all =
            b"+OK\r\n:12\r\n$3\r\na\nb\r\n$-1\r\n-ERR no\r\n*2\r\n$1\r\nx\r\n*2\r\n:1\r\n:2\r\n*0\r\n*-1\r\n$0\r\n\r\n\
                    %1\r\n+k\r\n_\r\n";
        let whole = count(&[all]);
        assert_eq!((whole.replies, whole.errors, whole.misses), (10, 1, 3));
        assert_eq!(whole.first_error.as_deref(), Some("ERR no"));
        for cut in 0..all.len() {
            assert_eq!(count(&[&all[..cut], &all[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn half_a_reply_is_none() {
        assert_eq!(count(&[b"*2\r\n$1\r\nx\r\n"]).replies, 0);
        assert_eq!(count(&[b"$5\r\nhello\r"]).replies, 0);
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for wrong in [&b"hello\r\n"[..], b"$x\r\n", b"\r\n"] {
            assert!(Replies::default().feed(wrong, &mut Counted::default()).is_err());
        }
    }
}
