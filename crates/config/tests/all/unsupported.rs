//! What Envoy can do and slotmesh cannot do yet.

use crate::told::{FILTER, TUTORIAL, changed, problems, refuses};

/// A transport socket of the wrong side.
const TLS: &str = "{name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}";

/// Fields of a listener with a value that is not their default.
const LISTENER: [(&str, &str); 15] = [
    ("access_log", "[{name: a, typed_config: {\"@type\": type.googleapis.com/x.Y}}]"),
    ("additional_addresses", "[{}]"),
    ("stat_prefix", "x"),
    ("transparent", "true"),
    ("freebind", "true"),
    ("enable_reuse_port", "false"),
    ("tcp_backlog_size", "5"),
    ("tcp_fast_open_queue_length", "5"),
    ("connection_balance_config", "{exact_balance: {}}"),
    ("socket_options", "[{}]"),
    ("traffic_direction", "INBOUND"),
    ("drain_type", "MODIFY_ONLY"),
    ("ignore_global_conn_limit", "true"),
    ("tcp_keepalive", "{}"),
    ("max_connections_to_accept_per_socket_event", "1"),
];

/// Fields of a cluster.
const CLUSTER: [(&str, &str); 26] = [
    ("health_checks", "[{}]"),
    ("outlier_detection", "{}"),
    ("circuit_breakers", "{thresholds: [{}]}"),
    ("load_balancing_policy", "{}"),
    ("alt_stat_name", "x"),
    ("per_connection_buffer_limit_bytes", "5"),
    ("max_requests_per_connection", "5"),
    ("respect_dns_ttl", "true"),
    ("dns_jitter", "1s"),
    ("dns_failure_refresh_rate", "{base_interval: 1s}"),
    ("use_tcp_for_dns_lookups", "true"),
    ("dns_resolvers", "[{}]"),
    ("typed_dns_resolver_config", "{}"),
    ("ignore_health_on_host_removal", "true"),
    ("close_connections_on_host_health_failure", "true"),
    ("wait_for_warm_on_init", "false"),
    ("cleanup_interval", "1s"),
    ("lb_subset_config", "{}"),
    ("filters", "[{}]"),
    ("lrs_server", "{}"),
    ("track_cluster_stats", "{}"),
    ("preconnect_policy", "{}"),
    ("connection_pool_per_downstream_connection", "true"),
    ("http2_protocol_options", "{}"),
    ("common_lb_config", "{healthy_panic_threshold: {}}"),
    ("upstream_connection_options", "{set_local_interface_name_on_upstream_connections: true}"),
];

/// Fields of the bootstrap.
const BOOTSTRAP: [(&str, &str); 13] = [
    ("layered_runtime", "{layers: [{name: a, admin_layer: {}}]}"),
    ("stats_config", "{}"),
    ("stats_sinks", "[{}]"),
    ("stats_flush_interval", "5s"),
    ("overload_manager", "{}"),
    ("cluster_manager", "{local_cluster_name: x}"),
    ("watchdogs", "{}"),
    ("tracing", "{}"),
    ("header_prefix", "x"),
    ("bootstrap_extensions", "[{}]"),
    ("hds_config", "{}"),
    ("enable_dispatcher_stats", "true"),
    ("default_socket_interface", "x"),
];

#[test]
fn zone_aware_read_policies() {
    let settings = format!("{FILTER}.settings");
    for policy in ["LOCAL_ZONE_AFFINITY", "LOCAL_ZONE_AFFINITY_REPLICAS_AND_PRIMARY"] {
        refuses(
            "read_policy: REPLICA",
            &format!("read_policy: {policy}"),
            &format!("{settings}.read_policy"),
            "not supported yet: use MASTER,",
        );
    }
}

#[test]
fn fields_of_a_listener() {
    for (field, value) in LISTENER {
        let to = format!("- {field}: {value}\n    name: 10.0.0.7_6379");
        refuses("- name: 10.0.0.7_6379", &to, &format!("static_resources.listeners[0].{field}"), "not supported yet");
    }
}

#[test]
fn fields_of_a_cluster() {
    for (field, value) in CLUSTER {
        let problems = problems(&changed("type: STRICT_DNS", &format!("type: STRICT_DNS\n    {field}: {value}")));
        let told = problems.to_string();
        let path = format!("static_resources.clusters[1].{field}");
        assert!(told.contains(&path) && told.contains("not supported yet") && problems.len() == 1, "{field}: {told}");
    }
}

#[test]
fn fields_of_the_bootstrap() {
    for (field, value) in BOOTSTRAP {
        let problems = problems(&format!("{field}: {value}\n{TUTORIAL}"));
        let told = problems.to_string();
        assert!(told.starts_with(&format!("t.yaml:1: {field}")), "{field}: {told}");
        assert!(told.contains("not supported yet") && problems.len() == 1, "{field}: {told}");
    }
}

#[test]
fn sockets_and_filters_of_a_chain() {
    let chain = "static_resources.listeners[0].filter_chains[0]";
    refuses(
        "- filters:\n",
        &format!("- transport_socket: {TLS}\n      filters:\n"),
        &format!("{chain}.transport_socket"),
        "UpstreamTlsContext is not supported yet: use",
    );
    refuses(
        "- name: envoy.redis_proxy\n",
        "- name: first\n      - name: envoy.redis_proxy\n",
        &format!("{chain}.filters[0]"),
        "before the last",
    );
    let inspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    let filter = |more: &str| {
        let typed = format!("{{\"@type\": {inspector}}}");
        format!("- listener_filters: [{{name: t, typed_config: {typed}{more}}}]\n    name: 10.0.0.7_6379")
    };
    let disabled = "static_resources.listeners[0].listener_filters[0].filter_disabled";
    refuses(
        "- name: 10.0.0.7_6379",
        &filter(", filter_disabled: {not_match: {destination_port_range: {start: 1, end: 2}}}"),
        &format!("{disabled}.not_match"),
        "use destination_port_range",
    );
    refuses(
        "- name: 10.0.0.7_6379",
        &filter("").replace("tls_inspector.v3.TlsInspector", "original_src.v3.OriginalSrc"),
        "static_resources.listeners[0].listener_filters[0].typed_config",
        "OriginalSrc is not supported yet",
    );
}

#[test]
fn other_kinds_of_clusters() {
    refuses(
        "name: envoy.clusters.redis",
        "name: envoy.clusters.aggregate",
        "static_resources.clusters[0].cluster_type",
        "`envoy.clusters.aggregate` is not supported yet",
    );
}

#[test]
fn other_addresses() {
    let member = "static_resources.clusters[1].load_assignment.endpoints[0]";
    let spot = "{address: redis-mirror.redis.svc.cluster.local, port_value: 6379}";
    let socket = format!("{member}.lb_endpoints[0].endpoint.address.socket_address");
    refuses(
        spot,
        "{address: a, port_value: 1, resolver_name: x}",
        &format!("{socket}.resolver_name"),
        "not supported yet",
    );
    refuses(
        spot,
        "{address: a, port_value: 1, ipv4_compat: true}",
        &format!("{socket}.ipv4_compat"),
        "not supported yet",
    );
    refuses(spot, "{address: a, named_port: redis}", &format!("{socket}.named_port"), "use port_value");
    refuses(
        "socket_address: {address: 127.0.0.1, port_value: 9901}",
        "pipe: {path: /x}",
        "admin.address.pipe",
        "Unix sockets are not supported yet",
    );
    refuses("admin:\n", "admin:\n  access_log: [{name: a}]\n", "admin.access_log", "not supported yet");
}
