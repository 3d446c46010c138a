//! What the proxy keeps in memory: little at its start, next to nothing for a client that is idle.

#![cfg(test)]

use std::fs;
use std::time::Duration;
use testkit::{Bootstrap, Client, Proxy, Reply, Server, wait};

/// Memory of its own at the start, in KiB; pages of the program's file come on top. Two and a half MiB were seen; what
/// the configuration was read with would be eight more.
const START: i64 = 5 << 10;
/// So many clients come, and each may take so many bytes. A quarter of it was seen.
const CLIENTS: usize = 600;
const EACH: i64 = 1 << 10;

/// KiB of resident memory that no file stands behind.
fn memory(proxy: &Proxy) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.process().id())).unwrap();
    let field = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    field.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn the_start_and_idle_clients_cost_little() {
    let server = Server::start().unwrap();
    let config = Bootstrap::new().static_cluster("redis", &[server.address().to_string()], "");
    let proxy = Proxy::start_with(env!("CARGO_BIN_EXE_slotmesh"), &config.yaml(), &["--workers", "1"]).unwrap();
    let start = memory(&proxy);
    assert!(start <= START, "{start} KiB at the start");

    let visit = |i: usize| {
        let mut client = proxy.client().unwrap();
        let reply = client.ask(&format!("SET key:{i} {}", "v".repeat(64)));
        assert_eq!(reply.unwrap(), Reply::simple("OK"));
        client
    };
    // The first ones bring what all share: the connection to the node, buffers, statistics.
    let mut staying: Vec<Client> = (0..50).map(visit).collect();
    let before = memory(&proxy);
    staying.extend((0..CLIENTS).map(visit));
    let active = || proxy.stat("redis.redis_stats.downstream_cx_active");
    let all = Some(staying.len() as u64);
    wait::until_true("all clients are there", Duration::from_secs(5), || Ok(active()? == all)).unwrap();
    let each = (memory(&proxy) - before) * 1024 / CLIENTS as i64;
    assert!(each <= EACH, "{each} bytes for each idle client");
}
