//! TLS towards nodes and towards clients.
#![cfg(test)]

mod world;

use meant::{
    ChainMatch, ClientTls, ConfigSource, Delivered, Delivery, Identity, NameMatch, Secret, Sockets, TextMatch, Tls,
};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Secrets;
use world::{Authority, GET, SOON, World, ask, chain, cluster, connect, echo, is_closed, line, listener, node, redis};
use world::{to_cluster, to_redis};

fn any() -> ChainMatch {
    ChainMatch::default()
}

fn reached_by(tls: ClientTls) -> meant::Cluster {
    let sockets = Sockets { default: Some(Arc::new(tls)), matches: Vec::new() };
    meant::Cluster { sockets, ..cluster("nodes") }
}

#[test]
fn commands_reach_a_node_by_tls() {
    let ours = Authority::new();
    let node = node(Some(&ours.server(true)), redis);
    let world = World::start(
        vec![listener(vec![chain("", any(), None, to_redis("nodes"))])],
        vec![(reached_by(ours.client("redis.example")), vec![node])],
    );
    let mut client = connect(world.at("l"), None);
    for _ in 0..3 {
        assert_eq!((ask(&mut *client, GET), line(&mut *client)), ("$5".into(), "hello".into()));
    }
    assert_eq!((world.stat("nodes.ssl.handshake"), world.stat("nodes.upstream_cx_total")), (1, 1));
    assert_eq!(world.stat("listener.127.0.0.1_0.ssl.handshake"), 0, "clients speak plain TCP");
}

#[test]
fn a_client_hears_why_a_node_is_not_trusted() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let node = node(Some(&ours.server(true)), redis);
    let mut named = ours.client("");
    let text = TextMatch::Exact("spiffe://t/somebody/else".into());
    named.shared.trust.names = vec![NameMatch { kind: None, text }];
    for (tls, stat, words) in [
        (foreign.client(""), "ssl.fail_verify_error", "invalid peer certificate"),
        (named, "ssl.fail_verify_san", "spiffe://t/server"),
        (ClientTls { sni: String::new(), shared: Tls::default() }, "ssl.connection_error", ""),
    ] {
        let world = World::start(
            vec![listener(vec![chain("", any(), None, to_redis("nodes"))])],
            vec![(reached_by(tls), vec![node])],
        );
        let heard = ask(&mut *connect(world.at("l"), None), GET);
        assert!(heard.starts_with('-') && heard.contains(words), "{stat}: {heard}");
        if words.is_empty() {
            // TLS 1.3: a client without a certificate hears of it after its own handshake.
            assert_eq!(world.stat("ssl.handshake"), 1);
        } else {
            assert!(world.stat(stat) >= 1, "{stat}");
        }
    }
}

#[test]
fn secrets_may_come_later_and_change() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let at = |name: &str| Delivery { name: name.into(), source: ConfigSource::Ads };
    let delivered = |authority: &Authority| {
        let (chain, key) = authority.issue("spiffe://t/client");
        Delivered::Identity { chain, key: Secret::new(key) }
    };
    let mut tls = ours.client("");
    tls.shared.identity = Some(Identity::Delivered(at("default")));
    let mut behind = ours.server(false);
    behind.shared.identity = Some(Identity::Delivered(at("default")));
    let node = node(Some(&ours.server(true)), redis);
    let doors = vec![chain("", any(), Some(behind), to_redis("nodes"))];
    let mut locked = listener(doors);
    locked.name = "locked".into();
    let open = listener(vec![chain("", any(), None, to_redis("nodes"))]);
    let mut world = World::start(vec![open, locked], vec![(reached_by(tls), vec![node])]);

    let heard = ask(&mut *connect(world.at("l"), None), GET);
    assert!(heard.contains("the secret 'default' has not been delivered yet"), "{heard}");
    assert!(is_closed(&mut *connect(world.at("locked"), None)));

    let mut secrets = Secrets::default();
    secrets.insert(at("default"), delivered(&ours));
    world.crew().deliver(&secrets);
    // A node that could not be reached is left alone for a moment.
    let start = Instant::now();
    while ask(&mut *connect(world.at("l"), None), GET) != "$5" {
        assert!(start.elapsed() < SOON, "the secret does not help");
    }
    let mut kept = connect(world.at("locked"), Some(&ours.client("")));
    assert_eq!((ask(&mut *kept, GET), line(&mut *kept)), ("$5".into(), "hello".into()));

    secrets.insert(at("default"), delivered(&foreign));
    world.crew().deliver(&secrets);
    let mut distrusting = connect(world.at("locked"), Some(&ours.client("")));
    assert!(distrusting.write_all(GET.as_bytes()).and_then(|()| distrusting.flush()).is_err());
    assert_eq!(ask(&mut *kept, GET), "$5", "who was here stays");
}

