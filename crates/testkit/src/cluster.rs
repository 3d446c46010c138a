//! A real cluster on loopback: started, watched, broken and mended.
//!
//! Nodes are named by their index: the first `shards` of them are the primaries at the start, in the order of their
//! slots; the replicas follow, shard by shard. After a failover the indices stay and the roles change, so who is a
//! primary is always asked from the nodes themselves.

mod build;
mod migrate;
mod view;

pub use build::Builder;
pub use migrate::Migration;
pub use view::NodeView;

use crate::error::{Result, failed};
use crate::server::{self, Server};
use crate::wait;
use std::time::Duration;

/// How long a cluster may take to agree about something.
const AGREEMENT: Duration = Duration::from_secs(30);

/// A running cluster; every node is killed on drop.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    template: server::Builder,
    creation: String,
}

impl Cluster {
    /// `shards` primaries with `replicas` replicas each, all slots covered, ready for use.
    pub fn start(shards: usize, replicas: usize) -> Result<Self> {
        Self::builder(shards, replicas).start()
    }

    /// A cluster of one's own choice.
    pub fn builder(shards: usize, replicas: usize) -> Builder {
        Builder::new(shards, replicas)
    }

    /// All nodes, also ended ones.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, index: usize) -> &Server {
        &self.nodes[index]
    }

    /// One node, to kill or restart it.
    pub fn node_mut(&mut self, index: usize) -> &mut Server {
        &mut self.nodes[index]
    }

    /// `127.0.0.1:PORT` of every node, as seeds.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address().to_string()).collect()
    }

    /// What `redis-cli --cluster create` said, if it was used.
    pub fn creation(&self) -> &str {
        &self.creation
    }

    /// The cluster as the first node that answers sees it.
    pub fn view(&self) -> Result<Vec<NodeView>> {
        let views = self.nodes.iter().map(view::of);
        views.into_iter().find_map(Result::ok).ok_or_else(|| failed("no node of the cluster answers"))
    }

    /// The primaries that own slots and are not failed, in the order of their first slot.
    pub fn primaries(&self) -> Result<Vec<usize>> {
        let mut owners: Vec<_> =
            self.view()?.into_iter().filter(|node| node.serves() && !node.slots.is_empty()).collect();
        owners.sort_by_key(|node| node.slots[0].0);
        owners.iter().map(|node| self.index(node)).collect()
    }

    /// The replicas of the node `primary` that are not failed.
    pub fn replicas_of(&self, primary: usize) -> Result<Vec<usize>> {
        let view = self.view()?;
        let id = self.id(primary, &view)?;
        let replicas = view.iter().filter(|node| node.primary.as_deref() == Some(&id) && !node.failed());
        replicas.map(|node| self.index(node)).collect()
    }

    /// The node that owns `slot`.
    pub fn owner(&self, slot: u16) -> Result<usize> {
        let view = self.view()?;
        let owner = view.iter().find(|node| node.serves() && node.owns(slot));
        self.index(owner.ok_or_else(|| failed(format!("nobody owns slot {slot}")))?)
    }

    /// The slot of `key`, as the server computes it.
    pub fn slot_of(&self, key: &str) -> Result<u16> {
        let answering = self.nodes.iter().find_map(|node| node.client().ok());
        let mut client = answering.ok_or_else(|| failed("no node of the cluster answers"))?;
        let slot = client.must(&["CLUSTER", "KEYSLOT", key])?.text();
        slot.parse().map_err(|_| failed(format!("CLUSTER KEYSLOT {key}: {slot}")))
    }

    /// The node that owns the slot of `key`.
    pub fn owner_of(&self, key: &str) -> Result<usize> {
        self.owner(self.slot_of(key)?)
    }

    /// Ends a node at once, as a crash would.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        self.nodes[index].kill()
    }

    /// Starts a killed node again.
    pub fn restart(&mut self, index: usize) -> Result<()> {
        self.nodes[index].restart()
    }

    /// Makes the replica `index` the primary of its shard in order (CLUSTER FAILOVER), and waits until all agree.
    pub fn failover_to(&self, index: usize) -> Result<()> {
        self.node(index).ask("CLUSTER FAILOVER")?;
        self.wait_for_primary(index)
    }

    /// Makes some replica of the shard of the primary `index` its primary, and returns which one.
    pub fn failover(&self, index: usize) -> Result<usize> {
        let replicas = self.replicas_of(index)?;
        let heir = *replicas.first().ok_or_else(|| failed(format!("node {index} has no replica")))?;
        self.failover_to(heir)?;
        Ok(heir)
    }

    /// Waits until every living node sees the node `index` as a primary with slots.
    pub fn wait_for_primary(&self, index: usize) -> Result<()> {
        let node = self.node(index);
        wait::until_true(&format!("all agree that node {index} is a primary"), AGREEMENT, || {
            let views = self.living_views();
            let is_primary = |view: &Vec<NodeView>| {
                view.iter().any(|seen| is_at(node, seen) && seen.serves() && !seen.slots.is_empty())
            };
            Ok(!views.is_empty() && views.iter().all(is_primary))
        })
    }

    /// Waits until every living node says `cluster_state:ok`, all see the same owners and living members, every
    /// living replica is linked to its primary, and every node names all that it should in CLUSTER SLOTS.
    pub fn settle(&self) -> Result<()> {
        wait::until_true("the cluster settles", AGREEMENT, || self.settled()).map_err(|error| {
            let logs: Vec<_> =
                self.nodes.iter().map(|node| format!("--- {}\n{}", node.port(), node.log_tail())).collect();
            error.with(&logs.join("\n"))
        })
    }

    /// Starts one more node and introduces it; it owns no slot and replicates nobody yet.
    pub fn add_node(&mut self) -> Result<usize> {
        let node = self.template.clone().start()?;
        let view = self.view()?;
        let known = view.iter().find(|node| !node.failed()).ok_or_else(|| failed("no living node to meet"))?;
        let known = self.node(self.index(known)?).address();
        node.ask(&format!("CLUSTER MEET {} {}", known.ip(), known.port()))?;
        self.nodes.push(node);
        self.settle()?;
        Ok(self.nodes.len() - 1)
    }

    /// Makes the slotless node `index` a replica of the primary `of`.
    pub fn replicate(&self, index: usize, of: usize) -> Result<()> {
        let id = self.id(of, &self.view()?)?;
        self.node(index).ask(&format!("CLUSTER REPLICATE {id}"))?;
        self.settle()
    }

    /// Makes every node forget the node `index`, which is killed first.
    pub fn remove_node(&mut self, index: usize) -> Result<()> {
        let id = self.id(index, &self.view()?)?;
        self.kill(index)?;
        for node in &self.nodes {
            if let Ok(mut client) = node.client() {
                client.must(&["CLUSTER", "FORGET", &id])?;
            }
        }
        Ok(())
    }

    /// Begins to move `slot` to the node `to`, one step at a time.
    pub fn migration(&self, slot: u16, to: usize) -> Result<Migration<'_>> {
        Migration::new(self, slot, to)
    }

    /// Moves `slot` with all its keys to the node `to`.
    pub fn migrate_slot(&self, slot: u16, to: usize) -> Result<()> {
        let migration = self.migration(slot, to)?;
        migration.open()?;
        migration.move_keys(usize::MAX)?;
        migration.close()
    }

    /// The node id of the node `index`.
    pub fn node_id(&self, index: usize) -> Result<String> {
        self.id(index, &self.view()?)
    }

    fn id(&self, index: usize, view: &[NodeView]) -> Result<String> {
        let node = self.node(index);
        let found = view.iter().find(|seen| is_at(node, seen));
        let unknown = || failed(format!("the cluster does not know {}", node.address()));
        found.map(|seen| seen.id.clone()).ok_or_else(unknown)
    }

    fn index(&self, node: &NodeView) -> Result<usize> {
        let found = self.nodes.iter().position(|server| is_at(server, node));
        found.ok_or_else(|| failed(format!("{}:{} is none of ours", node.host, node.port)))
    }

    fn living_views(&self) -> Vec<Vec<NodeView>> {
        self.nodes.iter().filter_map(|node| view::of(node).ok()).collect()
    }

    fn settled(&self) -> Result<bool> {
        let living: Vec<&Server> = self.nodes.iter().filter(|node| node.client().is_ok()).collect();
        let mut pictures = Vec::new();
        for node in &living {
            if node.field("CLUSTER INFO", "cluster_state")? != "ok" {
                return Ok(false);
            }
            let replication = node.ask("INFO replication")?.text();
            if replication.contains("role:slave") && !replication.contains("master_link_status:up") {
                return Ok(false);
            }
            let view = view::of(node)?;
            let Some(picture) = view::picture(&view) else { return Ok(false) };
            if view::serving(&view) != view::told(node)? {
                return Ok(false);
            }
            pictures.push(picture);
        }
        let whole = pictures.first().is_some_and(|picture| picture.len() == living.len());
        Ok(whole && pictures.windows(2).all(|pair| pair[0] == pair[1]))
    }
}

/// Whether a node of CLUSTER NODES is this server. One that has not met anybody does not know its own address, and on
/// loopback the port alone tells nodes apart, whatever names they announce.
fn is_at(server: &Server, node: &NodeView) -> bool {
    let ip = server.address().ip();
    server.port() == node.port && (ip.is_loopback() || node.host.is_empty() || node.host == ip.to_string())
}
