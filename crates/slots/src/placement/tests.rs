//! Where the real Envoy 1.40.0 sends keys: six hosts on 127.0.0.1:9401 to 9406, the keys `k0` to `k63`, and for each key
//! the place of the host that got it.

use crate::maglev::Maglev;
use crate::ring::Ring;
use crate::{Host, murmur};
use std::net::SocketAddr;

const EQUAL: [u32; 6] = [1; 6];
const UNEQUAL: [u32; 6] = [3, 1, 7, 2, 5, 4];
const NAMES: [&str; 6] = ["red", "green", "blue", "a1", "zz", "m"];

fn hosts(weights: [u32; 6]) -> Vec<Host> {
    let host =
        |(port, weight)| Host { address: SocketAddr::from(([127, 0, 0, 1], port)), name: None, weight, socket: 0 };
    (9401..).zip(weights).map(host).collect()
}

fn named() -> Vec<Host> {
    let name = |(host, name): (Host, &str)| Host { name: Some(name.to_owned()), ..host };
    hosts(UNEQUAL).into_iter().zip(NAMES).map(name).collect()
}

#[track_caller]
fn check(choose: impl Fn(u64) -> Option<usize>, envoy: &str) {
    let chosen = (0..64).map(|i| choose(murmur::hash(format!("k{i}").as_bytes())).unwrap().to_string());
    assert_eq!(chosen.collect::<String>(), envoy);
}

#[test]
fn rings() {
    const MAX: u64 = 8 << 20;
    let ring = |hosts: &[Host], minimum, maximum, murmur, by_hostname, envoy| {
        let ring = Ring::new(hosts, minimum, maximum, murmur, by_hostname);
        check(|hash| ring.choose(hash), envoy);
    };
    let (equal, unequal) = (hosts(EQUAL), hosts(UNEQUAL));
    ring(&equal, 1024, MAX, false, false, "3033040253145230551213001443030252035304401355001521130031452114");
    ring(&unequal, 1024, MAX, false, false, "3242220252025234551233000443020252544304401352404522230032452125");
    ring(&equal, 100, MAX, true, false, "3232215213531535215122435440541555515351433334053432014123142135");
    ring(&unequal, 10, 20, false, false, "5554245444240210155241444445042322340021415214252451544541151024");
    ring(&unequal, 7, MAX, false, false, "5554245444240210155241444445042322340021415214252451544541151024");
    ring(&named(), 300, MAX, false, true, "2244042425222203212522421425452511540442253522202440042222220245");
}

#[test]
fn maglev_tables() {
    let maglev = |hosts: &[Host], table, by_hostname, envoy| {
        let maglev = Maglev::new(hosts, table, by_hostname);
        check(|hash| maglev.choose(hash), envoy);
    };
    let (equal, unequal) = (hosts(EQUAL), hosts(UNEQUAL));
    maglev(&equal, 65_537, false, "0225342533420155432154142332230421052402245343405234503512233023");
    maglev(&unequal, 65_537, false, "0225342523424155432452242332230425052402245345405244503522235023");
    maglev(&unequal, 101, false, "2055240423102054422445242025244452124253544400225424335442220520");
    maglev(&named(), 257, true, "5401545430440042424014500052040222523404345500024425452522514040");
}
