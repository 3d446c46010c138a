//! What a listener names may come later than the listener, and may go before it.

use crate::driven::{self, DIALECTS, cluster, eventually};
use crate::resources::{
    all_to, eds_cluster, endpoints, plain_cluster, redis_cluster, redis_listener, settings, tcp_listener,
};
use crate::scripted::{PATIENT, Plane};
use serde_json::json;
use testkit::{Client, Reply, Server, ports, wait};
use xds::Kind;

fn come_and_go(dialect: &str, name: &str) {
    let port = ports::one().unwrap();
    let plane = Plane::start(&[redis_listener("in", port, settings(json!({})), all_to("redis"))]);
    let _proxy = driven::start(plane.address(), dialect);
    plane.settled();
    let mut client = Client::connect(("127.0.0.1", port)).unwrap();
    let write = format!("SET {name} {name}");
    let told = client.ask(&write).unwrap();
    assert!(told.is_error("no upstream host") && told.text().contains("'redis'"), "{told:?}");
    plane.put(&[redis_cluster("redis", &cluster().addresses())]);
    eventually(&mut client, &write, &Reply::ok());
    // It goes, is named again, and comes back; the client is the same.
    plane.remove(Kind::Cluster, "redis");
    plane.settled();
    let gone = wait::until("the cluster is gone", PATIENT, || {
        let reply = client.ask(&write)?;
        Ok(reply.is_error("no upstream host").then_some(reply))
    });
    assert_eq!(gone.unwrap(), told);
    plane.put(&[redis_cluster("redis", &cluster().addresses())]);
    eventually(&mut client, &write, &Reply::ok());
}

#[test]
fn a_cluster_that_is_not_there_is_named_until_it_comes_incrementally() {
    come_and_go(DIALECTS[0], "absent-delta");
}

#[test]
fn a_cluster_that_is_not_there_is_named_until_it_comes_in_the_state_of_the_world() {
    come_and_go(DIALECTS[1], "absent-sotw");
}

fn members_come_back(dialect: &str) {
    let (port, servers) = (ports::one().unwrap(), [Server::start().unwrap(), Server::start().unwrap()]);
    let plane = Plane::start(&[
        eds_cluster("eds", "service"),
        endpoints("service", &[servers[0].port()]),
        redis_listener("in", port, settings(json!({})), all_to("eds")),
    ]);
    let proxy = driven::start(plane.address(), dialect);
    let mut client = driven::client(port, "one");
    let mut leave = || {
        plane.remove(Kind::Cluster, "eds");
        eventually(&mut client, "GET one", &client_error("eds"));
        plane.settled();
        assert_eq!(driven::dump(&proxy, "Endpoints")["dynamic_endpoint_configs"], json!([]));
    };
    // The cluster goes, and comes back as it was.
    leave();
    plane.put(&[eds_cluster("eds", "service")]);
    eventually(&mut Client::connect(("127.0.0.1", port)).unwrap(), "GET one", &Reply::bulk("one"));
    // Its members change while it is away: it comes back with those of now.
    leave();
    plane.put(&[endpoints("service", &[servers[1].port()])]);
    plane.put(&[eds_cluster("eds", "service")]);
    eventually(&mut client, "SET two two", &Reply::ok());
    assert_eq!(servers[0].ask("EXISTS two").unwrap(), Reply::Int(0));
    assert_eq!(servers[1].ask("GET two").unwrap(), Reply::bulk("two"));
    plane.settled();
}

fn client_error(cluster: &str) -> Reply {
    Reply::Error(format!("no upstream host: cluster '{cluster}' is not in the configuration"))
}

#[test]
fn a_cluster_that_comes_back_has_the_members_of_now_incrementally() {
    members_come_back(DIALECTS[0]);
}

#[test]
fn a_cluster_that_comes_back_has_the_members_of_now_in_the_state_of_the_world() {
    members_come_back(DIALECTS[1]);
}

#[test]
fn clients_of_a_listener_that_goes_get_their_replies_first() {
    let (port, server) = (ports::one().unwrap(), Server::start().unwrap());
    let listener = redis_listener("in", port, settings(json!({ "op_timeout": "20s" })), all_to("plain"));
    let plane = Plane::start(&[plain_cluster("plain", "STATIC", "127.0.0.1", server.port()), listener.clone()]);
    let proxy = driven::start(plane.address(), DIALECTS[0]);
    let (mut busy, mut idle) = (driven::client(port, "busy"), driven::client(port, "idle"));
    server.pause().unwrap();
    for _ in 0..3 {
        busy.send(&["GET", "busy"]).unwrap();
    }
    driven::stat_becomes(&proxy, "redis.in.downstream_rq_active", |count| count == 3);
    plane.remove(Kind::Listener, "in");
    plane.settled();
    assert_eq!(idle.read_to_close().unwrap(), b"");
    assert!(Client::connect(("127.0.0.1", port)).is_err());
    server.resume().unwrap();
    let replies = busy.read_to_close().unwrap();
    assert_eq!(replies.escape_ascii().to_string(), b"$4\r\nbusy\r\n".repeat(3).escape_ascii().to_string());
    plane.put(&[listener]);
    driven::client(port, "again");
}

/// A change of a cluster does not leave passing connections without members meanwhile.
#[test]
fn what_passes_goes_on_while_its_cluster_changes() {
    let (port, server) = (ports::one().unwrap(), Server::start().unwrap());
    let cluster = |timeout: String| {
        let mut cluster = plain_cluster("names", "STRICT_DNS", "localhost", server.port());
        cluster["connect_timeout"] = timeout.into();
        cluster
    };
    let plane = Plane::start(&[cluster("1s".into()), tcp_listener("in", port, "names")]);
    let proxy = driven::start(plane.address(), DIALECTS[0]);
    let mut stays = driven::client(port, "passes");
    let before = driven::stat(&proxy, "tcp.in.downstream_cx_no_route");
    for timeout in 2..8 {
        plane.put(&[cluster(format!("{timeout}s"))]);
        plane.settled();
        assert_eq!(Client::connect(("127.0.0.1", port)).unwrap().ask("GET passes").unwrap(), Reply::bulk("passes"));
    }
    assert_eq!(stays.ask("GET passes").unwrap(), Reply::bulk("passes"));
    assert_eq!(driven::stat(&proxy, "tcp.in.downstream_cx_no_route"), before);
}
