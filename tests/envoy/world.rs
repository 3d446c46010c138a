//! The servers, and both proxies in front of them with the same two configuration files.

use crate::script::Trouble;
use std::time::Duration;
use testkit::{Cluster, Proxy, Server, ports, wait};

/// How long replicas may take to catch up.
const CATCHING_UP: Duration = Duration::from_secs(10);

/// Which of the two a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Envoy,
    Ours,
    /// No proxy: one plain Redis, which slotmesh is to look like.
    Redis,
}

/// A proxy with the tutorial's configuration and one with all other variants, of each kind.
pub struct World {
    pub cluster: Cluster,
    /// Plain servers: members of the rings, and the first one alone.
    pub servers: Vec<Server>,
    pub mirror: Server,
    /// Stands behind no proxy.
    pub redis: Server,
    tutorial: [Proxy; 2],
    variants: [Proxy; 2],
}

impl World {
    pub fn start(ours: &str) -> Self {
        let envoy = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
        let cluster = Cluster::start(3, 1).unwrap();
        let servers: Vec<Server> = (0..3).map(|_| Server::start().unwrap()).collect();
        let (mirror, redis) = (Server::start().unwrap(), Server::start().unwrap());
        let tutorial = tutorial(&cluster, &mirror);
        let variants = variants(&cluster, &servers, &mirror);
        let both = |file: &str| {
            let theirs = Proxy::envoy(&envoy, file).expect("Envoy starts");
            [theirs, Proxy::start_with(ours, file, &["--workers", "1"]).expect("slotmesh starts")]
        };
        let (tutorial, variants) = (both(&tutorial), both(&variants));
        let version = variants[0].get("/server_info").unwrap().body;
        assert!(version.contains("/1.40.0/"), "this is not Envoy 1.40.0: {version}");
        Self { cluster, servers, mirror, redis, tutorial, variants }
    }

    /// The proxy of that kind with the tutorial's configuration.
    pub fn tutorial(&self, side: Side) -> &Proxy {
        &self.tutorial[side as usize]
    }

    /// The proxy of that kind with all other variants.
    pub fn variants(&self, side: Side) -> &Proxy {
        &self.variants[side as usize]
    }

    /// All servers as they were at the start.
    pub fn clear(&self) {
        let plain = || self.servers.iter().chain([&self.mirror, &self.redis]);
        for server in self.cluster.nodes().iter().take(3).chain(plain()) {
            server.ask("FLUSHALL SYNC").unwrap();
        }
        for server in self.cluster.nodes().iter().chain(plain()) {
            let mut client = server.client().unwrap();
            for command in ["SCRIPT FLUSH SYNC", "CONFIG RESETSTAT", "SLOWLOG RESET", "CONFIG SET maxmemory-samples 5"]
            {
                client.must(&command.split(' ').collect::<Vec<_>>()).unwrap();
            }
        }
        self.catch_up();
    }

    /// Waits until every replica has what its primary has.
    pub fn catch_up(&self) {
        for (primary, replica) in [(0, 3), (1, 4), (2, 5)] {
            let offset = |node: usize, field: &str| -> testkit::Result<u64> {
                Ok(self.cluster.node(node).field("INFO replication", field)?.parse().unwrap())
            };
            let written = offset(primary, "master_repl_offset").unwrap();
            wait::until_true("the replica catches up", CATCHING_UP, || {
                Ok(offset(replica, "slave_repl_offset")? >= written)
            })
            .unwrap();
        }
    }

    /// Makes the cluster as the chapter wants it.
    pub fn get_into(&self, trouble: Trouble) {
        match trouble {
            Trouble::None => {}
            Trouble::HalfMoved => {
                let owner = self.cluster.owner_of("{moving}").unwrap();
                for number in 1..=4 {
                    self.cluster.node(owner).ask(&format!("SET {{moving}}{number} {number}")).unwrap();
                }
                let migration = self.migration();
                migration.open().unwrap();
                assert_eq!(migration.move_keys(2).unwrap(), 2);
            }
            Trouble::Unowned => {
                let slot = self.cluster.slot_of("orphan").unwrap();
                for node in self.cluster.nodes() {
                    node.ask("CONFIG SET cluster-require-full-coverage no").unwrap();
                    // The second time there is nothing left to delete.
                    let _ = node.ask(&format!("CLUSTER DELSLOTS {slot}"));
                }
            }
        }
    }

    /// The cluster as it was, but for the data.
    pub fn get_out_of(&self, trouble: Trouble) {
        if trouble == Trouble::HalfMoved {
            self.migration().abandon().unwrap();
        }
    }

    fn migration(&self) -> testkit::Migration<'_> {
        let slot = self.cluster.slot_of("{moving}").unwrap();
        let to = (self.cluster.owner(slot).unwrap() + 1) % 3;
        self.cluster.migration(slot, to).unwrap()
    }

    /// Every key of every server with its serialized value: what the commands have left behind.
    pub fn data(&self) -> Vec<String> {
        let mut data = Vec::new();
        let groups = [("cluster", &self.cluster.nodes()[..3]), ("server", &self.servers)];
        for (group, servers) in groups {
            for (number, server) in servers.iter().enumerate() {
                let mut client = server.client().unwrap();
                for key in client.ask("KEYS *").unwrap().items() {
                    let testkit::Reply::Bulk(key) = key else { panic!("{key:?} is no key") };
                    let value = client.call(&[&b"DUMP"[..], key]).unwrap();
                    data.push(format!("{group} {number}: {} {value:?}", key.escape_ascii()));
                }
            }
        }
        data.sort();
        data
    }
}

/// The tutorial's file with the ports of these servers.
fn tutorial(cluster: &Cluster, mirror: &Server) -> String {
    let mut file = include_str!("../../examples/tutorial.yaml").to_owned();
    let mut put = |port: &str, with: &str| {
        let (old, new) = (format!("port_value: {port} }}"), format!("port_value: {with} }}"));
        assert!(file.contains(&old), "the tutorial has no port {port}");
        file = file.replace(&old, &new);
    };
    put("6379", "$LISTEN");
    put("9901", "$ADMIN");
    put("7100", &mirror.port().to_string());
    for (i, node) in cluster.nodes().iter().enumerate() {
        put(&(7000 + i).to_string(), &node.port().to_string());
    }
    file
}

fn variants(cluster: &Cluster, servers: &[Server], mirror: &Server) -> String {
    let mut file = include_str!("variants.yaml").to_owned();
    for (word, servers) in [("$NODE", cluster.nodes()), ("$SERVER", servers)] {
        for (i, server) in servers.iter().enumerate() {
            file = file.replace(&format!("{word}{i}"), &server.port().to_string());
        }
    }
    file.replace("$MIRROR", &mirror.port().to_string()).replace("$NOBODY", &ports::one().unwrap().to_string())
}
