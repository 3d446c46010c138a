//! The admin page of a running proxy, after traffic whose numbers are known.

#![cfg(test)]

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use testkit::{Act, Bootstrap, Cluster, Fake, Proxy, Reply, http, wait};

const BIN: &str = env!("CARGO_BIN_EXE_slotmesh");
const SOON: Duration = Duration::from_secs(5);

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(3, 1).unwrap())
}

fn before_the_cluster() -> Bootstrap {
    Bootstrap::new().redis_cluster("redis", &cluster().addresses())
}

fn slotmesh(config: &Bootstrap) -> Proxy {
    Proxy::start(BIN, &config.yaml()).unwrap()
}

/// `/stats` as a map: counters and gauges.
fn stats(proxy: &Proxy) -> HashMap<String, u64> {
    let page = proxy.get("/stats").unwrap();
    assert_eq!(page.status, 200);
    let lines = page.body.lines().filter_map(|line| line.rsplit_once(": "));
    lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

fn json(proxy: &Proxy, path: &str) -> Value {
    let page = proxy.get(path).unwrap();
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", page.body))
}

#[test]
fn ready_is_live_and_names_what_is_missing() {
    let proxy = slotmesh(&before_the_cluster());
    proxy.client().unwrap().ask("PING").unwrap();
    wait::until_true("nothing is missing", SOON, || Ok(proxy.get("/ready")?.body == "LIVE\n")).unwrap();
    let nobody = format!("127.0.0.1:{}", testkit::ports::one().unwrap());
    let proxy = slotmesh(&before_the_cluster().redis_cluster("lost", std::slice::from_ref(&nobody)));
    let page = wait::until("the reason is known", SOON, || {
        let page = proxy.get("/ready")?;
        Ok((page.body.contains(&nobody) && !page.body.contains("missing: redis")).then_some(page))
    })
    .unwrap();
    assert_eq!(page.status, 200);
    let lines: Vec<&str> = page.body.lines().collect();
    assert!(lines[0] == "LIVE" && lines[1].starts_with("missing: lost: ") && lines.len() == 2, "{}", page.body);
}

/// Known traffic, and what every statistic that it moves must say.
#[test]
fn stats_count_known_traffic() {
    let proxy = Proxy::start_with(BIN, &before_the_cluster().yaml(), &["--workers", "1"]).unwrap();
    // Who only looked whether the listener is open came before this one.
    assert_eq!(proxy.client().unwrap().ask("PING").unwrap(), Reply::simple("PONG"));
    let strangers = proxy.stat("redis.redis_stats.downstream_cx_total").unwrap().unwrap();
    let mut client = proxy.client().unwrap();
    for i in 0..10 {
        assert_eq!(client.ask(&format!("SET stats:{i} {i}")).unwrap(), Reply::ok());
    }
    for i in 0..4 {
        client.ask(&format!("GET stats:{i}")).unwrap();
    }
    // Three keys in three slots, an error of the server's, an unknown command, a wrong number of arguments.
    assert_eq!(client.ask("MGET stats:1 stats:2 stats:3").unwrap().items().len(), 3);
    assert!(client.ask("LPUSH stats:1 x").unwrap().is_error("WRONGTYPE"));
    assert!(client.ask("NOSUCH x").unwrap().is_error("ERR unknown command"));
    assert!(client.ask("GET").unwrap().is_error("ERR wrong number"));
    let mut garbage = proxy.client().unwrap();
    garbage.send_raw(b"*x\r\n").unwrap();
    garbage.read_to_close().unwrap();

    let filter = "redis.redis_stats";
    wait::until_true("the second client is gone", SOON, || {
        Ok(proxy.stat(&format!("{filter}.downstream_cx_active"))? == Some(1))
    })
    .unwrap();
    let stats = stats(&proxy);
    let upstream = "cluster.redis.redis_cluster.upstream_commands";
    let expected = [
        (format!("{filter}.downstream_cx_total"), strangers + 2),
        (format!("{filter}.downstream_cx_active"), 1),
        (format!("{filter}.downstream_cx_protocol_error"), 1),
        (format!("{filter}.downstream_rq_total"), 19),
        (format!("{filter}.downstream_rq_active"), 0),
        (format!("{filter}.splitter.invalid_request"), 1),
        (format!("{filter}.splitter.unsupported_command"), 1),
        (format!("{filter}.command.set.total"), 10),
        (format!("{filter}.command.set.success"), 10),
        (format!("{filter}.command.set.error"), 0),
        (format!("{filter}.command.get.total"), 4),
        (format!("{filter}.command.mget.total"), 1),
        (format!("{filter}.command.mget.success"), 1),
        (format!("{filter}.command.lpush.success"), 1),
        (format!("{upstream}.set.total"), 10),
        (format!("{upstream}.set.success"), 10),
        (format!("{upstream}.mget.total"), 3),
        (format!("{upstream}.lpush.failure"), 1),
        ("cluster.redis.upstream_rq_total".into(), 18),
        ("cluster.redis.upstream_rq_active".into(), 0),
        ("cluster.redis.upstream_cx_connect_fail".into(), 0),
        ("cluster.redis.membership_total".into(), 6),
        ("cluster.redis.membership_healthy".into(), 6),
        ("cluster.redis.membership_change".into(), 1),
        ("cluster.redis.update_failure".into(), 0),
    ];
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(name, value)| stats.get(name) != Some(value))
        .map(|(name, _)| (name, stats.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(stats["cluster.redis.update_attempt"] >= 1);
    assert!((1..=6).contains(&stats["cluster.redis.upstream_cx_total"]));
    assert!(stats[&format!("{filter}.downstream_cx_rx_bytes_total")] > 500);
    let page = proxy.get("/stats").unwrap().body;
    let latency = page.lines().find(|line| line.starts_with("redis.redis_stats.command.set.latency: P0(nan,"));
    assert!(latency.is_some(), "{page}");
    let listener = format!("listener.127.0.0.1_{}.downstream_cx_total: {}", proxy.address().port(), strangers + 2);
    assert!(page.lines().any(|line| line == listener), "{listener} in {page}");
}

/// Envoy makes more than a thousand of them for every listener at its start.
#[test]
fn statistics_of_a_command_appear_with_its_first_use() {
    let proxy = slotmesh(&before_the_cluster());
    let of = |name: &str| stats(&proxy).keys().filter(|key| key.contains(&format!(".{name}."))).count();
    assert_eq!((of("command"), of("upstream_commands")), (0, 0));
    proxy.client().unwrap().ask("STRLEN first-use").unwrap();
    let all = stats(&proxy);
    let mut commands: Vec<_> = all.keys().filter(|key| key.contains(".command.")).collect();
    commands.sort();
    let names = ["delay_fault", "error", "error_fault", "success", "total"];
    assert_eq!(
        commands,
        names.map(|name| format!("redis.redis_stats.command.strlen.{name}")).iter().collect::<Vec<_>>()
    );
    assert_eq!(of("upstream_commands"), 3);
}

#[test]
fn no_statistics_by_command_upstream_unless_enabled() {
    let proxy = slotmesh(&before_the_cluster().setting("enable_command_stats: false"));
    proxy.client().unwrap().ask("STRLEN none").unwrap();
    assert!(!stats(&proxy).keys().any(|name| name.contains("upstream_commands")));
}

#[test]
fn stats_are_filtered() {
    let proxy = slotmesh(&before_the_cluster());
    proxy.client().unwrap().ask("GET filtered").unwrap();
    let page = proxy.get("/stats?filter=%5C.command%5C.get%5C.total").unwrap();
    assert_eq!(page.body, "redis.redis_stats.command.get.total: 1\n");
    let used = proxy.get("/stats?usedonly").unwrap().body;
    assert!(used.contains("command.get.success: 1") && !used.contains("command.get.error:"), "{used}");
}

/// A name, its labels, its value; and every family has one `# TYPE` before its lines.
#[test]
fn prometheus_parses_and_has_envoys_names_and_labels() {
    let proxy = slotmesh(&before_the_cluster());
    proxy.client().unwrap().ask("GET prometheus").unwrap();
    let page = proxy.get("/stats/prometheus").unwrap();
    assert!(page.headers.to_lowercase().contains("content-type: text/plain"), "{}", page.headers);
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut values: BTreeMap<(String, String), f64> = BTreeMap::new();
    for line in page.body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(family, kind).is_none(), "{family} has two types");
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("no labels: {line}"));
        let (labels, value) = rest.split_once("} ").unwrap_or_else(|| panic!("no value: {line}"));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end).filter(|family| types.get(family) == Some(&"histogram")));
        assert!(types.contains_key(family.unwrap_or(name)), "no type for {line}");
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(values.insert((name.into(), labels.into()), value).is_none(), "twice: {line}");
    }
    let value = |name: &str, labels: &str| values.get(&(name.to_owned(), labels.to_owned())).copied();
    let (filter, cluster) = (r#"envoy_redis_prefix="redis_stats""#, r#"envoy_cluster_name="redis""#);
    assert_eq!(value("envoy_redis_command_get_total", filter), Some(1.0));
    assert_eq!(value("envoy_redis_downstream_rq_total", filter), Some(1.0));
    assert_eq!(value("envoy_redis_command_get_latency_count", filter), Some(1.0));
    assert_eq!(value("envoy_redis_command_get_latency_bucket", &format!("{filter},le=\"+Inf\"")), Some(1.0));
    assert_eq!(value("envoy_cluster_redis_cluster_upstream_commands_get_total", cluster), Some(1.0));
    assert_eq!(value("envoy_cluster_upstream_cx_total", cluster), Some(1.0));
    assert_eq!(value("envoy_cluster_membership_total", cluster), Some(6.0));
    assert_eq!(types.get("envoy_redis_command_get_total"), Some(&"counter"));
    assert_eq!(types.get("envoy_cluster_upstream_cx_active"), Some(&"gauge"));
}

