//! One connection to a proxy, read byte by byte, so that nothing that a client library would forgive is forgiven.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use testkit::Reply;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing has to come until a proxy is called silent.
const SILENCE: Duration = Duration::from_secs(1);
/// Asked behind raw bytes: its reply tells that all before it have come.
const LAST_WORD: &[u8] = b"*2\r\n$4\r\nECHO\r\n$9\r\nlast-word\r\n";
const LAST_REPLY: &[u8] = b"$9\r\nlast-word\r\n";

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub bytes: Vec<u8>,
    pub end: End,
}

/// What the connection was like afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    Closed,
    Silent,
}

impl Heard {
    /// As if these lines had been replied.
    pub fn lines(lines: &[String]) -> Self {
        Self { bytes: testkit::client::encode(lines), end: End::Open }
    }

    /// All replies, as far as they are whole.
    pub fn replies(&self) -> Vec<Reply> {
        let (mut replies, mut at) = (Vec::new(), 0);
        while let Ok(Some((reply, length))) = Reply::parse(&self.bytes[at..]) {
            replies.push(reply);
            at += length;
        }
        replies
    }

    /// The only reply, or the first.
    pub fn reply(&self) -> Reply {
        self.replies().into_iter().next().unwrap_or(Reply::Null)
    }
}

/// On one line: replies as they are, their number where they are many, and what became of the connection.
impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let replies: Vec<String> = self.replies().iter().map(|reply| format!("{reply:?}")).collect();
        let mut text = if replies.is_empty() { "nothing".to_owned() } else { replies.join(" ") };
        if text.chars().count() > 600 {
            text = text.chars().take(600).chain("…".chars()).collect();
        }
        match self.end {
            End::Open => f.write_str(&text),
            End::Closed => write!(f, "{text}, then closed"),
            End::Silent => write!(f, "{text}, then silence"),
        }
    }
}

/// A connection that is opened when it is needed.
pub struct Talk {
    address: SocketAddr,
    stream: Option<TcpStream>,
    unread: Vec<u8>,
    last: Vec<u8>,
}

impl Talk {
    pub fn with(address: SocketAddr) -> Self {
        Self { address, stream: None, unread: Vec::new(), last: Vec::new() }
    }

    /// The next command goes over a new connection.
    pub fn hang_up(&mut self) {
        assert_eq!(self.unread.escape_ascii().to_string(), "", "more replies than commands");
        self.stream = None;
    }

    /// One command, one reply; `{reply}` stands for the last reply's string.
    pub fn say(&mut self, words: &[Vec<u8>]) -> Heard {
        let words: Vec<&[u8]> =
            words.iter().map(|word| if word == b"{reply}" { self.last.as_slice() } else { word }).collect();
        let bytes = testkit::client::encode(&words);
        self.send(&bytes);
        let heard = self.hear(PATIENCE, one_reply);
        if let Reply::Bulk(body) = heard.reply() {
            self.last = body;
        }
        heard
    }

    /// Bytes over a new connection; everything that comes back until the proxy closes, or has answered what was asked last.
    pub fn raw(&mut self, bytes: &[u8], quiet: bool) -> Heard {
        self.hang_up();
        self.send(&[bytes, LAST_WORD].concat());
        let ended = |unread: &[u8]| unread.ends_with(LAST_REPLY).then_some(unread.len());
        let mut heard = self.hear(if quiet { SILENCE } else { PATIENCE }, ended);
        if heard.end == End::Open {
            heard.bytes.truncate(heard.bytes.len() - LAST_REPLY.len());
        }
        self.stream = None;
        heard
    }

    /// Many commands at once, then their replies.
    pub fn pipeline<C: AsRef<[Vec<u8>]>>(&mut self, commands: &[C]) -> Vec<Heard> {
        let bytes: Vec<u8> =
            commands.iter().flat_map(|words| testkit::client::encode::<Vec<u8>>(words.as_ref())).collect();
        self.send(&bytes);
        commands.iter().map(|_| self.hear(PATIENCE, one_reply)).collect()
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE).expect("the proxy accepts");
            stream.set_nodelay(true).unwrap();
            self.stream = Some(stream);
        }
        // A proxy that has closed already is found out by reading.
        let _ = self.stream.as_mut().unwrap().write_all(bytes);
    }

    /// Reads until `whole` tells how many bytes belong together.
    fn hear(&mut self, patience: Duration, whole: impl Fn(&[u8]) -> Option<usize>) -> Heard {
        let end = Instant::now() + patience;
        loop {
            if let Some(length) = whole(&self.unread) {
                return Heard { bytes: self.unread.drain(..length).collect(), end: End::Open };
            }
            if let Some(end) = self.read_some(end) {
                if end == End::Closed {
                    self.stream = None;
                }
                return Heard { bytes: std::mem::take(&mut self.unread), end };
            }
        }
    }

    fn read_some(&mut self, until: Instant) -> Option<End> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Some(End::Silent);
        }
        let stream = self.stream.as_mut().unwrap();
        stream.set_read_timeout(Some(left)).unwrap();
        let mut chunk = [0; 64 * 1024];
        match stream.read(&mut chunk) {
            Ok(0) => Some(End::Closed),
            Ok(count) => {
                self.unread.extend_from_slice(&chunk[..count]);
                None
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(End::Silent),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                Some(End::Closed)
            }
            Err(error) => panic!("reading from the proxy: {error}"),
        }
    }
}

/// The length of the first reply, if it is whole.
fn one_reply(unread: &[u8]) -> Option<usize> {
    Reply::parse(unread).expect("a reply").map(|(_, length)| length)
}
