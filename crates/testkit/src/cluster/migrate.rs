//! A slot on its way from one node to another, step by step, so that a test can look between the steps.

use super::Cluster;
use crate::error::{Result, failed};
use crate::wait;

/// A slot that moves; see [`Cluster::migration`].
#[derive(Debug)]
pub struct Migration<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: usize,
    to: usize,
    from_id: String,
    to_id: String,
}

impl<'a> Migration<'a> {
    pub(super) fn new(cluster: &'a Cluster, slot: u16, to: usize) -> Result<Self> {
        let from = cluster.owner(slot)?;
        let (from_id, to_id) = (cluster.node_id(from)?, cluster.node_id(to)?);
        Ok(Self { cluster, slot, from, to, from_id, to_id })
    }

    /// The node that gives the slot away.
    pub fn from(&self) -> usize {
        self.from
    }

    /// Marks the slot on both sides: from now on missing keys are answered with ASK.
    pub fn open(&self) -> Result<()> {
        self.set_slot(self.to, &format!("IMPORTING {}", self.from_id))?;
        self.set_slot(self.from, &format!("MIGRATING {}", self.to_id))
    }

    /// Moves up to `limit` keys and returns how many there were.
    pub fn move_keys(&self, limit: usize) -> Result<usize> {
        let mut client = self.cluster.node(self.from).client()?;
        let port = self.cluster.node(self.to).port().to_string();
        let mut moved = 0;
        while moved < limit {
            let batch = (limit - moved).min(100).to_string();
            let found = client.must(&["CLUSTER", "GETKEYSINSLOT", &self.slot.to_string(), &batch])?;
            let keys: Vec<String> = found.items().iter().map(crate::Reply::text).collect();
            if keys.is_empty() {
                break;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            client.must(&command)?;
            moved += keys.len();
        }
        Ok(moved)
    }

    /// Tells everybody about the new owner, the new owner first, and waits until all agree.
    pub fn close(&self) -> Result<()> {
        let node_is = format!("NODE {}", self.to_id);
        self.set_slot(self.to, &node_is)?;
        self.set_slot(self.from, &node_is)?;
        let others = self.cluster.primaries()?;
        for index in others.into_iter().filter(|index| ![self.from, self.to].contains(index)) {
            self.set_slot(index, &node_is)?;
        }
        wait::until_true(&format!("all agree about slot {}", self.slot), super::AGREEMENT, || {
            let views = self.cluster.living_views();
            let agrees =
                |view: &Vec<super::NodeView>| view.iter().any(|node| node.id == self.to_id && node.owns(self.slot));
            Ok(!views.is_empty() && views.iter().all(agrees))
        })
    }

    /// Takes the marks off again: the slot stays where it was. Keys that have moved already are not moved back.
    pub fn abandon(&self) -> Result<()> {
        self.set_slot(self.from, "STABLE")?;
        self.set_slot(self.to, "STABLE")
    }

    fn set_slot(&self, index: usize, what: &str) -> Result<()> {
        let reply = self.cluster.node(index).ask(&format!("CLUSTER SETSLOT {} {what}", self.slot))?;
        (reply == crate::Reply::ok()).then_some(()).ok_or_else(|| failed(format!("SETSLOT {what}: {reply:?}")))
    }
}
