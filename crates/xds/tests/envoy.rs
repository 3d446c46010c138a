//! The server against the real Envoy 1.40: it gets a Redis listener over ADS, changes are applied, a refusal is shown.
#![cfg(test)]

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Schema;
use prost::Message;
use serde_json::{Value, json};
use testkit::{Proxy, Reply, ports};
use world::{World, eventually, serve};
use xds::Kind::{Cluster, Endpoints, Listener};
use xds::server::{Dialect, LaneStatus, Server};
use xds::{Kind, Resource};

/// Makes resources of what Envoy's documentation calls JSON.
struct Forge(Schema);

impl Forge {
    fn make(&self, kind: Kind, json: &Value) -> Resource {
        let name = kind.url().trim_start_matches("type.googleapis.com/");
        let message = self.0.message_from_json(name, json).unwrap();
        let called = json.get("name").or(json.get("cluster_name")).unwrap().as_str().unwrap();
        Resource::new(kind, called, message.encode_to_vec())
    }

    fn cluster(&self, name: &str, connect_timeout: &str) -> Resource {
        let eds_config = json!({"ads": {}, "resource_api_version": "V3"});
        self.make(
            Cluster,
            &json!({
                "name": name, "type": "EDS", "connect_timeout": connect_timeout,
                "eds_cluster_config": {"eds_config": eds_config, "service_name": format!("{name}-endpoints")},
            }),
        )
    }

    fn endpoints(&self, cluster: &str, port: u16) -> Resource {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
        self.make(Endpoints, &json!({"cluster_name": format!("{cluster}-endpoints"), "endpoints": endpoints}))
    }

    fn listener(&self, name: &str, port: u16, settings: &Value, cluster: &str) -> Resource {
        let redis = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
            "stat_prefix": name, "settings": settings,
            "prefix_routes": {"catch_all_route": {"cluster": cluster}},
        });
        let filter = json!({"name": "envoy.filters.network.redis_proxy", "typed_config": redis});
        self.make(
            Listener,
            &json!({
                "name": name, "filter_chains": [{"filters": [filter]}],
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            }),
        )
    }
}

fn bootstrap(xds: SocketAddr, dialect: Dialect) -> String {
    let api = if dialect == Dialect::Delta { "DELTA_GRPC" } else { "GRPC" };
    format!(
        "
node: {{ id: sidecar~127.0.0.1~envoy-1.redis~redis.svc.cluster.local, cluster: envoy-1.redis }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: $ADMIN }} }} }}
dynamic_resources:
  ads_config:
    api_type: {api}
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [ {{ envoy_grpc: {{ cluster_name: xds }} }} ]
  cds_config: {{ ads: {{}}, resource_api_version: V3 }}
  lds_config: {{ ads: {{}}, resource_api_version: V3 }}
static_resources:
  clusters:
  - name: xds
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: xds
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address:
        {{ address: {}, port_value: {} }} }} }} }} ] }} ]
",
        xds.ip(),
        xds.port()
    )
}

fn lane(server: &Server, kind: Kind) -> Option<LaneStatus> {
    server.proxies().first()?.lanes.iter().find(|lane| lane.kind == kind).cloned()
}

async fn acked(server: &Server, kind: Kind, version: &str) {
    eventually(&format!("{kind} {version} acknowledged"), || {
        lane(server, kind)?.acked.filter(|stamp| &*stamp.version == version).map(drop)
    })
    .await;
}

/// Envoy under our control plane, with two Redis servers to send it to.
struct Scene {
    dialect: Dialect,
    forge: Forge,
    world: Arc<World>,
    server: Server,
    xds: SocketAddr,
    redis: [testkit::Server; 2],
    port: u16,
    envoy: Proxy,
}

impl Scene {
    async fn start(dialect: Dialect) -> Scene {
        let forge = Forge(Schema::load().unwrap());
        let redis = [testkit::Server::start().unwrap(), testkit::Server::start().unwrap()];
        let port = ports::one().unwrap();
        let world = World::new();
        world.set_all([
            (Cluster, vec![forge.cluster("redis", "1s")]),
            (Endpoints, vec![forge.endpoints("redis", redis[0].port())]),
            (Listener, vec![forge.listener("front", port, &json!({"op_timeout": "5s"}), "redis")]),
        ]);
        let (server, xds) = serve(&world, None, None).await;
        let binary = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
        let envoy = tokio::task::block_in_place(|| Proxy::envoy(&binary, &bootstrap(xds, dialect)).unwrap());
        let scene = Scene { dialect, forge, world, server, xds, redis, port, envoy };
        acked(&scene.server, Listener, "v1").await;
        scene
    }

    fn ask(&self, port: u16, line: &str) -> Reply {
        testkit::Client::connect(("127.0.0.1", port)).unwrap().ask(line).unwrap()
    }

    fn who(&self) -> Option<usize> {
        let reply = self.ask(self.port, "GET who");
        (0..2).find(|number| reply == Reply::Bulk(number.to_string().into_bytes()))
    }

    fn sent(&self, kind: Kind) -> (u64, u64) {
        let metrics = self.server.metrics();
        (metrics.kinds[kind].pushes, metrics.kinds[kind].resources)
    }
}

async fn play(dialect: Dialect) {
    let mut scene = Scene::start(dialect).await;
    for (number, redis) in scene.redis.iter().enumerate() {
        redis.ask(&format!("SET who {number}")).unwrap();
    }
    assert_eq!(scene.who(), Some(0));
    let proxy = scene.server.proxies().remove(0);
    assert_eq!((proxy.node.user_agent.as_str(), proxy.dialect), ("envoy 1.40.0", dialect));

    endpoints_alone(&scene).await;
    a_changed_cluster(&scene).await;
    a_new_road(&scene).await;
    a_refusal(&scene).await;
    another_control_plane(&mut scene).await;
    scene.server.stop();
}

