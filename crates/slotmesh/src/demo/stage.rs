//! Everything that runs during the play: six nodes, a mirror, the proxy.

use super::{say, settings};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use testkit::{Cluster, Proxy, Server, reaper};

/// The tutorial's three shards with one replica each.
const SHARDS: usize = 3;
const REPLICAS: usize = 1;
/// When the nodes call one another dead; nothing dies here, and a busy machine must not make it look so.
const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// One shard as the cluster itself describes it.
pub struct Shard {
    /// The port of its primary.
    pub primary: u16,
    /// The port of its replica.
    pub replica: u16,
    /// Its slots, as text.
    pub slots: String,
}

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

    /// The port of the one plain address.
    pub fn port(&self) -> u16 {
        self.proxy.address().port()
    }

    /// The cluster's own view.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The mirror.
    pub fn mirror(&self) -> &Server {
        &self.mirror
    }

    /// The shards in the order of their slots, as the cluster itself tells them.
    pub fn shards(&self) -> anyhow::Result<Vec<Shard>> {
        let port = |index: usize| self.cluster.node(index).port();
        let view = self.cluster.view()?;
        let mut shards = Vec::new();
        for index in self.cluster.primaries()? {
            let replicas = self.cluster.replicas_of(index)?;
            let [replica] = replicas.as_slice() else {
                anyhow::bail!("the primary on port {} has {} replicas instead of one", port(index), replicas.len());
            };
            let node = view.iter().find(|node| node.port == port(index));
            let ranges = node.map(|node| node.slots.as_slice()).unwrap_or_default();
            let slots = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>().join(" ");
            shards.push(Shard { primary: port(index), replica: port(*replica), slots });
        }
        Ok(shards)
    }

    /// How to look around while everything keeps running.
    pub fn invitation(&self) -> String {
        let shards = self.shards().unwrap_or_default();
        let node = |shard: &Shard| {
            format!("  slots {:<12} primary {}   replica {}\n", shard.slots, shard.primary, shard.replica)
        };
        let admin = self.proxy.admin().map_or_else(|error| error.to_string(), |admin| format!("http://{admin}/"));
        format!(
            "\nEverything keeps running.\n  redis-cli -p {}   connects to the proxy\n{}  mirror {}\n  admin page {admin}\n  \
             configuration {}\n  files of the servers {}\nCtrl-C ends everything and cleans up.\n",
            self.port(),
            shards.iter().map(node).collect::<String>(),
            self.mirror.port(),
            self.proxy.config_file().display(),
            self.folder.path().display(),
        )
    }
}

/// Six nodes, made one cluster by `redis-cli`; what it said of the slots is shown.
fn create(folder: &Path) -> anyhow::Result<Cluster> {
    let cluster = Cluster::builder(SHARDS, REPLICAS).node_timeout(NODE_TIMEOUT).within(folder).by_cli().start()?;
    say("redis-cli --cluster create … --cluster-replicas 1 --cluster-yes")?;
    let telling = |line: &&str| ["Master[", "Adding replica", "[OK]"].iter().any(|start| line.contains(start));
    cluster.creation().lines().filter(telling).try_for_each(|line| say(&format!("    {line}")))?;
    Ok(cluster)
}

fn ports(cluster: &Cluster) -> Vec<u16> {
    cluster.nodes().iter().map(Server::port).collect()
}
