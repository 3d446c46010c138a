//! Which chain a connection goes to, what it waits for, and where its bytes go.
#![cfg(test)]

mod world;

use meant::{ChainMatch, Discovery, Listener, Sniffing, Way};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use world::{Authority, GET, World, ask, chain, cluster, connect, echo, is_closed, line, listener, node, node_at};
use world::{redis, to_cluster, to_redis, to_tcp};

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// What Istio makes of a port of unknown protocol: HTTP goes one way, TLS for one name another, all else to Redis.
fn sniffing(patience: Duration, goes_on: bool, ours: &Authority) -> Listener {
    let http = ChainMatch { application_protocols: strings(&["http/1.1", "h2c"]), ..ChainMatch::default() };
    let named = ChainMatch {
        server_names: strings(&["*.redis.svc"]),
        transport_protocol: "tls".into(),
        ..ChainMatch::default()
    };
    let raw = ChainMatch { transport_protocol: "raw_buffer".into(), ..ChainMatch::default() };
    let http = ChainMatch { transport_protocol: "raw_buffer".into(), ..http };
    let mut listener = listener(vec![
        chain("http", http, None, to_cluster("echo")),
        chain("named", named, Some(ours.server(false)), to_redis("redis")),
        chain("redis", raw, None, to_redis("redis")),
    ]);
    listener.sniffing = Sniffing { tls: Some(Vec::new()), http: Some(Vec::new()), patience: Some(patience), goes_on };
    listener
}

fn world(listener: Listener) -> World {
    let (echo, redis) = (node(None, echo), node(None, redis));
    World::start(vec![listener], vec![(cluster("echo"), vec![echo]), (cluster("redis"), vec![redis])])
}

#[test]
fn the_first_bytes_find_the_chain() {
    let ours = Authority::new();
    let world = world(sniffing(Duration::from_secs(60), false, &ours));
    let at = world.at("l");
    let start = Instant::now();
    assert_eq!(ask(&mut *connect(at, None), GET), "$5");
    assert_eq!(ask(&mut *connect(at, None), "GET key\r\n"), "$5", "an inline command is no HTTP");
    assert!(start.elapsed() < Duration::from_secs(1), "nobody waited");
    assert_eq!(ask(&mut *connect(at, Some(&ours.client("a.redis.svc"))), GET), "$5");

    let mut http = connect(at, None);
    assert_eq!(ask(&mut *http, "GET / HTTP/1.1\r\n"), "127.0.0.1", "it went to the echo");
    assert_eq!(line(&mut *http), "GET / HTTP/1.1", "nothing was taken away");

    let mut other = connect(at, Some(&ours.client("other.svc")));
    assert!(other.write_all(b"x").and_then(|()| other.flush()).is_err());
    world.wait_for("no_filter_chain_match", 1);
    world.wait_for("downstream_pre_cx_active", 0);
}

