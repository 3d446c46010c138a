//! What cannot be used is refused by name, and nothing else suffers from it.

use crate::driven::{self, DIALECTS, cluster, dump, eventually, stat};
use crate::resources::{all_to, mirrored, plain_cluster, redis_cluster, redis_listener, settings};
use crate::scripted::{Answered, PATIENT, Plane};
use crate::traffic::Traffic;
use serde_json::{Value, json};
use std::net::TcpListener;
use testkit::{Client, Reply, Server, ports, wait};
use xds::Kind;

/// A listener that says something which is not supported.
fn unsupported(name: &str, port: u16) -> Value {
    let mut listener = redis_listener(name, port, settings(json!({})), all_to("redis"));
    listener["filter_chains"][0]["filters"][0]["typed_config"]["protocol_version"] = json!("RESP3");
    listener
}

fn refuse(dialect: &str, name: &str) {
    let free = ports::free(3).unwrap();
    let mirror = Server::start().unwrap();
    let good = |routes| redis_listener("in", free[0], settings(json!({})), routes);
    let plane = Plane::start(&[redis_cluster("redis", &cluster().addresses()), good(all_to("redis"))]);
    let proxy = driven::start(plane.address(), dialect);
    driven::client(free[0], name);
    let traffic = Traffic::start(free[0], name);

    // One of two new listeners, and the one that serves.
    let other = redis_listener("other", free[1], settings(json!({})), all_to("redis"));
    plane.put(&[other, unsupported("new", free[2]), unsupported("in", free[0])]);
    let words = plane.refused(Kind::Listener);
    assert!(words.starts_with("Error adding/updating listener(s) "), "{words}");
    let names =
        |name: &str| words.lines().any(|line| line.contains(&format!("{name}: ")) && line.contains("protocol_version"));
    assert!(names("in") && names("new") && !words.contains("other: "), "{words}");
    driven::client(free[1], &format!("{name}:other"));
    assert!(Client::connect(("127.0.0.1", free[2])).is_err());
    traffic.go_on();

    // A cluster that breaks Envoy's rules, in one change with a good one and with what uses it.
    let mut bad = plain_cluster("bad", "STATIC", "127.0.0.1", 1);
    bad["connect_timeout"] = json!("0s");
    plane.put(&[bad, plain_cluster("mirror", "STATIC", "127.0.0.1", mirror.port()), good(mirrored("redis", "mirror"))]);
    let words = plane.refused(Kind::Cluster);
    assert!(words.contains("bad: ") && words.contains("connect_timeout") && !words.contains("mirror: "), "{words}");
    wait::until_true("a write is mirrored", PATIENT, || Ok(mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
    let refused = dump(&proxy, "Clusters")["dynamic_warming_clusters"].clone();
    assert!(refused.to_string().contains("connect_timeout"), "{refused:#}");

    // Nothing is refused again and again.
    let before = (plane.rejects(Kind::Listener), plane.rejects(Kind::Cluster));
    (0..3).for_each(|_| traffic.go_on());
    assert_eq!((plane.rejects(Kind::Listener), plane.rejects(Kind::Cluster)), before);

    // What is mended or withdrawn is acknowledged.
    plane.change(&[plain_cluster("bad", "STATIC", "127.0.0.1", 1)], &[(Kind::Listener, "new")]);
    plane.settled();
    assert_eq!(stat(&proxy, "control_plane.connected_state"), 1);
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert!(traffic.end());
}

#[test]
fn what_is_refused_incrementally_is_named_and_the_rest_goes_on() {
    refuse(DIALECTS[0], "refused-delta");
}

#[test]
fn what_is_refused_of_the_state_of_the_world_is_named_and_the_rest_goes_on() {
    refuse(DIALECTS[1], "refused-sotw");
}

fn taken(dialect: &str, name: &str) {
    let free = ports::free(5).unwrap();
    let occupied = [free[0], free[1], free[4]].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    let listener = |name: &str, port| redis_listener(name, port, settings(json!({})), all_to("redis"));
    let plane = Plane::start(&[redis_cluster("redis", &cluster().addresses()), listener("moves", free[2])]);
    let _proxy = driven::start(plane.address(), dialect);
    let mut stays = driven::client(free[2], name);
    // A new one and one that serves elsewhere want addresses of somebody else; a third wants a free one.
    plane.put(&[listener("new", free[0]), listener("moves", free[1]), listener("good", free[3])]);
    let words = plane.refused(Kind::Listener);
    for (name, port) in [("new", free[0]), ("moves", free[1])] {
        assert!(words.contains(&format!("{name}: cannot listen on 127.0.0.1:{port}")), "{words}");
    }
    driven::client(free[3], name);
    assert_eq!(stays.ask(&format!("GET {name}")).unwrap(), Reply::bulk(name));
    driven::client(free[2], name);
    // One more waits, and is withdrawn before its time comes.
    plane.put(&[listener("withdrawn", free[4])]);
    assert!(plane.refused(Kind::Listener).contains("withdrawn: cannot listen on"));
    plane.remove(Kind::Listener, "withdrawn");
    plane.wait("it is withdrawn", |proxy| {
        let listeners = proxy.lanes.iter().find(|lane| lane.kind == Kind::Listener)?;
        let is_answered = listeners.is_accepted() || listeners.is_refused();
        (is_answered && listeners.resources.get("withdrawn").is_none()).then_some(())
    });
    // Both are taken as soon as they are free, and without a word of the control plane.
    drop(occupied);
    driven::client(free[0], name);
    driven::client(free[1], name);
    assert_eq!(
        stays.ask(&format!("GET {name}")).unwrap(),
        Reply::bulk(name),
        "a client stays where its listener moves"
    );
    wait::until_true("the old address is left", PATIENT, || Ok(Client::connect(("127.0.0.1", free[2])).is_err()))
        .unwrap();
    assert!(Client::connect(("127.0.0.1", free[4])).is_err());
    // The next answer says so.
    plane.put(&[redis_listener("good", free[3], settings(json!({ "op_timeout": "3s" })), all_to("redis"))]);
    plane.settled();
}

#[test]
fn addresses_that_are_taken_are_waited_for_incrementally() {
    taken(DIALECTS[0], "taken-delta");
}

#[test]
fn addresses_that_are_taken_are_waited_for_in_the_state_of_the_world() {
    taken(DIALECTS[1], "taken-sotw");
}

/// One listener leaves an address and another comes to it.
#[test]
fn an_address_goes_from_one_listener_to_another() {
    let port = ports::one().unwrap();
    let listener = |name: &str| redis_listener(name, port, settings(json!({})), all_to("redis"));
    let plane = Plane::start(&[redis_cluster("redis", &cluster().addresses()), listener("first")]);
    let _proxy = driven::start(plane.address(), DIALECTS[0]);
    let mut client = driven::client(port, "handed:1");
    plane.change(&[listener("second")], &[(Kind::Listener, "first")]);
    plane.settled();
    // The listener of this client is no more.
    assert_eq!(client.read_to_close().unwrap(), b"");
    let mut client = driven::client(port, "handed:1");
    eventually(&mut client, "GET handed:1", &Reply::bulk("handed:1"));
}
