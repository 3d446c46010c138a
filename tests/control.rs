//! `slotmesh control --print`: what a user asks who wants to know what a sidecar would receive.

#![cfg(test)]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use testkit::Proxy;

fn control(files: &Path, mesh: &Path, node: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slotmesh"));
    command.args(["control", "--print", "-o", "json", "--files"]).arg(files).arg("--node").arg(node);
    if mesh.exists() {
        command.arg("--mesh").arg(mesh);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../control/tests")
}

/// The tutorial's world with more files.
fn tutorial(files: &[(&str, &str)]) -> (TempDir, Output) {
    let folder = TempDir::new().unwrap();
    let world = recordings().join("worlds/tutorial");
    fs::copy(world.join("files/k8s.yaml"), folder.path().join("k8s.yaml")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let output = control(folder.path(), Path::new(""), &world.join("istiod-redis-client.json"));
    (folder, output)
}

fn filter(name: &str, listener: &str) -> String {
    format!(
        r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {name}, namespace: istio-system}}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match: {{listener: {{name: {listener}, filterChain: {{filter: {{name: envoy.filters.network.tcp_proxy}}}}}}}}
    patch:
      operation: REPLACE
      value:
        name: envoy.redis_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: redis_stats
          settings: {{op_timeout: 5s}}
          prefix_routes: {{catch_all_route: {{cluster: "outbound|6379||redis-mirror.redis.svc.cluster.local"}}}}
"#
    )
}

fn filters_of<'v>(printed: &'v Value, listener: &str) -> &'v Value {
    let listeners = printed["listeners"].as_array().unwrap();
    let found = listeners.iter().find(|one| one["name"] == listener).unwrap();
    &found["filter_chains"][0]["filters"]
}

#[test]
fn a_filter_is_seen_in_what_the_sidecar_would_get() {
    let (_folder, output) = tutorial(&[("filter.yaml", &filter("add-redis-proxy", "10.96.0.10_6379"))]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&String> = printed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["clusters", "endpoints", "listeners", "node", "routes"]);
    assert_eq!(filters_of(&printed, "10.96.0.10_6379")[0]["name"], "envoy.redis_proxy");
    assert_eq!(filters_of(&printed, "10.96.0.11_6379")[0]["name"], "envoy.filters.network.tcp_proxy");
}

#[test]
fn a_filter_that_hits_nothing_is_told_with_what_it_may_have_meant() {
    let (_folder, output) = tutorial(&[("filter.yaml", &filter("add-redis-proxy", "10.96.0.9_6379"))]);
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    let head = "note: EnvoyFilter istio-system/add-redis-proxy: configPatches[0] was applied nowhere: ";
    assert!(told.starts_with(head) && told.lines().count() == 1, "{told}");
    assert!(told.contains("10.96.0.10_6379 (to outbound|6379||redis-cluster.redis.svc.cluster.local)"), "{told}");
}

#[test]
fn a_bad_file_is_told_by_line_and_field_and_the_rest_is_printed() {
    let bad = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  ports:\n  - port: 99999\n";
    let (folder, output) = tutorial(&[("bad.yaml", bad)]);
    let told = text(&output.stderr);
    let place = format!("error: {}:6: spec.ports[0].port: ", folder.path().join("bad.yaml").display());
    assert!(told.starts_with(&place), "{told}");
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["listeners"].as_array().unwrap().len(), 17);
}

#[test]
fn a_refused_filter_has_an_exit_status_of_its_own_and_the_others_are_applied() {
    let refused = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: wrong, namespace: istio-system}\nspec: {configPatches: [{applyTo: CLUSTER, patch: {operation: ADD, value: {name: false}}}]}\n";
    let (_folder, output) = tutorial(&[("a.yaml", refused), ("b.yaml", &filter("add-redis-proxy", "10.96.0.10_6379"))]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("a.yaml:1: EnvoyFilter wrong: Envoy filter: json: cannot unmarshal bool"), "{told}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(filters_of(&printed, "10.96.0.10_6379")[0]["name"], "envoy.redis_proxy");
}

