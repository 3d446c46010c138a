//! What a change costs with 10, 1,000 and 10,000 proxies and 1,000 services: seconds to the last push, bytes, memory.
//!
//! `cargo run --release -p xds --example fleet [SERVICES [PROXIES...]]`
#![allow(clippy::print_stdout, reason = "the figures are for people")]

#[path = "../tests/fleet/mod.rs"]
mod sim;

use std::time::Duration;

use sim::{Fleet, Wave};
use xds::Kind::{Cluster, Endpoints, Listener};

/// Resident memory of this process in MB: server and proxies.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn show(what: &str, wave: Wave, proxies: usize) {
    let each = wave.bytes as f64 / proxies as f64;
    println!(
        "  {what:<44} {:>9.3} s {:>12.0} B a proxy {:>9.1} MB",
        wave.time.as_secs_f64(),
        each,
        wave.bytes as f64 / 1e6
    );
}

async fn measure(proxies: usize, services: usize) {
    let before = memory();
    let (fleet, all) = Fleet::start(proxies, services).await;
    println!("{proxies} proxies, {services} services");
    show("everything, all proxies connect at once", all, proxies);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = memory();
    println!("  memory {before:.0} -> {after:.0} MB, {:.1} KB a proxy", (after - before) * 1024.0 / proxies as f64);
    show("endpoints of one service", fleet.change(&[Endpoints], 1).await, proxies);
    show("one listener (an EnvoyFilter)", fleet.change(&[Listener], 1).await, proxies);
    show("a service: cluster, endpoints, listener", fleet.change(&[Cluster, Endpoints, Listener], 1).await, proxies);
    show("endpoints of every tenth service", fleet.change(&[Endpoints], services / 10).await, proxies);
    println!("  memory {:.0} MB", memory());
    fleet.server.stop();
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|number| number.parse().ok());
    let services = numbers.next().unwrap_or(1000);
    let mut fleets: Vec<usize> = numbers.collect();
    if fleets.is_empty() {
        fleets = vec![10, 1_000, 10_000];
    }
    for proxies in fleets {
        measure(proxies, services).await;
    }
}
