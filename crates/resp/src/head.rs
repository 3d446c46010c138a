use crate::{
    Limits, Malformed,
    line::{self, Line},
    number,
};

/// The first line of an element of a reply: all there is to know of its extent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// `+ - : , # (` and RESP3's null: the element is this line. Its text runs from behind the type byte to `end`,
    /// where its CRLF lies.
    Line {
        /// Offset of the CR.
        end: usize,
    },
    /// `$ ! =`: so many bytes and a CRLF follow.
    Bulk {
        /// Offset of the first byte.
        start: usize,
        /// How many bytes.
        len: usize,
    },
    /// RESP2's nulls, `$-1` and `*-1`.
    Null {
        /// Where the next element begins.
        next: usize,
    },
    /// `* ~ > % |`: so many elements follow.
    Many {
        /// How many; two for each pair of a map.
        count: usize,
        /// Where the first begins.
        next: usize,
        /// Whether these are attributes, which do not count as an element themselves.
        attribute: bool,
    },
}

/// Reads the head at `at`. Nothing, if its line goes on; `seen` is how far it has been searched (see [`line::find`]).
#[inline]
pub(crate) fn read(bytes: &[u8], at: usize, seen: &mut usize, limits: &Limits) -> Result<Option<Head>, Malformed> {
    let Some(&kind) = bytes.get(at) else { return Ok(None) };
    match kind {
        b'$' | b'*' | b'%' | b'~' | b'>' | b'|' | b'!' | b'=' => match number::short(bytes, at + 1) {
            Some((number, next)) => counted(kind, number, next, limits).map(Some),
            None => careful(bytes, at, seen, limits),
        },
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {
            let Some(end) = line(bytes, at, seen, limits)? else { return Ok(None) };
            check(kind, bytes.get(at + 1..end).unwrap_or_default())?;
            Ok(Some(Head::Line { end }))
        }
        other => Err(Malformed::ReplyType(other)),
    }
}

/// Where the line at `at` ends. Nothing, if it goes on.
fn line(bytes: &[u8], at: usize, seen: &mut usize, limits: &Limits) -> Result<Option<usize>, Malformed> {
    match line::find(bytes, at, seen, limits.line) {
        Line::Whole(end) => Ok(Some(end)),
        Line::Partial => Ok(None),
        Line::TooLong => Err(Malformed::ReplyLine),
        Line::Broken => Err(Malformed::ReplyEnd),
    }
}

/// A length or count that is not a short number.
#[cold]
fn careful(bytes: &[u8], at: usize, seen: &mut usize, limits: &Limits) -> Result<Option<Head>, Malformed> {
    let Some(end) = line(bytes, at, seen, limits)? else { return Ok(None) };
    match bytes.get(at..end).unwrap_or_default() {
        b"$-1" | b"*-1" => Ok(Some(Head::Null { next: end + 2 })),
        [_, b'?'] => Err(Malformed::ReplyStreamed),
        [kind, text @ ..] => {
            let number = number::strict(text).and_then(|number| usize::try_from(number).ok());
            counted(*kind, number.ok_or(Malformed::ReplyLength)?, end + 2, limits).map(Some)
        }
        [] => Err(Malformed::ReplyLength),
    }
}

/// The head of type `kind` whose line says `number`.
#[inline]
fn counted(kind: u8, number: usize, next: usize, limits: &Limits) -> Result<Head, Malformed> {
    match kind {
        b'$' | b'!' | b'=' if number > limits.bulk => Err(Malformed::ReplyLength),
        b'$' | b'!' | b'=' => Ok(Head::Bulk { start: next, len: number }),
        b'%' | b'|' => Ok(Head::Many { count: number.saturating_mul(2), next, attribute: kind == b'|' }),
        _ => Ok(Head::Many { count: number, next, attribute: false }),
    }
}

/// Whether a line's text is what its type promises. A double is only looked at, not understood: it is passed on as text.
fn check(kind: u8, text: &[u8]) -> Result<(), Malformed> {
    let good = match kind {
        b':' => number::integer(text).is_some(),
        b'#' => matches!(text, b"t" | b"f"),
        b'_' => text.is_empty(),
        b',' => !text.is_empty() && text.iter().all(u8::is_ascii_graphic),
        b'(' => {
            let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => true,
    };
    if good { Ok(()) } else { Err(Malformed::ReplyValue(kind)) }
}
