use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use observe::{Kind, Registry, Sample, Scope};
use serde_json::{Map, Value, json};

use crate::serve::{Limits, serve_within};
use crate::{ClusterStatus, House, Info, ListenerStatus, Missing, NodeStatus, Role, State};

/// A house without a proxy.
struct Doll {
    state: Mutex<State>,
    registry: Arc<Registry>,
    quit: AtomicBool,
}

fn node() -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 7), 7000).into()
}

impl Doll {
    fn new() -> Arc<Self> {
        let registry = Registry::new(2);
        for worker in 0..2 {
            registry.filter(worker, "cache", false).downstream_rq_total.add(21);
            registry.cluster(worker, "c").node(node()).cx_active.add(1);
            let get = command::lookup(b"get").unwrap();
            registry.cluster(worker, "c").command(get).latency.record(20);
        }
        Arc::new(Self { state: Mutex::new(State::Live), registry, quit: AtomicBool::new(false) })
    }
}

impl House for Doll {
    fn state(&self) -> State {
        *self.state.lock().unwrap()
    }
    fn missing(&self) -> Vec<Missing> {
        vec![Missing { cluster: "far".into(), reason: "no seed answered:\nrefused".into() }]
    }
    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }
    fn extra_stats(&self) -> Vec<Sample> {
        let (scope, name) = (Scope::Cluster("c".into()), "update_attempt".into());
        vec![Sample { scope, name, kind: Kind::Counter, value: 5 }]
    }
    fn clusters(&self) -> Vec<ClusterStatus> {
        let primary = NodeStatus {
            address: node(),
            hostname: "r0.redis".into(),
            role: Role::Primary,
            slots: "0-5460 5470".into(),
            zone: "a".into(),
            healthy: true,
        };
        let address = (Ipv6Addr::LOCALHOST, 7001).into();
        let replica =
            NodeStatus { address, hostname: String::new(), role: Role::Replica, healthy: false, ..primary.clone() };
        let nodes = vec![primary, replica];
        vec![ClusterStatus { name: "c".into(), kind: "redis".into(), added_via_api: false, nodes }]
    }
    fn listeners(&self) -> Vec<ListenerStatus> {
        vec![ListenerStatus { name: "l".into(), address: (Ipv6Addr::LOCALHOST, 6379).into() }]
    }
    fn config_dump(&self) -> Value {
        json!({"configs": [{"downstream_auth_passwords": [{"inline_string": "hunter2"}]}]})
    }
    fn info(&self) -> Info {
        Info {
            version: "slotmesh/<1>".into(),
            started: Instant::now() - Duration::from_secs(90),
            command_line_options: Map::from_iter([("concurrency".to_owned(), json!(2))]),
            node_id: "n".into(),
            node_cluster: "nc".into(),
        }
    }
    fn quit(&self) {
        self.quit.store(true, Ordering::SeqCst);
    }
}

/// A face on a free port, served by a thread that ends with the test process.
fn face(house: Arc<Doll>, limits: Limits) -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve_within(listener, house, limits).await
        })
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Everything the face says until it closes the connection.
fn hear(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    // A connection cut short ends with an error; what was said before it counts.
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8(heard).unwrap()
}