#[test]
fn clients_speak_tls_to_redis() {
    let ours = Authority::new();
    let node = node(None, redis);
    let world = World::start(
        vec![listener(vec![chain("", any(), Some(ours.server(true)), to_redis("nodes"))])],
        vec![(cluster("nodes"), vec![node])],
    );
    for _ in 0..2 {
        let mut client = connect(world.at("l"), Some(&ours.client("")));
        for _ in 0..3 {
            assert_eq!((ask(&mut *client, GET), line(&mut *client)), ("$5".into(), "hello".into()));
        }
    }
    world.wait_for("ssl.handshake", 2);
    let quits = &mut *connect(world.at("l"), Some(&ours.client("")));
    assert_eq!(ask(quits, "QUIT\r\n"), "+OK");
    assert_eq!(quits.read(&mut [0]).unwrap(), 0, "the end is announced");

    let nobody = ClientTls { sni: String::new(), shared: Tls { trust: ours.trust(Vec::new()), ..Tls::default() } };
    let mut nameless = connect(world.at("l"), Some(&nobody));
    let _ = nameless.write_all(GET.as_bytes()).and_then(|()| nameless.flush());
    assert!(nameless.read(&mut [0]).is_err());
    world.wait_for("ssl.fail_verify_no_cert", 1);

    let mut plain = connect(world.at("l"), None);
    let _ = plain.write_all(GET.as_bytes());
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&21), "an alert and the end");
    world.wait_for("ssl.connection_error", 1);
    world.wait_for("downstream_pre_cx_active", 0);
}

#[test]
fn a_handshake_has_its_time() {
    let ours = Authority::new();
    let mut slow = (*chain("", any(), Some(ours.server(false)), to_redis("nodes"))).clone();
    slow.tls_timeout = Some(Duration::from_millis(100));
    let world = World::start(vec![listener(vec![Arc::new(slow)])], vec![(cluster("nodes"), vec![])]);
    assert!(is_closed(&mut *connect(world.at("l"), None)));
    world.wait_for("downstream_cx_transport_socket_connect_timeout", 1);
    world.wait_for("downstream_pre_cx_active", 0);
}

#[test]
fn a_node_that_does_not_shake_hands_is_given_up_in_time() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut nodes = reached_by(Authority::new().client(""));
    nodes.connect_timeout = Duration::from_millis(100);
    let address = deaf.local_addr().unwrap();
    let doors = vec![chain("", any(), None, to_redis("nodes"))];
    let world = World::start(vec![listener(doors)], vec![(nodes, vec![address])]);
    let heard = ask(&mut *connect(world.at("l"), None), GET);
    assert!(heard.starts_with('-'), "{heard}");
    assert!(world.stat("nodes.upstream_cx_connect_timeout") >= 1);
}

/// Four megabytes each way through TLS on both sides, and the end of one side before the other's.
#[test]
fn bytes_pass_through_tls_on_both_sides() {
    let ours = Authority::new();
    let node = node(Some(&ours.server(true)), echo);
    for tls in [None, Some(ours.server(true))] {
        let client_tls = tls.is_some().then(|| ours.client(""));
        let world = World::start(
            vec![listener(vec![chain("", any(), tls, to_cluster("nodes"))])],
            vec![(reached_by(ours.client("")), vec![node])],
        );
        let mut client = connect(world.at("l"), client_tls.as_ref());
        assert_eq!(ask(&mut *client, "first\n"), "127.0.0.1");
        assert_eq!(line(&mut *client), "first");
        let bytes: Vec<u8> = (0..4 << 20).map(|i: u32| (i % 251) as u8).collect();
        let mut came = vec![0; 128 << 10];
        for piece in bytes.chunks(came.len()) {
            client.write_all(piece).unwrap();
            client.flush().unwrap();
            client.read_exact(&mut came[..piece.len()]).unwrap();
            assert!(came[..piece.len()] == *piece);
        }
        drop(client);
        world.wait_for("downstream_cx_active", 0);
    }
}
