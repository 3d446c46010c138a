//! The kit against real servers: what it says about them must be true.

use std::time::{Duration, Instant};
use testkit::{Cluster, Error, Monitor, Reply, Server};

#[test]
fn a_server_is_started_paused_restarted_and_gone() {
    let mut server = Server::start().unwrap();
    let mut client = server.client().unwrap();
    assert_eq!(client.call(&["SET", "a", "1"]).unwrap(), Reply::ok());
    assert_eq!(client.ask("GET a").unwrap(), Reply::bulk("1"));
    server.pause().unwrap();
    let mut hasty = server.client().unwrap().patience(Duration::from_millis(100));
    assert!(matches!(hasty.ask("PING"), Err(Error::Deadline(_))));
    server.resume().unwrap();
    assert_eq!(client.ask("PING").unwrap(), Reply::simple("PONG"));
    server.restart().unwrap();
    assert_eq!(server.ask("GET a").unwrap(), Reply::NilBulk);
    assert!(client.ask("PING").is_err(), "the old connection has outlived its server");
    let (address, folder) = (server.address(), server.folder().to_owned());
    drop(server);
    assert!(std::net::TcpStream::connect(address).is_err() && !folder.exists());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let error = Server::builder().config("no-such-directive yes").start().unwrap_err();
    assert!(error.to_string().contains("no-such-directive"), "{error}");
    let taken = Server::start().unwrap();
    let error = Server::builder().port(taken.port()).start().unwrap_err();
    assert!(error.to_string().contains("ended"), "{error}");
}

#[test]
fn pipelines_of_any_size_keep_their_order() {
    let server = Server::start().unwrap();
    let value = "x".repeat(1000);
    let sets: Vec<[String; 3]> = (0..1000).map(|i| ["SET".into(), format!("k{i}"), format!("{i}{value}")]).collect();
    let mut client = server.client().unwrap();
    assert!(client.pipeline(&sets).unwrap().iter().all(|reply| *reply == Reply::ok()));
    let gets: Vec<[String; 2]> = (0..1000).map(|i| ["GET".into(), format!("k{i}")]).collect();
    for (i, reply) in client.pipeline(&gets).unwrap().into_iter().enumerate() {
        assert_eq!(reply, Reply::bulk(format!("{i}{value}")));
    }
}

#[test]
fn a_monitor_sees_what_was_executed_and_from_whom() {
    let server = Server::start().unwrap();
    let monitor = Monitor::start(&server).unwrap();
    let mut client = server.client().unwrap();
    client.call(&["set", "b", "b\r\n\"\x01"]).unwrap();
    client.ask("PING").unwrap();
    client.ask("GET b").unwrap();
    let seen = monitor.commands().unwrap();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[0].args[2], b"b\r\n\"\x01");
    assert_eq!(seen[1].source, client.local_addr().unwrap().to_string());
    assert_eq!(monitor.count("get b").unwrap(), 1);
    monitor.clear().unwrap();
    assert_eq!(monitor.commands().unwrap(), []);
    assert!(monitor.wait_for_count("get b", 1, Duration::from_millis(50)).is_err());
}

/// One cluster for many looks, as starting one takes two seconds.
#[test]
fn a_cluster_settles_moves_slots_fails_over_and_grows() {
    let begin = Instant::now();
    let mut cluster = Cluster::start(3, 1).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    for node in cluster.nodes() {
        let slots = node.ask("CLUSTER SLOTS").unwrap();
        assert!(slots.items().iter().all(|range| range.items().len() == 4), "not all replicas are told: {slots:?}");
    }
    assert_eq!(cluster.primaries().unwrap(), [0, 1, 2]);
    assert_eq!(cluster.replicas_of(1).unwrap(), [4]);
    assert_eq!((cluster.slot_of("foo").unwrap(), cluster.owner_of("foo").unwrap()), (12182, 2));

    cluster.node(2).ask("SET foo bar").unwrap();
    let migration = cluster.migration(12182, 0).unwrap();
    migration.open().unwrap();
    assert_eq!(migration.move_keys(10).unwrap(), 1);
    let asked = cluster.node(2).client().unwrap().ask("GET foo").unwrap();
    assert!(asked.is_error(&format!("ASK 12182 127.0.0.1:{}", cluster.node(0).port())), "{asked:?}");
    migration.close().unwrap();
    assert_eq!(cluster.owner(12182).unwrap(), 0);
    assert_eq!(cluster.node(0).ask("GET foo").unwrap(), Reply::bulk("bar"));

    assert_eq!(cluster.failover(1).unwrap(), 4);
    cluster.settle().unwrap();
    assert_eq!(cluster.primaries().unwrap(), [0, 4, 2]);
    assert_eq!(cluster.replicas_of(4).unwrap(), [1]);

    let added = cluster.add_node().unwrap();
    cluster.replicate(added, 0).unwrap();
    assert_eq!(cluster.replicas_of(0).unwrap().len(), 2);

    cluster.kill(4).unwrap();
    cluster.wait_for_primary(1).unwrap();
    cluster.restart(4).unwrap();
    cluster.settle().unwrap();
    assert_eq!(cluster.replicas_of(1).unwrap(), [4]);
}

#[test]
fn redis_cli_creates_the_same_cluster() {
    let cluster = Cluster::builder(3, 1).by_cli().start().unwrap();
    assert!(cluster.creation().contains("All 16384 slots covered"), "{}", cluster.creation());
    assert_eq!(cluster.primaries().unwrap().len(), 3);
    for primary in cluster.primaries().unwrap() {
        assert_eq!(cluster.replicas_of(primary).unwrap().len(), 1);
    }
}