struct Heard {
    status: u16,
    head: String,
    body: String,
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Heard {
    let mut stream = connect(address);
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let heard = hear(stream);
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Heard { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(path: &str) -> Heard {
    ask(face(Doll::new(), Limits::default()), "GET", path)
}

fn get_json(path: &str) -> Value {
    let heard = get(path);
    assert!(heard.head.contains("content-type: application/json"), "{}", heard.head);
    serde_json::from_str(&heard.body).unwrap()
}

#[test]
fn ready_is_envoys_and_then_says_what_is_missing() {
    let house = Doll::new();
    let address = face(Arc::clone(&house), Limits::default());
    let live = ask(address, "GET", "/ready");
    assert_eq!((live.status, live.body.as_str()), (200, "LIVE\nmissing: far: no seed answered: refused\n"));
    assert!(live.head.contains("content-type: text/plain"));
    for (state, word) in [
        (State::Draining, "DRAINING\n"),
        (State::PreInitializing, "PRE_INITIALIZING\n"),
        (State::Initializing, "INITIALIZING\n"),
    ] {
        *house.state.lock().unwrap() = state;
        let heard = ask(address, "GET", "/ready");
        assert_eq!(heard.status, 503);
        assert!(heard.body.starts_with(word), "{}", heard.body);
    }
}

#[test]
fn stats_as_text_with_filter_and_usedonly() {
    let all = get("/stats").body;
    for line in [
        "redis.cache.downstream_rq_total: 42\n",
        "redis.cache.downstream_cx_total: 0\n",
        "cluster.c.update_attempt: 5\n",
        "server.live: 1\n",
        "server.state: 0\n",
        "server.concurrency: 2\n",
        "server.uptime: 9",
        "cluster.c.redis_cluster.upstream_commands.get.latency: P0(nan,20) ",
    ] {
        assert!(all.contains(line), "{line} is not in {all}");
    }
    assert!(!get("/stats?usedonly").body.contains(": 0\n"));
    assert_eq!(get("/stats?usedonly&filter=cache.*rq").body, "redis.cache.downstream_rq_total: 42\n");
    assert_eq!(get("/stats?usedonly&filter=%5Eserver%5C.live%24").body, "server.live: 1\n");
}

#[test]
fn stats_that_make_no_sense_are_refused_with_the_reason() {
    let heard = get("/stats?filter=(");
    assert_eq!(heard.status, 400);
    assert!(heard.body.starts_with("Invalid regular expression: "), "{}", heard.body);
    let heard = get("/stats?format=html");
    assert_eq!((heard.status, heard.body.as_str()), (400, "usage: /stats?format=(text|json|prometheus)\n"));
    assert_eq!(get("/clusters?format=xml").status, 400);
    assert_eq!(get("/listeners?format=xml").status, 400);
}

#[test]
fn stats_for_prometheus_by_both_paths() {
    let heard = get("/stats/prometheus?usedonly&filter=cache");
    assert_eq!(
        heard.body,
        "# TYPE envoy_redis_downstream_rq_total counter\n\
         envoy_redis_downstream_rq_total{envoy_redis_prefix=\"cache\"} 42\n"
    );
    assert_eq!(get("/stats?format=prometheus&usedonly&filter=cache").body, heard.body);
}

#[test]
fn stats_as_json() {
    let stats = get_json("/stats?format=json&filter=get|live");
    let list = stats["stats"].as_array().unwrap();
    assert!(list.contains(&json!({"name": "server.live", "value": 1})));
    let histograms = &list.last().unwrap()["histograms"];
    assert_eq!(histograms["supported_quantiles"].as_array().unwrap().len(), 10);
    let shown = &histograms["computed_quantiles"][0];
    assert_eq!(shown["name"], "cluster.c.redis_cluster.upstream_commands.get.latency");
    assert_eq!(shown["values"][9], json!({"interval": null, "cumulative": 20.0}));
}

#[test]
fn clusters_as_envoys_lines_with_role_and_slots() {
    let lines = get("/clusters").body;
    for line in [
        "c::observability_name::c\n",
        "c::added_via_api::false\n",
        "c::kind::redis\n",
        "c::10.0.0.7:7000::cx_active::2\n",
        "c::10.0.0.7:7000::rq_total::0\n",
        "c::10.0.0.7:7000::hostname::r0.redis\n",
        "c::10.0.0.7:7000::health_flags::healthy\n",
        "c::10.0.0.7:7000::role::primary\n",
        "c::10.0.0.7:7000::slots::0-5460 5470\n",
        "c::[::1]:7001::cx_active::0\n",
        "c::[::1]:7001::health_flags::/failed_active_hc\n",
        "c::[::1]:7001::role::replica\n",
    ] {
        assert!(lines.contains(line), "{line} is not in {lines}");
    }
}

#[test]
fn clusters_as_json() {
    let clusters = get_json("/clusters?format=json");
    let cluster = &clusters["cluster_statuses"][0];
    assert_eq!(cluster["name"], "c");
    let node = &cluster["host_statuses"][0];
    assert_eq!(node["address"], json!({"socket_address": {"address": "10.0.0.7", "port_value": 7000}}));
    assert!(node["stats"].as_array().unwrap().contains(&json!({"name": "cx_active", "type": "GAUGE", "value": "2"})));
    assert_eq!((&node["role"], &node["slots"]), (&json!("primary"), &json!("0-5460 5470")));
    assert_eq!(cluster["host_statuses"][1]["health_status"]["eds_health_status"], "UNHEALTHY");
}

#[test]
fn listeners_as_text_and_json() {
    assert_eq!(get("/listeners").body, "l::[::1]:6379\n");
    assert_eq!(
        get_json("/listeners?format=json")["listener_statuses"][0],
        json!({"name": "l", "local_address": {"socket_address": {"address": "::1", "port_value": 6379}}})
    );
}

#[test]
fn no_secret_leaves_through_the_configuration() {
    let dump = get_json("/config_dump");
    assert_eq!(dump["configs"][0]["downstream_auth_passwords"][0]["inline_string"], "[redacted]");
}

#[test]
fn server_info_has_envoys_fields() {
    let info = get_json("/server_info");
    assert_eq!((&info["version"], &info["state"]), (&json!("slotmesh/<1>"), &json!("LIVE")));
    assert_eq!(info["command_line_options"]["concurrency"], 2);
    assert_eq!(info["node"], json!({"id": "n", "cluster": "nc", "user_agent_name": "slotmesh"}));
    let uptime = info["uptime_current_epoch"].as_str().unwrap().strip_suffix('s').unwrap();
    assert!((90..1000).contains(&uptime.parse::<u64>().unwrap()), "{uptime}");
}

#[test]
fn quit_needs_a_post() {
    let house = Doll::new();
    let address = face(Arc::clone(&house), Limits::default());
    let heard = ask(address, "GET", "/quitquitquit");
    assert_eq!((heard.status, heard.body.as_str()), (405, "Method GET not allowed, POST required.\n"));
    assert!(!house.quit.load(Ordering::SeqCst));
    let heard = ask(address, "POST", "/quitquitquit");
    assert_eq!((heard.status, heard.body.as_str()), (200, "OK\n"));
    assert!(house.quit.load(Ordering::SeqCst));
}

#[test]
fn help_and_index_name_every_page_and_every_page_answers() {
    let address = face(Doll::new(), Limits::default());
    let (help, index) = (ask(address, "GET", "/help").body, ask(address, "GET", "/"));
    assert!(index.head.contains("content-type: text/html"));
    assert!(index.body.contains("slotmesh/&lt;1>"), "the version is escaped");
    for page in crate::pages::PAGES {
        assert!(help.contains(&format!("  {}", page.path)), "{}", page.path);
        assert!(index.body.contains(&format!("=\"{}\"", page.path)), "{}", page.path);
        assert_eq!(ask(address, "POST", page.path).status, 200, "{}", page.path);
    }
}

#[test]
fn an_unknown_path_is_answered_with_the_list() {
    let heard = get("/nosuch");
    assert_eq!(heard.status, 404);
    assert!(heard.body.starts_with("invalid path. admin commands are:\n  /: "), "{}", heard.body);
}

#[test]
fn head_has_no_body() {
    let heard = ask(face(Doll::new(), Limits::default()), "HEAD", "/ready");
    assert_eq!((heard.status, heard.body.as_str()), (200, ""));
}

#[test]
fn what_is_no_http_is_refused() {
    assert_eq!(ask(face(Doll::new(), Limits::default()), "*1\r\n$4\r\nPING", "\r\n").status, 400);
}

#[test]
fn a_request_too_long_is_refused_before_its_end() {
    let mut stream = connect(face(Doll::new(), Limits::default()));
    stream.write_all(b"GET /ready?").unwrap();
    // The face may close before all was written, which makes the rest of the writing fail and may cost the reply.
    let _ = stream.write_all(&[b'x'; 100_000]);
    let heard = hear(stream);
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431"), "{heard}");
}

#[test]
fn a_client_that_never_finishes_its_request_is_cut_off() {
    let limits = Limits { head: Duration::from_millis(100), ..Limits::default() };
    let address = face(Doll::new(), limits);
    let mut slow = connect(address);
    slow.write_all(b"GET /ready HTTP/1.1\r\nhost: ").unwrap();
    let silent = connect(address);
    let start = Instant::now();
    assert!(!hear(slow).contains("200 OK"));
    assert_eq!(hear(silent), "");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_client_that_never_reads_its_reply_is_cut_off() {
    let limits = Limits { whole: Duration::from_millis(200), ..Limits::default() };
    let house = Doll::new();
    // More than the sockets' buffers hold, so that the reply cannot be handed to the kernel as a whole.
    for n in 0..30_000 {
        house.registry.listener(0, &format!("a long name for a listener, number {n}"));
    }
    let address = face(house, limits);
    let mut lazy = connect(address);
    lazy.write_all(b"GET /stats HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(800));
    let heard = hear(lazy);
    assert!(heard.starts_with("HTTP/1.1 200 OK"), "it began");
    assert!(!heard.contains("\nserver.uptime"), "and did not end: {} bytes", heard.len());
}

#[test]
fn a_crowd_of_silent_clients_does_not_keep_the_next_one_out() {
    let limits = Limits { connections: 4, ..Limits::default() };
    let address = face(Doll::new(), limits);
    let crowd: Vec<_> = (0..50).map(|_| connect(address)).collect();
    let start = Instant::now();
    assert_eq!(ask(address, "GET", "/ready").status, 200);
    assert!(start.elapsed() < limits.head, "nobody had to time out first");
    assert_eq!(hear(crowd.into_iter().next().unwrap()), "", "the oldest gave way");
}
