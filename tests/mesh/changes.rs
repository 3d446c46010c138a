//! What changes takes effect between two requests: no client is cut, no reply is wrong, no connection to a node that need
//! not change is opened anew. The real Envoy is driven through the same steps, for comparison.

use crate::driven::{self, DIALECTS, cluster, connections, eventually};
use crate::resources::{
    all_to, eds_cluster, endpoints, mirrored, plain_cluster, redis_cluster, redis_listener, settings, tcp_listener,
};
use crate::scripted::{PATIENT, Plane};
use crate::traffic::Traffic;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Client, Proxy, Reply, Server, ports, wait};
use xds::Kind;

/// A proxy under traffic, and who drives it.
struct Stage {
    plane: Plane,
    proxy: Proxy,
    traffic: Traffic,
    port: u16,
    mirror: Server,
    other: Server,
    /// Steps, and how many clients each has cut.
    cuts: Vec<(&'static str, usize)>,
}

impl Stage {
    fn new(name: &str, start: impl FnOnce(std::net::SocketAddr) -> Proxy) -> Self {
        let (port, mirror, other) = (ports::one().unwrap(), Server::start().unwrap(), Server::start().unwrap());
        let plane = Plane::start(&[
            redis_cluster("redis", &cluster().addresses()),
            plain_cluster("mirror", "STATIC", "127.0.0.1", mirror.port()),
            eds_cluster("other", "other"),
            endpoints("other", &[other.port()]),
            redis_listener("in", port, settings(json!({})), all_to("redis")),
        ]);
        let proxy = start(plane.address());
        driven::client(port, &format!("{name}:first"));
        let traffic = Traffic::start(port, name);
        Self { plane, proxy, traffic, port, mirror, other, cuts: Vec::new() }
    }

    fn listener(&self, more: Value, routes: Value) -> Value {
        redis_listener("in", self.port, settings(more), routes)
    }

    /// One change under traffic.
    fn step(&mut self, name: &'static str, given: &[Value], removed: &[(Kind, &str)]) {
        let before = self.traffic.cut();
        self.plane.change(given, removed);
        self.plane.settled();
        self.traffic.go_on();
        self.cuts.push((name, self.traffic.cut() - before));
    }

    /// The time from the change to the first write at the mirror.
    fn mirror(&mut self) -> Duration {
        let given = [self.listener(json!({}), mirrored("redis", "mirror"))];
        let (before, began) = (self.traffic.cut(), Instant::now());
        self.plane.put(&given);
        wait::until_true("a write is mirrored", PATIENT, || Ok(self.mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
        let took = began.elapsed();
        self.plane.settled();
        self.traffic.go_on();
        self.cuts.push(("mirror added", self.traffic.cut() - before));
        took
    }

    /// Every step.
    fn play(&mut self) -> Duration {
        let took = self.mirror();
        self.step("mirror removed", &[self.listener(json!({}), all_to("redis"))], &[]);
        self.step("read policy", &[self.listener(json!({ "read_policy": "PREFER_REPLICA" }), all_to("redis"))], &[]);
        self.step("op_timeout", &[self.listener(json!({ "op_timeout": "4s" }), all_to("redis"))], &[]);
        let mut routes = all_to("redis");
        routes["routes"] = json!([{ "prefix": "elsewhere:", "cluster": "other" }]);
        self.step("prefix route", &[self.listener(json!({ "op_timeout": "4s" }), routes)], &[]);
        let aside = [
            tcp_listener("aside", ports::one().unwrap(), "aside"),
            plain_cluster("aside", "STATIC", "127.0.0.1", self.other.port()),
        ];
        self.step("unrelated added", &aside, &[]);
        self.step("unrelated removed", &[], &[(Kind::Listener, "aside"), (Kind::Cluster, "aside")]);
        self.step("members", &[endpoints("other", &[self.mirror.port()])], &[]);
        let mut slower = redis_cluster("redis", &cluster().addresses());
        slower["connect_timeout"] = json!("3s");
        self.step("connect_timeout", &[slower], &[]);
        took
    }
}

fn drive_ours(dialect: &str, name: &str) {
    let mut stage = Stage::new(name, |xds| driven::start(xds, dialect));
    // The connections to replicas are opened with the first read at them, those to the mirror and the members likewise.
    let to_redis = |stage: &Stage| -> Vec<String> {
        connections(&stage.proxy).into_iter().filter(|line| line.starts_with("cluster.redis.")).collect()
    };
    let before = to_redis(&stage);
    let took = stage.mirror();
    stage.step("mirror removed", &[stage.listener(json!({}), all_to("redis"))], &[]);
    stage.step("op_timeout", &[stage.listener(json!({ "op_timeout": "4s" }), all_to("redis"))], &[]);
    let mut slower = redis_cluster("redis", &cluster().addresses());
    slower["connect_timeout"] = json!("3s");
    stage.step("connect_timeout", &[slower], &[]);
    assert_eq!(to_redis(&stage), before, "connections that need not change stay");
    // The members of the other cluster came once, and nothing of this was about them.
    assert_eq!(driven::stat(&stage.proxy, "cluster.other.update_attempt"), 1);
    assert_eq!(stage.mirror.ask("FLUSHALL").unwrap(), Reply::ok());
    let again = stage.play();
    // The new route leads to the new member.
    let mut client = Client::connect(("127.0.0.1", stage.port)).unwrap();
    eventually(&mut client, "SET elsewhere:1 there", &Reply::ok());
    assert_eq!(stage.mirror.ask("GET elsewhere:1").unwrap(), Reply::bulk("there"));
    println!("slotmesh, {dialect}: first mirrored write after {took:?} and {again:?}; cut: {:?}", stage.cuts);
    assert!(stage.cuts.iter().all(|(_, cut)| *cut == 0), "{:?}", stage.cuts);
    assert_eq!(stage.traffic.wrong(), [""; 0]);
    assert!(took < Duration::from_secs(1) && again < Duration::from_secs(1), "{took:?} {again:?}");
    assert!(stage.traffic.end(), "the idle client is served on its connection");
    let (sent, streams) = (stage.plane.sent(Kind::Listener), stage.plane.streams());
    assert_eq!(streams, 1);
    // Incrementally, only what changed is sent.
    assert!(dialect == "GRPC" || sent <= 12, "{sent}");
}

#[test]
fn incremental_changes_cut_nobody() {
    drive_ours(DIALECTS[0], "delta");
}

#[test]
fn changes_of_the_state_of_the_world_cut_nobody() {
    drive_ours(DIALECTS[1], "sotw");
}

#[test]
fn envoy_is_driven_through_the_same_steps() {
    let mut stage = Stage::new("envoy", |xds| driven::envoy(xds, DIALECTS[0]));
    let took = stage.play();
    println!(
        "Envoy 1.40: first mirrored write after {took:?}; cut: {:?}; wrong: {:?}",
        stage.cuts,
        stage.traffic.wrong()
    );
    // Every edit of its filter replaces a listener's chain, and all its clients with it.
    let cut = |name: &str| stage.cuts.iter().find(|(step, _)| *step == name).unwrap().1;
    assert!(cut("mirror added") > 0 && cut("op_timeout") > 0, "{:?}", stage.cuts);
}
