//! One connection of the generator, and all of them.

use super::replies::{Counted, Replies};
use super::requests::Requests;
use crate::{Error, Result};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// What one read takes. Fewer bytes than this mean that the socket is empty: no second read has to find out.
const CHUNK: usize = 128 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    replies: Replies,
    /// What the socket did not take yet.
    unsent: VecDeque<Range<usize>>,
    /// For each request that was sent and not answered, when its time began, in nanoseconds.
    pub started: VecDeque<u64>,
    /// The request that comes next.
    next: usize,
}

impl Connection {
    /// Sends the next `count` requests; their time began at `started`.
    pub fn send(&mut self, requests: &Requests, count: usize, started: u64) -> Result<()> {
        self.unsent.push_back(requests.batch(self.next, count));
        self.next = (self.next + count) % requests.len();
        self.started.extend(std::iter::repeat_n(started, count));
        if self.unsent.len() == 1 { self.flush(requests) } else { Ok(()) }
    }

    /// Writes what is left, as far as the socket takes it.
    pub fn flush(&mut self, requests: &Requests) -> Result<()> {
        while let Some(range) = self.unsent.front_mut() {
            match self.socket.write(requests.bytes(range.clone())) {
                Ok(n) => range.start += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            if range.start == range.end {
                self.unsent.pop_front();
            }
        }
        Ok(())
    }

    /// Reads what has come and returns how many replies ended in it.
    fn receive(&mut self, chunk: &mut [u8], counted: &mut Counted) -> Result<u64> {
        let before = counted.replies;
        loop {
            match self.socket.read(chunk) {
                Ok(0) => return Err(Error::Closed),
                Ok(n) => {
                    self.replies.feed(&chunk[..n], counted).map_err(Error::Protocol)?;
                    if n < chunk.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(counted.replies - before)
    }
}

/// All connections of a run, and the poll they are registered with.
#[derive(Debug)]
pub(super) struct Connections {
    pub poll: Poll,
    pub all: Vec<Connection>,
    chunk: Vec<u8>,
}

impl Connections {
    /// Connects; each begins elsewhere in the cycle of requests.
    pub fn open(address: SocketAddr, count: usize, requests: &Requests) -> Result<Self> {
        let poll = Poll::new()?;
        let mut all = Vec::with_capacity(count);
        for i in 0..count {
            // One after the other and blocking, so that no accept queue overflows.
            let socket = std::net::TcpStream::connect_timeout(&address, super::PATIENCE)?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poll.registry().register(&mut socket, Token(i), Interest::READABLE | Interest::WRITABLE)?;
            all.push(Connection {
                socket,
                replies: Replies::default(),
                unsent: VecDeque::new(),
                started: VecDeque::new(),
                next: i * requests.len() / count,
            });
        }
        Ok(Self { poll, all, chunk: vec![0; CHUNK] })
    }

    /// Waits for events.
    pub fn wait(&mut self, events: &mut Events, timeout: Duration) -> Result<()> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Handles what is ready on the connection `index`; how many replies ended.
    pub fn handle(
        &mut self,
        index: usize,
        event: &mio::event::Event,
        requests: &Requests,
        counted: &mut Counted,
    ) -> Result<u64> {
        let connection = &mut self.all[index];
        if event.is_writable() && !connection.unsent.is_empty() {
            connection.flush(requests)?;
        }
        if event.is_readable() { connection.receive(&mut self.chunk, counted) } else { Ok(0) }
    }
}
