//! How a cluster comes to be: as the tutorial does it, or quickly.

use super::Cluster;
use crate::error::{Result, failed};
use crate::process::Process;
use crate::server::{self, Server};
use crate::wait;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Slots in a cluster.
const SLOTS: usize = 16_384;
/// How long `redis-cli --cluster create` may take.
const CREATION: Duration = Duration::from_secs(60);

/// What a cluster is started with.
#[derive(Clone, Debug)]
pub struct Builder {
    shards: usize,
    replicas: usize,
    node_timeout: Duration,
    by_cli: bool,
    hosts: Vec<Ipv4Addr>,
    server: server::Builder,
}

impl Builder {
    pub(super) fn new(shards: usize, replicas: usize) -> Self {
        // Replicas stay with their primaries, so that a test finds them where it put them.
        let server = Server::builder().config("cluster-migration-barrier 100");
        Self { shards, replicas, node_timeout: Duration::from_secs(2), by_cli: false, hosts: Vec::new(), server }
    }

    /// Another server program (`valkey-server`, or a path).
    pub fn binary(mut self, binary: &str) -> Self {
        self.server = self.server.binary(binary);
        self
    }

    /// One line of the configuration of every node.
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.server = self.server.config(line);
        self
    }

    /// How long a node is silent before the others call it dead. Default 2 s.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// Keeps the files of all nodes inside `folder`.
    pub fn within(mut self, folder: &Path) -> Self {
        self.server = self.server.within(folder);
        self
    }

    /// A host for each node, all at one port, instead of free ports of 127.0.0.1. They must be addresses of this machine,
    /// or of the network namespace of the calling thread.
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = Ipv4Addr>, port: u16) -> Self {
        self.hosts = hosts.into_iter().collect();
        self.server = self.server.port(port);
        self
    }

    /// Creates it with `redis-cli --cluster create`, as a person does; else the same steps are taken directly.
    pub fn by_cli(mut self) -> Self {
        self.by_cli = true;
        self
    }

    /// Starts all nodes and makes them a cluster that has settled.
    pub fn start(self) -> Result<Cluster> {
        let template = self.server.clone().cluster(self.node_timeout);
        let at = |index: usize| match self.hosts.get(index) {
            Some(host) => template.clone().host(*host),
            None => template.clone(),
        };
        let nodes = start_all((0..self.shards * (1 + self.replicas)).map(at).collect())?;
        let mut cluster = Cluster { nodes, template, creation: String::new() };
        if self.by_cli {
            cluster.creation = create_by_cli(&cluster, self.replicas)?;
        } else {
            form(&cluster, self.shards, self.replicas)?;
        }
        cluster.settle()?;
        Ok(cluster)
    }
}

fn start_all(nodes: Vec<server::Builder>) -> Result<Vec<Server>> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = nodes.into_iter().map(|node| scope.spawn(|| node.start())).collect();
        starting
            .into_iter()
            .map(|thread| thread.join().map_err(|_| failed("the thread that starts a node has panicked"))?)
            .collect()
    })
}

fn create_by_cli(cluster: &Cluster, replicas: usize) -> Result<String> {
    let mut command = Command::new("redis-cli");
    command.args(["--cluster", "create"]).args(cluster.addresses());
    command.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
    let said = Process::output(&mut command, CREATION).map_err(|error| error.during("redis-cli --cluster create"))?;
    Ok(without_colours(&said))
}

/// `redis-cli` colours what it says for a terminal, also where there is none.
fn without_colours(said: &str) -> String {
    let mut parts = said.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// Slots and epochs first, while the nodes do not know one another, then everybody meets everybody (gossip alone
/// takes seconds), then replicas are given their primaries.
fn form(cluster: &Cluster, shards: usize, replicas: usize) -> Result<()> {
    let mut ids = Vec::new();
    for (i, node) in cluster.nodes.iter().enumerate() {
        ids.push(node.ask("CLUSTER MYID")?.text());
        node.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", i + 1))?;
        if i < shards {
            let (first, end) = (i * SLOTS / shards, (i + 1) * SLOTS / shards);
            node.ask(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1))?;
        }
        for earlier in &cluster.nodes[..i] {
            node.ask(&format!("CLUSTER MEET {} {}", earlier.address().ip(), earlier.port()))?;
        }
    }
    let count = cluster.nodes.len().to_string();
    wait::until_true("the nodes have met", super::AGREEMENT, || {
        let met = |node: &Server| -> Result<bool> {
            Ok(node.field("CLUSTER INFO", "cluster_known_nodes")? == count
                && !node.ask("CLUSTER NODES")?.text().contains("handshake"))
        };
        cluster.nodes.iter().try_fold(true, |so_far, node| Ok(so_far && met(node)?))
    })?;
    for (i, node) in cluster.nodes.iter().enumerate().skip(shards) {
        node.ask(&format!("CLUSTER REPLICATE {}", ids[(i - shards) / replicas]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::without_colours;

    #[test]
    fn colours_go_and_words_stay() {
        assert_eq!(without_colours("\x1b[29;1m>>> All\n\x1b[0m[OK] me\x1b[0m"), ">>> All\n[OK] me");
        assert_eq!(without_colours("plain"), "plain");
    }
}
