//! Listeners, clusters and endpoints as JSON, and as they stand on the wire.

use config::Schema;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use xds::{Kind, Resource};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load_mesh().unwrap());

/// A resource ready to be sent.
#[derive(Clone, Debug)]
pub struct Given {
    pub kind: Kind,
    pub resource: Arc<Resource>,
}

/// From JSON with a `@type`.
pub fn encode(written: &Value) -> Given {
    let kind = Kind::of(written["@type"].as_str().unwrap()).unwrap();
    let name = written["cluster_name"].as_str().or(written["name"].as_str()).unwrap();
    let any =
        SCHEMA.message_from_json("google.protobuf.Any", written).unwrap_or_else(|why| panic!("{why}\n{written:#}"));
    let message = any.get_field_by_name("value").unwrap().as_bytes().unwrap().clone();
    // Messages with maps have other bytes each time.
    let mut version = DefaultHasher::new();
    written.to_string().hash(&mut version);
    let resource = Resource::new(kind, name, message);
    let resource = Resource { version: format!("{:x}", version.finish()).into(), ..resource };
    Given { kind, resource: resource.into() }
}

fn socket_address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

fn members(name: &str, members: &[(&str, u16)]) -> Value {
    let each = members.iter().map(|(host, port)| json!({ "endpoint": { "address": socket_address(host, *port) } }));
    json!({ "cluster_name": name, "endpoints": [{ "lb_endpoints": each.collect::<Vec<Value>>() }] })
}

fn with(mut value: Value, fields: Value) -> Value {
    let more = fields.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(more);
    value
}

/// A cluster with these fields besides its name and its timeout.
pub fn cluster(name: &str, fields: Value) -> Value {
    let base = json!({ "@type": Kind::Cluster.url(), "name": name, "connect_timeout": "1s" });
    with(base, fields)
}

/// A Redis Cluster by some of its nodes.
pub fn redis_cluster(name: &str, seeds: &[String]) -> Value {
    let seeds: Vec<SocketAddr> = seeds.iter().map(|seed| seed.parse().unwrap()).collect();
    let seeds: Vec<(String, u16)> = seeds.iter().map(|seed| (seed.ip().to_string(), seed.port())).collect();
    let seeds: Vec<(&str, u16)> = seeds.iter().map(|(host, port)| (host.as_str(), *port)).collect();
    let kind = json!({ "name": "envoy.clusters.redis", "typed_config": {
        "@type": "type.googleapis.com/google.protobuf.Struct",
        "value": { "cluster_refresh_rate": "1s", "cluster_refresh_timeout": "1s" },
    } });
    let fields =
        json!({ "lb_policy": "CLUSTER_PROVIDED", "cluster_type": kind, "load_assignment": members(name, &seeds) });
    cluster(name, fields)
}

/// `STATIC`, `STRICT_DNS` or `LOGICAL_DNS`, with one member.
pub fn plain_cluster(name: &str, kind: &str, host: &str, port: u16) -> Value {
    let assignment = members(name, &[(host, port)]);
    cluster(name, json!({ "type": kind, "dns_lookup_family": "V4_ONLY", "load_assignment": assignment }))
}

/// Its members come over ADS under `service`.
pub fn eds_cluster(name: &str, service: &str) -> Value {
    let source = json!({ "ads": {}, "resource_api_version": "V3" });
    cluster(name, json!({ "type": "EDS", "eds_cluster_config": { "service_name": service, "eds_config": source } }))
}

/// The members of a service.
pub fn endpoints(service: &str, ports: &[u16]) -> Value {
    let each: Vec<(&str, u16)> = ports.iter().map(|port| ("127.0.0.1", *port)).collect();
    with(members(service, &each), json!({ "@type": Kind::Endpoints.url() }))
}

/// The tutorial's settings, and other ones over them.
pub fn settings(other: Value) -> Value {
    with(json!({ "op_timeout": "5s", "enable_redirection": true, "enable_command_stats": true }), other)
}

/// Every key to one cluster.
pub fn all_to(cluster: &str) -> Value {
    json!({ "catch_all_route": { "cluster": cluster } })
}

/// As [`all_to`], with every write copied to `mirror`.
pub fn mirrored(cluster: &str, mirror: &str) -> Value {
    let policy = json!({ "cluster": mirror, "exclude_read_commands": true });
    json!({ "catch_all_route": { "cluster": cluster, "request_mirror_policy": [policy] } })
}

/// A listener with one Redis filter.
pub fn redis_listener(name: &str, port: u16, settings: Value, routes: Value) -> Value {
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": name,
        "settings": settings,
        "prefix_routes": routes,
    });
    listener(name, port, "envoy.filters.network.redis_proxy", filter)
}

/// A listener that passes bytes on to a cluster.
pub fn tcp_listener(name: &str, port: u16, cluster: &str) -> Value {
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "cluster": cluster,
    });
    listener(name, port, "envoy.filters.network.tcp_proxy", filter)
}

fn listener(name: &str, port: u16, filter: &str, config: Value) -> Value {
    json!({
        "@type": Kind::Listener.url(),
        "name": name,
        "address": socket_address("127.0.0.1", port),
        "filter_chains": [{ "filters": [{ "name": filter, "typed_config": config }] }],
    })
}
