//! `slotmesh explain`: what it says, and that it is what happens.

#![cfg(test)]

// The real `slotmesh control` and its place.
#[allow(dead_code, reason = "the tests of the control plane use more of it")]
#[path = "control_serving/plane.rs"]
mod plane;

use plane::{PATIENT, Plane, tutorial};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use testkit::{Bootstrap, Client, Cluster, Proxy, Reply, wait};

const BIN: &str = env!("CARGO_BIN_EXE_slotmesh");

/// The exit status, what was printed, what was told.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BIN).arg("explain").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// What is said of the only filter, and the exit status.
fn filter(args: &[&str]) -> (i32, Value) {
    let (status, printed, told) = run(&[args, &["-o", "json"]].concat());
    let answer: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{told}"));
    assert_eq!(answer["filters"].as_array().map(Vec::len), Some(1), "{answer:#}");
    (status, answer["filters"][0].clone())
}

fn key(args: &[&str]) -> Value {
    filter(args).1["keys"][0].clone()
}

/// The addresses of nodes, or their roles.
fn all(nodes: &Value, what: &str) -> BTreeSet<String> {
    nodes.as_array().unwrap().iter().map(|node| node[what].as_str().unwrap_or("unknown").to_owned()).collect()
}

/// A bootstrap with a route of every sort. Nobody is at its addresses.
fn bootstrap() -> Bootstrap {
    let one = |host: &str| [format!("{host}:6379")];
    let routes = "{case_insensitive: false, routes: [\
        {prefix: 'a:', cluster: ring, remove_prefix: true}, \
        {prefix: 'a:b:', cluster: redis, key_formatter: 'x{%KEY%}', read_command_policy: {cluster: single}}, \
        {prefix: 'gone:', cluster: nobody}, \
        {prefix: 'copied:', cluster: single, request_mirror_policy: [\
            {cluster: redis, exclude_read_commands: true}, \
            {cluster: ring, runtime_fraction: {default_value: {numerator: 25, denominator: HUNDRED}}}, \
            {cluster: nobody}]}]}";
    Bootstrap::new()
        .routes(routes)
        .setting("read_policy: PREFER_REPLICA")
        .filter("downstream_auth_passwords: [{inline_string: secret}]")
        .filter("downstream_auth_username: {inline_string: somebody}")
        .filter("faults: [{fault_type: ERROR, fault_enabled: {default_value: {numerator: 5, denominator: HUNDRED}}, commands: [get]}]")
        .redis_cluster("redis", &one("10.0.0.1"))
        .static_cluster("single", &one("10.0.0.2"), "")
        .static_cluster("ring", &["10.0.0.3:6379".to_owned(), "10.0.0.4:6379".to_owned()], "lb_policy: RING_HASH")
}

/// A file of it, and its name.
fn written(config: &Bootstrap) -> (tempfile::TempDir, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("bootstrap.yaml");
    std::fs::write(&file, config.yaml().replace("$LISTEN", "6379").replace("$ADMIN", "9901")).unwrap();
    let name = file.display().to_string();
    (folder, name)
}

