//! The rehearsal, on members that a proxy has told.

use super::answer::answer;
use super::decided::Decided;
use super::known::Known;
use crate::ask::{Dump, items, text};
use config::Schema;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A filter before a Redis Cluster of two shards, of three members and of one, as `/config_dump` and `/clusters` tell it.
fn known(policy: &str, unhealthy: &[u16]) -> Known {
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "redis",
        "settings": {"op_timeout": "5s", "read_policy": policy},
        "downstream_auth_passwords": [{"inline_string": "[redacted]"}],
        "prefix_routes": {"catch_all_route": {"cluster": "redis"}},
    });
    let chain = json!({"filter_chain_match": {"destination_port": 6379},
        "filters": [{"name": "redis", "typed_config": filter}]});
    let listener = json!({"name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 6379}},
        "filter_chains": [chain]});
    let config = json!({"@type": "type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig"});
    let cluster = json!({"name": "redis", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "1s",
        "cluster_type": {"name": "envoy.clusters.redis", "typed_config": config},
        "load_assignment": {"cluster_name": "redis", "endpoints": []}});
    let host = |port: u16, role: &str, slots: &str| {
        let health = if unhealthy.contains(&port) { "UNHEALTHY" } else { "HEALTHY" };
        json!({"address": {"socket_address": {"address": "10.0.0.1", "port_value": port}},
            "health_status": {"eds_health_status": health}, "role": role, "slots": slots})
    };
    let hosts = [
        host(1, "primary", "8192-16383"),
        host(2, "replica", "8192-16383"),
        host(3, "replica", "8192-16383"),
        host(4, "primary", "0-8191"),
    ];
    Known {
        dump: Dump(json!({"configs": [
            {"static_listeners": [{"listener": listener}]}, {"static_clusters": [{"cluster": cluster}]}]})),
        statuses: json!({"cluster_statuses": [{"name": "redis", "host_statuses": hosts}]}),
        decided: Decided::not_asked(),
        from: "here".to_owned(),
        schema: Arc::new(Schema::load_mesh().unwrap()),
        asks_nodes: false,
    }
}

fn filter(policy: &str, unhealthy: &[u16], line: &str) -> Value {
    let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    let mut answer = answer(&known(policy, unhealthy), &words, None, "").unwrap();
    answer["filters"][0].take()
}

/// The ports of the nodes that may serve `foo` (slot 12182).
fn ports(policy: &str, unhealthy: &[u16], line: &str) -> BTreeSet<u16> {
    let filter = filter(policy, unhealthy, line);
    let nodes = items(&filter, "/keys/0/nodes").iter();
    nodes.filter_map(|node| text(node, "/address").rsplit(':').next()?.parse().ok()).collect()
}

#[test]
fn everybody_is_named_whom_the_read_policy_may_choose() {
    let of = |policy| ports(policy, &[], "GET foo");
    assert_eq!(of("MASTER"), BTreeSet::from([1]));
    assert_eq!(of("PREFER_MASTER"), BTreeSet::from([1]));
    assert_eq!(of("REPLICA"), BTreeSet::from([2, 3]));
    assert_eq!(of("PREFER_REPLICA"), BTreeSet::from([2, 3]));
    assert_eq!(of("ANY"), BTreeSet::from([1, 2, 3]));
    assert_eq!(ports("ANY", &[], "SET foo 1"), BTreeSet::from([1]));
}

#[test]
fn who_is_unhealthy_is_left_out_as_it_would_be() {
    assert_eq!(ports("PREFER_REPLICA", &[2], "GET foo"), BTreeSet::from([3]));
    assert_eq!(ports("PREFER_REPLICA", &[2, 3], "GET foo"), BTreeSet::from([1]));
    assert_eq!(ports("PREFER_MASTER", &[1], "GET foo"), BTreeSet::from([2, 3]));
    let lost = filter("MASTER", &[1], "SET foo 1");
    assert_eq!(lost["outcome"], "refused");
    assert!(text(&lost, "/refused").contains("10.0.0.1:1 cannot connect (it is unhealthy)"), "{lost:#}");
}

#[test]
fn a_shard_without_replicas_serves_no_reads_by_replica() {
    // The slot of `bar` is 5061.
    let filter = filter("REPLICA", &[], "GET bar");
    assert_eq!((&filter["outcome"], &filter["keys"][0]["route"]["catch_all"]), (&"refused".into(), &true.into()));
    assert!(
        text(&filter, "/refused").contains("cluster 'redis' has no node that the read policy allows"),
        "{filter:#}"
    );
}

#[test]
fn what_stands_around_the_filter_is_told() {
    let filter = filter("MASTER", &[], "GET foo");
    assert_eq!(
        (&filter["asks_for_password"], &filter["filter_chain_match"]["destination_port"]),
        (&true.into(), &6379.into())
    );
    assert_eq!(
        filter["keys"][0]["shard"],
        json!({
        "number": 1, "slots": "8192-16383", "primary": "10.0.0.1:1", "replicas": ["10.0.0.1:2", "10.0.0.1:3"]})
    );
    let scan = self::filter("MASTER", &[], "SCAN 0");
    assert_eq!((&scan["outcome"], &scan["parts"].as_array().map(Vec::len)), (&"sent".into(), &Some(1)));
}
