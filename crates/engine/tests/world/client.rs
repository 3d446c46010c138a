//! A simulated client.

use super::pipe::{End, Network, Pipe, Read};
use super::random::Dice;
use engine::SessionId;
use resp::reply::Scan;

/// What a client does of its own accord.
pub enum Deed {
    Send(Vec<u8>),
    WakeAt(u64),
    /// It will send nothing more, or is gone at once.
    Leave(End),
}

/// What drives a client of a random world.
pub trait Mind {
    /// It has been woken: what now?
    fn act(&mut self, now: u64, dice: &mut Dice) -> Vec<Deed>;
    /// A whole reply.
    fn hear(&mut self, now: u64, reply: &[u8]);
    /// The proxy has closed the connection.
    fn end(&mut self, now: u64, end: End);
}

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    AtOnce,
    /// So many bytes every so many microseconds.
    Slowly {
        bytes: usize,
        every: u64,
    },
    Never,
}

pub struct Client {
    /// The engine's name for it, as long as the driver holds its socket.
    pub session: Option<SessionId>,
    pub to_proxy: Pipe,
    pub to_client: Pipe,
    pub unsent: Vec<u8>,
    leaving: bool,
    pub reading: Reading,
    pub next_read: u64,
    heard: Vec<u8>,
    scan: Scan,
    /// Replies, and when they came; of a client without a mind.
    pub replies: Vec<(u64, Vec<u8>)>,
    pub ended: Option<End>,
    pub mind: Option<Box<dyn Mind>>,
    pub dice: Dice,
    /// The driver has not read all that may be there.
    pub unread: bool,
    /// It has been paused at some time.
    pub was_paused: bool,
    /// A node may fail in the middle of a reply that is passed on as it comes.
    pub may_be_cut_off: bool,
}

impl Client {
    pub fn new(session: SessionId, network: &Network, dice: Dice) -> Self {
        Self {
            session: Some(session),
            to_proxy: Pipe::new(network.clone()),
            to_client: Pipe::new(network.clone()),
            unsent: Vec::new(),
            leaving: false,
            reading: Reading::AtOnce,
            next_read: 0,
            heard: Vec::new(),
            scan: Scan::default(),
            replies: Vec::new(),
            ended: None,
            mind: None,
            dice,
            unread: false,
            was_paused: false,
            may_be_cut_off: false,
        }
    }

    /// Reads what the proxy has sent, thinks, sends. When to wake it again.
    pub fn live(&mut self, now: u64) -> Vec<u64> {
        let mut wakes = Vec::new();
        self.read(now, &mut wakes);
        let mind = self.mind.take();
        if let Some(mut mind) = mind {
            for deed in mind.act(now, &mut self.dice) {
                match deed {
                    Deed::Send(bytes) => self.unsent.extend(bytes),
                    Deed::WakeAt(at) => wakes.push(at),
                    Deed::Leave(end) => self.leave(now, end),
                }
            }
            self.mind = Some(mind);
        }
        self.push(now);
        wakes
    }

    /// It will send nothing more than what it has said already; or is gone at once.
    pub fn leave(&mut self, now: u64, end: End) {
        if end == End::Reset {
            self.reading = Reading::Never;
            self.unsent.clear();
            self.to_client.finish(now, end, &mut self.dice);
            self.to_proxy.finish(now, end, &mut self.dice);
        } else {
            self.leaving = true;
            self.push(now);
        }
    }

    fn push(&mut self, now: u64) {
        let n = self.to_proxy.write(now, &self.unsent, &mut self.dice);
        self.unsent.drain(..n);
        if self.leaving && self.unsent.is_empty() {
            self.to_proxy.finish(now, End::Finished, &mut self.dice);
        }
    }

    fn read(&mut self, now: u64, wakes: &mut Vec<u64>) {
        let most = match self.reading {
            Reading::AtOnce => usize::MAX,
            Reading::Slowly { .. } if now < self.next_read => return wakes.push(self.next_read),
            Reading::Slowly { bytes, every } => {
                self.next_read = now + every;
                bytes
            }
            Reading::Never => return,
        };
        match self.to_client.read(now, most) {
            Read::Bytes(bytes) => {
                self.heard.extend(bytes);
                self.cut(now);
                // Perhaps there is more, perhaps the end.
                wakes.push(self.next_read.max(now + 1));
            }
            Read::End(end) if self.ended.is_none() => {
                let whole = end == End::Reset || self.heard.is_empty();
                assert!(whole || self.may_be_cut_off, "the end in the middle of a reply");
                self.ended = Some(end);
                if let Some(mind) = &mut self.mind {
                    mind.end(now, end);
                }
            }
            _ => {}
        }
    }

    fn cut(&mut self, now: u64) {
        let mut at = 0;
        while at < self.heard.len()
            && let Some(len) = self.scan.next(&self.heard[at..], &resp::Limits::default()).unwrap()
        {
            let reply = &self.heard[at..at + len];
            match &mut self.mind {
                Some(mind) => mind.hear(now, reply),
                None => self.replies.push((now, reply.to_vec())),
            }
            at += len;
        }
        self.heard.drain(..at);
    }
}
