//! Proxies without a listener of their own, and the real servers behind them.

use crate::scripted::PATIENT;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::OnceLock;
use testkit::{Client, Cluster, Proxy, Reply, wait};

/// The two protocols of ADS, as a bootstrap names them.
pub const DIALECTS: [&str; 2] = ["DELTA_GRPC", "GRPC"];

/// Three shards with a replica each, for tests that break nothing and use keys of their own.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(3, 1).unwrap())
}

/// A bootstrap that has everything from a control plane. As an agent of Istio writes it, both proxies load it.
pub fn bootstrap(xds: SocketAddr, dialect: &str) -> String {
    format!(
        r#"node: {{ id: sidecar~10.244.0.31~redis-client-0.redis~redis.svc.cluster.local, cluster: redis-client.redis,
  metadata: {{ ISTIO_VERSION: 1.31.0, NAMESPACE: redis }} }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: $ADMIN }} }} }}
dynamic_resources:
  ads_config:
    api_type: {dialect}
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
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: xds
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address:
        {{ address: {}, port_value: {} }} }} }} }} ] }} ]
"#,
        xds.ip(),
        xds.port()
    )
}

/// slotmesh, waited for until it is ready.
pub fn start(xds: SocketAddr, dialect: &str) -> Proxy {
    Proxy::start(env!("CARGO_BIN_EXE_slotmesh"), &bootstrap(xds, dialect)).unwrap()
}

/// slotmesh, waited for until its admin page is there.
pub fn launch(config: &str, args: &[&str]) -> Proxy {
    Proxy::launch(env!("CARGO_BIN_EXE_slotmesh"), config, args).unwrap()
}

/// The real Envoy, as an agent of Istio starts it.
pub fn envoy(xds: SocketAddr, dialect: &str) -> Proxy {
    let binary = Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    Proxy::envoy_with(binary, &bootstrap(xds, dialect), &["--drain-time-s", "45", "--drain-strategy", "immediate"])
        .unwrap()
}

/// A client of a listener, once there is one and the cluster behind it has been found.
pub fn client(port: u16, key: &str) -> Client {
    let found = wait::until("a client is served", PATIENT, || {
        let mut client = Client::connect(("127.0.0.1", port))?;
        Ok((client.ask(&format!("SET {key} {key}"))? == Reply::ok()).then_some(client))
    });
    found.unwrap()
}

/// Waits until a command gets a reply.
pub fn eventually(client: &mut Client, command: &str, wanted: &Reply) {
    let mut last = None;
    let outcome = wait::until_true(command, PATIENT, || {
        let reply = client.ask(command)?;
        let same = reply == *wanted;
        last = Some(reply);
        Ok(same)
    });
    outcome.unwrap_or_else(|error| panic!("{error}: {last:?}"));
}

/// Waits until a statistic has a value.
pub fn stat_becomes(proxy: &Proxy, name: &str, fits: impl Fn(u64) -> bool) {
    let mut last = None;
    let outcome = wait::until_true(name, PATIENT, || {
        last = proxy.stat(name)?;
        Ok(last.is_some_and(&fits))
    });
    outcome.unwrap_or_else(|error| panic!("{error}: {last:?}"));
}

pub fn stat(proxy: &Proxy, name: &str) -> u64 {
    proxy.stat(name).unwrap().unwrap_or_else(|| panic!("/stats has no {name}"))
}

/// One of the dumps of `/config_dump`, by the beginning of its type's name.
pub fn dump(proxy: &Proxy, kind: &str) -> Value {
    let page: Value = serde_json::from_str(&proxy.get("/config_dump").unwrap().body).unwrap();
    let is = |config: &&Value| config["@type"].as_str().is_some_and(|url| url.ends_with(&format!(".{kind}ConfigDump")));
    page["configs"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("no {kind} in {page:#}")).clone()
}

/// What `/stats` says of connections to nodes: clusters and how many were ever opened.
pub fn connections(proxy: &Proxy) -> Vec<String> {
    let page = proxy.get("/stats").unwrap().body;
    let mut lines: Vec<String> =
        page.lines().filter(|line| line.contains(".upstream_cx_total: ")).map(str::to_owned).collect();
    lines.sort();
    lines
}
