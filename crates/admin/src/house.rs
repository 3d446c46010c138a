//! What the face shows: the binary implements [`House`], the face asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use observe::{Registry, Sample};
use serde_json::{Map, Value};

/// The running process as the face sees it. Every method returns at once: the face asks on its own thread, once a
/// request, and renders what it got.
pub trait House: Send + Sync + 'static {
    /// Whether clients may come.
    fn state(&self) -> State;

    /// The clusters that cannot be used yet. The process is [`State::Live`] all the same: its listeners are open, and
    /// an unreachable cluster delays only its own traffic.
    fn missing(&self) -> Vec<Missing>;

    /// What the workers count.
    fn registry(&self) -> Arc<Registry>;

    /// What is counted elsewhere, topology's figures for instance (`Scope::Cluster`, `update_attempt`). The face itself
    /// adds `server.live`, `server.state`, `server.uptime` and `server.concurrency`.
    fn extra_stats(&self) -> Vec<Sample>;

    /// The clusters and their nodes, in the order in which they are to be shown.
    fn clusters(&self) -> Vec<ClusterStatus>;

    /// The open listeners.
    fn listeners(&self) -> Vec<ListenerStatus>;

    /// The configuration in force, in the shape of `envoy.admin.v3.ConfigDump`. The face blots out secrets once more.
    fn config_dump(&self) -> Value;

    /// Who this process is.
    fn info(&self) -> Info;

    /// Starts an orderly end (`POST /quitquitquit`). The reply is sent after this returns.
    fn quit(&self);
}

/// Whether clients may come (`envoy.admin.v3.ServerInfo.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The listeners are open.
    Live,
    /// The process is about to end: no new clients.
    Draining,
    /// The configuration is being read.
    PreInitializing,
    /// The listeners are being opened.
    Initializing,
}

impl State {
    /// Envoy's word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Live => "LIVE",
            State::Draining => "DRAINING",
            State::PreInitializing => "PRE_INITIALIZING",
            State::Initializing => "INITIALIZING",
        }
    }

    /// Envoy's number for it, the value of `server.state`.
    pub fn number(self) -> u64 {
        match self {
            State::Live => 0,
            State::Draining => 1,
            State::PreInitializing => 2,
            State::Initializing => 3,
        }
    }
}

/// A cluster that cannot be used yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub cluster: String,
    /// Why, for a person: `no seed answered: 10.0.0.7:6379: connection refused`.
    pub reason: String,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// How its nodes are found: `redis`, `static`, `strict_dns`, `logical_dns`.
    pub kind: String,
    /// Whether it came over xDS rather than from the bootstrap.
    pub added_via_api: bool,
    /// Its nodes.
    pub nodes: Vec<NodeStatus>,
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name that gave the address; empty if there was none.
    pub hostname: String,
    /// What it is in its shard.
    pub role: Role,
    /// Its shard's slots, as ranges: `0-5460 5470`. Empty if it has none.
    pub slots: String,
    /// Its availability zone; empty if unknown.
    pub zone: String,
    /// Whether requests are sent to it.
    pub healthy: bool,
}

/// What a node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The primary of its shard.
    Primary,
    /// A replica.
    Replica,
    /// A member of a cluster that is not a Redis Cluster.
    Member,
}

impl Role {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Replica => "replica",
            Role::Member => "member",
        }
    }
}

/// An open listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Where it really listens: the port is the one that was given for port 0.
    pub address: SocketAddr,
}

/// Who the process is.
#[derive(Clone, Debug)]
pub struct Info {
    /// The program and its version: `slotmesh/0.1.0`.
    pub version: String,
    /// When it started.
    pub started: Instant,
    /// The options it was started with, by Envoy's names where Envoy has them: `config_path`, `concurrency`.
    pub command_line_options: Map<String, Value>,
    /// `node.id` of the bootstrap.
    pub node_id: String,
    /// `node.cluster` of the bootstrap.
    pub node_cluster: String,
}
