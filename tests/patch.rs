//! `slotmesh patch`: what a person who debugs an EnvoyFilter meets at a shell.

#![cfg(test)]

use serde_json::{Value as Json, json};
use std::fs;
use std::io::Read;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What was recorded of istiod, shared with the engine's own tests.
const RECORDING: &[u8] = include_bytes!("../crates/patch/tests/recordings/engine.json.gz");

/// A folder with the base of a sidecar in it.
struct Desk {
    folder: TempDir,
    recording: Json,
}

impl Desk {
    fn new() -> Self {
        let mut text = String::new();
        flate2::read::GzDecoder::new(RECORDING).read_to_string(&mut text).unwrap();
        let recording: Json = serde_json::from_str(&text).unwrap();
        let desk = Self { folder: TempDir::new().unwrap(), recording };
        desk.put("base.json", &desk.base().to_string());
        desk
    }

    /// `{node, listeners, clusters, routes}` of the client's sidecar.
    fn base(&self) -> Json {
        let base = &self.recording["base"]["redis-client"];
        let of = |kind: &str| -> Vec<Json> {
            let places = base[kind].as_array().unwrap().iter();
            places.map(|place| self.recording["resources"][place.as_u64().unwrap() as usize].clone()).collect()
        };
        json!({"node": base["node"], "listeners": of("listeners"), "clusters": of("clusters"), "routes": of("routes")})
    }

