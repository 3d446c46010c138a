//! Listeners and clusters arrive, serve, and are shown.

use crate::driven::{DIALECTS, bootstrap, cluster, dump, eventually, launch, stat, stat_becomes};
use crate::resources::{all_to, eds_cluster, endpoints, plain_cluster, redis_cluster, redis_listener, settings};
use crate::scripted::Plane;
use serde_json::{Value, json};
use std::net::TcpStream;
use testkit::{Client, Proxy, Reply, Server, ports};
use xds::Kind;

/// A prefix for each kind of cluster.
fn routes() -> Value {
    let route = |name: &str| json!({ "prefix": format!("{name}:"), "cluster": name });
    let mut routes = all_to("redis");
    routes["routes"] = ["eds", "static", "strict", "logical"].map(route).to_vec().into();
    routes
}

fn arrive(dialect: &str) {
    let servers: Vec<Server> = (0..4).map(|_| Server::start().unwrap()).collect();
    let port = ports::one().unwrap();
    let plane = Plane::start(&[
        redis_cluster("redis", &cluster().addresses()),
        eds_cluster("eds", "members-of-eds"),
        plain_cluster("static", "STATIC", "127.0.0.1", servers[1].port()),
        plain_cluster("strict", "STRICT_DNS", "localhost", servers[2].port()),
        plain_cluster("logical", "LOGICAL_DNS", "localhost", servers[3].port()),
        redis_listener("in", port, settings(json!({})), routes()),
    ]);
    let proxy = launch(&bootstrap(plane.address(), dialect), &[]);
    // The members of one cluster are not known: whoever came now would read an error, so nobody can.
    plane.wait("the members are asked for", |proxy| {
        proxy.lanes.iter().any(|lane| lane.kind == Kind::Endpoints && lane.names == 1).then_some(())
    });
    let page = proxy.get("/ready").unwrap();
    assert!(page.status == 503 && page.body.starts_with("INITIALIZING\nmissing: eds: "), "{page:?}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    plane.put(&[endpoints("members-of-eds", &[servers[0].port()])]);
    proxy.wait_ready().unwrap();
    assert!(proxy.get("/ready").unwrap().body.starts_with("LIVE"));
    plane.settled();
    serve(port, &servers);
    show(&proxy, &plane, port);
    // A server that lasts forgets nobody; and its member moves.
    plane.put(&[endpoints("members-of-eds", &[servers[1].port()])]);
    let mut client = Client::connect(("127.0.0.1", port)).unwrap();
    eventually(&mut client, "GET eds:1", &Reply::NilBulk);
    assert_eq!(client.ask("SET eds:1 moved").unwrap(), Reply::ok());
    assert_eq!(servers[1].ask("GET eds:1").unwrap(), Reply::bulk("moved"));
}

fn serve(port: u16, servers: &[Server]) {
    let mut client = Client::connect(("127.0.0.1", port)).unwrap();
    eventually(&mut client, "SET arrived:1 redis", &Reply::ok());
    for (server, name) in servers.iter().zip(["eds", "static", "strict", "logical"]) {
        eventually(&mut client, &format!("SET {name}:1 {name}"), &Reply::ok());
        assert_eq!(server.ask(&format!("GET {name}:1")).unwrap(), Reply::bulk(name));
    }
    let owner = cluster().owner_of("arrived:1").unwrap();
    assert_eq!(cluster().node(owner).ask("GET arrived:1").unwrap(), Reply::bulk("redis"));
}

fn names(entries: &Value, path: &str) -> Vec<String> {
    let name = |entry: &Value| entry.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    entries.as_array().unwrap().iter().map(name).collect()
}

fn show(proxy: &Proxy, plane: &Plane, port: u16) {
    let clusters = dump(proxy, "Clusters");
    let active = &clusters["dynamic_active_clusters"];
    assert_eq!(names(active, "/cluster/name"), ["eds", "logical", "redis", "static", "strict"]);
    assert_eq!(names(active, "/cluster/@type"), [Kind::Cluster.url(); 5]);
    assert_eq!(active[0]["cluster"]["eds_cluster_config"]["service_name"], "members-of-eds");
    assert_eq!(names(&clusters["static_clusters"], "/cluster/name"), ["xds"]);
    let listener = &dump(proxy, "Listeners")["dynamic_listeners"][0];
    assert_eq!(listener["name"], "in");
    let state = &listener["active_state"];
    assert_eq!(state["listener"]["address"]["socket_address"]["port_value"], port);
    assert!(state["last_updated"].is_string() && state["version_info"].is_string(), "{state:#}");
    let members = dump(proxy, "Endpoints");
    let member = members.pointer("/dynamic_endpoint_configs/0/endpoint_config").unwrap();
    assert_eq!(member["cluster_name"], "members-of-eds");
    let page = proxy.get("/clusters").unwrap().body;
    assert!(page.contains("eds::added_via_api::true") && page.contains("redis::added_via_api::true"), "{page}");
    assert!(stat(proxy, "cluster_manager.cds.update_success") >= 1);
    assert!(stat(proxy, "listener_manager.lds.update_success") >= 1);
    assert_eq!(stat(proxy, "listener_manager.lds.update_rejected"), 0);
    assert_eq!(stat(proxy, "control_plane.connected_state"), 1);
    // Refused: shown beside what serves on.
    plane.put(&[redis_listener(
        "bad",
        ports::one().unwrap(),
        settings(json!({ "op_timeout": "-1s" })),
        all_to("redis"),
    )]);
    plane.refused(Kind::Listener);
    stat_becomes(proxy, "listener_manager.lds.update_rejected", |count| count >= 1);
    let listeners = dump(proxy, "Listeners")["dynamic_listeners"].clone();
    assert_eq!(names(&listeners, "/name"), ["in", "bad"]);
    let error = &listeners[1]["error_state"];
    assert!(error["details"].as_str().unwrap().contains("op_timeout"), "{error:#}");
    assert_eq!(error["failed_configuration"]["name"], "bad");
    plane.remove(Kind::Listener, "bad");
    plane.settled();
    assert_eq!(names(&dump(proxy, "Listeners")["dynamic_listeners"], "/name"), ["in"]);
}

#[test]
fn everything_arrives_incrementally() {
    arrive(DIALECTS[0]);
}

#[test]
fn everything_arrives_as_the_state_of_the_world() {
    arrive(DIALECTS[1]);
}
