//! A control plane that is not ours drives the proxy: go-control-plane, on which most control planes of Envoy are built.
//! Unlike ours it repeats at once what was refused, as long as it is refused.

use crate::driven::{self, DIALECTS, cluster};
use crate::resources::{all_to, eds_cluster, endpoints, mirrored, redis_cluster, redis_listener, settings};
use crate::scripted::PATIENT;
use crate::traffic::Traffic;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use testkit::{Reply, Server, ports, wait};
use xds::Kind;

/// What the script exits with where it cannot fetch.
const UNREACHABLE: i32 = 75;

/// The program; it ends with its input.
struct Foreign {
    process: Child,
    address: SocketAddr,
    /// What proxies said: of which kind, and the refusal, if it is one.
    answers: Arc<Mutex<Vec<(String, String)>>>,
}

impl Foreign {
    /// Nothing, and a word about it, where its modules are not there and cannot be fetched: they come from Go's module
    /// proxy, and no test may depend on more than the registries that the project is made of.
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/go-control-plane.sh");
        let said = Command::new(&script).output().unwrap();
        if said.status.code() == Some(UNREACHABLE) {
            eprintln!("skipped: {}", String::from_utf8_lossy(&said.stderr));
            return None;
        }
        assert!(said.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&said.stderr));
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one().unwrap()));
        let mut command = Command::new(String::from_utf8_lossy(&said.stdout).trim());
        command.arg(address.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let answers = Arc::<Mutex<Vec<(String, String)>>>::default();
        let heard = Arc::clone(&answers);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).unwrap();
                let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
                heard.lock().unwrap().push((text("type"), text("error")));
            }
        });
        Some(Self { process, address, answers })
    }

    /// What there is from now on.
    fn give(&mut self, version: &str, resources: &[Value]) {
        let of = |kind: Kind| -> Vec<Value> {
            let of_kind = resources.iter().filter(|one| one["@type"] == kind.url()).cloned();
            let bare = |mut one: Value| {
                one.as_object_mut().unwrap().remove("@type");
                one
            };
            of_kind.map(bare).collect()
        };
        let state = json!({
            "node": "sidecar~10.244.0.31~redis-client-0.redis~redis.svc.cluster.local",
            "version": version,
            "listeners": of(Kind::Listener),
            "clusters": of(Kind::Cluster),
            "endpoints": of(Kind::Endpoints),
        });
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{state}").unwrap();
    }

    /// The refusals of listeners.
    fn refusals(&self) -> Vec<String> {
        let answers = self.answers.lock().unwrap();
        let of_listeners = answers.iter().filter(|(kind, error)| kind == Kind::Listener.url() && !error.is_empty());
        of_listeners.map(|(_, error)| error.clone()).collect()
    }

    /// What was said last of listeners.
    fn last(&self) -> Option<String> {
        let answers = self.answers.lock().unwrap();
        answers.iter().rev().find(|(kind, _)| kind == Kind::Listener.url()).map(|(_, error)| error.clone())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn drive(dialect: &str, name: &str) {
    let (port, mirror) = (ports::one().unwrap(), Server::start().unwrap());
    let with = |listener: Value| {
        let clusters = [redis_cluster("redis", &cluster().addresses()), eds_cluster("mirror", "members")];
        [clusters.to_vec(), vec![endpoints("members", &[mirror.port()]), listener]].concat()
    };
    let good = |routes| redis_listener("in", port, settings(json!({})), routes);
    let Some(mut foreign) = Foreign::start() else { return };
    foreign.give("1", &with(good(all_to("redis"))));
    let proxy = driven::start(foreign.address, dialect);
    driven::client(port, name);
    let traffic = Traffic::start(port, name);
    foreign.give("2", &with(good(mirrored("redis", "mirror"))));
    wait::until_true("a write is mirrored", PATIENT, || Ok(mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
    // A listener that cannot be used: the control plane hears why, and is not stormed by the same words.
    let mut bad = good(all_to("redis"));
    bad["filter_chains"][0]["filters"][0]["typed_config"]["protocol_version"] = json!("RESP3");
    foreign.give("3", &with(bad));
    wait::until_true("a refusal", PATIENT, || Ok(!foreign.refusals().is_empty())).unwrap();
    let words = foreign.refusals().remove(0);
    assert!(words.contains("in: ") && words.contains("protocol_version"), "{words}");
    (0..5).for_each(|_| traffic.go_on());
    assert!(foreign.refusals().len() < 20, "{:?}", foreign.refusals());
    foreign.give("4", &with(good(all_to("redis"))));
    wait::until_true("it is accepted again", PATIENT, || Ok(foreign.last().is_some_and(|error| error.is_empty())))
        .unwrap();
    wait::until_true("the mirror is left", PATIENT, || {
        let writes = mirror.field("INFO commandstats", "cmdstat_set")?;
        traffic.go_on();
        Ok(mirror.field("INFO commandstats", "cmdstat_set")? == writes)
    })
    .unwrap();
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert_eq!(driven::stat(&proxy, "control_plane.connected_state"), 1);
    assert!(traffic.end());
}

#[test]
fn go_control_plane_drives_the_proxy_incrementally() {
    drive(DIALECTS[0], "foreign-delta");
}

#[test]
fn go_control_plane_drives_the_proxy_with_the_state_of_the_world() {
    drive(DIALECTS[1], "foreign-sotw");
}
