//! Where resources come from.

use std::sync::Arc;

use tokio::sync::watch;

use crate::kind::{Kind, PerKind};
use crate::nack::Nack;
use crate::node::Node;
use crate::resource::ResourceSet;

/// Everything that one node is to have. Sets are shared: two nodes with equal clusters should be given the same `Arc`.
#[derive(Clone, Debug)]
pub struct Snapshot {
    version: Arc<str>,
    sets: PerKind<Arc<ResourceSet>>,
}

impl Snapshot {
    /// Without resources. The version is for people (nonces, `system_version_info`, tables); what is sent is decided by
    /// the resources' own versions.
    pub fn new(version: impl Into<Arc<str>>) -> Snapshot {
        Snapshot { version: version.into(), sets: PerKind::default() }
    }

    /// The same with another set of one kind.
    #[must_use]
    pub fn with(mut self, kind: Kind, set: Arc<ResourceSet>) -> Snapshot {
        self.sets[kind] = set;
        self
    }

    /// The name of this state.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// The resources of a kind.
    pub fn set(&self, kind: Kind) -> &Arc<ResourceSet> {
        &self.sets[kind]
    }
}

/// Why a node is given nothing. It ends the stream; the proxy comes back on its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The registry has not been read yet: gRPC `Unavailable`.
    #[error("server is not ready to serve discovery information")]
    NotReady,
    /// The node cannot be served as it introduces itself: gRPC `InvalidArgument`.
    #[error("{0}")]
    Node(String),
}

/// Knows what every node is to have. Implemented by the control plane.
pub trait Source: Send + Sync + 'static {
    /// What this node is to have now. Asked once when a node connects and once after each batch of changes, on a thread
    /// of the runtime: it should cost little where nothing changed for this node, by returning the same `Arc`s.
    fn snapshot(&self, node: &Node) -> Result<Arc<Snapshot>, Refusal>;

    /// A counter that moves whenever the answers of [`Source::snapshot`] may have changed; it may move often, the server
    /// waits for quiet.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Told when a node refused something, and with `None` when it has accepted that kind again.
    fn judged(&self, _node: &Node, _kind: Kind, _nack: Option<&Nack>) {}

    /// Told when a stream of a node has ended.
    fn gone(&self, _node: &Node) {}
}
