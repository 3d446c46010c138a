//! Frames to bytes, appended to a buffer.

/// The header of an array of `n` elements; or of a request of `n` arguments.
#[inline]
pub fn array(out: &mut Vec<u8>, n: usize) {
    header(out, b'*', n);
}

/// The header of a RESP3 map of `n` pairs.
#[inline]
pub fn map(out: &mut Vec<u8>, n: usize) {
    header(out, b'%', n);
}

/// A bulk string.
#[inline]
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A simple string; control bytes become spaces.
pub fn simple(out: &mut Vec<u8>, text: &str) {
    line(out, b'+', text.as_bytes());
}

/// An error, its code included (`ERR no such thing`). Control bytes become spaces, so that a text that quotes a client
/// can never end the line and smuggle in a reply of its own.
pub fn error(out: &mut Vec<u8>, text: &[u8]) {
    line(out, b'-', text);
}

/// An integer.
#[inline]
pub fn integer(out: &mut Vec<u8>, value: i64) {
    out.push(b':');
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// RESP2's null bulk string.
#[inline]
pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// A whole request.
pub fn command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    array(out, arguments.len());
    for argument in arguments {
        bulk(out, argument);
    }
}

/// A type byte, a count, CRLF.
#[inline]
fn header(out: &mut Vec<u8>, kind: u8, n: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A type byte, a text of one line, CRLF.
fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend(text.iter().map(|&byte| if byte.is_ascii_control() { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame() {
        let mut out = Vec::new();
        array(&mut out, 3);
        bulk(&mut out, b"a\r\nb");
        simple(&mut out, "OK");
        integer(&mut out, i64::MIN);
        null(&mut out);
        map(&mut out, 0);
        assert_eq!(out, b"*3\r\n$4\r\na\r\nb\r\n+OK\r\n:-9223372036854775808\r\n$-1\r\n%0\r\n");
    }

    #[test]
    fn a_whole_request() {
        let mut out = Vec::new();
        command(&mut out, &[b"GET", b""]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }

    #[test]
    fn a_text_cannot_end_its_line() {
        let mut out = Vec::new();
        error(&mut out, b"ERR unknown command 'x\r\n+OK\0\x7f\xff'");
        simple(&mut out, "a\nb");
        assert_eq!(out, b"-ERR unknown command 'x  +OK  \xff'\r\n+a b\r\n");
    }
}
