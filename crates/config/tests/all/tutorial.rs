//! What the tutorial's configuration means.

use config::{load_file, load_file_with_dump, load_text};
use meant::{Discovery, DnsFamily, Filter, Fraction, Proxy, ReadPolicy, RedisProxy};
use std::path::Path;
use std::time::Duration;

const TUTORIAL: &str = include_str!("../files/tutorial.yaml");

fn tutorial() -> Proxy {
    load_file(Path::new("tests/files/tutorial.yaml")).unwrap_or_else(|problems| panic!("{problems}"))
}

fn redis(proxy: &Proxy) -> &RedisProxy {
    match &proxy.listeners[0].chains[0].filter {
        Filter::Redis(filter) => filter,
        Filter::Tcp(_) => panic!("not a Redis filter"),
    }
}

#[test]
fn the_listener_reads_from_replicas_and_mirrors_writes() {
    let proxy = tutorial();
    let filter = redis(&proxy);
    assert_eq!(proxy.listeners[0].address.to_string(), "10.0.0.7:6379");
    assert_eq!(filter.stat_prefix, "redis_stats");
    assert_eq!(filter.settings.op_timeout, Duration::from_secs(5));
    assert_eq!(filter.settings.read_policy, ReadPolicy::Replica);
    assert!(filter.settings.enable_redirection && filter.settings.enable_command_stats);
    assert_eq!(filter.settings.buffer_flush_timeout, Duration::from_millis(3));
    assert_eq!(filter.settings.max_upstream_unknown_connections, 100);
    let route = filter.routes.catch_all.as_ref().unwrap();
    assert_eq!((route.cluster.as_str(), route.prefix.len()), ("custom-redis-cluster", 0));
    assert_eq!(route.mirrors[0].cluster, "outbound|6379||redis-mirror.redis.svc.cluster.local");
    assert!(route.mirrors[0].exclude_reads);
    assert_eq!(route.mirrors[0].fraction, Fraction::ALL);
    assert_eq!(proxy.admin.as_ref().unwrap().address.port(), 9901);
    assert_eq!((proxy.node.id.as_str(), proxy.node.cluster.as_str()), ("sidecar", "redis-client"));
}

#[test]
fn the_cluster_is_a_redis_cluster_spelt_as_a_struct() {
    let proxy = tutorial();
    let cluster = &proxy.clusters[0];
    assert_eq!(cluster.name, "custom-redis-cluster");
    assert_eq!(cluster.connect_timeout, Duration::from_millis(500));
    let Discovery::Redis(config) = &cluster.discovery else { panic!("{:?}", cluster.discovery) };
    assert_eq!(config.refresh_rate, Duration::from_secs(4));
    assert_eq!(config.refresh_timeout, Duration::from_millis(2500));
    assert_eq!(config.redirect_refresh_interval, Duration::from_secs(6));
    assert_eq!(config.redirect_refresh_threshold, 7);
    assert_eq!((config.failure_refresh_threshold, config.host_degraded_refresh_threshold), (0, 0));
    let seeds: Vec<(&str, u16)> = cluster.endpoints.iter().map(|seed| (seed.host.as_str(), seed.port)).collect();
    assert_eq!(seeds[1], ("redis-cluster-1.redis-cluster.redis.svc.cluster.local", 6379));
    assert_eq!(proxy.clusters[1].connect_timeout, Duration::from_secs(5));
    assert_eq!(proxy.clusters[1].dns_family, DnsFamily::Auto);
}

#[test]
fn the_struct_may_hold_camel_case_and_text_for_numbers() {
    let text = TUTORIAL
        .replace("cluster_refresh_rate: 4s", "clusterRefreshRate: 4s")
        .replace("redirect_refresh_threshold: 7", "redirectRefreshThreshold: \"7\"");
    assert_eq!(format!("{:?}", load_text(&text, "t").unwrap()), format!("{:?}", tutorial()));
}

#[test]
fn json_means_the_same() {
    let json = load_file_with_dump(Path::new("tests/files/tutorial.yaml")).unwrap().dump;
    for name in ["t.json", "t.yaml"] {
        let proxy = load_text(&json, name).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(format!("{proxy:?}"), format!("{:?}", tutorial()));
    }
}

#[test]
fn json_may_use_tabs_and_escapes() {
    let text = "{\n\t\"node\": {\"id\": \"\\ud83d\\ude00\\/\\u0041\"},\n\t\"admin\" : null}";
    assert_eq!(load_text(text, "t.json").unwrap().node.id, "\u{1f600}/A");
    assert_eq!(load_text(text, "-").unwrap().node.id, "\u{1f600}/A");
}

#[test]
fn a_route_may_name_a_cluster_that_is_not_there() {
    let text =
        TUTORIAL.replace("cluster: custom-redis-cluster\n          settings", "cluster: elsewhere\n          settings");
    assert_eq!(redis(&load_text(&text, "t").unwrap()).routes.catch_all.as_ref().unwrap().cluster, "elsewhere");
}

#[test]
fn yaml_conveniences_of_envoy() {
    let anchored =
        format!("!ignore patience: &patience 5s\n{}", TUTORIAL.replace("op_timeout: 5s", "op_timeout: *patience"));
    assert_eq!(redis(&load_text(&anchored, "t").unwrap()).settings.op_timeout, Duration::from_secs(5));
    for (plain, other) in [
        ("op_timeout: 5s", "opTimeout: {seconds: 5}"),
        ("enable_redirection: true", "enableRedirection: \"true\""),
        ("enable_command_stats: true", "enable_command_stats: On"),
        ("read_policy: REPLICA", "read_policy: replica"),
        ("read_policy: REPLICA", "read_policy: 2"),
        ("              - cluster: outbound", "                cluster: outbound"),
        ("port_value: 9901", "port_value: \"9901\""),
        ("port_value: 9901", "port_value: 9901.0"),
        ("port_value: 9901", "port_value: 0x26AD"),
        ("node: {id: sidecar", "node: {metadata: ~, id: sidecar"),
    ] {
        assert!(TUTORIAL.contains(plain));
        let proxy = load_text(&TUTORIAL.replace(plain, other), "t").unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(format!("{proxy:?}"), format!("{:?}", tutorial()), "{other}");
    }
}
