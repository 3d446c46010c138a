//! What went wrong elsewhere, each as a test named by the project and the issue, commit or release where it did.
//!
//! The letters are those of the catalogue in `tests/README.md`. What concerns the topology (D) is in `tests/topology`.

#![cfg(test)]

mod replies;
mod order;
mod merges;
mod bytes;
mod bad_bytes;
mod clients;
mod handshakes;
mod slow_clients;
mod slow_nodes;
mod lost_nodes;
mod mirrors;

use std::sync::OnceLock;
use std::time::{Duration, Instant};
use testkit::{Act, Bootstrap, Client, Cluster, Fake, Proxy, Reply, Server, wait};

const BIN: &str = env!("CARGO_BIN_EXE_slotmesh");
const SOON: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

fn slotmesh(config: &Bootstrap) -> Proxy {
    Proxy::start(BIN, &config.yaml()).unwrap()
}

/// With one worker: all clients share one upstream a node, and a client's turn comes in the order of the events.
fn one_worker(config: &Bootstrap) -> Proxy {
    Proxy::start_with(BIN, &config.yaml(), &["--workers", "1"]).unwrap()
}

/// Three primaries, for tests that break nothing and use keys of their own.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(3, 0).unwrap())
}

fn before_the_cluster() -> Bootstrap {
    Bootstrap::new().redis_cluster("redis", &cluster().addresses())
}

fn before_server(server: &Server) -> Bootstrap {
    Bootstrap::new().static_cluster("redis", &[server.address().to_string()], "")
}

/// A cluster of one fake node.
fn before_fake(fake: &Fake) -> Bootstrap {
    Bootstrap::new().redis_cluster("redis", &[fake.address().to_string()])
}

/// One plain member that is no cluster: whatever listens there.
fn before_member(address: std::net::SocketAddr) -> Bootstrap {
    Bootstrap::new().static_cluster("redis", &[address.to_string()], "")
}

fn counter(proxy: &Proxy, name: &str) -> u64 {
    proxy.stat(name).unwrap().unwrap_or(0)
}

/// The first of `NAME:0`, `NAME:1` … whose slot `fits`.
fn key_where(name: &str, fits: impl Fn(u16) -> bool) -> String {
    let slot = |key: &str| slots::Slot::of(key.as_bytes()).index() as u16;
    (0..).map(|i| format!("{name}:{i}")).find(|key| fits(slot(key))).unwrap()
}

/// What 99 of 100 measurements do not exceed.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}