#[test]
fn a_bootstrap_tells_routes_keys_and_slots() {
    let (_folder, file) = written(&bootstrap());
    let of = |command: &str| key(&[command, "-c", &file]);

    // The longest prefix is tried first, and takes it; reads go elsewhere.
    let write = of("SET a:b:c 1");
    assert_eq!((&write["route"]["prefix"], &write["cluster"]), (&"a:b:".into(), &"redis".into()));
    assert_eq!((&write["sent_as"], &write["hash_tag"]), (&"x{a:b:c}".into(), &"a:b:c".into()));
    assert_eq!(write["slot"], slots::Slot::of(b"a:b:c").index());
    assert_eq!(all(&write["nodes"], "role"), BTreeSet::from(["primary".to_owned()]));
    assert!(write["nodes"][0]["address"].is_null() && write["members_known"] == false);
    let read = of("GET a:b:c");
    assert_eq!((&read["cluster"], &read["route"]["by_read_command_policy"]), (&"single".into(), &true.into()));
    assert_eq!(read["nodes"][0]["address"], "10.0.0.2:6379");

    let ring = of("SET a:c 1");
    assert_eq!((&ring["sent_as"], &ring["cluster"], &ring["slot"]), (&"c".into(), &"ring".into(), &Value::Null));
    assert_eq!(ring["nodes"].as_array().unwrap().len(), 1);
    assert!(ring["tried"].as_array().unwrap().contains(&"a:b:".into()));

    let copied = of("GET copied:1");
    let mirrors = copied["mirrors"].as_array().unwrap();
    let told = |number: usize| (mirrors[number]["copied"] == true, mirrors[number]["why_not"].as_str());
    assert_eq!(told(0), (false, Some("it excludes reads")));
    assert_eq!((told(1), &mirrors[1]["percent"]), ((true, None), &25.0.into()));
    assert_eq!(told(2), (false, Some("its cluster is not there")));
    assert_eq!(of("SET copied:1 x")["mirrors"][0]["copied"], true);
    let (_, page, _) = run(&["GET copied:1", "-c", &file]);
    assert!(page.contains("mirror      redis: not copied, it excludes reads\n"), "{page}");
    assert!(page.contains("mirror      ring: copied 25% of them to 10.0.0."), "{page}");
    assert!(page.contains("5% get an error instead") && page.contains("NOAUTH"), "{page}");
    assert!(page.contains("      the bootstrap "), "{page}");
    assert!(!run(&["SET copied:1 x", "-c", &file]).1.contains("get an error instead"));
}

#[test]
fn what_is_refused_says_why_and_is_1() {
    let (_folder, file) = written(&bootstrap());
    for (command, reason) in [
        ("GET nowhere", "no route takes this key"),
        ("GET gone:1", "cluster 'nobody' is not in the configuration"),
        ("MGET a:b:1 nowhere", "no route takes this key"),
        ("EVAL 'return 1' 2 a:b:c a:b:d", "CROSSSLOT"),
        ("GET", "ERR wrong number of arguments for 'get' command"),
        ("NOSUCH 'a b'", "ERR unknown command 'NOSUCH', with args beginning with: 'a b'"),
        ("SUBSCRIBE c", "ERR unknown command"),
    ] {
        let (status, filter) = filter(&[command, "-c", &file]);
        let refused = filter["refused"].as_str().unwrap_or_default();
        assert!(status == 1 && filter["outcome"] == "refused" && refused.contains(reason), "{command}: {filter:#}");
        let (_, page, _) = run(&[command, "-c", &file]);
        assert!(page.contains("REFUSED"), "{page}");
    }
    let (status, ping) = filter(&["PING", "-c", &file]);
    assert_eq!((status, &ping["outcome"], &ping["reply"]), (0, &"answered by the proxy".into(), &"+PONG".into()));
    // A bad line, no command, a file that is none.
    for args in [&["GET 'a", "-c", &file][..], &["-c", &file], &["", "-c", &file], &["GET a", "-c", "/no/such/file"]] {
        let (status, printed, told) = run(args);
        assert!(status == 2 && printed.is_empty() && !told.is_empty(), "{args:?}: {status} {printed}{told}");
    }
    let nobody = format!("127.0.0.1:{}", testkit::ports::one().unwrap());
    assert_eq!(run(&["GET a", "--admin", &nobody]).0, 2);
    let (_folder, lost) = written(&Bootstrap::new().redis_cluster("redis", std::slice::from_ref(&nobody)));
    let (status, _, told) = run(&["GET a", "-c", &lost, "--ask-nodes"]);
    assert!(status == 2 && told.contains("no node of the cluster redis tells") && told.contains(&nobody), "{told}");
}

#[test]
fn words_may_come_apart_and_one_key_may_be_asked_for() {
    let (_folder, file) = written(&bootstrap());
    let (_, filter) = filter(&["MSET", "a:b:1", "x", "a:b:2", "-1", "-c", &file]);
    assert_eq!(filter["keys"].as_array().unwrap().len(), 2);
    assert_eq!(filter["parts"].as_array().unwrap().len(), 2);
    let sent: Vec<&str> =
        filter["parts"].as_array().unwrap().iter().map(|part| part["command"].as_str().unwrap()).collect();
    assert!(sent.contains(&"MSET x{a:b:2} -1"), "{sent:?}");
    let only = self::filter(&["MSET a:b:1 x a:b:2 y", "--key", "a:b:2", "-c", &file]).1;
    assert_eq!((only["keys"].as_array().unwrap().len(), &only["keys"][0]["key"]), (1, &"a:b:2".into()));
    assert_eq!(key(&["--key", "a:b:1", "-c", &file])["cluster"], "single");
}

