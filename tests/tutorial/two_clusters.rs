//! Two clusters in one process.

use super::*;

#[test]
fn a_dead_one_delays_only_its_own_traffic() {
    let dead: Vec<String> = testkit::ports::free(3).unwrap().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let config = before_the_cluster()
        .redis_cluster("dead", &dead)
        .setting("op_timeout: 1s")
        .routes(r#"{routes: [{prefix: "dead:", cluster: dead}], catch_all_route: {cluster: redis}}"#);
    let proxy = slotmesh(&config);
    let mut unlucky = proxy.client().unwrap();
    let mut lucky = proxy.client().unwrap();
    lucky.ask("SET two:a 1").unwrap();
    let begin = Instant::now();
    unlucky.send(&["GET", "dead:a"]).unwrap();
    let mut rounds = 0;
    while begin.elapsed() < Duration::from_millis(500) {
        assert_eq!(lucky.ask("GET two:a").unwrap(), Reply::bulk("1"));
        rounds += 1;
    }
    assert!(rounds > 50, "{rounds} rounds in half a second beside a dead cluster");
    let reply = unlucky.read_reply().unwrap();
    assert!(reply.is_error("no upstream host") && reply.text().contains("'dead'"), "{reply:?}");
    assert!((900..3000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let ready = proxy.get("/ready").unwrap();
    assert_eq!(ready.status, 200);
    assert!(ready.body.starts_with("LIVE\n") && ready.body.contains("missing: dead: "), "{}", ready.body);
    assert!(!ready.body.contains("missing: redis"), "{}", ready.body);
}

#[test]
fn both_alive_do_not_mix() {
    let other = Cluster::start(2, 0).unwrap();
    let config = before_the_cluster()
        .redis_cluster("other", &other.addresses())
        .routes(r#"{routes: [{prefix: "mix:other:", cluster: other}], catch_all_route: {cluster: redis}}"#);
    let proxy = slotmesh(&config);
    let mut client = proxy.client().unwrap();
    let mut keys = Vec::new();
    for i in 0..50 {
        for key in [format!("mix:other:{i}"), format!("mix:{i}")] {
            assert_eq!(client.call(&["SET", &key, &key]).unwrap(), Reply::ok());
            keys.push(key);
        }
    }
    let mget: Vec<&str> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(client.call(&mget).unwrap(), Reply::bulks(&keys));
    let held: usize = other.nodes().iter().map(|node| node.ask("KEYS *").unwrap().items().len()).sum();
    assert_eq!(held, 50);
}
