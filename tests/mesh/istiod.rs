//! What a real istiod sent to the sidecars of the tutorial, given to the proxy once more, with a sidecar's bootstrap.

use crate::driven::{self, cluster, dump, launch};
use crate::resources::endpoints;
use crate::scripted::{PATIENT, Plane};
use crate::traffic::Traffic;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use testkit::{Proxy, Reply, Server, ports, wait};
use xds::Kind;

/// `states`: setting, state and proxy to the numbers of its `lds`, `cds` and `eds`; `resources`: all of them.
static RECORDED: LazyLock<Value> = LazyLock::new(|| {
    let bytes = include_bytes!("../../crates/config/tests/files/istiod.json.gz");
    serde_json::from_reader(GzDecoder::new(bytes.as_slice())).unwrap()
});

const MIRROR: &str = "outbound|6379||redis-mirror.redis.svc.cluster.local";

/// Where the recorded world is on this machine.
struct Here {
    inbound: u16,
    outbound: u16,
    redis: u16,
    mirror: Server,
}

impl Here {
    fn new() -> Self {
        let free = ports::free(3).unwrap();
        Self { inbound: free[0], outbound: free[1], redis: free[2], mirror: Server::start().unwrap() }
    }

    /// All of a state. Only places are others: the ports that sidecars listen on, and those of real servers.
    fn state(&self, state: &str) -> Vec<Value> {
        let kinds = &RECORDED["states"][state];
        let numbers = ["lds", "cds", "eds"].into_iter().flat_map(|kind| kinds[kind].as_array().unwrap());
        numbers.map(|number| self.moved(RECORDED["resources"][number.as_u64().unwrap() as usize].clone())).collect()
    }

    fn moved(&self, mut resource: Value) -> Value {
        let name = resource["name"].as_str().or(resource["cluster_name"].as_str()).unwrap().to_owned();
        let port = |resource: &mut Value, port: u16| {
            resource["address"]["socket_address"] = json!({ "address": "127.0.0.1", "port_value": port });
        };
        match name.as_str() {
            "virtualInbound" => port(&mut resource, self.inbound),
            "virtualOutbound" => port(&mut resource, self.outbound),
            MIRROR if resource["cluster_name"].is_string() => return endpoints(MIRROR, &[self.mirror.port()]),
            "custom-redis-cluster" => {
                let members = cluster().addresses();
                let member = |address: &String| {
                    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
                    json!({ "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } } })
                };
                resource["load_assignment"]["endpoints"][0]["lb_endpoints"] = members.iter().map(member).collect();
            }
            // No packets are captured here: the service is opened at an address of its own.
            _ if resource.to_string().contains("redis_proxy.v3.RedisProxy") => {
                port(&mut resource, self.redis);
                resource["bind_to_port"] = true.into();
            }
            _ => {}
        }
        resource
    }
}

/// As the agent of a sidecar writes it, with other ports.
fn bootstrap(plane: &Plane) -> String {
    let mut written: Value =
        serde_json::from_str(include_str!("../../crates/config/tests/files/sidecar.json")).unwrap();
    let at = |port: Value| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    written["admin"]["address"] = at("$ADMIN".into());
    for listener in written["static_resources"]["listeners"].as_array_mut().unwrap() {
        listener["address"] = at(ports::one().unwrap().into());
    }
    for cluster in written["static_resources"]["clusters"].as_array_mut().unwrap() {
        if cluster["name"] == "xds-grpc" {
            let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
            endpoint["address"] = at(plane.address().port().into());
        }
    }
    written.to_string().replace("\"$ADMIN\"", "$ADMIN")
}

/// What the log tells of resources that are not used as they are written: how many lines for each.
fn notes(proxy: &Proxy) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for line in proxy.log().unwrap().lines() {
        let told = ["listener ", "cluster "]
            .into_iter()
            .filter_map(|word| Some((word, line.split_once(&format!(": {word}"))?.1)));
        for (word, rest) in told {
            let name = rest.split_once(": ").map_or(rest, |(name, _)| name);
            *count.entry(format!("{word}{name}")).or_default() += 1;
        }
    }
    count
}

#[test]
fn the_states_of_a_client_are_accepted_and_the_mirror_is_switched() {
    let here = Here::new();
    let plane = Plane::start(&here.state("default/a/client"));
    let proxy = launch(&bootstrap(&plane), &[]);
    proxy.wait_ready().unwrap();
    plane.settled();
    let told = notes(&proxy);
    assert!(told.len() >= 15 && told.contains_key("listener virtualInbound"), "{told:?}");
    assert!(told.values().all(|count| *count == 1), "{told:?}");
    let listeners = dump(&proxy, "Listeners")["dynamic_listeners"].clone();
    assert_eq!(listeners.as_array().unwrap().len(), 22);
    assert!(!listeners.to_string().contains("error_state"));
    // The two EnvoyFilters: a service becomes one plain Redis.
    plane.put(&here.state("default/b/client"));
    plane.settled();
    driven::client(here.redis, "istiod");
    let traffic = Traffic::start(here.redis, "istiod");
    assert_eq!(here.mirror.ask("DBSIZE").unwrap(), Reply::Int(0));
    // The service of the mirror, and the EnvoyFilter that names it.
    plane.put(&here.state("default/c/client"));
    wait::until_true("a write is mirrored", PATIENT, || Ok(here.mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
    plane.settled();
    traffic.go_on();
    // And back.
    plane.change(&here.state("default/b/client"), &[(Kind::Listener, "10.96.157.238_6379"), (Kind::Cluster, MIRROR)]);
    plane.settled();
    traffic.go_on();
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert!(traffic.end());
    assert!(plane.nacks().is_empty());
}

#[test]
fn the_states_of_a_node_are_accepted() {
    let here = Here::new();
    let plane = Plane::start(&here.state("default/a/redis-cluster-0"));
    let proxy = launch(&bootstrap(&plane), &[]);
    proxy.wait_ready().unwrap();
    for state in ["b", "c"] {
        plane.settled();
        plane.put(&here.state(&format!("default/{state}/redis-cluster-0")));
    }
    plane.settled();
    assert_eq!(dump(&proxy, "Listeners")["dynamic_listeners"].as_array().unwrap().len(), 21);
    assert_eq!(dump(&proxy, "Clusters")["dynamic_active_clusters"].as_array().unwrap().len(), 17);
    assert!(plane.nacks().is_empty());
}
