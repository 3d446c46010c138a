//! A cluster that is found, changes, breaks and comes back, as clients of the proxy see it.

#![cfg(test)]

mod answers;
mod failover;
mod load;
mod members;
mod migration;
mod redirects;
mod refresh;
mod seeds;
mod shapes;

use std::time::{Duration, Instant};
use testkit::{Act, Bootstrap, Cluster, Fake, Monitor, Proxy, Reply, Server, wait};

const BIN: &str = env!("CARGO_BIN_EXE_slotmesh");
const SOON: Duration = Duration::from_secs(10);
/// A topology that is read once and then only when something asks for it.
const SELDOM: &str = "cluster_refresh_rate: 600s, cluster_refresh_timeout: 1s";

fn slotmesh(config: &Bootstrap) -> Proxy {
    Proxy::start(BIN, &config.yaml()).unwrap()
}

fn before(cluster: &Cluster) -> Bootstrap {
    Bootstrap::new().redis_cluster("redis", &cluster.addresses())
}

fn before_with(cluster: &Cluster, refresh: &str) -> Bootstrap {
    Bootstrap::new().redis_cluster_with("redis", &cluster.addresses(), refresh, "")
}

fn counter(proxy: &Proxy, name: &str) -> u64 {
    proxy.stat(&format!("cluster.redis.{name}")).unwrap().unwrap_or(0)
}

/// Waits until the proxy knows the cluster.
fn wait_until_found(proxy: &Proxy) {
    wait::until_true("nothing is missing", SOON, || Ok(proxy.get("/ready")?.body == "LIVE\n")).unwrap();
}

/// A key in every slot's neighbourhood: the first of `key:0`, `key:1` … that `fits`.
fn key_where(fits: impl Fn(u16) -> bool) -> String {
    let slot = |key: &str| slots::Slot::of(key.as_bytes()).index() as u16;
    (0..).map(|i| format!("key:{i}")).find(|key| fits(slot(key))).unwrap()
}
