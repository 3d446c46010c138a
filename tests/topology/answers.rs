//! What else a node says instead of an answer: TRYAGAIN, LOADING, MASTERDOWN, READONLY, CLUSTERDOWN, each by its rule.

use super::*;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use testkit::fake::{greeting, shards_reply, slots_reply};

/// A cluster of one shard: the first fake is its primary. `behaviour` is told which one is asked.
pub fn shard(
    members: usize,
    behaviour: impl Fn(usize, &testkit::Request) -> Option<Act> + Clone + Send + 'static,
) -> Vec<Fake> {
    let addresses: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
    let start = |index: usize| {
        let (behaviour, known) = (behaviour.clone(), Arc::clone(&addresses));
        Fake::start(move |request| {
            let layout = [(0, 16_383, known.lock().unwrap().clone())];
            let topology = match (request.name().as_str(), request.args.get(1).map(|arg| arg.to_ascii_uppercase())) {
                ("CLUSTER", Some(word)) if word == b"SLOTS" => Some(Act::say(&slots_reply(&layout))),
                ("CLUSTER", Some(word)) if word == b"SHARDS" => Some(Act::say(&shards_reply(&layout))),
                _ => None,
            };
            behaviour(index, request).or(topology).or_else(|| greeting(request)).unwrap_or_else(|| Act::say("+OK\r\n"))
        })
        .unwrap()
    };
    let fakes: Vec<Fake> = (0..members).map(start).collect();
    *addresses.lock().unwrap() = fakes.iter().map(Fake::address).collect();
    fakes
}

/// How often a fake was sent this command.
pub fn asked(fake: &Fake, name: &str) -> usize {
    fake.requests().iter().filter(|request| request.name() == name).count()
}

fn seeds(fakes: &[Fake]) -> Vec<String> {
    fakes.iter().map(|fake| fake.address().to_string()).collect()
}

#[test]
fn tryagain_is_waited_out() {
    let count = Arc::new(Mutex::new(0));
    let fakes = shard(1, move |_, request| {
        (request.name() == "MGET").then(|| {
            *count.lock().unwrap() += 1;
            let so_far = *count.lock().unwrap();
            Act::say(if so_far < 4 {
                "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"
            } else {
                "*1\r\n$1\r\n7\r\n"
            })
        })
    });
    let proxy = slotmesh(&Bootstrap::new().redis_cluster("redis", &seeds(&fakes)));
    assert_eq!(proxy.client().unwrap().ask("MGET a").unwrap(), Reply::bulks(&["7"]));
    assert_eq!(asked(&fakes[0], "MGET"), 4);
}

#[test]
fn tryagain_for_ever_reaches_the_client_within_its_time() {
    let fakes = shard(1, |_, request| (request.name() == "MGET").then(|| Act::say("-TRYAGAIN later\r\n")));
    let config = Bootstrap::new().redis_cluster("redis", &seeds(&fakes)).setting("op_timeout: 0.5s");
    let proxy = slotmesh(&config);
    let begin = Instant::now();
    let reply = proxy.client().unwrap().ask("MGET a").unwrap();
    assert!(reply.is_error("TRYAGAIN") || reply.is_error("upstream failure"), "{reply:?}");
    assert!((300..1500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert!(asked(&fakes[0], "MGET") < 100);
}

/// A replica that loads its data, or has lost its primary, is left alone while another can serve.
#[test]
fn loading_and_masterdown_send_reads_to_another_member() {
    for text in ["-LOADING Redis is loading the dataset in memory\r\n", "-MASTERDOWN Link with MASTER is down\r\n"] {
        let fakes = shard(3, move |index, request| {
            (request.name() == "GET").then(|| if index == 1 { Act::say(text) } else { Act::bulk(&index.to_string()) })
        });
        let config = Bootstrap::new().redis_cluster("redis", &seeds(&fakes)).setting("read_policy: REPLICA");
        let proxy = slotmesh(&config);
        let mut client = proxy.client().unwrap();
        for _ in 0..40 {
            assert_eq!(client.ask("GET a").unwrap(), Reply::bulk("2"), "{text}");
        }
        assert_eq!(asked(&fakes[0], "GET"), 0, "REPLICA never means the primary");
        assert!(asked(&fakes[1], "GET") < 20, "it is not asked again and again");
    }
}

/// There is nobody else to ask: the client must know.
#[test]
fn loading_of_a_primary_is_passed_on() {
    let fakes = shard(1, |_, request| (request.name() == "SET").then(|| Act::say("-LOADING data\r\n")));
    let proxy = slotmesh(&Bootstrap::new().redis_cluster("redis", &seeds(&fakes)));
    assert_eq!(proxy.client().unwrap().ask("SET a 1").unwrap(), Reply::Error("LOADING data".into()));
}

/// READONLY and CLUSTERDOWN say that the map is old: they are passed on, and the map is read again.
#[test]
fn readonly_and_clusterdown_are_passed_on_and_trigger_a_refresh() {
    for text in ["READONLY You can't write against a read only replica.", "CLUSTERDOWN The cluster is down"] {
        let fakes = shard(1, move |_, request| (request.name() == "SET").then(|| Act::say(&format!("-{text}\r\n"))));
        let refresh = format!("{SELDOM}, redirect_refresh_interval: 0s");
        let proxy = slotmesh(&Bootstrap::new().redis_cluster_with("redis", &seeds(&fakes), &refresh, ""));
        let mut client = proxy.client().unwrap();
        assert_eq!(client.ask("GET a").unwrap(), Reply::ok());
        let before = counter(&proxy, "update_attempt");
        assert_eq!(client.ask("SET a 1").unwrap(), Reply::Error(text.into()));
        wait::until_true("a refresh", SOON, || Ok(counter(&proxy, "update_attempt") > before)).unwrap();
    }
}
