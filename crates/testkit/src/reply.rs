//! RESP2 and RESP3 replies as values, and a plain reader for them.

use crate::error::{Result, failed};
use std::fmt;

/// One reply. Kinds that clients can tell apart are told apart here too.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+text`
    Simple(String),
    /// `-text`
    Error(String),
    /// `:n`
    Int(i64),
    /// `$n`
    Bulk(Vec<u8>),
    /// `*n`
    Array(Vec<Reply>),
    /// `$-1`, RESP2's missing value.
    NilBulk,
    /// `*-1`, RESP2's missing array.
    NilArray,
    /// `_`, RESP3's missing value.
    Null,
    /// `#t`, `#f`
    Bool(bool),
    /// `,text`, kept as it was written.
    Double(String),
    /// `(text`
    Big(String),
    /// `!n`
    BulkError(Vec<u8>),
    /// `=n`, with its three-letter format in front.
    Verbatim(Vec<u8>),
    /// `%n`
    Map(Vec<(Reply, Reply)>),
    /// `~n`
    Set(Vec<Reply>),
    /// `>n`
    Push(Vec<Reply>),
    /// `|n`, and the reply it describes.
    Attribute(Vec<(Reply, Reply)>, Box<Reply>),
}

impl Reply {
    /// `+OK`.
    pub fn ok() -> Self {
        Self::simple("OK")
    }

    /// A simple string.
    pub fn simple(text: &str) -> Self {
        Self::Simple(text.to_owned())
    }

    /// A bulk string.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// An array of bulk strings.
    pub fn bulks<T: AsRef<[u8]>>(items: &[T]) -> Self {
        Self::Array(items.iter().map(Self::bulk).collect())
    }

    /// Whether it is an error that begins with `prefix` (`MOVED`, `ERR unknown command`).
    pub fn is_error(&self, prefix: &str) -> bool {
        match self {
            Self::Error(text) => text.starts_with(prefix),
            Self::BulkError(text) => text.starts_with(prefix.as_bytes()),
            _ => false,
        }
    }

    /// The text of a string of any kind, an integer or an error; lossy, empty for the rest.
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Double(text) | Self::Big(text) => text.clone(),
            Self::Bulk(bytes) | Self::BulkError(bytes) | Self::Verbatim(bytes) => String::from_utf8_lossy(bytes).into(),
            Self::Int(n) => n.to_string(),
            _ => String::new(),
        }
    }

    /// The items of an array, a set or a push; none for the rest.
    pub fn items(&self) -> &[Reply] {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => items,
            _ => &[],
        }
    }

    /// The first whole reply in `bytes` and its length, or `None` while it is incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let mut reader = Reader { bytes, at: 0 };
        Ok(reader.reply()?.map(|reply| (reply, reader.at)))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn reply(&mut self) -> Result<Option<Reply>> {
        let Some(line) = self.line() else { return Ok(None) };
        let Some((&kind, rest)) = line.split_first() else { return Err(failed("an empty line for a reply")) };
        let text = String::from_utf8_lossy(rest).into_owned();
        Ok(Some(match kind {
            b'+' => Reply::Simple(text),
            b'-' => Reply::Error(text),
            b':' => Reply::Int(number(&text)?),
            b',' => Reply::Double(text),
            b'(' => Reply::Big(text),
            b'_' => Reply::Null,
            b'#' => Reply::Bool(text == "t"),
            b'$' | b'*' if text == "-1" => {
                return Ok(Some(if kind == b'$' { Reply::NilBulk } else { Reply::NilArray }));
            }
            b'$' | b'!' | b'=' => return Ok(self.body(number(&text)?)?.map(|body| bulk(kind, body))),
            b'*' | b'~' | b'>' => return Ok(self.list(number(&text)?)?.map(|items| list(kind, items))),
            b'%' | b'|' => return self.pairs(kind, number(&text)?),
            other => return Err(failed(format!("no reply begins with {:?}: {text:?}", other as char))),
        }))
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        Some(rest[..end].to_vec())
    }

    fn body(&mut self, length: i64) -> Result<Option<Vec<u8>>> {
        let length = usize::try_from(length).map_err(|_| failed(format!("a body of length {length}")))?;
        let Some(whole) = self.bytes.get(self.at..self.at + length + 2) else { return Ok(None) };
        let (body, end) = whole.split_at(length);
        if end != b"\r\n" {
            return Err(failed(format!("a body of length {length} ends with {end:?}")));
        }
        self.at += length + 2;
        Ok(Some(body.to_vec()))
    }

    fn list(&mut self, count: i64) -> Result<Option<Vec<Reply>>> {
        (0..count).map(|_| self.reply()).collect()
    }

    fn pairs(&mut self, kind: u8, count: i64) -> Result<Option<Reply>> {
        let Some(flat) = self.list(2 * count)? else { return Ok(None) };
        let pairs = flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        if kind == b'%' {
            return Ok(Some(Reply::Map(pairs)));
        }
        Ok(self.reply()?.map(|described| Reply::Attribute(pairs, Box::new(described))))
    }
}