    fn probe(&self, name: &str) -> String {
        let probes = self.recording["probes"].as_array().unwrap();
        probes.iter().find(|probe| probe["name"] == name).unwrap()["envoy_filters"].as_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn patch(&self, filters: &str, more: &[&str]) -> Output {
        let filters = self.put("filters.yaml", filters);
        let base = self.folder.path().join("base.json").display().to_string();
        let args = ["patch", "--base", &base, "--filters", &filters];
        Command::new(env!("CARGO_BIN_EXE_slotmesh")).args(args).args(more).output().unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn result(output: &Output) -> Json {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn named<'a>(list: &'a Json, name: &str) -> &'a Json {
    list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn the_tutorial_is_applied_and_told() {
    let desk = Desk::new();
    let output = desk.patch(&desk.probe("tutorial-mirror"), &["-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result = result(&output);
    assert_eq!(result["node"], desk.base()["node"]);
    let filter = &named(&result["listeners"], "10.96.0.10_6379")["filter_chains"][0]["filters"][0];
    assert_eq!(filter["name"], "envoy.redis_proxy");
    let route = &filter["typed_config"]["prefix_routes"]["catch_all_route"];
    assert_eq!(route["request_mirror_policy"][0]["exclude_read_commands"], true);
    assert_eq!(named(&result["clusters"], "custom-redis-cluster")["lb_policy"], "CLUSTER_PROVIDED");
    let hits = &named(&result["report"]["envoy_filters"], "add-redis-proxy")["patches"][0]["hits"];
    let place = "filter_chains[0].filters[0]";
    assert_eq!(*hits, json!([{"kind": "listener", "name": "10.96.0.10_6379", "place": place, "done": "replaced"}]));
    // What no patch concerns is as it was.
    assert_eq!(named(&result["clusters"], "PassthroughCluster"), named(&desk.base()["clusters"], "PassthroughCluster"));
}

#[test]
fn a_patch_that_hits_nothing_is_told_why() {
    let desk = Desk::new();
    let output = desk.patch(&desk.probe("network-filter-replace-absent-listener"), &["-o", "json"]);
    let patch = &result(&output)["report"]["envoy_filters"][0]["patches"][0];
    assert_eq!(patch["hits"], json!([]));
    assert_eq!(patch["nothing"], "no listener is named 10.96.9.9_6379");
    let nearest = patch["nearest"][0].as_str().unwrap();
    assert!(nearest.contains("_6379 (to outbound|6379||"), "{nearest}");
    assert_eq!(
        result(&output)["listeners"].as_array().unwrap().len(),
        desk.base()["listeners"].as_array().unwrap().len()
    );
}

#[test]
fn a_refused_filter_is_told_and_the_others_are_applied() {
    let desk = Desk::new();
    let both = format!("{}\n---\n{}", desk.probe("bad-cluster-unknown-enum"), desk.probe("tutorial-proxy"));
    let output = desk.patch(&both, &["-o", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let reason = "Envoy filter: unknown value \"\\\"FASTEST\\\"\" for enum envoy.config.cluster.v3.Cluster.LbPolicy";
    assert!(said.contains("EnvoyFilter istio-system/p is refused: ") && said.contains(reason), "{said}");
    let result = result(&output);
    assert_eq!(named(&result["report"]["envoy_filters"], "p")["refused"], json!([reason]));
    assert_eq!(named(&result["clusters"], "custom-redis-cluster")["connect_timeout"], "0.500s");
}

#[test]
fn the_difference_is_for_people() {
    let desk = Desk::new();
    let said = told(&desk.patch(&desk.probe("network-filter-merge-renames"), &["-o", "diff"]));
    for line in ["--- listener 10.96.0.10_6379", "-  - name: envoy.filters.network.tcp_proxy", "+  - name: my.tcp"] {
        assert!(said.lines().any(|told| told == line), "{line}\n{said}");
    }
    assert!(said.contains("EnvoyFilter istio-system/p\n  [0] NETWORK_FILTER MERGE, context ANY\n"), "{said}");
    let yaml = told(&desk.patch(&desk.probe("cluster-add"), &["-o", "yaml"]));
    let read = config::text::documents(&yaml, false).unwrap();
    assert_eq!(config::dynamic::json(&read[0]), result(&desk.patch(&desk.probe("cluster-add"), &[])));
}

#[test]
fn what_the_proxy_would_refuse_goes_out_as_from_istiod_or_is_held_back() {
    let desk = Desk::new();
    let probe = desk.probe("bad-cluster-negative-duration");
    let as_istiod = result(&desk.patch(&probe, &[]));
    assert_eq!(named(&as_istiod["clusters"], "x")["connect_timeout"], "-1s");
    assert_eq!(as_istiod["report"]["refusals"][0]["held_back"], false);
    let held = result(&desk.patch(&probe, &["--hold-back"]));
    assert!(held["clusters"].as_array().unwrap().iter().all(|cluster| cluster["name"] != "x"));
    assert_eq!(held["report"]["refusals"][0]["held_back"], true);
    let mirror = named(&held["clusters"], "outbound|6379||redis-mirror.redis.svc.cluster.local");
    assert_eq!(mirror["connect_timeout"], "4.500s");
}

#[test]
fn a_config_dump_keeps_its_shape() {
    let desk = Desk::new();
    let base = desk.base();
    let clusters: Vec<Json> =
        base["clusters"].as_array().unwrap().iter().map(|one| json!({"version_info": "v", "cluster": one})).collect();
    let listener = |one: &Json| json!({"name": one["name"], "active_state": {"version_info": "v", "listener": one}});
    let listeners: Vec<Json> = base["listeners"].as_array().unwrap().iter().map(listener).collect();
    let dump = json!({"configs": [
        {"bootstrap": {"node": base["node"]}},
        {"dynamic_active_clusters": clusters, "static_clusters": [{"cluster": {"name": "agent"}}]},
        {"dynamic_listeners": listeners},
    ]});
    desk.put("base.json", &dump.to_string());
    let result = result(&desk.patch(&desk.probe("tutorial-proxy"), &["-o", "json"]));
    assert_eq!(result["configs"][1]["static_clusters"], dump["configs"][1]["static_clusters"]);
    let clusters = result["configs"][1]["dynamic_active_clusters"].as_array().unwrap();
    assert!(clusters.iter().any(|one| one["cluster"]["name"] == "custom-redis-cluster"));
    let listener = named(&result["configs"][2]["dynamic_listeners"], "10.96.0.10_6379");
    assert_eq!(listener["active_state"]["listener"]["filter_chains"][0]["filters"][0]["name"], "envoy.redis_proxy");
    assert_eq!(listener["active_state"]["version_info"], "v");
}

#[test]
fn files_that_say_nothing_are_faults() {
    let desk = Desk::new();
    let output = desk.patch("kind: ConfigMap\n", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no EnvoyFilter"));
    desk.put("base.json", "{\"a\": 1}");
    let output = desk.patch(&desk.probe("cluster-add"), &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/config_dump"), "{output:?}");
}
