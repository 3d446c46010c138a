//! C15, C16: nodes that do not read, do not answer, or end in the middle.

use super::*;

/// A stopped process: its sockets are open, and nothing moves.
#[test]
fn corvus_147_node_that_stops_costs_only_its_own_keys() {
    let cluster = Cluster::builder(3, 0).node_timeout(Duration::from_secs(60)).start().unwrap();
    let proxy = one_worker(&Bootstrap::new().redis_cluster("redis", &cluster.addresses()).setting("op_timeout: 0.5s"));
    let stopped = key_where("stopped", |slot| slot < 5000);
    let running = key_where("running", |slot| slot > 11_000);
    let (mut client, mut other) = (proxy.client().unwrap(), proxy.client().unwrap());
    assert_eq!(client.ask(&format!("SET {stopped} before")).unwrap(), Reply::ok());
    let look = |client: &mut Client| {
        let times =
            (0..300).map(|_| timed(|| assert_eq!(client.ask(&format!("SET {running} 1")).unwrap(), Reply::ok())).0);
        p99(times.collect())
    };
    let healthy = look(&mut other);
    let before = proxy.rss().unwrap();
    cluster.node(0).pause().unwrap();
    // 40 MiB for a node that takes nothing, from a client that waits for no reply.
    let value = vec![b'x'; 100 << 10];
    let mut commands = vec![vec![b"SET".as_slice(), stopped.as_bytes(), &value]; 400];
    commands.push(vec![b"PING".as_slice()]);
    let bytes: Vec<u8> = commands.iter().flat_map(|command| testkit::client::encode(command)).collect();
    let mut writer = client.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    let meanwhile = look(&mut other);
    let (took, replies) = timed(|| client.read_replies(401).unwrap());
    writing.join().unwrap().unwrap();
    assert!(took < Duration::from_secs(3), "{took:?}");
    let (last, failed) = replies.split_last().unwrap();
    assert!(failed.iter().all(|reply| reply.is_error("upstream failure")), "{:?}", failed[0]);
    assert_eq!(*last, Reply::simple("PONG"));
    let grown = proxy.rss().unwrap().saturating_sub(before);
    assert!(grown < 200 * MIB, "{} MiB", grown / MIB);
    // Who waited for the stopped node would wait for its half second.
    assert!(meanwhile < healthy * 5 + Duration::from_millis(150), "{healthy:?}, with a stopped node {meanwhile:?}");
    cluster.node(0).resume().unwrap();
    wait::until_true("it serves again", SOON, || Ok(client.ask(&format!("SET {stopped} after"))? == Reply::ok()))
        .unwrap();
    for i in 0..100 {
        assert_eq!(client.ask(&format!("SET {stopped} {i}")).unwrap(), Reply::ok());
        assert_eq!(client.ask(&format!("GET {stopped}")).unwrap(), Reply::bulk(i.to_string()));
    }
}

/// What waits for one node is bounded: beyond, requests fail at once and say why.
#[test]
fn what_waits_for_a_node_is_bounded() {
    let deaf = Fake::start(|_| Act::StopReading).unwrap();
    let proxy = one_worker(&before_member(deaf.address()).setting("op_timeout: 30s"));
    let before = proxy.rss().unwrap();
    // Just not large enough to be passed on as it comes.
    let value = vec![b'x'; (1 << 20) - 4096];
    // 50 clients with four of them each are more than the 128 MiB that may wait for one node.
    let mut clients: Vec<Client> = (0..50).map(|_| proxy.client().unwrap()).collect();
    for client in &mut clients {
        for _ in 0..4 {
            client.send(&[b"SET".as_slice(), b"k", &value]).unwrap();
        }
    }
    let refused = wait::until("some are refused", SOON, || {
        let count = proxy.stat("cluster.redis.redis_cluster.request_overflow")?.unwrap_or(0);
        Ok((count >= 70).then_some(count))
    })
    .unwrap();
    assert!(refused < 80, "{refused}");
    let told = clients.iter_mut().rev().take(5).map(|client| client.read_reply().unwrap());
    for reply in told.collect::<Vec<_>>() {
        assert!(reply.is_error("upstream failure: too much waits"), "{reply:?}");
    }
    let grown = proxy.rss().unwrap().saturating_sub(before);
    assert!(grown < 300 * MIB, "{} MiB", grown / MIB);
}

/// C16. The node dies while many requests wait for it: all are told at once, nobody waits for ever.
#[test]
fn samaritan_25_peer_dies_with_a_full_queue() {
    let fake = Fake::cluster_of_one(|request| (request.name() == "SET").then_some(Act::Ignore)).unwrap();
    let proxy = one_worker(&before_fake(&fake).setting("op_timeout: 60s"));
    let mut clients: Vec<Client> = (0..50).map(|_| proxy.client().unwrap()).collect();
    for client in &mut clients {
        for i in 0..50 {
            client.send(&["SET", &format!("full:{i}"), "x"]).unwrap();
        }
    }
    wait::until_true("all wait", SOON, || Ok(counter(&proxy, "cluster.redis.upstream_rq_active") == 2500)).unwrap();
    fake.close_all();
    let begin = Instant::now();
    for client in &mut clients {
        for reply in client.read_replies(50).unwrap() {
            assert!(reply.is_error("upstream failure") && reply.text().contains("closed the connection"), "{reply:?}");
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(counter(&proxy, "cluster.redis.upstream_rq_active"), 0);
    assert_eq!(counter(&proxy, "redis.redis_stats.downstream_rq_active"), 0);
}

/// The node closes in the middle of a reply: the request fails, its half reply goes nowhere, the next one is whole.
#[test]
fn upstream_closes_in_the_middle_of_a_reply() {
    for half in ["$10\r\nhalf", "*3\r\n:1\r\n$3\r\nab", "+OK\r", ":", "$"] {
        let fake = Fake::cluster_of_one(move |request| match request.text().as_str() {
            "SET half 1" => Some(Act::SendAndClose(half.as_bytes().to_vec())),
            "SET whole 1" => Some(Act::bulk("whole")),
            _ => None,
        })
        .unwrap();
        let proxy = one_worker(&before_fake(&fake));
        let (mut client, mut other) = (proxy.client().unwrap(), proxy.client().unwrap());
        let replies = client.pipeline(&[vec!["PING"], vec!["SET", "half", "1"], vec!["PING"]]).unwrap();
        assert_eq!((&replies[0], &replies[2]), (&Reply::simple("PONG"), &Reply::simple("PONG")));
        let reply = &replies[1];
        assert!(
            reply.is_error("upstream failure") && reply.text().contains("closed the connection"),
            "{half:?}: {reply:?}"
        );
        for client in [&mut client, &mut other] {
            wait::until_true("whole replies again", SOON, || Ok(client.ask("SET whole 1")? == Reply::bulk("whole")))
                .unwrap();
        }
    }
}

/// A request that may have been carried out is not sent twice.
#[test]
fn a_write_that_was_sent_is_never_sent_again() {
    let fake = Fake::cluster_of_one(|request| (request.name() == "INCR").then_some(Act::Close)).unwrap();
    let proxy = one_worker(&before_fake(&fake));
    let mut client = proxy.client().unwrap();
    for round in 1..=5 {
        wait::until_true("it is sent", SOON, || {
            let reply = client.ask("INCR twice")?;
            assert!(reply.is_error("upstream failure"), "{reply:?}");
            Ok(fake.requests().iter().filter(|request| request.name() == "INCR").count() >= round)
        })
        .unwrap();
        assert_eq!(fake.requests().iter().filter(|request| request.name() == "INCR").count(), round);
    }
}