#[test]
fn clusters_show_roles_and_slots() {
    let proxy = slotmesh(&before_the_cluster());
    wait::until_true("the cluster is known", SOON, || Ok(proxy.get("/ready")?.body == "LIVE\n")).unwrap();
    let page = proxy.get("/clusters").unwrap().body;
    assert!(page.contains("redis::kind::redis\n") && page.contains("redis::added_via_api::false\n"), "{page}");
    for (index, node) in cluster().nodes().iter().enumerate() {
        let head = format!("redis::{}", node.address());
        let role = if index < 3 { "primary" } else { "replica" };
        let slots = ["0-5460", "5461-10921", "10922-16383"][index % 3];
        for line in
            [format!("{head}::role::{role}"), format!("{head}::slots::{slots}"), format!("{head}::cx_active::0")]
        {
            assert!(page.lines().any(|own| own == line), "{line} in {page}");
        }
    }
    let statuses = json(&proxy, "/clusters?format=json");
    let hosts = statuses["cluster_statuses"][0]["host_statuses"].as_array().unwrap();
    assert_eq!(hosts.len(), 6);
    assert_eq!(hosts.iter().filter(|host| host["role"] == "primary").count(), 3);
}

#[test]
fn listeners_show_their_addresses() {
    let proxy = slotmesh(&before_the_cluster());
    assert_eq!(proxy.get("/listeners").unwrap().body, format!("redis_listener::{}\n", proxy.address()));
    let status = &json(&proxy, "/listeners?format=json")["listener_statuses"][0];
    assert_eq!(status["name"], "redis_listener");
    assert_eq!(status["local_address"]["socket_address"]["port_value"], proxy.address().port());
}

