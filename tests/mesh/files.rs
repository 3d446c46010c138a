//! Listeners and clusters from files of Envoy's form (`path_config_source`), without any control plane.

use crate::driven::{self, cluster, launch, stat_becomes};
use crate::resources::{all_to, mirrored, plain_cluster, redis_cluster, redis_listener, settings};
use crate::scripted::PATIENT;
use crate::traffic::Traffic;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use testkit::{Reply, Server, ports, wait};

fn bootstrap(folder: &Path, ending: &str) -> String {
    let path = |name: &str| folder.join(format!("{name}.{ending}")).display().to_string();
    format!(
        "node: {{ id: from-files, cluster: files }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: $ADMIN }} }} }}
dynamic_resources:
  cds_config: {{ path_config_source: {{ path: {:?} }}, resource_api_version: V3 }}
  lds_config: {{ path_config_source: {{ path: {:?} }}, resource_api_version: V3 }}
",
        path("cds"),
        path("lds")
    )
}

/// A file put in place by rename, as everybody does who wants it read whole.
fn put(folder: &Path, name: &str, text: &str) {
    let aside = folder.join("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, folder.join(name)).unwrap();
}

/// The same by hand, in YAML.
fn yaml(port: u16, timeout: &str, mirror: &str) -> String {
    format!(
        "# By hand.
resources:
- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener
  name: in
  address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
  filter_chains:
  - filters:
    - name: envoy.filters.network.redis_proxy
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
        stat_prefix: in
        settings: {{ op_timeout: {timeout}, enable_redirection: true }}
        prefix_routes: {{ catch_all_route: {{ cluster: redis{mirror} }} }}
"
    )
}

fn text(resources: &[Value]) -> String {
    json!({ "version_info": "1", "resources": resources }).to_string()
}

/// `listener` writes the file of listeners: with a mirror or without.
fn follow(ending: &str, name: &str, listener: impl Fn(u16, bool) -> String) {
    let (folder, port, mirror) = (tempfile::tempdir().unwrap(), ports::one().unwrap(), Server::start().unwrap());
    let (cds, lds) = (format!("cds.{ending}"), format!("lds.{ending}"));
    let redis = redis_cluster("redis", &cluster().addresses());
    put(folder.path(), &cds, &text(std::slice::from_ref(&redis)));
    put(folder.path(), &lds, &listener(port, false));
    let proxy = launch(&bootstrap(folder.path(), ending), &[]);
    proxy.wait_ready().unwrap();
    driven::client(port, name);
    let traffic = Traffic::start(port, name);
    // A broken file keeps the last good one, and is told.
    put(folder.path(), &lds, "resources: [ {");
    wait::until_true("it is told", PATIENT, || Ok(proxy.log()?.contains("the last good content stays in use")))
        .unwrap();
    traffic.go_on();
    // So does one with a listener that cannot be used.
    put(folder.path(), &lds, &listener(port, false).replace("redis_proxy.v3.RedisProxy", "redis_proxy.v3.RedisProxie"));
    wait::until_true("it is told", PATIENT, || Ok(proxy.log()?.contains("RedisProxie"))).unwrap();
    traffic.go_on();
    put(folder.path(), &cds, &text(&[redis, plain_cluster("mirror", "STATIC", "127.0.0.1", mirror.port())]));
    put(folder.path(), &lds, &listener(port, true));
    wait::until_true("a write is mirrored", PATIENT, || Ok(mirror.ask("DBSIZE")? != Reply::Int(0))).unwrap();
    traffic.go_on();
    stat_becomes(&proxy, "listener_manager.lds.update_success", |count| count >= 2);
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert!(traffic.end());
}

#[test]
fn files_in_yaml_are_followed() {
    let mirror = ", request_mirror_policy: [ { cluster: mirror, exclude_read_commands: true } ]";
    follow("yaml", "yaml", |port, mirrored| yaml(port, "5s", if mirrored { mirror } else { "" }));
}

#[test]
fn files_in_json_are_followed() {
    follow("json", "json", |port, with_mirror| {
        let routes = if with_mirror { mirrored("redis", "mirror") } else { all_to("redis") };
        text(&[redis_listener("in", port, settings(json!({})), routes)])
    });
}
