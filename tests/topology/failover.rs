//! Primaries that die, step down, and come back.

use super::load::{Load, Memory};
use super::*;

/// Errors are allowed from the moment of death until the heir has been found; a wrong reply never is.
#[test]
fn a_killed_primary_is_followed_by_its_heir() {
    let mut cluster = Cluster::builder(3, 1).node_timeout(Duration::from_secs(1)).start().unwrap();
    let proxy = slotmesh(&before(&cluster).setting("op_timeout: 1s"));
    let load = Load::start(&proxy, 4, "failover", Memory::Ever);
    load.wait_for_rounds(20);
    let killed = Instant::now();
    cluster.kill(0).unwrap();
    cluster.wait_for_primary(3).unwrap();
    cluster.settle().unwrap();
    let settled = Instant::now();
    // From here on it must serve again soon, and then without an error.
    let key = key_where(|slot| slot < 5000);
    let mut client = proxy.client().unwrap();
    wait::until_true("the shard serves again", SOON, || Ok(client.ask(&format!("SET {key} 1"))? == Reply::ok()))
        .unwrap();
    let served = Instant::now();
    load.wait_for_rounds(50);
    let tally = load.end();
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(!tally.errors.is_empty(), "the death was not noticed");
    let last = tally.errors.iter().map(|(at, _)| *at).max().unwrap();
    let first = tally.errors.iter().map(|(at, _)| *at).min().unwrap();
    println!(
        "first error {:?} after the death, the last {:?}; the cluster had settled after {:?}, the proxy served after {:?}",
        first - killed,
        last - killed,
        settled - killed,
        served - killed
    );
    assert!(first >= killed, "an error before anything had happened: {:?}", tally.errors[0]);
    assert!(served - settled < Duration::from_secs(3), "{:?}", served - settled);
    assert!(last < served + Duration::from_secs(2), "{:?} after it served again", last - served);
    for (_, text) in &tally.errors {
        let known = ["upstream failure", "no upstream host", "CLUSTERDOWN", "finished with"];
        assert!(known.iter().any(|prefix| text.starts_with(prefix)), "{text}");
    }
    // And exactly right from now on.
    let load = Load::start(&proxy, 4, "afterwards", Memory::Exact);
    load.wait_for_rounds(50);
    assert_eq!(load.end().wrong, [""; 0]);
}

/// CLUSTER FAILOVER loses nothing on the servers' side, so nothing may be lost here. (While a shard has no primary, nodes
/// that insist on full coverage may say CLUSTERDOWN for a moment; that is theirs to say.)
#[test]
fn an_orderly_failover_is_not_noticed() {
    let cluster = Cluster::builder(3, 1).config("cluster-require-full-coverage no").start().unwrap();
    let proxy = slotmesh(&before(&cluster));
    let load = Load::start(&proxy, 4, "orderly", Memory::Exact);
    load.wait_for_rounds(10);
    let primary = cluster.owner_of("orderly").unwrap();
    let heir = cluster.failover(primary).unwrap();
    load.wait_for_rounds(20);
    cluster.settle().unwrap();
    cluster.failover_to(primary).unwrap();
    load.wait_for_rounds(20);
    let tally = load.end();
    assert!(tally.wrong.is_empty(), "{primary} -> {heir}: {:#?}", tally.wrong);
}

/// Reads go on while the primary is dead and nobody has been elected, where the policy allows replicas.
#[test]
fn replicas_serve_reads_while_the_primary_is_dead() {
    let config = "cluster-require-full-coverage no";
    let cluster = Cluster::builder(1, 1).node_timeout(Duration::from_secs(60)).config(config);
    let mut cluster = cluster.config("replica-serve-stale-data yes").start().unwrap();
    for policy in ["REPLICA", "PREFER_REPLICA", "PREFER_MASTER", "ANY"] {
        let proxy = slotmesh(&before(&cluster).setting(&format!("read_policy: {policy}")).setting("op_timeout: 2s"));
        let mut client = proxy.client().unwrap();
        assert_eq!(client.ask("SET stale 1").unwrap(), Reply::ok());
        wait::until_true("the replica has it", SOON, || {
            let mut direct = cluster.node(1).client()?;
            direct.ask("READONLY")?;
            Ok(direct.ask("GET stale")? == Reply::bulk("1"))
        })
        .unwrap();
        cluster.kill(0).unwrap();
        for n in 0..20 {
            assert_eq!(client.ask("GET stale").unwrap(), Reply::bulk("1"), "{policy}, read {n}");
        }
        assert!(client.ask("SET stale 2").unwrap().is_error("upstream failure"), "{policy}");
        cluster.restart(0).unwrap();
        cluster.settle().unwrap();
    }
}

#[test]
fn a_replica_is_told_readonly_again_after_every_reconnect() {
    let mut cluster = Cluster::start(1, 1).unwrap();
    // A replica that was not told answers MOVED, which nothing here hides.
    let config = before(&cluster).setting("read_policy: REPLICA").setting("enable_redirection: false");
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    assert_eq!(client.ask("SET again 1").unwrap(), Reply::ok());
    let read = |client: &mut testkit::Client| {
        wait::until_true("the replica serves", SOON, || {
            let reply = client.ask("GET again")?;
            assert!(!reply.is_error("MOVED"), "{reply:?}");
            Ok(reply == Reply::bulk("1"))
        })
    };
    read(&mut client).unwrap();
    for round in 0..3 {
        let killed: i64 = cluster.node(1).ask("CLIENT KILL TYPE normal").unwrap().text().parse().unwrap();
        assert!(killed >= 1);
        let monitor = Monitor::start(cluster.node(1)).unwrap();
        for _ in 0..5 {
            assert_eq!(client.ask("GET again").unwrap(), Reply::bulk("1"), "round {round}");
        }
        let names: Vec<String> = monitor.everything().unwrap().iter().map(|seen| seen.name()).collect();
        let first_read = names.iter().position(|name| name == "get").unwrap();
        assert!(names[..first_read].contains(&"readonly".to_owned()), "{names:?}");
    }
    cluster.restart(1).unwrap();
    cluster.settle().unwrap();
    read(&mut client).unwrap();
}