#[test]
fn config_dump_shows_all_but_the_secrets() {
    let url = "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions";
    let secrets = ["downstream-one", "downstream-two", "the-user", "upstream-secret", "node-secret"];
    let [one, two, user, upstream, node] = secrets;
    let fields = format!(
        "typed_extension_protocol_options: {{envoy.filters.network.redis_proxy: {{\"@type\": {url}, auth_password: \
         {{inline_string: {upstream}}}, credentials: [{{address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}, \
         auth_password: {{inline_string: {node}}}}}]}}}}"
    );
    let config = Bootstrap::new()
        .filter(&format!("downstream_auth_passwords: [{{inline_string: {one}}}, {{inline_string: {two}}}]"))
        .filter(&format!("downstream_auth_username: {{inline_string: {user}}}"))
        .redis_cluster_with("redis", &cluster().addresses(), "cluster_refresh_rate: 7s", &fields);
    let proxy = slotmesh(&config);
    let page = proxy.get("/config_dump").unwrap().body;
    for secret in secrets {
        assert!(!page.contains(secret), "{secret} in {page}");
    }
    assert!(page.contains("[redacted]") && page.contains("redis_stats") && page.contains("7s"), "{page}");
    let dump = json(&proxy, "/config_dump");
    let kinds: Vec<_> =
        dump["configs"].as_array().unwrap().iter().map(|part| part["@type"].as_str().unwrap()).collect();
    let of = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}ConfigDump");
    assert_eq!(kinds, [of("Bootstrap"), of("Clusters"), of("Listeners")]);
    assert_eq!(dump["configs"][1]["static_clusters"][0]["cluster"]["name"], "redis");
    assert_eq!(dump["configs"][2]["static_listeners"][0]["listener"]["name"], "redis_listener");
}