#[test]
fn bytes_that_come_one_by_one_are_put_together() {
    use std::io::Write;
    let world = world(sniffing(Duration::from_secs(60), false, &Authority::new()));
    let mut http = TcpStream::connect(world.at("l")).unwrap();
    http.set_nodelay(true).unwrap();
    http.set_read_timeout(Some(world::SOON)).unwrap();
    for byte in b"POST /x HTTP/1.1\n" {
        http.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!((line(&mut http), line(&mut http)), ("127.0.0.1".into(), "POST /x HTTP/1.1".into()));
}

#[test]
fn who_says_nothing_is_waited_for_so_long() {
    let strict = world(sniffing(Duration::from_millis(100), false, &Authority::new()));
    let mut silent = connect(strict.at("l"), None);
    assert!(is_closed(&mut *silent));
    strict.wait_for("downstream_pre_cx_timeout", 1);

    let lenient = world(sniffing(Duration::from_millis(100), true, &Authority::new()));
    let mut silent = connect(lenient.at("l"), None);
    lenient.wait_for("downstream_pre_cx_timeout", 1);
    assert_eq!(ask(&mut *silent, GET), "$5", "it went on as what it did not show not to be");

    // Who leaves while waited for is forgotten; so is who has begun something.
    let patient = world(sniffing(Duration::from_secs(60), true, &Authority::new()));
    let (gone, mut half) = (TcpStream::connect(patient.at("l")).unwrap(), TcpStream::connect(patient.at("l")).unwrap());
    std::io::Write::write_all(&mut half, b"GET").unwrap();
    patient.wait_for("downstream_pre_cx_active", 2);
    drop(gone);
    world::finish(&half);
    patient.wait_for("downstream_pre_cx_active", 0);
    // A crew that drains waits for nobody in the hall.
    let _silent = TcpStream::connect(patient.at("l")).unwrap();
    patient.wait_for("downstream_pre_cx_active", 1);
    let mut patient = patient;
    let start = Instant::now();
    patient.crew.take().unwrap().drain(Duration::from_secs(10));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_default_chain_takes_the_rest() {
    let only = |port| ChainMatch { destination_port: Some(port), ..ChainMatch::default() };
    let mut listener = listener(vec![chain("other", only(1), None, to_cluster("echo"))]);
    let closed = world(listener.clone());
    assert!(is_closed(&mut *connect(closed.at("l"), None)));
    closed.wait_for("no_filter_chain_match", 1);
    listener.default_chain = Some(chain("default", ChainMatch::default(), None, to_redis("redis")));
    let world = world(listener);
    assert_eq!(ask(&mut *connect(world.at("l"), None), GET), "$5");
}

#[test]
fn clusters_by_weight_and_none_that_is_unknown() {
    let (one, other) = (node(None, echo), node(None, redis));
    let ways = Way::Clusters(vec![("one".into(), 3), ("other".into(), 1), ("unknown".into(), 1)]);
    let doors = vec![chain("", ChainMatch::default(), None, to_tcp(ways))];
    let world = World::start(vec![listener(doors)], vec![(cluster("one"), vec![one]), (cluster("other"), vec![other])]);
    let heard: Vec<String> = (0..50)
        .map(|_| {
            let mut client = connect(world.at("l"), None);
            let _ = client.write_all(b"x\n");
            line(&mut *client)
        })
        .collect();
    let count = |text: &str| heard.iter().filter(|heard| heard.as_str() == text).count();
    let (one, other, unknown) = (count("127.0.0.1"), count("$5"), count(""));
    assert_eq!(one + other + unknown, 50, "{heard:?}");
    assert!((27..=33).contains(&one) && (8..=12).contains(&other) && (8..=12).contains(&unknown), "{one} {other}");
    world.wait_for("downstream_cx_no_route", unknown as u64);
}

#[test]
fn what_was_not_redirected_would_come_back() {
    for way in [Way::Original, Way::Clusters(vec![("original".into(), 1)])] {
        let mut listener = listener(vec![chain("", ChainMatch::default(), None, to_tcp(way))]);
        listener.restores_destination = true;
        let original = meant::Cluster { discovery: Discovery::Original, ..cluster("original") };
        let world = World::start(vec![listener], vec![(original, Vec::new())]);
        assert!(is_closed(&mut *connect(world.at("l"), None)));
        world.wait_for("downstream_cx_loop", 1);
        world.wait_for("downstream_cx_active", 0);
    }
}

/// As in a sidecar: iptables redirects what goes to port 6379 and 80 to the proxy, except what the proxy sends itself,
/// which comes from 127.0.0.6. Runs itself again in a network namespace of its own, which needs root.
#[test]
fn redirected_connections_find_their_listener_and_their_destination() {
    const INSIDE: &str = "SLOTMESH_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return inside_the_namespace();
    }
    let rule = "iptables -t nat -A OUTPUT -p tcp ! -s 127.0.0.6/32 -m multiport --dports 80,6379,15001 -j REDIRECT --to-ports 15001";
    let script = format!(
        "ip link set lo up && ip addr add 10.0.0.9/32 dev lo && ip addr add 10.0.0.8/32 dev lo && {rule} && exec \"$@\""
    );
    let name = "redirected_connections_find_their_listener_and_their_destination";
    let me = std::env::current_exe().unwrap();
    let prepared =
        std::process::Command::new("unshare").args(["-n", "sh", "-c", &script.replace("exec \"$@\"", "true")]).output();
    if !prepared.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested, for lack of root, iptables or network namespaces: what iptables redirects");
        return;
    }
    let output = std::process::Command::new("unshare")
        .args(["-n", "sh", "-c", &script, "sh"])
        .arg(me)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

fn inside_the_namespace() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    node_at(at("10.0.0.9:80"), None, echo);
    let redis = node(None, redis);
    let named = |name: &str, address: &str, filter| {
        let mut one = listener(vec![chain("", ChainMatch::default(), None, filter)]);
        (one.name, one.address, one.binds) = (name.into(), at(address), false);
        one
    };
    let original = || to_cluster("original");
    let mut outbound = named("virtualOutbound", "0.0.0.0:15001", original());
    (outbound.binds, outbound.hands_over, outbound.restores_destination) = (true, true, true);
    let clusters = vec![
        (
            meant::Cluster { discovery: Discovery::Original, source: Some(at("127.0.0.6:0")), ..cluster("original") },
            vec![],
        ),
        (meant::Cluster { source: Some(at("127.0.0.6:0")), ..cluster("redis") }, vec![redis]),
    ];
    let listeners = vec![outbound, named("10.0.0.9_6379", "10.0.0.9:6379", to_redis("redis"))];
    let world = World::start(listeners, clusters);

    // To the listener of that address, which has no socket of its own.
    assert_eq!(ask(&mut *connect(at("10.0.0.9:6379"), None), GET), "$5");
    // Nobody's: it stays with the first and passes to where it was meant to go, from the address that was set.
    let mut passing = connect(at("10.0.0.9:80"), None);
    assert_eq!((ask(&mut *passing, "hello\n"), line(&mut *passing)), ("127.0.0.6".into(), "hello".into()));
    // No such server: the client is closed.
    assert!(is_closed(&mut *connect(at("10.0.0.8:6379"), None)));
    // Straight to the proxy, and redirected to itself.
    assert!(is_closed(&mut *connect(at("10.0.0.9:15001"), None)));
    assert!(is_closed(&mut *connect(at("127.0.0.1:15001"), None)));
    world.wait_for("downstream_cx_loop", 2);

    // A listener of every address with that port.
    drop(world);
    let mut outbound = named("virtualOutbound", "0.0.0.0:15001", original());
    (outbound.binds, outbound.hands_over) = (true, true);
    let listeners = vec![outbound, named("0.0.0.0_6379", "0.0.0.0:6379", to_redis("redis"))];
    let world = World::start(listeners, vec![(cluster("redis"), vec![redis])]);
    assert_eq!(ask(&mut *connect(at("10.0.0.8:6379"), None), GET), "$5");
    assert!(is_closed(&mut *connect(at("10.0.0.8:80"), None)), "there is no cluster 'original'");
    world.wait_for("downstream_cx_no_route", 1);
}