fn number(text: &str) -> Result<i64> {
    text.parse().map_err(|_| failed(format!("{text:?} is no number")))
}

fn bulk(kind: u8, body: Vec<u8>) -> Reply {
    match kind {
        b'!' => Reply::BulkError(body),
        b'=' => Reply::Verbatim(body),
        _ => Reply::Bulk(body),
    }
}

fn list(kind: u8, items: Vec<Reply>) -> Reply {
    match kind {
        b'~' => Reply::Set(items),
        b'>' => Reply::Push(items),
        _ => Reply::Array(items),
    }
}

/// Short, on one line, nearly as it was on the wire; long strings are cut.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{text}"),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Int(n) => write!(f, ":{n}"),
            Self::Double(text) => write!(f, ",{text}"),
            Self::Big(text) => write!(f, "({text}"),
            Self::Bool(truth) => write!(f, "#{truth}"),
            Self::NilBulk => f.write_str("$nil"),
            Self::NilArray => f.write_str("*nil"),
            Self::Null => f.write_str("_"),
            Self::Bulk(body) => shortened(f, "$", body),
            Self::BulkError(body) => shortened(f, "!", body),
            Self::Verbatim(body) => shortened(f, "=", body),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => write!(f, "~{items:?}"),
            Self::Push(items) => write!(f, ">{items:?}"),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish(),
            Self::Attribute(pairs, reply) => write!(f, "|{pairs:?} {reply:?}"),
        }
    }
}

fn shortened(f: &mut fmt::Formatter<'_>, sign: &str, body: &[u8]) -> fmt::Result {
    let shown = &body[..body.len().min(200)];
    write!(f, "{sign}\"{}\"", shown.escape_ascii())?;
    if shown.len() < body.len() { write!(f, "… ({} bytes)", body.len()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of reply, whole at its last byte and not one byte earlier.
    #[test]
    fn every_kind_is_read_and_half_a_reply_is_not() {
        let cases: [(&str, Reply); 16] = [
            ("+OK\r\n", Reply::ok()),
            ("-ERR no\r\n", Reply::Error("ERR no".into())),
            (":-7\r\n", Reply::Int(-7)),
            ("$4\r\na\r\nb\r\n", Reply::bulk("a\r\nb")),
            ("$0\r\n\r\n", Reply::bulk("")),
            ("$-1\r\n", Reply::NilBulk),
            ("*-1\r\n", Reply::NilArray),
            ("*2\r\n$1\r\na\r\n*0\r\n", Reply::Array(vec![Reply::bulk("a"), Reply::Array(vec![])])),
            ("_\r\n", Reply::Null),
            ("#t\r\n", Reply::Bool(true)),
            (",1.5\r\n", Reply::Double("1.5".into())),
            ("=6\r\ntxt:hi\r\n", Reply::Verbatim(b"txt:hi".to_vec())),
            ("%1\r\n+a\r\n:1\r\n", Reply::Map(vec![(Reply::simple("a"), Reply::Int(1))])),
            ("~1\r\n:1\r\n", Reply::Set(vec![Reply::Int(1)])),
            (">1\r\n+x\r\n", Reply::Push(vec![Reply::simple("x")])),
            (
                "|1\r\n+a\r\n:1\r\n+OK\r\n",
                Reply::Attribute(vec![(Reply::simple("a"), Reply::Int(1))], Box::new(Reply::ok())),
            ),
        ];
        for (wire, reply) in cases {
            assert_eq!(Reply::parse(wire.as_bytes()).unwrap(), Some((reply, wire.len())), "{wire:?}");
            for cut in 0..wire.len() {
                assert_eq!(Reply::parse(&wire.as_bytes()[..cut]).unwrap(), None, "{wire:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for wire in ["hello\r\n", "$x\r\n", "$-2\r\n", "$1\r\nabc", "\r\n"] {
            assert!(Reply::parse(wire.as_bytes()).is_err(), "{wire:?}");
        }
    }
}