#[test]
fn what_is_explained_is_what_happens() {
    let cluster = Cluster::start(3, 1).unwrap();
    let config = Bootstrap::new().redis_cluster("redis", &cluster.addresses()).setting("read_policy: REPLICA");
    let proxy = Proxy::start(BIN, &config.yaml()).unwrap();
    let admin = proxy.admin().unwrap().to_string();
    wait::until_true("the slots are known", PATIENT, || Ok(key(&["GET a", "--admin", &admin])["shard"].is_object()))
        .unwrap();
    let mut client = proxy.client().unwrap();
    for number in 0..12 {
        let name = format!("key:{number}");
        assert_eq!(client.ask(&format!("SET {name} x")).unwrap(), Reply::ok());
        let owner = cluster.owner_of(&name).unwrap();
        let address = &cluster.addresses()[owner];
        let write = key(&[&format!("SET {name} x"), "--admin", &admin]);
        assert_eq!(all(&write["nodes"], "address"), BTreeSet::from([address.clone()]), "{name}");
        assert_eq!(write["slot"], cluster.slot_of(&name).unwrap());
        assert_eq!(&write["shard"]["primary"], address);
        let read = key(&["--key", &name, "--admin", &admin]);
        let replicas = cluster.replicas_of(owner).unwrap();
        let replicas: BTreeSet<String> = replicas.iter().map(|index| cluster.addresses()[*index].clone()).collect();
        assert_eq!(all(&read["nodes"], "address"), replicas, "{name}");
        let mut node = Client::connect(address.as_str()).unwrap();
        assert_eq!(node.ask(&format!("EXISTS {name}")).unwrap(), Reply::Int(1));
    }
    let (status, page, _) = run(&["MGET key:1 key:2 key:3", "--admin", &admin]);
    assert!(status == 0 && page.matches("  sends       MGET key:").count() == 3, "{page}");
    assert!(page.contains("(replica)") && !page.contains("--control HOST:PORT"), "{page}");
    let (status, everywhere) = filter(&["FLUSHALL", "--admin", &admin]);
    let primaries: BTreeSet<String> =
        cluster.primaries().unwrap().iter().map(|index| cluster.addresses()[*index].clone()).collect();
    assert_eq!((status, all(&everywhere["keyless"]["nodes"], "address")), (0, primaries));
}

#[test]
fn envoy_tells_the_slot_but_not_whose_it_is() {
    let cluster = Cluster::start(3, 0).unwrap();
    let config = Bootstrap::new().redis_cluster("redis", &cluster.addresses()).yaml();
    let envoy = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    let proxy = Proxy::envoy(envoy, &config).unwrap();
    let admin = proxy.admin().unwrap().to_string();
    let told = key(&["SET foo 1", "--admin", &admin]);
    assert_eq!(
        (&told["slot"], &told["cluster"], &told["members_known"]),
        (&12182.into(), &"redis".into(), &false.into())
    );
    let (status, page, _) = run(&["SET foo 1", "--admin", &admin]);
    assert!(status == 0 && page.contains("the primary of its shard; which node"), "{page}");
    // The nodes know.
    let asked = key(&["SET foo 1", "--admin", &admin, "--ask-nodes"]);
    let owner = cluster.addresses()[cluster.owner_of("foo").unwrap()].clone();
    assert_eq!(all(&asked["nodes"], "address"), BTreeSet::from([owner]));
    // What it has said can be looked at later.
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("config_dump.json");
    std::fs::write(&file, proxy.get("/config_dump").unwrap().body).unwrap();
    assert_eq!(key(&["SET foo 1", "--config", &file.display().to_string()])["slot"], 12182);
}

