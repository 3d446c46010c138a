//! Values of the wrong kind, and values that break the rules of Envoy.

use crate::told::{FILTER, SMALL, only, refuses};
use config::load_text;

#[test]
fn booleans_of_yaml_1_1_are_answered_with_quotes() {
    refuses("id: sidecar", "id: n", "node.id", "an unquoted `n` is the boolean false: write \"n\"");
    refuses("id: sidecar", "id: On", "node.id", "an unquoted `On` is the boolean true: write \"On\"");
    refuses("id: sidecar", "id: 5", "node.id", "an unquoted `5` is a number: write \"5\"");
    for fine in ["{id: \"n\"}", "{id: 'on'}", "{id: 5.5}", "{id: 4294967296}", "{id: nope}", "\n  id: |\n    n"] {
        assert!(load_text(&format!("node: {fine}"), "t").is_ok(), "{fine}");
    }
}

#[test]
fn values_of_the_wrong_kind() {
    let settings = format!("{FILTER}.settings");
    let timeout = format!("{settings}.op_timeout");
    for wrong in ["5", "5ms", ".5s", "[5s]", "\"5 s\"", "true"] {
        refuses(
            "op_timeout: 5s",
            &format!("op_timeout: {wrong}"),
            &timeout,
            "expected a duration in seconds such as 0.5s, found",
        );
    }
    refuses("op_timeout: 5s", "op_timeout: -1s", &timeout, "must not be negative");
    refuses("op_timeout: 5s", "op_timeout: ~", &timeout, "is required");
    let redirection = format!("{settings}.enable_redirection");
    refuses("enable_redirection: true", "enable_redirection: 1", &redirection, "expected true or false, found `1`");
    refuses("enable_redirection: true", "enable_redirection: {}", &redirection, "found a mapping");
    let port = "admin.address.socket_address.port_value";
    refuses("port_value: 9901", "port_value: 70000", port, "must be at most 65535, is 70000");
    refuses("port_value: 9901", "port_value: -1", port, "-1 is out of range for uint32");
    refuses("port_value: 9901", "port_value: 1.5", port, "expected a whole number, found `1.5`");
    let (path, text) = only(&SMALL.replace("{op_timeout: 1s}", "5s"));
    assert_eq!(
        (path, text.as_str()),
        (settings.clone(), "expected a mapping with fields of ConnPoolSettings, found `5s`")
    );
    refuses("node: {", "node: []\n#", "node", "expected a mapping with fields of Node, found a list");
    refuses("op_timeout: 5s", "op_timeout: 9223372037s", &timeout, "must be at most 9223372036s");
}

#[test]
fn rules_of_envoy() {
    let settings = format!("{FILTER}.settings");
    refuses(
        "stat_prefix: redis_stats",
        "stat_prefix: \"\"",
        &format!("{FILTER}.stat_prefix"),
        "is required and must not be empty",
    );
    refuses("            op_timeout: 5s\n", "", &format!("{settings}.op_timeout"), "is required");
    refuses(
        "op_timeout: 5s",
        "op_timeout: 5s\n            connection_rate_limit: {}",
        &format!("{settings}.connection_rate_limit.connection_rate_limit_per_sec"),
        "must be more than 0, is 0",
    );
    refuses(
        "connect_timeout: 0.5s",
        "connect_timeout: 0s",
        "static_resources.clusters[0].connect_timeout",
        "must be more than 0s, is 0s",
    );
    refuses(
        "cluster_name: mirror",
        "named_endpoints: {}",
        "static_resources.clusters[1].load_assignment.cluster_name",
        "is required",
    );
    refuses(
        "cluster_refresh_rate: 4s",
        "cluster_refresh_rate: 0s",
        "static_resources.clusters[0].cluster_type.typed_config.value.cluster_refresh_rate",
        "must be more than 0s",
    );
    refuses(
        "type: STRICT_DNS",
        "type: STRICT_DNS\n    dns_refresh_rate: 0.001s",
        "static_resources.clusters[1].dns_refresh_rate",
        "must be more than 0.001s",
    );
    let prefix = format!("routes: [{{cluster: c, prefix: \"{}\"}}]\n            catch_all_route:", "x".repeat(1001));
    refuses(
        "catch_all_route:",
        &prefix,
        &format!("{FILTER}.prefix_routes.routes[0].prefix"),
        "may have at most 1000 bytes, has 1001",
    );
    refuses(
        "type: STRICT_DNS",
        "lb_policy: MAGLEV\n    maglev_lb_config: {table_size: 5000012}\n    type: STRICT_DNS",
        "static_resources.clusters[1].maglev_lb_config.table_size",
        "must be at most 5000011",
    );
    refuses(
        "{address: redis-mirror.redis.svc.cluster.local, port_value: 6379}",
        "{address: a}",
        "static_resources.clusters[1].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address",
        "`port_value` or `named_port` is required",
    );
}
