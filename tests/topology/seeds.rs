//! How a cluster is found: from any seed that lives, later if none does, again when all that was known is gone.

use super::*;
use std::net::{TcpListener, TcpStream};

/// `count` addresses where nobody listens.
fn nobody(count: usize) -> Vec<String> {
    testkit::ports::free(count).unwrap().iter().map(|port| format!("127.0.0.1:{port}")).collect()
}

/// A node that owns every slot.
fn lone_node() -> Server {
    let node = Server::builder().cluster(Duration::from_secs(2)).start().unwrap();
    node.ask("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    wait::until_true("the node is a cluster", SOON, || Ok(node.field("CLUSTER INFO", "cluster_state")? == "ok"))
        .unwrap();
    node
}

/// Whoever connects to `at` from now on talks to `node`.
fn open_door(at: &str, node: &Server) {
    let (listener, to) = (TcpListener::bind(at).unwrap(), node.address());
    std::thread::spawn(move || {
        for visitor in listener.incoming().map_while(Result::ok) {
            let host = TcpStream::connect(to).unwrap();
            for (mut from, mut into) in [(visitor.try_clone().unwrap(), host.try_clone().unwrap()), (host, visitor)] {
                std::thread::spawn(move || std::io::copy(&mut from, &mut into));
            }
        }
    });
}

#[test]
fn any_one_living_seed_is_enough() {
    let cluster = Cluster::start(2, 1).unwrap();
    // It accepts connections and says nothing: worse than one where nobody listens.
    let deaf = Fake::deaf().unwrap();
    let mut dead = nobody(2);
    dead.push(deaf.local_addr().unwrap().to_string());
    for living in cluster.nodes() {
        let mut seeds = dead.clone();
        seeds.push(living.address().to_string());
        let begin = Instant::now();
        let proxy = slotmesh(&Bootstrap::new().redis_cluster("redis", &seeds));
        let mut client = proxy.client().unwrap();
        for key in ["a", "b", "c", "d"] {
            assert_eq!(client.ask(&format!("SET {key} 1")).unwrap(), Reply::ok());
        }
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    }
}

#[test]
fn without_any_seed_the_listener_is_open_and_requests_are_told() {
    let seeds = nobody(3);
    let config = Bootstrap::new().redis_cluster("redis", &seeds).setting("op_timeout: 1s");
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG"));
    let begin = Instant::now();
    let replies = client.pipeline(&[vec!["GET", "a"], vec!["PING"], vec!["MGET", "a", "b"]]).unwrap();
    assert!((900..2500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let text = "no upstream host: no node of cluster 'redis' has been found yet";
    assert_eq!(replies[..2], [Reply::Error(text.into()), Reply::simple("PONG")]);
    let refused = |reply: &Reply| {
        reply.is_error("no upstream host") || reply.items().iter().all(|one| one.is_error("no upstream host"))
    };
    assert!(refused(&replies[2]), "{:?}", replies[2]);
    let ready = proxy.get("/ready").unwrap();
    assert_eq!(ready.status, 200);
    assert!(ready.body.starts_with("LIVE\nmissing: redis: "), "{}", ready.body);
    assert!(ready.body.contains(&seeds[0]), "whom it asked in vain: {}", ready.body);
}

#[test]
fn a_request_waits_for_the_cluster_to_come_up() {
    let seeds = nobody(2);
    let node = lone_node();
    let config = Bootstrap::new().redis_cluster("redis", &seeds).setting("op_timeout: 20s");
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap().patience(Duration::from_secs(25));
    client.send(&["SET", "waited", "1"]).unwrap();
    client.send(&["GET", "waited"]).unwrap();
    assert!(client.silent_for(Duration::from_millis(300)).unwrap());
    open_door(&seeds[1], &node);
    assert_eq!(client.read_replies(2).unwrap(), [Reply::ok(), Reply::bulk("1")]);
    wait_until_found(&proxy);
}

/// Another cluster, under another seed, after every node of the first one has gone (all pods replaced at once).
#[test]
fn seeds_are_asked_again_when_all_known_nodes_are_gone() {
    let mut first = Cluster::start(1, 1).unwrap();
    let second = lone_node();
    second.pause().unwrap();
    let mut seeds = first.addresses();
    seeds.push(second.address().to_string());
    let proxy = slotmesh(&Bootstrap::new().redis_cluster("redis", &seeds));
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("SET where first").unwrap(), Reply::ok());
    first.kill(0).unwrap();
    first.kill(1).unwrap();
    second.resume().unwrap();
    wait::until_true("the second cluster serves", SOON, || Ok(client.ask("SET where second")? == Reply::ok())).unwrap();
    assert_eq!(second.ask("GET where").unwrap(), Reply::bulk("second"));
}

/// The name of the seed is resolved again, too: its address is not remembered.
#[test]
fn seeds_may_be_names() {
    let cluster = Cluster::start(1, 0).unwrap();
    let seeds = [format!("localhost:{}", cluster.node(0).port())];
    let config =
        Bootstrap::new().redis_cluster_with("redis", &seeds, "cluster_refresh_rate: 1s", "dns_lookup_family: V4_ONLY");
    let proxy = slotmesh(&config);
    assert_eq!(proxy.client().unwrap().ask("SET a 1").unwrap(), Reply::ok());
}

/// One unreachable cluster must not keep the process from serving the other (Envoy #9299), whichever comes first.
#[test]
fn listeners_open_whatever_the_state_of_the_clusters() {
    let living = Cluster::start(1, 0).unwrap();
    let config = Bootstrap::new()
        .redis_cluster("dead", &nobody(2))
        .redis_cluster("redis", &living.addresses())
        .routes(r#"{routes: [{prefix: "dead:", cluster: dead}], catch_all_route: {cluster: redis}}"#);
    let begin = Instant::now();
    let proxy = slotmesh(&config);
    assert_eq!(proxy.client().unwrap().ask("SET a 1").unwrap(), Reply::ok());
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
