//! What the tutorial shows, setting by setting, proved by what the servers saw.

#![cfg(test)]

mod faults;
mod mirrors;
mod pass_through;
mod passwords;
mod plain_upstreams;
mod reads;
mod routes;
mod two_clusters;
mod writes_and_replicas;

use std::sync::OnceLock;
use std::time::{Duration, Instant};
use testkit::{Bootstrap, Client, Cluster, Monitor, Proxy, Reply, Server};

const SOON: Duration = Duration::from_secs(5);

fn slotmesh(config: &Bootstrap) -> Proxy {
    Proxy::start(env!("CARGO_BIN_EXE_slotmesh"), &config.yaml()).unwrap()
}

/// Three shards with a replica each, for tests that break nothing and use keys of their own.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(3, 1).unwrap())
}

fn before_the_cluster() -> Bootstrap {
    Bootstrap::new().redis_cluster("redis", &cluster().addresses())
}

fn servers(count: usize) -> Vec<Server> {
    (0..count).map(|_| Server::start().unwrap()).collect()
}

fn address(server: &Server) -> Vec<String> {
    vec![server.address().to_string()]
}

fn everywhere(cluster: &Cluster) -> Vec<Monitor> {
    cluster.nodes().iter().map(|node| Monitor::start(node).unwrap()).collect()
}

/// How often each node was asked `command`.
fn counts(monitors: &[Monitor], command: &str) -> Vec<usize> {
    monitors.iter().map(|monitor| monitor.count(command).unwrap()).collect()
}

/// A column of the above: `times` at `place`, nothing elsewhere.
fn only_at(place: usize, times: usize) -> Vec<usize> {
    (0..cluster().nodes().len()).map(|index| if index == place { times } else { 0 }).collect()
}

fn counter(proxy: &Proxy, name: &str) -> u64 {
    proxy.stat(name).unwrap().unwrap_or_else(|| panic!("/stats has no {name}"))
}