/// New endpoints are one resource, and no cluster or listener is sent for them.
async fn endpoints_alone(scene: &Scene) {
    let before = [Cluster, Endpoints, Listener].map(|kind| scene.sent(kind));
    scene.world.set(Endpoints, [scene.forge.endpoints("redis", scene.redis[1].port())]);
    eventually("the other server", || (scene.who() == Some(1)).then_some(())).await;
    let after = [Cluster, Endpoints, Listener].map(|kind| scene.sent(kind));
    assert_eq!([after[0], after[2]], [before[0], before[2]]);
    assert_eq!(after[1], (before[1].0 + 1, before[1].1 + 1));
}

/// A changed cluster is warmed anew, for which its endpoints are sent again without being asked for.
async fn a_changed_cluster(scene: &Scene) {
    scene.world.set(Cluster, [scene.forge.cluster("redis", "2s")]);
    acked(&scene.server, Cluster, "v3").await;
    acked(&scene.server, Endpoints, "v3").await;
    assert_eq!(scene.envoy.stat("cluster_manager.warming_clusters").unwrap(), Some(0));
    assert_eq!(scene.who(), Some(1));
}

/// Another cluster and a listener that uses it, and the old ones gone, in one change: no request of a client fails.
async fn a_new_road(scene: &Scene) {
    let two = |first: Resource, second: Resource| vec![first, second];
    let forge = &scene.forge;
    let settings = json!({"op_timeout": "5s"});
    let second_port = ports::one().unwrap();
    scene.world.set_all([
        (Cluster, vec![forge.cluster("other", "1s")]),
        (Endpoints, vec![forge.endpoints("other", scene.redis[0].port())]),
        (
            Listener,
            two(
                forge.listener("front", scene.port, &settings, "other"),
                forge.listener("second", second_port, &settings, "other"),
            ),
        ),
    ]);
    let mut seen = Vec::new();
    eventually("the new listener", || {
        let who = scene.who();
        seen.push(who);
        let removed = scene.envoy.stat("cluster_manager.cluster_removed").unwrap() == Some(1);
        (who == Some(0) && removed).then_some(())
    })
    .await;
    assert!(seen.iter().all(Option::is_some), "a request failed: {seen:?}");
    assert_eq!(scene.ask(second_port, "GET who"), Reply::Bulk(b"0".to_vec()));
    acked(&scene.server, Listener, "v4").await;
}

/// A listener that Envoy refuses is shown by name, and the others stay.
async fn a_refusal(scene: &Scene) {
    let forge = &scene.forge;
    let good = json!({"op_timeout": "5s"});
    let bad_port = ports::one().unwrap();
    let front = || forge.listener("front", scene.port, &good, "other");
    scene.world.set(Listener, [front(), forge.listener("bad", bad_port, &json!({}), "other")]);
    let nack = eventually("a refusal", || lane(&scene.server, Listener)?.nack).await;
    assert_eq!((&nack.resources[..], &*nack.version), (&["bad".into()][..], "v5"));
    assert!(nack.message.contains("OpTimeout"), "{}", nack.message);
    assert_eq!(scene.who(), Some(0));
    let pushes = scene.sent(Listener).0;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.sent(Listener).0, pushes, "what was refused is not sent again and again");
    scene.world.set(Listener, [front()]);
    acked(&scene.server, Listener, "v6").await;
    assert_eq!(lane(&scene.server, Listener).unwrap().nack, None);
}

/// Envoy comes back to a new control plane with what it has: what it has in the right version is not sent, if it
/// can say so.
async fn another_control_plane(scene: &mut Scene) {
    scene.server.stop();
    let changed = scene.forge.listener("front", scene.port, &json!({"op_timeout": "6s"}), "other");
    eventually("the old one's end", || scene.server.proxies().is_empty().then_some(())).await;
    scene.world.set(Listener, [changed]);
    let (server, _) = serve(&scene.world, Some(scene.xds), None).await;
    scene.server = server;
    for kind in [Cluster, Endpoints, Listener] {
        eventually("all kinds asked for", || lane(&scene.server, kind)?.acked).await;
    }
    let resources = [Cluster, Endpoints, Listener].map(|kind| scene.sent(kind).1);
    assert_eq!(resources, if scene.dialect == Dialect::Delta { [0, 0, 1] } else { [1, 1, 1] });
    assert_eq!(scene.who(), Some(0));
}

/// Envoy does not acknowledge clusters before all are warm. One that never is must not keep listeners away.
async fn a_cold_cluster(dialect: Dialect) {
    let scene = Scene::start(dialect).await;
    let (forge, settings, port) = (&scene.forge, json!({"op_timeout": "5s"}), ports::one().unwrap());
    scene.redis[0].ask("SET who 0").unwrap();
    scene.world.set_all([
        (Cluster, vec![forge.cluster("redis", "1s"), forge.cluster("cold", "1s")]),
        (
            Listener,
            vec![
                forge.listener("front", scene.port, &settings, "redis"),
                forge.listener("second", port, &settings, "redis"),
            ],
        ),
    ]);
    let changed = Instant::now();
    acked(&scene.server, Listener, "v2").await;
    assert!(changed.elapsed() < Duration::from_secs(10), "Envoy gives a cluster 15 s to become warm");
    assert_eq!(scene.ask(port, "GET who"), Reply::Bulk(b"0".to_vec()));
    scene.server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_become_warm_holds_listeners_back_for_a_moment_only() {
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        a_cold_cluster(dialect).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_is_driven_incrementally() {
    play(Dialect::Delta).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_is_driven_with_the_state_of_the_world() {
    play(Dialect::Sotw).await;
}
