//! One conversation: a node is asked who its cluster is.
//!
//! `CLUSTER SHARDS` first, because it tells the health of nodes; `CLUSTER SLOTS` where that is unknown (before Redis 7)
//! or not allowed, which is remembered for the cluster. `CLUSTER INFO` with either, for the state and the epoch. All in
//! RESP2, which every server speaks.

use crate::connect::{Connector, Stream};
use crate::decision::{Candidate, Opinion};
use crate::names::Names;
use meant::{Cluster, Credentials};
use resp::{Limits, reply};
use slots::parse::{self, Unusable};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// The most that all replies of one conversation may amount to.
const LONGEST: usize = 16 << 20;

/// Why a node did not describe its cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("cannot connect within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("it closed the connection")]
    Closed,
    #[error("its answer is longer than {LONGEST} bytes")]
    TooLong,
    #[error("its answer is not RESP: {0}")]
    Malformed(resp::Malformed),
    #[error("it refuses our credentials: {0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Unusable(Unusable),
    #[error("no slot has a usable primary ({0})")]
    Nobody(String),
}

/// How the nodes of one cluster are asked.
pub(crate) struct Asker {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) names: Names,
    connector: Connector,
    /// `cluster_refresh_timeout`: how long one conversation may take, name resolution included.
    pub(crate) patience: Duration,
    /// Whether `CLUSTER SHARDS` was not understood.
    slots_only: AtomicBool,
}

impl Asker {
    /// For one cluster.
    pub(crate) fn new(connector: Connector, names: Names, patience: Duration) -> Self {
        Self {
            cluster: Arc::clone(connector.cluster()),
            names,
            connector,
            patience,
            slots_only: AtomicBool::new(false),
        }
    }

    /// What `node` says of its cluster. `known` are the addresses in use.
    pub(crate) async fn ask(&self, node: &Candidate, known: &BTreeSet<IpAddr>) -> Result<Opinion, Silence> {
        let deadline = Instant::now() + self.patience;
        let connecting = timeout(self.cluster.connect_timeout, self.connector.connect(node.address));
        let late = |_| Silence::Timeout(self.patience);
        let connected = timeout_at(deadline, connecting).await.map_err(late)?;
        let connected = connected.map_err(|_| Silence::ConnectTimeout(self.cluster.connect_timeout))?;
        let mut line = Line::new(connected.map_err(Silence::Connect)?);
        let credentials = self.cluster.upstream.for_node(node.address, &node.names);
        let told = timeout_at(deadline, self.converse(&mut line, credentials, node.address)).await.map_err(late)??;

        let names = told.described.names().into_iter().map(str::to_owned).collect();
        let found = self.names.resolve(names, known, deadline).await;
        let (map, left_out) = told.described.resolve(|name| found.get(name).copied());
        let left_out: Vec<_> = left_out.iter().map(ToString::to_string).collect();
        if map.covered() == 0 {
            return Err(Silence::Nobody(left_out.into_iter().next().unwrap_or_default()));
        }
        let Health { down, epoch } = told.health;
        Ok(Opinion { from: node.address, map: Arc::new(map), down, epoch, left_out })
    }

    async fn converse(&self, line: &mut Line, credentials: &Credentials, peer: SocketAddr) -> Result<Told, Silence> {
        let shards = !self.slots_only.load(Relaxed);
        let greeted = greet(&mut line.out, credentials);
        resp::write::command(&mut line.out, &[b"CLUSTER", if shards { b"SHARDS" } else { b"SLOTS" }]);
        resp::write::command(&mut line.out, &[b"CLUSTER", b"INFO"]);
        line.send().await?;
        if greeted {
            greeting(line.reply().await?)?;
        }
        let described =
            if shards { parse::shards(line.reply().await?, peer) } else { parse::slots(line.reply().await?, peer) };
        let health = Health::of(line.reply().await?);
        let described = match described {
            Err(unknown) if shards && unknown.is_unknown_command() => {
                self.slots_only.store(true, Relaxed);
                resp::write::command(&mut line.out, &[b"CLUSTER", b"SLOTS"]);
                line.send().await?;
                parse::slots(line.reply().await?, peer)
            }
            described => described,
        };
        Ok(Told { described: described.map_err(Silence::Unusable)?, health })
    }
}

/// What a conversation has come to.
struct Told {
    described: slots::Described,
    health: Health,
}

/// Writes AUTH, if there is a password; whether it did.
fn greet(out: &mut Vec<u8>, credentials: &Credentials) -> bool {
    match (&credentials.username, &credentials.password) {
        (Some(user), Some(password)) => resp::write::command(out, &[b"AUTH", user.reveal(), password.reveal()]),
        (None, Some(password)) => resp::write::command(out, &[b"AUTH", password.reveal()]),
        (_, None) => return false,
    }
    true
}

/// The reply to AUTH. A server that needs no password at all is none of our worries.
fn greeting(reply: &[u8]) -> Result<(), Silence> {
    let Some(refusal) = reply.strip_prefix(b"-").map(words) else { return Ok(()) };
    if refusal.contains("without any password configured") { Ok(()) } else { Err(Silence::Unauthenticated(refusal)) }
}

/// The state of the cluster as one node sees it (<https://redis.io/docs/latest/commands/cluster-info/>).
#[derive(Debug, PartialEq, Eq)]
struct Health {
    down: bool,
    epoch: Option<u64>,
}

impl Health {
    /// From the reply to `CLUSTER INFO`; an error tells nothing.
    fn of(reply: &[u8]) -> Self {
        let text = String::from_utf8_lossy(reply);
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Self {
            down: field("cluster_state:") == Some("fail"),
            epoch: field("cluster_current_epoch:").and_then(|epoch| epoch.parse().ok()),
        }
    }
}

/// An error reply as text, without its line end, shortened.
fn words(error: &[u8]) -> String {
    const SHOWN: usize = 200;
    String::from_utf8_lossy(&error[..error.len().min(SHOWN)]).trim_end().to_owned()
}

/// A connection, what is to be sent on it and what has come.
struct Line {
    stream: Stream,
    out: Vec<u8>,
    came: Vec<u8>,
    /// Where the replies already handed out end.
    read: usize,
    scan: reply::Scan,
}

impl Line {
    fn new(stream: Stream) -> Self {
        Self { stream, out: Vec::new(), came: Vec::new(), read: 0, scan: reply::Scan::default() }
    }

    async fn send(&mut self) -> Result<(), Silence> {
        self.stream.write_all(&self.out).await.map_err(Silence::Broken)?;
        self.stream.flush().await.map_err(Silence::Broken)?;
        self.out.clear();
        Ok(())
    }

    /// The bytes of the next reply.
    async fn reply(&mut self) -> Result<&[u8], Silence> {
        let limits = Limits::default();
        let len = loop {
            if let Some(len) = self.scan.next(&self.came[self.read..], &limits).map_err(Silence::Malformed)? {
                break len;
            }
            if self.came.len() >= LONGEST {
                return Err(Silence::TooLong);
            }
            if self.stream.read_buf(&mut self.came).await.map_err(Silence::Broken)? == 0 {
                return Err(Silence::Closed);
            }
        };
        let start = self.read;
        self.read += len;
        Ok(&self.came[start..self.read])
    }
}

#[cfg(test)]
mod tests;
