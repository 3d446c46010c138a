//! The commands that ask: `slotmesh status` and `slotmesh config`, against real processes.

#![cfg(test)]

// The real `slotmesh control` and its place.
#[allow(dead_code, reason = "the tests of the control plane use more of it")]
#[path = "control_serving/plane.rs"]
mod plane;

use plane::{PATIENT, Plane, Sidecar, tutorial};
use serde_json::Value;
use std::process::Command;
use testkit::{Bootstrap, Cluster, Proxy, wait};
use xds::server::Dialect;

const BIN: &str = env!("CARGO_BIN_EXE_slotmesh");

/// The exit status, what was printed, what was told.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BIN).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn json(args: &[&str]) -> Value {
    let (_, printed, told) = run(args);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{told}"))
}

#[test]
fn who_cannot_be_asked_is_told_with_what_to_do() {
    let nobody = format!("127.0.0.1:{}", testkit::ports::one().unwrap());
    for (args, advice) in [
        (vec!["status", "--control", &nobody], "--control"),
        (vec!["config", "redis", "--admin", &nobody], "--admin"),
        (vec!["status", "--control", "nowhere"], "HOST:PORT"),
        (vec!["config", "redis", "--file", "/no/such/file"], "cannot be read"),
        (vec!["config", "redis", "--file", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], "is not JSON"),
    ] {
        let (status, printed, told) = run(&args);
        assert!(status == 2 && printed.is_empty() && told.contains(advice), "{status} {printed}{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_tells_what_a_proxy_has_and_who_is_to_blame_for_what_it_refuses() {
    let plane = Plane::start(&tutorial(false));
    let pages = plane.address("http").to_string();
    let asked = ["status", "--control", &pages];
    let (status, printed, _) = run(&asked);
    assert!(status == 0 && printed.starts_with("no proxy is connected to "), "{printed}");

    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    wait::until_true("all is acknowledged", PATIENT, || {
        Ok(json(&[&asked[..], &["-o", "json"]].concat())["proxies"][0]["synced"] == true)
    })
    .unwrap();
    let (status, printed, _) = run(&asked);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(status == 0 && lines.len() == 2, "{printed}");
    assert!(lines[0].starts_with("PROXY ") && lines[1].starts_with("redis-client-0.redis  SYNCED "), "{printed}");
    assert_eq!(lines[1].matches("SYNCED").count(), 3, "{printed}");

    // A new address of the service: a patch that names the old one hits nothing, and the proxy refuses the new listener.
    sidecar.refuses = Some(("10.96.0.12_6379".to_owned(), "the port is taken".to_owned()));
    plane.replace("redis-cluster.yaml", &plane::example("tutorial/redis-cluster.yaml", "10.96.0.10", "10.96.0.12"));
    sidecar.next().await;
    wait::until_true("the refusal is known", PATIENT, || Ok(run(&asked).0 == 1)).unwrap();
    let (_, printed, _) = run(&asked);
    assert!(printed.contains("NACK"), "{printed}");
    assert!(
        printed.contains("redis-client-0.redis refuses LDS: ") && printed.contains("the port is taken"),
        "{printed}"
    );
    assert!(printed.contains("resources: 10.96.0.12_6379"), "{printed}");
    assert!(printed.contains("add-redis-proxy") && printed.contains("was applied nowhere"), "{printed}");

    let (status, _, told) = run(&[&asked[..], &["nobody.nowhere"]].concat());
    assert!(status == 2 && told.contains("there are: redis-client-0.redis"), "{told}");
    let (status, printed, _) = run(&[&asked[..], &["redis-client-0.redis", "-o", "yaml"]].concat());
    assert!(status == 1 && printed.contains("state: \"NACK\"") || printed.contains("state: NACK"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_names_the_patch_whose_result_is_refused() {
    let plane = Plane::start(&tutorial(false));
    let mut sidecar = Sidecar::connect(plane.address("xds"), Dialect::Delta).await;
    sidecar.refuses = Some(("10.96.0.10_6379".to_owned(), "not today".to_owned()));
    let path = "tutorial/envoyfilter-redis-proxy.yaml";
    plane.replace("envoyfilter-redis-proxy.yaml", &plane::example(path, "op_timeout: 5s", "op_timeout: 6s"));
    sidecar.next().await;
    let pages = plane.address("http").to_string();
    wait::until_true("the refusal is known", PATIENT, || Ok(run(&["status", "--control", &pages]).0 == 1)).unwrap();
    let (_, printed, _) = run(&["status", "--control", &pages]);
    assert!(printed.contains("patched by EnvoyFilter: istio-system/add-redis-proxy configPatches[0]"), "{printed}");
}

/// Three shards, behind slotmesh or the real Envoy, with a mirror for writes.
fn proxies(cluster: &Cluster) -> (String, Vec<Proxy>) {
    let config = Bootstrap::new()
        .redis_cluster("redis", &cluster.addresses())
        .redis_cluster("copies", &cluster.addresses())
        .setting("read_policy: PREFER_REPLICA")
        .yaml();
    let envoy = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    let both = vec![Proxy::start(BIN, &config).unwrap(), Proxy::envoy(envoy, &config).unwrap()];
    (config, both)
}

#[test]
fn config_shows_the_same_of_slotmesh_and_of_envoy() {
    let cluster = Cluster::start(3, 1).unwrap();
    let (_, both) = proxies(&cluster);
    for (number, proxy) in both.iter().enumerate() {
        let admin = proxy.admin().unwrap().to_string();
        let of = |what: &str| run(&["config", what, "--admin", &admin]);
        let json_of = |what: &str| json(&["config", what, "--admin", &admin, "-o", "json"]);
        wait::until_true("the nodes are known", PATIENT, || {
            let found = json_of("redis")[0]["clusters"][0]["members"].as_array().map_or(0, Vec::len);
            Ok(found == 6)
        })
        .unwrap();
        let redis = json_of("redis");
        assert_eq!(redis[0]["read_policy"], "PREFER_REPLICA");
        assert_eq!(redis[0]["routes"][0]["cluster"], "redis");
        assert_eq!(redis[0]["clusters"][0]["type"], "envoy.clusters.redis");
        let (status, printed, told) = of("redis");
        assert!(status == 0 && printed.contains("reads by PREFER_REPLICA"), "{printed}{told}");
        for address in cluster.addresses() {
            assert!(printed.contains(&address), "{address} in {printed}");
        }
        // Envoy does not tell roles and slots.
        let roles = ["primary", "replica"].map(|role| printed.matches(&format!(" {role} ")).count());
        assert_eq!(roles, if number == 0 { [3, 3] } else { [0, 0] }, "{printed}");
        assert_eq!(printed.contains("0-5460"), number == 0, "{printed}");

        let (_, listeners, _) = of("listeners");
        assert!(
            listeners.contains(&format!("{}", proxy.address())) && listeners.contains("redis: redis"),
            "{listeners}"
        );
        let (_, clusters, _) = of("clusters");
        assert!(clusters.contains("copies") && clusters.contains("envoy.clusters.redis"), "{clusters}");
        let (_, endpoints, _) = of("endpoints");
        assert!(endpoints.matches("healthy").count() >= 6, "{endpoints}");
        let (_, bootstrap, _) = of("bootstrap");
        assert!(bootstrap.contains("static_resources:"), "{bootstrap}");
        let (status, nothing, _) = run(&["config", "clusters", "--admin", &admin, "--name", "no such"]);
        assert_eq!((status, nothing.as_str()), (0, ""));
        // What it has said can be looked at later, or by somebody else.
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("config_dump.json");
        std::fs::write(&file, proxy.get("/config_dump").unwrap().body).unwrap();
        let later = |what: &str| json(&["config", what, "--file", &file.display().to_string(), "-o", "json"]);
        assert_eq!(later("listeners"), json_of("listeners"));
        assert_eq!(later("redis")[0]["routes"], redis[0]["routes"]);
        assert_eq!(later("clusters").as_array().map(Vec::len), json_of("clusters").as_array().map(Vec::len));
        assert_eq!(later("bootstrap"), json_of("bootstrap"));
        let (_, page, _) = run(&["config", "clusters", "--file", &file.display().to_string()]);
        assert!(page.lines().all(|line| line.split_whitespace().count() == 4), "{page}");
    }
}

#[test]
fn analyze_says_by_its_exit_status_how_bad_it_is() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tutorial");
    let (status, printed, told) = run(&["analyze", &examples.display().to_string()]);
    assert!(status == 0 && printed.contains(" 0 errors, 0 warnings"), "{printed}{told}");

    let folder = tempfile::TempDir::new().unwrap();
    for (name, text) in tutorial(false) {
        std::fs::write(folder.path().join(name), text.replace("clusterIP: 10.96.0.10", "clusterIP: 10.96.0.12"))
            .unwrap();
    }
    let files = folder.path().display().to_string();
    let (status, printed, _) = run(&["analyze", &files]);
    assert!(status == 2 && printed.contains("error [SM0102] "), "{printed}");
    assert!(printed.contains("envoyfilter-redis-proxy.yaml:3: ") && printed.contains("10.96.0.12_6379"), "{printed}");
    let found = json(&["analyze", &files, "-o", "json"]);
    assert_eq!((&found[0]["code"], &found[0]["severity"]), (&"SM0102".into(), &"error".into()));
    let (status, _, told) = run(&["analyze", "/no/such/file"]);
    assert!(status == 2 && told.contains("/no/such/file cannot be read"), "{told}");
}

#[test]
fn shells_learn_the_commands() {
    let folder = tempfile::TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (status, script, told) = run(&["completion", shell]);
        assert!(status == 0 && script.contains("explain") && script.contains("kubeconfig"), "{shell}: {told}");
        std::fs::write(folder.path().join(shell), script).unwrap();
    }
    let bash = folder.path().join("bash").display().to_string();
    let run = |args: &[&str]| {
        let output = Command::new("bash").args(["--norc", "--noprofile"]).args(args).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(run(&["-n", &bash]).0);
    let (loads, registered) = run(&["-c", &format!("source {bash} && complete -p slotmesh")]);
    assert!(loads && registered.contains("-F _slotmesh"), "{registered}");
    // What is offered behind `slotmesh config `.
    let typed = "COMP_WORDS=(slotmesh config '') COMP_CWORD=2; _slotmesh slotmesh '' config; echo \"${COMPREPLY[*]}\"";
    let (_, offered) = run(&["-c", &format!("source {bash}; {typed}")]);
    assert!(["listeners", "redis", "bootstrap", "--kube"].iter().all(|word| offered.contains(word)), "{offered}");
}
