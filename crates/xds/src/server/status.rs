//! What `/debug/syncz` shows: every connected proxy, what it was sent, what it accepted, what it refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::kind::Kind;
use crate::nack::Nack;
use crate::node::Node;
use crate::resource::ResourceSet;

use super::stream::Dialect;

/// A response that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Unique on its stream; empty for what the proxy brought along from an earlier stream.
    pub nonce: String,
    /// The version of the snapshot it was made from.
    pub version: Arc<str>,
    /// When it was sent.
    pub at: SystemTime,
}

/// One kind of resource of one proxy.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// Which.
    pub kind: Kind,
    /// Whether it asked for everything.
    pub wildcard: bool,
    /// How many names it asked for.
    pub names: usize,
    /// The last response.
    pub sent: Option<Stamp>,
    /// The last response it accepted.
    pub acked: Option<Stamp>,
    /// The last response, if it refused it.
    pub nack: Option<Nack>,
    /// What it has been sent; of kinds that are asked for by name it has only those.
    pub resources: Arc<ResourceSet>,
}

/// One connected proxy.
#[derive(Clone, Debug)]
pub struct ProxyStatus {
    /// Unique among the streams of this server.
    pub stream: u64,
    /// Who.
    pub node: Arc<Node>,
    /// Since when.
    pub connected: SystemTime,
    /// Which protocol it speaks.
    pub dialect: Dialect,
    /// The kinds it has asked for, in the order of a push.
    pub lanes: Vec<LaneStatus>,
}

/// The streams of a server.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<u64, ProxyStatus>>);

impl Board {
    pub(super) fn write(&self, status: ProxyStatus) {
        self.with(|streams| streams.insert(status.stream, status));
    }

    pub(super) fn forget(&self, stream: u64) {
        self.with(|streams| streams.remove(&stream));
    }

    /// By the proxies' names.
    pub(super) fn read(&self) -> Vec<ProxyStatus> {
        let mut all: Vec<ProxyStatus> = self.with(|streams| streams.values().cloned().collect());
        all.sort_by(|a, b| a.node.short().cmp(b.node.short()).then(a.stream.cmp(&b.stream)));
        all
    }

    /// A thread that died while it held the table left at worst one old row.
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<u64, ProxyStatus>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
