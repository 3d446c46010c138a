//! What every telling of the tutorial has: a plain client, six servers that are one cluster, and a mirror.

use testkit::{Cluster, Server};

/// A place where the tutorial can be played.
pub trait Scene {
    /// What `redis-cli` prints that knows one plain address and nothing else.
    fn ask(&self, words: &[&str]) -> anyhow::Result<String>;

    /// The cluster's own view.
    fn cluster(&self) -> &Cluster;

    /// The mirror.
    fn mirror(&self) -> &Server;

    /// What a node of the cluster is called.
    fn name(&self, node: usize) -> String;

    /// The shards in the order of their slots, as the cluster itself tells them.
    fn shards(&self) -> anyhow::Result<Vec<Shard>> {
        let cluster = self.cluster();
        let view = cluster.view()?;
        let mut shards = Vec::new();
        for primary in cluster.primaries()? {
            let replicas = cluster.replicas_of(primary)?;
            let [replica] = *replicas.as_slice() else {
                anyhow::bail!("the primary {} has {} replicas instead of one", self.name(primary), replicas.len());
            };
            let id = cluster.node_id(primary)?;
            let node = view.iter().find(|node| node.id == id);
            let ranges = node.map(|node| node.slots.as_slice()).unwrap_or_default();
            let slots = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>().join(" ");
            shards.push(Shard { primary, replica, slots });
        }
        Ok(shards)
    }
}

/// One shard as the cluster itself describes it.
pub struct Shard {
    /// The number of its primary among the nodes.
    pub primary: usize,
    /// The number of its replica.
    pub replica: usize,
    /// Its slots, as text.
    pub slots: String,
}
