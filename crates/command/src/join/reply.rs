//! Reading a reply only as far as a join needs it.

use resp::{
    Limits,
    reply::Scan,
    value::{self, Value},
};

/// One reply, its elements untouched.
pub(super) enum Reply<'a> {
    Integer(i64),
    Bulk(&'a [u8]),
    Array(Vec<&'a [u8]>),
    /// An error, a status, a null, or no reply at all.
    Other,
}

/// What this whole reply is.
pub(super) fn read(reply: &[u8]) -> Reply<'_> {
    if reply.first() == Some(&b'*') {
        return elements(reply).map_or(Reply::Other, Reply::Array);
    }
    match value::parse(reply, &Limits::default()) {
        Ok(Some((Value::Integer(value), _))) => Reply::Integer(value),
        Ok(Some((Value::Bulk(bytes) | Value::Verbatim(bytes), _))) => Reply::Bulk(bytes),
        _ => Reply::Other,
    }
}

/// Whether this reply is an error.
pub fn is_error(reply: &[u8]) -> bool {
    reply.first() == Some(&b'-')
}

/// The first part that is an error.
pub fn first_error<'a>(parts: &[&'a [u8]]) -> Option<&'a [u8]> {
    parts.iter().copied().find(|part| is_error(part))
}

/// What Envoy answers when so many keys of a command that was cut up failed; the others took effect.
pub fn finished_with_errors(errors: usize, out: &mut Vec<u8>) {
    error(&format!("finished with {errors} error(s)"), out);
}

pub(super) fn error(text: &str, out: &mut Vec<u8>) {
    resp::write::error(out, text.as_bytes());
}

/// The elements of an array as they stand in its bytes. A null array has none.
fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let end = array.windows(2).position(|two| two == b"\r\n")?;
    let count: i64 = std::str::from_utf8(array.get(1..end)?).ok()?.parse().ok()?;
    let (mut rest, mut elements) = (&array[end + 2..], Vec::new());
    for _ in 0..count {
        let len = Scan::default().next(rest, &Limits::default()).ok()??;
        let (element, after) = rest.split_at_checked(len)?;
        elements.push(element);
        rest = after;
    }
    Some(elements)
}