#[test]
fn server_info_tells_version_state_and_options() {
    let proxy = Proxy::start_with(BIN, &before_the_cluster().yaml(), &["--workers", "1"]).unwrap();
    let info = json(&proxy, "/server_info");
    assert!(info["version"].as_str().unwrap().starts_with("slotmesh/"), "{info}");
    assert_eq!((info["state"].as_str(), info["command_line_options"]["concurrency"].as_u64()), (Some("LIVE"), Some(1)));
}

#[test]
fn what_is_not_there_or_not_allowed_is_said() {
    let proxy = slotmesh(&before_the_cluster());
    assert_eq!(proxy.get("/nothing").unwrap().status, 404);
    assert_eq!(proxy.get("/quitquitquit").unwrap().status, 405);
    let help = proxy.get("/help").unwrap().body;
    for path in ["/ready", "/stats", "/stats/prometheus", "/clusters", "/listeners", "/config_dump", "/server_info"] {
        assert!(help.contains(path), "{path}");
    }
    proxy.client().unwrap().ask("PING").unwrap();
}

/// A node that takes its time with GET.
fn slow_cluster(delay: Duration) -> (Fake, Bootstrap) {
    let fake = Fake::cluster_of_one(move |request| {
        (request.name() == "GET").then(|| Act::SendAfter(delay, b"$4\r\nlate\r\n".to_vec()))
    })
    .unwrap();
    let config = Bootstrap::new().redis_cluster("redis", &[fake.address().to_string()]);
    (fake, config)
}

/// What is under way when the end is asked for is finished; idle clients are closed; nobody new is let in.
fn drains(end: impl Fn(&Proxy)) {
    let (fake, config) = slow_cluster(Duration::from_millis(700));
    let mut proxy = slotmesh(&config);
    let mut idle = proxy.client().unwrap();
    assert_eq!(idle.ask("PING").unwrap(), Reply::simple("PONG"));
    let mut busy = proxy.client().unwrap();
    busy.send_raw(b"GET slow\r\nGET slower\r\nSET quick 1\r\n").unwrap();
    fake.wait_for(SOON, |request| request.text() == "GET slow").unwrap();
    let begin = Instant::now();
    end(&proxy);
    assert_eq!(idle.read_to_close().unwrap(), b"");
    assert_eq!(busy.read_to_close().unwrap(), b"$4\r\nlate\r\n$4\r\nlate\r\n+OK\r\n");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert!(std::net::TcpStream::connect(proxy.address()).is_err(), "still listening");
    assert!(proxy.term().unwrap(), "the exit status says that all went well");
}

#[test]
fn sigterm_lets_requests_under_way_finish() {
    drains(|proxy| proxy.process().signal("TERM").unwrap());
}

#[test]
fn quitquitquit_lets_requests_under_way_finish() {
    drains(|proxy| assert_eq!(http::post(proxy.admin().unwrap(), "/quitquitquit").unwrap().status, 200));
}

#[test]
fn an_idle_proxy_ends_at_once() {
    let mut proxy = slotmesh(&before_the_cluster());
    let mut client = proxy.client().unwrap();
    client.ask("PING").unwrap();
    let begin = Instant::now();
    assert!(proxy.term().unwrap());
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
