//! A small blocking client, for RESP2 and RESP3, that also sends what no client library would.

use crate::error::{Error, Result, failed};
use crate::reply::Reply;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How long a client waits for a connection or a reply unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A larger pipeline is written while replies are read, as the other side may stop reading until they are.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// One connection to a server or a proxy.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    patience: Duration,
}

impl Client {
    /// Connects within [`PATIENCE`].
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self> {
        let address = address.to_socket_addrs()?.next().ok_or_else(|| failed("no address to connect to"))?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .map_err(|error| Error::from(error).during(&format!("connecting to {address}")))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, unread: Vec::new(), patience: PATIENCE })
    }

    /// The same client with another deadline for each reply.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Its own address, as the other side sees it.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }

    /// One command, one reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Reply> {
        self.send(args)?;
        self.read_reply()
    }

    /// A command whose words are separated by spaces, for arguments without any: `ask("SET a 1")`.
    pub fn ask(&mut self, line: &str) -> Result<Reply> {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// As [`Client::call`], with an error reply turned into an error.
    pub fn must<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Reply> {
        match self.call(args)? {
            Reply::Error(text) => {
                let words: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg.as_ref())).collect();
                Err(failed(format!("{}: {text}", words.join(" "))))
            }
            reply => Ok(reply),
        }
    }

    /// Sends a command and reads nothing.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<()> {
        self.send_raw(&encode(args))
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends all commands at once, then reads as many replies.
    pub fn pipeline<C: AsRef<[A]>, A: AsRef<[u8]>>(&mut self, commands: &[C]) -> Result<Vec<Reply>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command.as_ref())).collect();
        if bytes.len() <= WRITTEN_AT_ONCE {
            self.send_raw(&bytes)?;
            return self.read_replies(commands.len());
        }
        let mut writer = self.stream.try_clone()?;
        std::thread::scope(|scope| {
            let written = scope.spawn(move || writer.write_all(&bytes));
            let replies = self.read_replies(commands.len());
            match written.join() {
                Ok(Err(error)) if replies.is_ok() => Err(error.into()),
                _ => replies,
            }
        })
    }

    /// The next `count` replies.
    pub fn read_replies(&mut self, count: usize) -> Result<Vec<Reply>> {
        (0..count)
            .map(|i| self.read_reply().map_err(|error| error.during(&format!("reply {} of {count}", i + 1))))
            .collect()
    }

    /// The next reply, within the client's patience.
    pub fn read_reply(&mut self) -> Result<Reply> {
        let end = Instant::now() + self.patience;
        loop {
            if let Some((reply, length)) = Reply::parse(&self.unread)? {
                self.unread.drain(..length);
                return Ok(reply);
            }
            if self.read_some(end)? == 0 {
                return Err(Error::Closed(format!("{:?} was left unread", self.unread.escape_ascii().to_string())));
            }
        }
    }

    /// Everything up to the end of the connection; an error if it stays open.
    pub fn read_to_close(&mut self) -> Result<Vec<u8>> {
        let end = Instant::now() + self.patience;
        loop {
            match self.read_some(end) {
                Ok(0) | Err(Error::Closed(_)) => return Ok(std::mem::take(&mut self.unread)),
                Ok(_) => {}
                Err(error) => return Err(error.during("waiting for the connection to be closed")),
            }
        }
    }

    /// Whether the other side neither sends nor closes for so long.
    pub fn silent_for(&mut self, time: Duration) -> Result<bool> {
        if !self.unread.is_empty() {
            return Ok(false);
        }
        match self.read_some(Instant::now() + time) {
            Err(Error::Deadline(_)) => Ok(true),
            Err(Error::Closed(_)) => Ok(false),
            other => other.map(|_| false),
        }
    }

    /// Closes the sending half: the other side reads the end, and may still answer.
    pub fn finish_sending(&mut self) -> Result<()> {
        Ok(self.stream.shutdown(std::net::Shutdown::Write)?)
    }

    /// The socket, for options that few tests need.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket, and what was read from it and not used.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }

    fn read_some(&mut self, end: Instant) -> Result<usize> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Deadline("reading".into()));
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 64 * 1024];
        let count = self.stream.read(&mut chunk).map_err(|error| Error::from(error).during("reading"))?;
        self.unread.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// A command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
