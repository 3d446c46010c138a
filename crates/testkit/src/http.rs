//! Just enough HTTP/1.1 to read an admin page.

use crate::client::PATIENCE;
use crate::error::{Result, failed};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What a page said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The header lines, without the first.
    pub headers: String,
    /// The body, lossy.
    pub body: String,
}

/// GETs `path` from `address`.
pub fn get(address: SocketAddr, path: &str) -> Result<Page> {
    request(address, "GET", path)
}

/// POSTs nothing to `path` at `address`.
pub fn post(address: SocketAddr, path: &str) -> Result<Page> {
    request(address, "POST", path)
}

fn request(address: SocketAddr, method: &str, path: &str) -> Result<Page> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| failed(format!("{method} {path}: not HTTP: {}", bytes.escape_ascii())))
}

fn parse(bytes: &[u8]) -> Option<Page> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (first, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let raw = &bytes[end + 4..];
    let chunked = headers.to_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(raw)? } else { raw.to_vec() };
    Some(Page { status, headers: headers.to_owned(), body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = raw.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..line]).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(raw.get(line + 2..line + 2 + size)?);
        raw = raw.get(line + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn plain_and_chunked_bodies_are_read() {
        let plain = parse(b"HTTP/1.1 503 Service Unavailable\r\nServer: x\r\n\r\nINITIALIZING\n").unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (503, "INITIALIZING\n"));
        let chunked =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nLIV\r\n1\r\nE\r\n0\r\n\r\n").unwrap();
        assert_eq!((chunked.status, chunked.body.as_str()), (200, "LIVE"));
    }
}
