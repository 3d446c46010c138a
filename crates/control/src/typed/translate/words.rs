//! What a cluster says, in a RedisService's words: the way back of `upstream` and of TLS by Istio's agent.

use super::back::{camel, pruned, source};
use serde_json::{Map, Value, json};

/// What stands for no limit.
const UNLIMITED: u64 = u32::MAX as u64;

/// The fields of a `spec`.
pub(super) fn words_of(cluster: &Value) -> Map<String, Value> {
    let mut spec = Map::new();
    let mut say = |name: &str, value: Value| {
        let is_nothing = value.is_null() || value == json!({}) || value == json!([]);
        if !is_nothing {
            spec.insert(name.to_owned(), value);
        }
    };
    if !cluster["cluster_type"].is_null() {
        say("discovery", camel(&cluster["cluster_type"]["typed_config"], &[]).into());
        say("seeds", seeds(cluster));
    }
    say("connection", connection(cluster));
    say("auth", auth(&cluster["typed_extension_protocol_options"]["envoy.filters.network.redis_proxy"]));
    say("tls", tls(&cluster["transport_socket"]["typed_config"]));
    say("health", health(&cluster["health_checks"][0]));
    spec
}

/// HOST:PORT of an `address`.
fn place(address: &Value) -> Option<String> {
    let host = address["socket_address"]["address"].as_str()?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Some(format!("{host}:{}", address["socket_address"]["port_value"]))
}

fn seeds(cluster: &Value) -> Value {
    let places = cluster["load_assignment"]["endpoints"].as_array().into_iter().flatten();
    let endpoints = places.flat_map(|place| place["lb_endpoints"].as_array().into_iter().flatten());
    endpoints.filter_map(|endpoint| place(&endpoint["endpoint"]["address"])).collect()
}

fn connection(cluster: &Value) -> Value {
    let most = &cluster["circuit_breakers"]["thresholds"][0]["max_connections"];
    let most = most.as_u64().filter(|most| *most < UNLIMITED);
    let probes = &cluster["upstream_connection_options"]["tcp_keepalive"];
    let seconds = |name: &str| probes[name].as_u64().map(|seconds| format!("{seconds}s"));
    let keepalive = pruned(json!({
        "probes": probes["keepalive_probes"], "time": seconds("keepalive_time"), "interval": seconds("keepalive_interval"),
    }));
    let keepalive = Some(keepalive).filter(|_| probes.is_object());
    pruned(json!({"connectTimeout": cluster["connect_timeout"], "maxConnections": most, "tcpKeepalive": keepalive}))
}

fn auth(options: &Value) -> Value {
    let who = |from: &Value| (source(&from["auth_username"]), source(&from["auth_password"]));
    let of_node = |node: &Value| {
        let (username, password) = who(node);
        pruned(json!({"address": place(&node["address"]), "username": username, "password": password}))
    };
    let nodes: Vec<Value> = options["credentials"].as_array().into_iter().flatten().map(of_node).collect();
    let (username, password) = who(options);
    pruned(json!({"username": username, "password": password, "credentials": nodes}))
}

/// TLS whose certificates the agent reads from files, or has itself.
fn tls(context: &Value) -> Value {
    let common = &context["common_tls_context"];
    if common.is_null() {
        return Value::Null;
    }
    let secret = |at: &str| common.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let own = secret("/tls_certificate_sds_secret_configs/0/name");
    let trusted = secret("/combined_validation_context/validation_context_sds_secret_config/name");
    let files = own.strip_prefix("file-cert:").and_then(|files| files.split_once('~'));
    let mode = match own {
        "" => "SIMPLE",
        "default" => "ISTIO_MUTUAL",
        _ => "MUTUAL",
    };
    let names = common.pointer("/combined_validation_context/default_validation_context/match_subject_alt_names");
    let names: Vec<&Value> = names.and_then(Value::as_array).into_iter().flatten().map(|name| &name["exact"]).collect();
    pruned(json!({
        "mode": mode, "clientCertificate": files.map(|(certificate, _)| certificate),
        "privateKey": files.map(|(_, key)| key),
        "caCertificates": trusted.strip_prefix("file-root:").filter(|file| *file != "system"),
        "subjectAltNames": names, "sni": context["sni"],
        "insecureSkipVerify": common["validation_context"].is_object().then_some(true),
    }))
}

fn health(check: &Value) -> Value {
    pruned(json!({
        "interval": check["interval"], "timeout": check["timeout"], "healthyThreshold": check["healthy_threshold"],
        "unhealthyThreshold": check["unhealthy_threshold"],
        "key": check["custom_health_check"]["typed_config"]["key"],
    }))
}
