//! Any bytes as CLUSTER SLOTS and CLUSTER SHARDS: no panic, whatever the names resolve to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slots::parse;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

fuzz_target!(|bytes: &[u8]| {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 6379));
    for read in [parse::slots, parse::shards] {
        if let Ok(described) = read(bytes, peer) {
            let (topology, _) = described.resolve(|name| (name.len() % 2 == 0).then_some(IpAddr::from([10, 0, 0, 7])));
            assert!(topology.covered() <= slots::Slot::COUNT);
        }
    }
});
