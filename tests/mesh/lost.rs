//! The control plane goes away, and comes back: nobody notices but who looks.

use crate::driven::{self, DIALECTS, bootstrap, cluster, connections, launch, stat_becomes};
use crate::resources::{
    all_to, eds_cluster, endpoints, mirrored, plain_cluster, redis_cluster, redis_listener, settings,
};
use crate::scripted::{PATIENT, Plane};
use crate::traffic::Traffic;
use serde_json::json;
use std::fs;
use std::net::TcpStream;
use testkit::{Proxy, Reply, Server, ports, wait};
use xds::Kind;

fn lose(dialect: &str, name: &str) {
    let (port, extra, mirror) = (ports::one().unwrap(), ports::one().unwrap(), Server::start().unwrap());
    let listener = |routes| redis_listener("in", port, settings(json!({})), routes);
    let mut plane = Plane::start(&[
        redis_cluster("redis", &cluster().addresses()),
        eds_cluster("mirror", "mirror"),
        endpoints("mirror", &[mirror.port()]),
        listener(all_to("redis")),
        redis_listener("extra", extra, settings(json!({})), all_to("redis")),
    ]);
    let proxy = driven::start(plane.address(), dialect);
    driven::client(port, name);
    driven::client(extra, name);
    let traffic = Traffic::start(port, name);
    plane.settled();
    let before = connections(&proxy);
    plane.kill();
    stat_becomes(&proxy, "control_plane.connected_state", |connected| connected == 0);
    traffic.go_on();
    plane.revive();
    stat_becomes(&proxy, "control_plane.connected_state", |connected| connected == 1);
    plane.settled();
    traffic.go_on();
    if dialect == DIALECTS[0] {
        // It said what it has, so nothing is sent.
        assert_eq!([Kind::Cluster, Kind::Endpoints, Kind::Listener].map(|kind| plane.sent(kind)), [0; 3]);
    }
    assert_eq!(plane.streams(), 1, "it comes back once");
    assert_eq!(connections(&proxy), before, "nothing was set up anew");
    // What changed while it was away arrives when it is back, and what was withdrawn goes.
    plane.kill();
    plane.change(&[listener(mirrored("redis", "mirror"))], &[(Kind::Listener, "extra")]);
    plane.revive();
    wait::until_true("a write is mirrored", PATIENT, || Ok(mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
    plane.settled();
    wait::until_true("it is closed", PATIENT, || Ok(TcpStream::connect(("127.0.0.1", extra)).is_err())).unwrap();
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert!(traffic.end());
}

#[test]
fn an_incremental_control_plane_goes_away_and_comes_back() {
    lose(DIALECTS[0], "lost-delta");
}

#[test]
fn a_control_plane_of_the_state_of_the_world_goes_away_and_comes_back() {
    lose(DIALECTS[1], "lost-sotw");
}

fn log_says(proxy: &Proxy, text: &str) {
    wait::until_true(text, PATIENT, || Ok(proxy.log()?.contains(text)))
        .unwrap_or_else(|error| panic!("{error}\n{}", proxy.log_tail()));
}

fn start_without(dialect: &str, name: &str) {
    let (folder, port, server) = (tempfile::tempdir().unwrap(), ports::one().unwrap(), Server::start().unwrap());
    let cache = folder.path().join("cache");
    let mut plane = Plane::start(&[
        eds_cluster("eds", "service"),
        endpoints("service", &[server.port()]),
        redis_listener("in", port, settings(json!({})), all_to("eds")),
    ]);
    let config = bootstrap(plane.address(), dialect);
    let mut proxy = launch(&config, &["--xds-cache", cache.to_str().unwrap()]);
    proxy.wait_ready().unwrap();
    driven::client(port, name);
    plane.settled();
    plane.kill();
    // The file is written on the way out at the latest.
    proxy.restart(&config).unwrap();
    driven::client(port, name);
    assert_eq!(proxy.stat("control_plane.connected_state").unwrap(), Some(0));
    // The control plane comes back, and has something new.
    plane.put(&[redis_listener("in", port, settings(json!({ "op_timeout": "3s" })), all_to("eds"))]);
    plane.revive();
    plane.settled();
    plane.kill();
    // A damaged file is told, and is none.
    let mut bytes = fs::read(&cache).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    proxy.term().unwrap();
    fs::write(&cache, bytes).unwrap();
    drop(proxy);
    let proxy = launch(&config, &["--xds-cache", cache.to_str().unwrap()]);
    log_says(&proxy, "the cache is damaged");
    assert_eq!(proxy.get("/ready").unwrap().status, 503);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    plane.revive();
    proxy.wait_ready().unwrap();
    driven::client(port, name);
}

#[test]
fn the_last_good_state_serves_a_start_without_a_control_plane() {
    start_without(DIALECTS[0], "cache-delta");
}

#[test]
fn the_last_good_state_of_the_world_serves_a_start_without_a_control_plane() {
    start_without(DIALECTS[1], "cache-sotw");
}

/// A plane that is not there when the proxy starts is looked for until it is.
#[test]
fn a_proxy_may_start_before_its_control_plane() {
    let (port, server) = (ports::one().unwrap(), Server::start().unwrap());
    let mut plane = Plane::start(&[
        plain_cluster("plain", "STATIC", "127.0.0.1", server.port()),
        redis_listener("in", port, settings(json!({})), all_to("plain")),
    ]);
    plane.kill();
    let proxy = launch(&bootstrap(plane.address(), DIALECTS[0]), &[]);
    log_says(&proxy, "no stream to the control plane");
    assert_eq!(proxy.get("/ready").unwrap().status, 503);
    plane.revive();
    proxy.wait_ready().unwrap();
    driven::client(port, "late");
}