#[test]
fn files_tell_which_resource_decided_it() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let at = |name: &str| examples.join(name).display().to_string();
    let proxy = ["--proxy", "redis-client-0.redis"];
    let (status, filter) = filter(&[&["SET foo 1", "--files", &at("tutorial")], &proxy[..]].concat());
    let decided: Vec<String> =
        filter["decided"].as_array().unwrap().iter().map(|row| row["by"].as_str().unwrap().to_owned()).collect();
    assert_eq!(status, 0);
    let by = ["add-redis-proxy", "custom-redis-cluster"];
    assert_eq!(decided, by.map(|name| format!("EnvoyFilter istio-system/{name} configPatches[0]")));
    assert!(filter["decided"][0]["file"].as_str().unwrap().ends_with("envoyfilter-redis-proxy.yaml"));
    assert_eq!((&filter["decided"][0]["line"], &filter["decided"][0]["kind"]), (&3.into(), &"listener".into()));

    let files =
        ["namespaces", "pods", "redis-client", "redis-cluster"].map(|name| at(&format!("tutorial/{name}.yaml")));
    let typed = [at("tutorial-typed"), at("tutorial-mirror")];
    let mut args = vec!["SET foo 1", "--files"];
    args.extend(files.iter().chain(&typed[..1]).map(String::as_str));
    args.extend(proxy);
    let (_, page, told) = run(&args);
    assert!(page.contains("RedisService redis/redis-cluster (") && page.contains("slot        12182"), "{page}{told}");

    // What does not count is told.
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "kind: Service\n").unwrap();
    let bad = folder.path().display().to_string();
    let (status, _, told) = run(&["GET foo", "--files", &at("tutorial"), &bad, "--proxy", "redis-client-0.redis"]);
    assert!(status == 0 && told.starts_with("error: ") && told.contains("bad.yaml"), "{told}");
    let nobody = run(&["GET foo", "--files", &at("tutorial"), "--proxy", "nobody.redis"]);
    assert!(nobody.0 == 2 && nobody.2.contains("redis-client-0.redis"), "{}", nobody.2);
    // A pod without a Redis listener: another world.
    let (status, page, _) =
        run(&["GET foo", "--listener", "no such", "--files", &at("tutorial"), "--proxy", "redis-client-0.redis"]);
    assert!(status == 1 && page.contains("commands pass as plain TCP"), "{status}{page}");
}

#[test]
fn a_control_plane_tells_which_patch_it_was() {
    let plane = Plane::start(&tutorial(false));
    let admin = testkit::ports::one().unwrap();
    let example = plane::example("sidecar.yaml", "port_value: 15000", &format!("port_value: {admin}"));
    let config = example.replace("port_value: 15010", &format!("port_value: {}", plane.address("xds").port()));
    let proxy = Proxy::launch(BIN, &config, &[]).unwrap();
    let (admin, pages) = (format!("127.0.0.1:{admin}"), plane.address("http").to_string());
    let args = ["SET foo 1", "--admin", &admin, "--control", &pages];
    wait::until_true("the listener has come", PATIENT, || Ok(run(&args).1.contains("key foo"))).unwrap();
    let (status, page, told) = run(&args);
    let line = "    listener 10.96.0.10_6379\n      EnvoyFilter istio-system/add-redis-proxy configPatches[0] (";
    assert!(page.contains(line) && page.contains("envoyfilter-redis-proxy.yaml:3) replaced"), "{status} {page}{told}");
    assert!(!page.contains("--control HOST:PORT"), "{page}");
    let (status, _, told) = run(&[&args[..], &["--proxy", "nobody.redis"]].concat());
    assert!(status == 2 && told.contains("says 404 no proxy named nobody.redis is connected"), "{told}");
    let (_, page, _) = run(&args[..3]);
    assert!(page.contains("the control plane, version ") && page.contains("--control HOST:PORT"), "{page}");
    drop(proxy);
}

/// Every output in the document of a command that needs nothing but the examples.
#[test]
fn the_document_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/commands.md")).unwrap();
    let mut shown = 0;
    for block in page.split("    $ slotmesh ").skip(1) {
        let mut lines = block.lines();
        let typed = lines.next().unwrap();
        let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
        if !typed.contains("examples/") {
            continue;
        }
        let expected: String = lines.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
        let output = Command::new("sh").args(["-c", &format!("{BIN} {typed}")]).current_dir(&root).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(printed.trim_end(), expected.trim_end(), "slotmesh {typed}");
        shown += 1;
    }
    assert!(shown > 0, "the document shows no output");
}
