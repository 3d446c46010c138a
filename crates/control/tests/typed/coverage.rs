//! Every setting of Envoy's three messages for Redis can be reached from a typed resource.

use crate::full;
use crate::mesh::{CLIENT, SCHEMA};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value as Field};
use serde_json::Value;
use std::collections::BTreeSet;

const REDIS: [&str; 3] = [
    "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
    "envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
    "envoy.extensions.clusters.redis.v3.RedisClusterConfig",
];

/// Fields that no resource reaches, and why.
const LEFT_OUT: [(&str, &str); 1] =
    [("RedisProxy.downstream_auth_password", "deprecated: downstream_auth_passwords holds any number")];

fn short(message: &MessageDescriptor, field: &str) -> String {
    format!("{}.{field}", message.full_name().rsplit_once(".v3.").unwrap().1)
}

fn is_redis(message: &MessageDescriptor) -> bool {
    REDIS.iter().any(|name| message.full_name().starts_with(name.rsplit_once('.').unwrap().0))
}

/// Every field of `message` and of the messages of Redis in it.
fn fields(message: &MessageDescriptor, found: &mut BTreeSet<String>) {
    for field in message.fields() {
        if found.insert(short(message, field.name()))
            && let Kind::Message(inner) = field.kind()
            && is_redis(&inner)
        {
            fields(&inner, found);
        }
    }
}

/// Every field that is set in it.
fn given(message: &DynamicMessage, found: &mut BTreeSet<String>) {
    let descriptor = message.descriptor();
    for (field, value) in message.fields() {
        found.insert(short(&descriptor, field.name()));
        let values: Vec<&Field> = match value {
            Field::List(list) => list.iter().collect(),
            other => vec![other],
        };
        for inner in values.into_iter().filter_map(Field::as_message) {
            if is_redis(&inner.descriptor()) {
                given(inner, found);
            }
        }
    }
}

fn message(name: &str, json: &Value) -> DynamicMessage {
    let mut json = json.clone();
    json.as_object_mut().unwrap().remove("@type");
    SCHEMA.message_from_json(name, &json).unwrap()
}

#[test]
fn every_setting_is_reached_or_listed_with_a_reason() {
    let mut all = BTreeSet::new();
    REDIS.iter().for_each(|name| fields(&SCHEMA.message(name).unwrap(), &mut all));
    let proxy = full::mesh().fine(CLIENT);
    let cluster = proxy.cluster("outbound|6379||redis-cluster.redis.svc.cluster.local");
    let options = &cluster["typed_extension_protocol_options"]["envoy.filters.network.redis_proxy"];
    let config = &cluster["cluster_type"]["typed_config"];
    let mut reached = BTreeSet::new();
    for (name, json) in REDIS.iter().zip([proxy.redis("10.96.0.10_6379"), options, config]) {
        given(&message(name, json), &mut reached);
    }
    let missing: Vec<&String> = all.difference(&reached).collect();
    let listed: Vec<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    assert_eq!(missing, listed);
    assert_eq!((reached.len(), all.len()), (59, 60));
}

#[test]
fn what_is_said_arrives() {
    let given = full::mesh().fine(CLIENT);
    let redis = given.redis("10.96.0.10_6379");
    let route = &redis["prefix_routes"]["routes"][0];
    assert_eq!((&route["prefix"], &route["remove_prefix"]), (&"a:".into(), &true.into()));
    let share = |mirror: &Value| mirror["runtime_fraction"]["default_value"].clone();
    let exact = share(&route["request_mirror_policy"][0]);
    assert_eq!((&exact["numerator"], &exact["denominator"]), (&1250.into(), &"TEN_THOUSAND".into()));
    let small = share(&redis["prefix_routes"]["catch_all_route"]["request_mirror_policy"][0]);
    assert_eq!((&small["numerator"], &small["denominator"]), (&125.into(), &"MILLION".into()));
    let cluster = given.cluster("outbound|6379||redis-cluster.redis.svc.cluster.local");
    assert_eq!(cluster["connect_timeout"], "0.250s");
    assert_eq!(cluster["circuit_breakers"]["thresholds"][0]["max_connections"], 100);
    assert_eq!(cluster["upstream_connection_options"]["tcp_keepalive"]["keepalive_time"], 30);
    assert_eq!(cluster["transport_socket"]["typed_config"]["sni"], "redis");
    assert_eq!(cluster["health_checks"][0]["custom_health_check"]["typed_config"]["key"], "ill");
    assert_eq!(
        given.seeds(cluster["name"].as_str().unwrap()),
        ["redis-cluster-0.redis-cluster-nodes:6379", "10.244.0.12:6379"]
    );
}
