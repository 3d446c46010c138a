//! A reply as a tree that borrows from its bytes: for topology and merged replies, never for the path of a request.

use crate::{
    Limits, Malformed,
    head::{self, Head},
    number, reply,
};

/// One value of RESP2 or RESP3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `+`: a short text.
    Simple(&'a [u8]),
    /// `-`: an error, its code first.
    Error(&'a [u8]),
    /// `:`
    Integer(i64),
    /// `$`: any bytes.
    Bulk(&'a [u8]),
    /// `_`, `$-1` or `*-1`.
    Null,
    /// `*`
    Array(Vec<Value<'a>>),
    /// `%`: pairs in the order they came.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// `~`
    Set(Vec<Value<'a>>),
    /// `>`: something that nobody asked for.
    Push(Vec<Value<'a>>),
    /// `,`: a number as it is written (`1.5`, `inf`).
    Double(&'a [u8]),
    /// `#`
    Boolean(bool),
    /// `(`: a number as it is written.
    BigNumber(&'a [u8]),
    /// `=`: a text for humans, without the format mark (`txt:`) before it.
    Verbatim(&'a [u8]),
    /// `!`: an error of any bytes.
    BlobError(&'a [u8]),
}

/// Deeper trees are refused whatever the limits say, because building them recurses.
const DEEPEST: usize = 128;

/// The first whole reply in `bytes` and its length, or nothing if it goes on. Attributes are passed over.
///
/// # Errors
/// As [`reply::Scan::next`].
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Option<(Value<'a>, usize)>, Malformed> {
    let limits = Limits { depth: limits.depth.min(DEEPEST), ..*limits };
    // The scan first: whatever is built afterwards is whole and within the limits.
    let Some(len) = reply::Scan::default().next(bytes, &limits)? else { return Ok(None) };
    let mut tree = Tree { bytes: bytes.get(..len).unwrap_or(bytes), at: 0, limits };
    let value = tree.value()?;
    Ok(Some((value, len)))
}

impl<'a> Value<'a> {
    /// The bytes of a string or of a number that is kept as text. Not those of an error: see [`Value::as_error`].
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Simple(text)
            | Self::Bulk(text)
            | Self::Double(text)
            | Self::BigNumber(text)
            | Self::Verbatim(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, also one that is written as a string.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            other => number::integer(other.as_bytes()?),
        }
    }

    /// The text of an error.
    pub fn as_error(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Error(text) | Self::BlobError(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(values) | Self::Set(values) | Self::Push(values) => Some(values),
            _ => None,
        }
    }

    /// What stands behind `name` in a map, or in RESP2's form of one: an array of keys and values in turn.
    pub fn field(&self, name: &str) -> Option<&Value<'a>> {
        let named = |key: &Value<'_>| key.as_bytes() == Some(name.as_bytes());
        match self {
            Self::Map(pairs) => pairs.iter().find(|(key, _)| named(key)).map(|(_, value)| value),
            Self::Array(values) => values.chunks_exact(2).find(|pair| named(&pair[0])).map(|pair| &pair[1]),
            _ => None,
        }
    }
}

/// A whole reply on its way to a tree.
struct Tree<'a> {
    /// The reply.
    bytes: &'a [u8],
    /// Where the next element begins.
    at: usize,
    /// As they were for the scan.
    limits: Limits,
}

impl<'a> Tree<'a> {
    /// The next element.
    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        loop {
            let kind = self.bytes.get(self.at).copied().unwrap_or_default();
            let head = head::read(self.bytes, self.at, &mut 0, &self.limits)?.ok_or(Malformed::ReplyEnd)?;
            match head {
                Head::Line { end } => {
                    let text = self.text(self.at + 1, end);
                    self.at = end + 2;
                    return Ok(line(kind, text));
                }
                Head::Bulk { start, len } => {
                    self.at = start + len + 2;
                    return Ok(bulk(kind, self.text(start, start + len)));
                }
                Head::Null { next } => {
                    self.at = next;
                    return Ok(Value::Null);
                }
                Head::Many { count, next, attribute } => {
                    self.at = next;
                    if !attribute {
                        return self.many(kind, count);
                    }
                    for _ in 0..count {
                        self.value()?;
                    }
                }
            }
        }
    }

    /// The elements of an aggregate; all of them are there, so the count may be believed.
    fn many(&mut self, kind: u8, count: usize) -> Result<Value<'a>, Malformed> {
        if kind == b'%' {
            let pairs = (0..count / 2).map(|_| Ok((self.value()?, self.value()?)));
            return pairs.collect::<Result<_, Malformed>>().map(Value::Map);
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.value()?);
        }
        Ok(match kind {
            b'~' => Value::Set(values),
            b'>' => Value::Push(values),
            _ => Value::Array(values),
        })
    }

    /// The bytes between two offsets.
    fn text(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }
}

/// A value of one line.
fn line(kind: u8, text: &[u8]) -> Value<'_> {
    match kind {
        b'-' => Value::Error(text),
        b':' => Value::Integer(number::integer(text).unwrap_or_default()),
        b',' => Value::Double(text),
        b'#' => Value::Boolean(text == b"t"),
        b'(' => Value::BigNumber(text),
        b'_' => Value::Null,
        _ => Value::Simple(text),
    }
}

/// A value of counted bytes.
fn bulk(kind: u8, text: &[u8]) -> Value<'_> {
    match (kind, text) {
        (b'!', _) => Value::BlobError(text),
        (b'=', [_, _, _, b':', rest @ ..]) => Value::Verbatim(rest),
        (b'=', _) => Value::Verbatim(text),
        _ => Value::Bulk(text),
    }
}

#[cfg(test)]
mod tests;