#[test]
fn who_asks_must_be_a_sidecar() {
    let folder = TempDir::new().unwrap();
    let node = folder.path().join("node.json");
    for (written, told) in [
        (r#"{"id": "router~10.0.0.1~a.b~b.svc.cluster.local"}"#, "gateways and waypoints are not served"),
        (r#"{"id": "x"}"#, "is not TYPE~IP~POD.NAMESPACE~NAMESPACE.svc.DOMAIN"),
        ("id: x", "is not JSON"),
    ] {
        fs::write(&node, written).unwrap();
        let output = control(folder.path(), Path::new(""), &node);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}

/// A cluster at a socket that nobody serves, for what Envoy wants to be there when it validates.
fn agent(name: &str) -> Value {
    let endpoint = json!({"endpoint": {"address": {"pipe": {"path": "/nowhere.sock"}}}});
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": name,
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {options: {
            "@type": format!("type.googleapis.com/{options}"),
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}

#[test]
fn the_real_envoy_accepts_what_typed_resources_make() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folder = TempDir::new().unwrap();
    let (node, files) = (folder.path().join("node.json"), folder.path().join("files"));
    fs::create_dir(&files).unwrap();
    for step in ["tutorial", "tutorial-mirror", "tutorial-typed"] {
        for entry in fs::read_dir(examples.join(step)).unwrap().map(Result::unwrap) {
            if !entry.file_name().to_string_lossy().starts_with("envoyfilter") {
                fs::copy(entry.path(), files.join(entry.file_name())).unwrap();
            }
        }
    }
    let id = "sidecar~10.244.0.31~redis-client-0.redis~redis.svc.cluster.local";
    fs::write(&node, json!({"id": id, "metadata": {"ISTIO_VERSION": "1.31.0"}}).to_string()).unwrap();
    validate(&files, Path::new(""), &node);
    // And all that can be said, but for what needs a server of its own to be there.
    let full = recordings().join("typed/full.yaml");
    ["redis-service.yaml", "redis-route.yaml"].iter().for_each(|name| fs::remove_file(files.join(name)).unwrap());
    fs::copy(&full, files.join("full.yaml")).unwrap();
    validate(&files, Path::new(""), &node);
    // An Envoy without Istio's agent reads the authorities itself; it would not survive their absence.
    let authorities = folder.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["redis".to_owned()]).unwrap();
    fs::write(&authorities, made.cert.pem()).unwrap();
    let there = fs::read_to_string(full).unwrap().replace("/etc/ca.pem", &authorities.display().to_string());
    fs::write(files.join("full.yaml"), there).unwrap();
    fs::write(&node, json!({"id": id, "user_agent_name": "envoy"}).to_string()).unwrap();
    validate(&files, Path::new(""), &node);
}

#[test]
fn resources_are_translated_both_ways() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let translate = |args: &[&str], files: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slotmesh"));
        command.arg("translate").args(args).args(files.iter().map(|file| examples.join(file)));
        command.output().unwrap()
    };
    let services = ["tutorial/redis-cluster.yaml", "tutorial/pods.yaml", "tutorial-mirror/redis-mirror.yaml"];
    let with = |more: &[&'static str]| [&services[..], more].concat();
    let forth = translate(&[], &with(&["tutorial-typed"]));
    assert_eq!(forth.status.code(), Some(0), "{}", text(&forth.stderr));
    let yaml = text(&forth.stdout);
    assert!(yaml.starts_with("apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\n"), "{yaml}");
    assert!(
        text(&forth.stderr).contains("note: redis-cluster.redis.svc.cluster.local:6379"),
        "{}",
        text(&forth.stderr)
    );
    let filters = ["tutorial/envoyfilter-custom-redis-cluster.yaml", "tutorial-mirror/envoyfilter-redis-proxy.yaml"];
    let back = translate(&["--from-envoyfilter", "-o", "json"], &with(&filters));
    assert_eq!((back.status.code(), text(&back.stderr).as_str()), (Some(0), ""));
    let list: Value = serde_json::from_slice(&back.stdout).unwrap();
    let kinds: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["kind"]).collect();
    assert_eq!(kinds, ["RedisService", "RedisRoute"]);
    // Without the services nobody knows whose listener it is.
    let lost = translate(&["--from-envoyfilter"], &filters);
    assert_eq!(lost.status.code(), Some(2));
    assert!(text(&lost.stderr).contains("no service of the files has the listener 10.96.0.10_6379"));
    assert_eq!(translate(&[], &services).status.code(), Some(1));
}

/// Gives all that is made for a node to the real Envoy.
fn validate(files: &Path, mesh: &Path, node: &Path) {
    let envoy = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("envoy.json");
    let output = control(files, mesh, node);
    let told = text(&output.stderr);
    // One of the recorded worlds has a host that takes every connection, which is told.
    let is_known =
        |line: &str| files.ends_with("service-entries/files") && line.contains(": spec.addresses: are missing");
    let unexpected: Vec<&str> = told.lines().filter(|line| !is_known(line)).collect();
    assert_eq!((output.status.code(), unexpected), (Some(0), vec![]), "{}", files.display());
    let mut printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    printed["clusters"].as_array_mut().unwrap().extend([agent("sds-grpc"), agent("xds")]);
    let service = json!([{"envoy_grpc": {"cluster_name": "xds"}}]);
    let ads = json!({"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": service});
    let bootstrap = json!({
        "node": {"id": "x", "cluster": "x"},
        "dynamic_resources": {"ads_config": ads},
        "static_resources": {"listeners": printed["listeners"], "clusters": printed["clusters"]},
    });
    fs::write(&config, bootstrap.to_string()).unwrap();
    let said = Command::new(&envoy).args(["--mode", "validate", "-l", "error", "-c"]).arg(&config).output().unwrap();
    assert!(said.status.success(), "{}: {}{}", files.display(), text(&said.stdout), text(&said.stderr));
}

#[test]
fn the_real_envoy_accepts_what_is_made_for_every_recorded_world() {
    let mut worlds: Vec<PathBuf> =
        fs::read_dir(recordings().join("worlds")).unwrap().map(|entry| entry.unwrap().path()).collect();
    worlds.retain(|path| path.is_dir());
    worlds.push(recordings().join("real"));
    assert_eq!(worlds.len(), 11);
    for world in worlds {
        let proxy = if world.ends_with("real") { "istiod-client.json" } else { "istiod-redis-cluster-0.json" };
        validate(&world.join("files"), &world.join("mesh.yaml"), &world.join(proxy));
    }
}

#[test]
fn the_real_envoy_accepts_what_is_made_for_the_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folder = TempDir::new().unwrap();
    let node = folder.path().join("node.json");
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    for step in ["tutorial", "tutorial-mirror"] {
        for entry in fs::read_dir(examples.join(step)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), files.join(entry.file_name())).unwrap();
        }
        for pod in ["10.244.0.31~redis-client-0", "10.244.0.11~redis-cluster-0", "10.244.0.21~redis-mirror-0"] {
            let id = format!("sidecar~{pod}.redis~redis.svc.cluster.local");
            fs::write(&node, json!({"id": id, "metadata": {"ISTIO_VERSION": "1.31.0"}}).to_string()).unwrap();
            validate(&files, Path::new(""), &node);
        }
    }
}
