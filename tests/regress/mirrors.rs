//! E30: whatever is wrong with a mirror, the main path does not feel it, and what is lost is counted.

use super::*;
use std::net::SocketAddr;

/// A proxy in front of `main`, with a mirror.
fn mirrored(main: &Server, mirror: SocketAddr) -> Proxy {
    let routes = "{catch_all_route: {cluster: redis, request_mirror_policy: [{cluster: mirror}]}}";
    let config = before_server(main).static_cluster("mirror", &[mirror.to_string()], "").routes(routes);
    one_worker(&config.setting("op_timeout: 2s"))
}

/// 64 KiB values written and read without a pause for a while: the slowest of a hundred, and how many there were.
fn work(proxy: &Proxy) -> (Duration, usize) {
    let value = vec![b'v'; 64 << 10];
    let mut client = proxy.client().unwrap();
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < Duration::from_millis(1200) {
        let key = format!("mirrored:{}", times.len() % 50);
        let (took, reply) = timed(|| client.call(&[b"SET".as_slice(), key.as_bytes(), &value]).unwrap());
        assert_eq!(reply, Reply::ok());
        times.push(took);
        let (took, reply) = timed(|| client.call(&["GET", &key]).unwrap());
        assert!(reply == Reply::bulk(&value), "{key}");
        times.push(took);
    }
    let count = times.len();
    (p99(times), count)
}

/// The same work beside a good mirror and beside a bad one, alternately; `drops` is whether copies must be counted as lost.
fn compare(name: &str, bad: SocketAddr, drops: bool) {
    let (main, good) = (Server::start().unwrap(), Server::start().unwrap());
    let (with_good, with_bad) = (mirrored(&main, good.address()), mirrored(&main, bad));
    let memory = with_bad.rss().unwrap();
    let mut rounds = Vec::new();
    for _ in 0..2 {
        rounds.push((work(&with_good), work(&with_bad)));
    }
    let grown = with_bad.rss().unwrap().saturating_sub(memory);
    let best = |times: Vec<Duration>| times.into_iter().min().unwrap();
    let healthy = best(rounds.iter().map(|(good, _)| good.0).collect());
    let sick = best(rounds.iter().map(|(_, bad)| bad.0).collect());
    let moved = rounds.iter().map(|(_, bad)| bad.1).sum::<usize>() as u64 * (64 << 10);
    let dropped = counter(&with_bad, "cluster.mirror.redis_cluster.mirror_dropped");
    println!(
        "{name}: p99 {healthy:?} beside a good mirror, {sick:?} beside this one; {} MiB, {dropped} dropped",
        grown / MIB
    );
    assert!(sick < healthy * 3 + Duration::from_millis(5), "{name}: p99 {healthy:?} and {sick:?}");
    assert!(moved > 64 * MIB, "too little was moved to show anything: {} MiB", moved / MIB);
    assert!(grown < 64 * MIB, "{name}: {} MiB", grown / MIB);
    assert!(!drops || dropped > 0, "{name}: nothing was counted as dropped");
    // A good one may fall behind for a moment, with everything on two processors.
    let kept = counter(&with_good, "cluster.mirror.upstream_rq_total");
    let lost = counter(&with_good, "cluster.mirror.redis_cluster.mirror_dropped");
    assert!(lost * 5 < kept, "{lost} copies for a good mirror were dropped, {kept} were not");
}

#[test]
fn envoy_26342_mirror_that_is_down() {
    let port = testkit::ports::one().unwrap();
    compare("down", ([127, 0, 0, 1], port).into(), true);
}

#[test]
fn mirror_that_is_slow() {
    let slow = Fake::start(|_| Act::SendAfter(Duration::from_millis(300), b"+OK\r\n".to_vec())).unwrap();
    compare("slow", slow.address(), true);
}

#[test]
fn mirror_that_never_reads() {
    let deaf = Fake::start(|_| Act::StopReading).unwrap();
    compare("never reading", deaf.address(), true);
}

/// It takes connections and is never seen again: the kernel alone answers.
#[test]
fn mirror_that_never_accepts() {
    let deaf = Fake::deaf().unwrap();
    compare("never accepting", deaf.local_addr().unwrap(), true);
}

#[test]
fn mirror_that_answers_errors_and_nonsense() {
    let rude =
        Fake::start(|request| Act::say(if request.number % 2 == 0 { "-ERR no\r\n" } else { "nonsense\r\n" })).unwrap();
    compare("rude", rude.address(), true);
}

/// A mirror that comes back gets copies again.
#[test]
fn mirror_that_returns_is_used_again() {
    let (main, mut mirror) = (Server::start().unwrap(), Server::start().unwrap());
    let proxy = mirrored(&main, mirror.address());
    let mut client = proxy.client().unwrap();
    client.ask("SET returns 1").unwrap();
    wait::until_true("a copy", SOON, || Ok(mirror.ask("GET returns")? == Reply::bulk("1"))).unwrap();
    mirror.kill().unwrap();
    for i in 0..200 {
        assert_eq!(client.ask(&format!("SET returns {i}")).unwrap(), Reply::ok());
    }
    mirror.restart().unwrap();
    wait::until_true("a copy again", SOON, || {
        client.ask("SET returns again")?;
        Ok(mirror.ask("GET returns")? == Reply::bulk("again"))
    })
    .unwrap();
}
