//! C18, C19: connections that end, and how often they are opened again.

use super::*;

/// C18. The server closes what is idle: no client notices, and nothing is opened before it is needed.
#[test]
fn camellia_77_predixy_203_idle_upstream_closed_by_the_server() {
    let server = Server::builder().config("timeout 1").start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut client = proxy.client().unwrap();
    let opened = || counter(&proxy, "cluster.redis.upstream_cx_total");
    for round in 1..=2 {
        assert_eq!(client.ask(&format!("SET idle {round}")).unwrap(), Reply::ok(), "the first request after the pause");
        assert_eq!(client.ask("GET idle").unwrap(), Reply::bulk(round.to_string()));
        assert_eq!(opened(), round);
        wait::until_true("the server closes it", SOON, || Ok(counter(&proxy, "cluster.redis.upstream_cx_active") == 0))
            .unwrap();
        assert_eq!(opened(), round, "nothing is opened before it is needed");
    }
}

/// C18. A connection that the server closes just when it is used: what can be tried again safely is.
#[test]
fn connections_that_are_cut_again_and_again_lose_no_read() {
    let server = Server::start().unwrap();
    let proxy = one_worker(&before_server(&server));
    let mut client = proxy.client().unwrap();
    client.ask("SET cut 1").unwrap();
    for round in 0..100 {
        server.ask("CLIENT KILL TYPE normal").unwrap();
        assert_eq!(client.ask("GET cut").unwrap(), Reply::bulk("1"), "round {round}");
    }
}

/// C19. A dead node is tried ever more rarely, whatever clients do.
#[test]
fn envoy_26400_a_dead_node_is_not_stormed() {
    let port = testkit::ports::one().unwrap();
    let proxy = one_worker(&before_member(([127, 0, 0, 1], port).into()));
    let mut client = proxy.client().unwrap();
    let begin = Instant::now();
    let mut asked = 0;
    while begin.elapsed() < Duration::from_secs(2) {
        let reply = client.ask("GET a").unwrap();
        assert!(reply.is_error("upstream failure") && reply.text().contains("cannot connect"), "{reply:?}");
        asked += 1;
    }
    let tried = counter(&proxy, "cluster.redis.upstream_cx_total");
    assert!(asked > 500, "{asked}");
    assert!((3..30).contains(&tried), "{tried} connections for {asked} requests");
}

/// C19. `connection_rate_limit`, for a node that accepts and closes at once.
#[test]
fn envoy_connection_rate_limit_is_kept() {
    let fake = Fake::start(|_| Act::SendAndClose(b"+OK\r\n".to_vec())).unwrap();
    let config = before_member(fake.address()).setting("connection_rate_limit: {connection_rate_limit_per_sec: 5}");
    let proxy = one_worker(&config);
    let mut client = proxy.client().unwrap();
    let (mut served, mut limited) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(1000) {
        match client.ask("GET a").unwrap() {
            Reply::Error(text) if text.contains("connection_rate_limit") => limited += 1,
            Reply::Error(_) => {}
            reply => {
                assert_eq!(reply, Reply::ok());
                served += 1;
            }
        }
    }
    let opened = counter(&proxy, "cluster.redis.upstream_cx_total");
    assert!((5..=12).contains(&opened), "{opened} connections in a second, {served} served");
    assert!(limited > 0);
    assert_eq!(counter(&proxy, "cluster.redis.redis_cluster.connection_rate_limited"), limited);
}
