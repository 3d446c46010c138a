//! A rule's traffic policy in a cluster.

use super::cluster::Wish;
use super::names::extension;
use crate::registry::Protocol;
use crate::written::rule::{ConnectionPool, Keepalive, LoadBalancer, OutlierDetection, Simple, TrafficPolicy};
use serde_json::{Map, Value, json};

/// What stands for "no limit".
const UNLIMITED: u32 = u32::MAX;

/// How many connections and requests may be under way.
pub(super) fn limits(policy: &TrafficPolicy) -> Value {
    let none = ConnectionPool::default();
    let pool = policy.connection_pool.as_ref().unwrap_or(&none);
    let limit = |most: u32| if most > 0 { most } else { UNLIMITED };
    json!({"thresholds": [{
        "max_connections": limit(pool.tcp.max_connections),
        "max_pending_requests": limit(pool.http.http1_max_pending_requests),
        "max_requests": limit(pool.http.http2_max_requests),
        "max_retries": limit(pool.http.max_retries),
    }]})
}

/// Everything of the policy but its limits and TLS.
pub(super) fn apply(wish: &Wish, cluster: &mut Value) {
    let policy = &wish.policy;
    balance(policy.load_balancer.as_ref(), cluster);
    let pool = policy.connection_pool.as_ref();
    if let Some(timeout) = pool.and_then(|pool| pool.tcp.connect_timeout) {
        cluster["connect_timeout"] = timeout.to_string().into();
    }
    let keepalive = pool.and_then(|pool| pool.tcp.tcp_keepalive).or(wish.view.mesh.tcp_keepalive);
    if let Some(probes) = keepalive.map(probes).filter(|probes| !probes.is_empty()) {
        cluster["upstream_connection_options"] = json!({"tcp_keepalive": probes});
    }
    if let Some(options) = http_options(wish.port.protocol, pool) {
        let kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        cluster["typed_extension_protocol_options"] = json!({kind: options});
    }
    if let Some(outliers) = &policy.outlier_detection {
        cluster["outlier_detection"] = outlier_detection(outliers);
        if outliers.min_health_percent > 0 {
            cluster["common_lb_config"]["healthy_panic_threshold"] = json!({"value": outliers.min_health_percent});
        }
    }
}

fn balance(balancer: Option<&LoadBalancer>, cluster: &mut Value) {
    let none = LoadBalancer::default();
    let balancer = balancer.unwrap_or(&none);
    if balancer.simple == Some(Simple::Passthrough) {
        cluster["type"] = "ORIGINAL_DST".into();
        if let Some(fields) = cluster.as_object_mut() {
            fields.remove("eds_cluster_config");
            fields.remove("load_assignment");
        }
    }
    if cluster["type"] == "ORIGINAL_DST" {
        cluster["lb_policy"] = "CLUSTER_PROVIDED".into();
        return;
    }
    if let Some(hash) = &balancer.consistent_hash {
        if let Some(maglev) = hash.maglev {
            cluster["lb_policy"] = "MAGLEV".into();
            if maglev.table_size > 0 {
                cluster["maglev_lb_config"] = json!({"table_size": maglev.table_size.to_string()});
            }
            return;
        }
        let asked = hash.ring_hash.map_or(hash.minimum_ring_size, |ring| ring.minimum_ring_size);
        let size = if asked > 0 { asked } else { 1024 };
        cluster["lb_policy"] = "RING_HASH".into();
        cluster["ring_hash_lb_config"] = json!({"minimum_ring_size": size.to_string()});
        return;
    }
    cluster["lb_policy"] = match balancer.simple.unwrap_or_default() {
        Simple::RoundRobin => "ROUND_ROBIN",
        Simple::Random => "RANDOM",
        _ => "LEAST_REQUEST",
    }
    .into();
}

fn probes(keepalive: Keepalive) -> Map<String, Value> {
    let mut probes = Map::new();
    let mut set = |name: &str, value: u64| {
        if value > 0 {
            probes.insert(name.to_owned(), value.into());
        }
    };
    set("keepalive_probes", keepalive.probes.into());
    set("keepalive_time", keepalive.time.unwrap_or_default().0.as_secs());
    set("keepalive_interval", keepalive.interval.unwrap_or_default().0.as_secs());
    probes
}

/// What the port's HTTP is, for EnvoyFilters that make HTTP of it. `None` for TCP, unless a rule sets a time that
/// istiod keeps there.
pub(super) fn http_options(protocol: Protocol, pool: Option<&ConnectionPool>) -> Option<Value> {
    let mut options = match protocol {
        Protocol::Sniffed => json!({"use_downstream_protocol_config": downstream()}),
        Protocol::Http2 => json!({"explicit_http_config": {"http2_protocol_options": {}}}),
        _ => json!({}),
    };
    let mut times = Map::new();
    if let Some(timeout) = pool.and_then(|pool| pool.http.idle_timeout.or(pool.tcp.idle_timeout)) {
        times.insert("idle_timeout".to_owned(), timeout.to_string().into());
    }
    if let Some(longest) = pool.and_then(|pool| pool.tcp.max_connection_duration) {
        times.insert("max_connection_duration".to_owned(), longest.to_string().into());
    }
    if options == json!({}) {
        if times.is_empty() {
            return None;
        }
        options = json!({"explicit_http_config": {"http_protocol_options": {}}});
    }
    if !times.is_empty() {
        options["common_http_protocol_options"] = times.into();
    }
    options["@type"] = extension("upstreams.http.v3.HttpProtocolOptions").into();
    Some(options)
}

/// Whatever the client speaks.
pub(super) fn downstream() -> Value {
    json!({"http_protocol_options": {}, "http2_protocol_options": {}})
}

/// Only failures in a row count: success rates are turned off, as in istiod.
fn outlier_detection(outliers: &OutlierDetection) -> Value {
    let mut found = json!({"enforcing_success_rate": 0});
    let enforced = |count: u32| if count > 0 { 100 } else { 0 };
    if let Some(count) = outliers.consecutive_5xx_errors {
        found["consecutive_5xx"] = count.into();
        found["enforcing_consecutive_5xx"] = enforced(count).into();
    }
    if let Some(count) = outliers.consecutive_gateway_errors {
        found["consecutive_gateway_failure"] = count.into();
        found["enforcing_consecutive_gateway_failure"] = enforced(count).into();
    }
    if let Some(interval) = outliers.interval {
        found["interval"] = interval.to_string().into();
    }
    if let Some(time) = outliers.base_ejection_time {
        found["base_ejection_time"] = time.to_string().into();
    }
    if outliers.max_ejection_percent > 0 {
        found["max_ejection_percent"] = outliers.max_ejection_percent.into();
    }
    if outliers.split_external_local_origin_errors {
        found["split_external_local_origin_errors"] = true.into();
        found["enforcing_local_origin_success_rate"] = 0.into();
        if let Some(count) = outliers.consecutive_local_origin_failures.filter(|count| *count > 0) {
            found["consecutive_local_origin_failure"] = count.into();
            found["enforcing_consecutive_local_origin_failure"] = 100.into();
        }
    }
    found
}
