//! The cluster, the mirror and the programs that all runs share.

use crate::run::REFERENCE;
use crate::workload::{Shape, WORKLOADS, Workload};
use crate::{Result, traffic};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use testkit::{Client, Cluster, Server};

/// Nodes must not call one another dead because a benchmark keeps the processors busy.
const NODE_TIMEOUT: Duration = Duration::from_secs(60);
/// Pairs in one pipeline while the cluster is filled.
const FILL: usize = 200;

/// Where the contenders' programs are; what is not there does not take part.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The `dist` build of slotmesh.
    pub slotmesh: PathBuf,
    /// The real Envoy 1.40.0.
    pub envoy: Option<PathBuf>,
    /// Debian's `nutcracker`: twemproxy.
    pub nutcracker: Option<PathBuf>,
    /// HAProxy.
    pub haproxy: Option<PathBuf>,
    /// The measuring stick, `floor PORT P1 P2 P3`.
    pub floor: Option<PathBuf>,
}

/// Six nodes in three shards, a mirror, and the keys in them.
#[derive(Debug)]
pub struct World {
    /// The programs.
    pub programs: Programs,
    /// The cluster: the nodes 0, 1 and 2 are the primaries.
    pub cluster: Cluster,
    /// The mirror.
    pub mirror: Server,
}

impl World {
    /// Starts everything and writes the keys of `workloads`.
    ///
    /// # Errors
    /// No `redis-server`, or a cluster that does not settle.
    pub fn start(programs: Programs, workloads: &[Workload]) -> Result<Self> {
        let cluster = Cluster::builder(crate::keys::SHARDS, 1)
            .node_timeout(NODE_TIMEOUT)
            // Pass-through brings every client to the node.
            .config("maxclients 20000")
            // A replica that falls behind while 1 MiB values are written must not be cut off and synchronised anew.
            .config("client-output-buffer-limit replica 0 0 0")
            .start()?;
        let world = Self { programs, cluster, mirror: Server::start()? };
        let sizes: BTreeSet<usize> = workloads.iter().map(|workload| workload.value).collect();
        for size in sizes {
            world.fill(size)?;
        }
        Ok(world)
    }

    /// The process ids of the cluster's nodes.
    pub fn node_pids(&self) -> Vec<u32> {
        self.cluster.nodes().iter().map(|node| node.process().id()).collect()
    }

    /// Waits until every replica has what its primary has: what the run before has left behind is not measured.
    ///
    /// # Errors
    /// A primary that does not answer.
    pub fn settle(&self) -> Result<()> {
        let (keys, value) = (traffic::keys(64), traffic::value(64));
        for shard in 0..crate::keys::SHARDS {
            let mut primary = self.cluster.node(shard).client()?;
            // WAIT speaks of the writes of its own connection.
            for key in keys.of(shard).iter().take(1) {
                primary.must(&[b"SET", key.as_bytes(), &value])?;
            }
            primary.must(&["WAIT", "1", "5000"])?;
        }
        Ok(())
    }

    /// Writes every key of one size of values: each node is offered all of them, and refuses those of others.
    fn fill(&self, size: usize) -> Result<()> {
        let value = traffic::value(size);
        let keys = traffic::every_key(size);
        for shard in 0..crate::keys::SHARDS {
            let mut client: Client = self.cluster.node(shard).client()?;
            let per_pipeline = (FILL * 1024 / size.max(1)).clamp(1, FILL);
            for keys in keys.chunks(per_pipeline) {
                let commands: Vec<[&[u8]; 3]> = keys.iter().map(|key| [b"SET", key.as_bytes(), &value]).collect();
                client.pipeline(&commands)?;
            }
        }
        Ok(())
    }
}

/// The rows that take part: all of them or the quick ones, and of these the ones whose name contains `only`; for an
/// open loop also the row that gives its rate.
pub fn chosen(quick: bool, only: Option<&str>) -> Vec<Workload> {
    let named = |workload: &&Workload| only.is_none_or(|part| workload.name().contains(part));
    let mut rows: Vec<Workload> =
        WORKLOADS.iter().filter(|workload| !quick || workload.quick).filter(named).copied().collect();
    let reference = |row: &&Workload| row.name() == REFERENCE;
    if rows.iter().any(is_open) && !rows.iter().any(|row| reference(&row)) {
        rows.extend(WORKLOADS.iter().find(reference));
    }
    // Grouped by set-up, and within it open loops last, as their rate comes from a closed one.
    rows.sort_by_key(|row| (row.setup, is_open(row)));
    rows
}

fn is_open(row: &Workload) -> bool {
    matches!(row.shape, Shape::Open(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_loops_come_after_the_closed_one_that_gives_their_rate() {
        let names: Vec<String> = chosen(true, None).iter().map(Workload::name).collect();
        let place = |name: &str| names.iter().position(|one| one == name).unwrap();
        assert!(place("get-64-p1") < place("get-64-open50"));
        assert!(!names.contains(&"mixed-64-p1".to_owned()));
        assert_eq!(chosen(false, Some("big")).len(), 1);
        let names: Vec<String> = chosen(false, Some("open25")).iter().map(Workload::name).collect();
        assert_eq!(names, [REFERENCE, "get-64-open25"]);
    }
}
