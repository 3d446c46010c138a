//! A simulated node, and a connection to it.

use super::pipe::{End, Network, Pipe};
use engine::UpstreamId;
use resp::request::Scan;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// How a node takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Connecting fails, at once or after a while.
    Refuses,
    /// Connecting never ends.
    Silent,
}

/// What a node does with one request instead of answering it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These bytes; it is not carried out.
    Say(&'static str),
    /// The true answer, so many microseconds later.
    Late(u64),
    /// It is carried out, but nobody hears of it: neither of this nor of anything behind it.
    Never,
    /// It is carried out; these bytes, and the end.
    Half(&'static str, End),
}

/// An answer for requests that begin with these words.
#[derive(Clone, Debug)]
pub struct Rule {
    pub words: &'static str,
    pub answer: Answer,
    pub times: usize,
}

/// A request that a node has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub connection: usize,
    pub at: u64,
    pub words: String,
}

#[derive(Debug)]
pub struct Node {
    pub address: SocketAddr,
    pub names: Vec<String>,
    pub door: Door,
    /// Said to whoever connects, unasked.
    pub banner: Option<&'static str>,
    pub password: Option<(Option<&'static str>, &'static str)>,
    /// Whoever has not authenticated is served all the same.
    pub lenient: bool,
    /// Said instead of answers: LOADING and the like.
    pub excuse: Option<&'static str>,
    /// It reads and carries out nothing until then.
    pub frozen_until: u64,
    pub rules: Vec<Rule>,
    pub seen: Vec<Seen>,
}

impl Node {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            names: Vec::new(),
            door: Door::Open,
            banner: None,
            password: None,
            lenient: false,
            excuse: None,
            frozen_until: 0,
            rules: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The first rule for a request, used up by one.
    pub fn rule_for(&mut self, words: &str) -> Option<Answer> {
        let fits = |rule: &Rule| words.starts_with(rule.words);
        let at = self.rules.iter().position(fits)?;
        let answer = self.rules[at].answer.clone();
        self.rules[at].times -= 1;
        if self.rules[at].times == 0 {
            self.rules.remove(at);
        }
        Some(answer)
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The outcome is known then.
    Connecting(u64),
    Open,
    Closed,
}

/// A connection from the proxy to a node.
#[derive(Debug)]
pub struct Conn {
    pub cluster: usize,
    pub node: usize,
    /// What the engine calls it, as long as it knows it.
    pub upstream: Option<UpstreamId>,
    pub phase: Phase,
    pub to_node: Pipe,
    pub to_proxy: Pipe,
    pub input: Vec<u8>,
    pub scan: Scan,
    pub authorized: bool,
    pub readonly: bool,
    pub asking: bool,
    /// Replies, and when each may go.
    pub replies: VecDeque<(u64, Vec<u8>)>,
    /// Bytes that found no room.
    pub output: Vec<u8>,
    pub last_reply: u64,
    /// Nothing is said any more.
    pub mute: bool,
    /// How it ends once all is said.
    pub end: Option<End>,
    /// Bytes may wait that the engine did not want.
    pub unread: bool,
}

impl Conn {
    pub fn new(cluster: usize, node: usize, upstream: UpstreamId, phase: Phase, network: &Network) -> Self {
        Self {
            cluster,
            node,
            upstream: Some(upstream),
            phase,
            to_node: Pipe::new(network.clone()),
            to_proxy: Pipe::new(network.clone()),
            input: Vec::new(),
            scan: Scan::default(),
            authorized: false,
            readonly: false,
            asking: false,
            replies: VecDeque::new(),
            output: Vec::new(),
            last_reply: 0,
            mute: false,
            end: None,
            unread: false,
        }
    }
}
