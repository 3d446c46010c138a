//! Everything that runs during the play: six nodes, a mirror, the proxy.

use super::scene::{Scene, Shard};
use super::{redis_cli, say, settings};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use testkit::{Cluster, ClusterBuilder, Proxy, Server, reaper};

/// The tutorial's three shards with one replica each.
pub const SHARDS: usize = 3;
pub const REPLICAS: usize = 1;
/// When the nodes call one another dead; nothing dies here, and a busy machine must not make it look so.
const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// What runs. Fields are dropped in this order: the proxy before the servers, the folder last.
pub struct Stage {
    proxy: Proxy,
    cluster: Cluster,
    mirror: Server,
    folder: TempDir,
}

impl Stage {
    /// Starts everything, up to a proxy that is ready.
    pub fn build() -> anyhow::Result<Self> {
        let folder = reaper::folder()?;
        say(&format!("Starting six servers in {} …", folder.path().display()))?;
        let cluster = create(folder.path())?;
        let mirror = Server::builder().within(folder.path()).start()?;
        say("Starting the proxy with the tutorial's configuration …")?;
        let config = settings::before_mirror(&ports(&cluster))?;
        let proxy = Proxy::start(std::env::current_exe()?, &config)?;
        say(&format!("The proxy listens on {}", proxy.address()))?;
        Ok(Self { proxy, cluster, mirror, folder })
    }

    /// Restarts the proxy with the configuration that has the mirror, on the same address.
    pub fn turn_mirror_on(&mut self) -> anyhow::Result<()> {
        let config = settings::with_mirror(&ports(&self.cluster), self.mirror.port())?;
        Ok(self.proxy.restart(&config)?)
    }

    /// How to look around while everything keeps running.
    pub fn invitation(&self) -> String {
        let shards = self.shards().unwrap_or_default();
        let node = |shard: &Shard| {
            let (primary, replica) = (self.name(shard.primary), self.name(shard.replica));
            format!("  slots {:<12} primary {primary}   replica {replica}\n", shard.slots)
        };
        let admin = self.proxy.admin().map_or_else(|error| error.to_string(), |admin| format!("http://{admin}/"));
        format!(
            "\nEverything keeps running.\n  redis-cli -p {}   connects to the proxy\n{}  mirror {}\n  admin page {admin}\n  \
             configuration {}\n  files of the servers {}\nCtrl-C ends everything and cleans up.\n",
            self.proxy.address().port(),
            shards.iter().map(node).collect::<String>(),
            self.mirror.port(),
            self.proxy.config_file().display(),
            self.folder.path().display(),
        )
    }
}

impl Scene for Stage {
    fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        redis_cli::run(self.proxy.address(), words)
    }

    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn mirror(&self) -> &Server {
        &self.mirror
    }

    fn name(&self, node: usize) -> String {
        self.cluster.node(node).port().to_string()
    }
}

/// Six nodes of one cluster.
fn create(folder: &Path) -> anyhow::Result<Cluster> {
    create_by_cli(Cluster::builder(SHARDS, REPLICAS).within(folder))
}

/// Made one cluster by `redis-cli`; what it said of the slots is shown.
pub fn create_by_cli(nodes: ClusterBuilder) -> anyhow::Result<Cluster> {
    let cluster = nodes.node_timeout(NODE_TIMEOUT).by_cli().start()?;
    say("redis-cli --cluster create … --cluster-replicas 1 --cluster-yes")?;
    let telling = |line: &&str| ["Master[", "Adding replica", "[OK]"].iter().any(|start| line.contains(start));
    cluster.creation().lines().filter(telling).try_for_each(|line| say(&format!("    {line}")))?;
    Ok(cluster)
}

fn ports(cluster: &Cluster) -> Vec<u16> {
    cluster.nodes().iter().map(Server::port).collect()
}
