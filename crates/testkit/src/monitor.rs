//! What a server was really asked: MONITOR, recorded.

use crate::client::{Client, PATIENCE};
use crate::error::{Result, failed};
use crate::reply::Reply;
use crate::server::Server;
use crate::wait;
use std::io::{BufRead, BufReader};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Commands that nodes, discovery and connection handshakes send on their own.
const NOISE: [&str; 11] =
    ["asking", "auth", "client", "cluster", "command", "config", "hello", "info", "ping", "readonly", "replconf"];

/// One recorded command.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// Name and arguments as they were sent.
    pub args: Vec<Vec<u8>>,
    /// Who sent it: `127.0.0.1:PORT`, or `lua`. A replica sees its primary's address on replicated writes.
    pub source: String,
}

impl Seen {
    /// Name and arguments separated by spaces, lossy: `get b`.
    pub fn text(&self) -> String {
        self.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>().join(" ")
    }

    /// The name in lower case.
    pub fn name(&self) -> String {
        self.args.first().map(|name| String::from_utf8_lossy(name).to_lowercase()).unwrap_or_default()
    }

    /// Whether nodes and connections send it on their own account.
    pub fn is_noise(&self) -> bool {
        NOISE.contains(&self.name().as_str())
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {}", self.text(), self.source)
    }
}

/// A running MONITOR; ends on drop.
#[derive(Debug)]
pub struct Monitor {
    server: SocketAddr,
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Monitor {
    /// Records everything that `server` is asked from now on.
    pub fn start(server: &Server) -> Result<Self> {
        Self::start_at(server.address())
    }

    /// As [`Monitor::start`], by address.
    pub fn start_at(server: SocketAddr) -> Result<Self> {
        let mut client = Client::connect(server)?;
        let reply = client.ask("MONITOR")?;
        if reply != Reply::ok() {
            return Err(failed(format!("MONITOR on {server}: {reply:?}")));
        }
        let (stream, unread) = client.into_parts();
        stream.set_read_timeout(None)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reading, record) = (stream.try_clone()?, Arc::clone(&seen));
        std::thread::spawn(move || {
            let lines = BufReader::new(std::io::Read::chain(unread.as_slice(), reading)).split(b'\n');
            for line in lines.map_while(std::io::Result::ok) {
                if let Some(one) = parse(line.strip_suffix(b"\r").unwrap_or(&line)) {
                    record.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                }
            }
        });
        Ok(Self { server, stream, seen })
    }

    /// Everything recorded so far, without [noise](Seen::is_noise), once all that was executed before this call
    /// has arrived.
    pub fn commands(&self) -> Result<Vec<Seen>> {
        Ok(self.everything()?.into_iter().filter(|seen| !seen.is_noise()).collect())
    }

    /// As [`Monitor::commands`], with the noise.
    ///
    /// A server tells its monitors in the order of execution: a marker sent now is seen after all the rest.
    pub fn everything(&self) -> Result<Vec<Seen>> {
        static MARKERS: AtomicU64 = AtomicU64::new(0);
        let marker = format!("marker-{}-{}", std::process::id(), MARKERS.fetch_add(1, Ordering::Relaxed));
        let is_marker = |seen: &Seen| seen.args.get(1).is_some_and(|arg| arg.starts_with(b"marker-"));
        Client::connect(self.server)?.must(&["ECHO", &marker])?;
        self.wait_for(PATIENCE, |seen| seen.args.get(1).is_some_and(|arg| arg == marker.as_bytes()))?;
        Ok(self.record().into_iter().filter(|seen| !is_marker(seen)).collect())
    }

    /// How often a command was seen, written as words: `count("get b")`; the name in any case.
    pub fn count(&self, command: &str) -> Result<usize> {
        Ok(self.commands()?.iter().filter(|seen| is(seen, command)).count())
    }

    /// Waits until a recorded command fits, noise included, and returns the first that does.
    pub fn wait_for(&self, deadline: Duration, fits: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let what = format!("a certain command is seen on {}", self.server);
        wait::until(&what, deadline, || Ok(self.record().into_iter().find(|seen| fits(seen))))
            .map_err(|error| error.with(&format!("seen: {:?}", self.record())))
    }

    /// Waits until a command, written as words, was seen so often.
    pub fn wait_for_count(&self, command: &str, count: usize, deadline: Duration) -> Result<()> {
        let what = format!("{command:?} is seen {count} times on {}", self.server);
        let enough = || Ok(self.record().iter().filter(|seen| is(seen, command)).count() >= count);
        wait::until_true(&what, deadline, enough).map_err(|error| error.with(&format!("seen: {:?}", self.record())))
    }

    /// Forgets what was recorded, once all that was executed before this call has arrived.
    pub fn clear(&self) -> Result<()> {
        self.everything()?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    fn record(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // The reader's thread ends with the connection.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn is(seen: &Seen, command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    seen.args.len() == words.len()
        && seen.args.iter().zip(&words).enumerate().all(|(i, (arg, word))| {
            if i == 0 { arg.eq_ignore_ascii_case(word.as_bytes()) } else { arg == word.as_bytes() }
        })
}

/// `+1700000000.123456 [0 127.0.0.1:1234] "get" "b"`; `None` for anything else.
fn parse(line: &[u8]) -> Option<Seen> {
    let text = line.strip_prefix(b"+")?;
    let open = text.iter().position(|byte| *byte == b'[')?;
    let close = open + text[open..].windows(2).position(|pair| pair == b"] ")?;
    let head = String::from_utf8_lossy(&text[open + 1..close]).into_owned();
    let source = head.split_once(' ')?.1.to_owned();
    Some(Seen { args: arguments(&text[close + 2..])?, source })
}

/// Quoted arguments with the escapes that the server writes.
fn arguments(mut text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut args = Vec::new();
    while let Some(rest) = text.strip_prefix(b"\"") {
        let (arg, after) = argument(rest)?;
        args.push(arg);
        text = after.strip_prefix(b" ").unwrap_or(after);
    }
    text.is_empty().then_some(args)
}

fn argument(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut arg = Vec::new();
    let mut at = 0;
    loop {
        match (text.get(at)?, text.get(at + 1)) {
            (b'"', _) => return Some((arg, &text[at + 1..])),
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(text.get(at + 2..at + 4)?).ok()?;
                arg.push(u8::from_str_radix(digits, 16).ok()?);
                at += 4;
                continue;
            }
            (b'\\', Some(escaped)) => {
                arg.push(unescaped(*escaped));
                at += 1;
            }
            (byte, _) => arg.push(*byte),
        }
        at += 1;
    }
}

fn unescaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 7,
        b'b' => 8,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let seen = parse(br#"+1700000000.000001 [0 127.0.0.1:99] "SET" "a b" "\"\\\n\x00]""#).unwrap();
        assert_eq!(seen.source, "127.0.0.1:99");
        assert_eq!(seen.args, [b"SET".to_vec(), b"a b".to_vec(), b"\"\\\n\0]".to_vec()]);
        assert_eq!(parse(br#"+1.1 [0 lua] "get" "b""#).unwrap().source, "lua");
        assert_eq!(parse(b"+OK"), None);
    }

    #[test]
    fn names_are_compared_without_case_and_arguments_with() {
        let seen = parse(br#"+1.1 [0 127.0.0.1:1] "GET" "b""#).unwrap();
        assert!(is(&seen, "get b") && !is(&seen, "get B") && !is(&seen, "get b c"));
    }
}
