//! Contradictions that no rule of a single field can see.

use crate::told::{FILTER, SMALL, TUTORIAL, changed, only, problems, refuses};
use config::load_text;

#[test]
fn routes_are_there_and_differ() {
    let routes = format!("{FILTER}.prefix_routes");
    let gone = SMALL.replace("{catch_all_route: {cluster: c}}", "{routes: []}");
    let (path, text) = only(&gone);
    assert_eq!(path, routes);
    assert!(text.starts_with("cannot configure a redis-proxy without any upstream"), "{text}");
    let twice = |second: &str, more: &str| {
        format!(
            "routes: [{{prefix: ab, cluster: c}}, {{prefix: {second}, cluster: c}}]\n            {more}catch_all_route:"
        )
    };
    refuses("catch_all_route:", &twice("ab", ""), &format!("{routes}.routes[1].prefix"), "prefix `ab` already exists");
    refuses(
        "catch_all_route:",
        &twice("AB", "case_insensitive: true\n            "),
        &format!("{routes}.routes[1].prefix"),
        "already exists",
    );
    assert!(load_text(&changed("catch_all_route:", &twice("AB", "")), "t").is_ok());
}

#[test]
fn clusters_contradict_themselves() {
    refuses(
        "lb_policy: CLUSTER_PROVIDED",
        "lb_policy: MAGLEV",
        "static_resources.clusters[0].lb_policy",
        "MAGLEV would choose nodes without regard to slots",
    );
    refuses(
        "lb_policy: CLUSTER_PROVIDED",
        "metadata: {}",
        "static_resources.clusters[0].lb_policy",
        "needs `lb_policy: CLUSTER_PROVIDED`",
    );
    let member =
        "static_resources.clusters[1].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address";
    refuses("type: STRICT_DNS", "type: STATIC", &format!("{member}.address"), "is not an IP address");
    refuses(
        "local, port_value: 6379}",
        "local, port_value: 0}",
        &format!("{member}.port_value"),
        "0 is no port to connect to",
    );
    refuses(
        "address: 10.0.0.7,",
        "address: localhost,",
        "static_resources.listeners[0].address.socket_address.address",
        "`localhost` is not an IP address",
    );
    refuses(
        "- name: outbound",
        "- name: custom-redis-cluster #",
        "static_resources.clusters[1].name",
        "is also the name of static_resources.clusters[0]",
    );
    for (cluster, path) in [("", ""), (", load_assignment: {cluster_name: c}", ".load_assignment")] {
        let (at, text) = only(&format!("static_resources: {{clusters: [{{name: c, type: LOGICAL_DNS{cluster}}}]}}"));
        assert_eq!(at, format!("static_resources.clusters[0]{path}"));
        assert!(text.contains("exactly one endpoint, has 0"), "{text}");
    }
}

#[test]
fn settings_of_balancing_contradict_themselves() {
    refuses(
        "type: STRICT_DNS",
        "lb_policy: RING_HASH\n    ring_hash_lb_config: {minimum_ring_size: 9, maximum_ring_size: 8}\n    type: STRICT_DNS",
        "static_resources.clusters[1].ring_hash_lb_config.minimum_ring_size",
        "9 is more than 8",
    );
    refuses(
        "type: STRICT_DNS",
        "lb_policy: MAGLEV\n    maglev_lb_config: {table_size: 100}\n    type: STRICT_DNS",
        "static_resources.clusters[1].maglev_lb_config.table_size",
        "must be a prime number",
    );
    refuses(
        "type: STRICT_DNS",
        "lb_policy: RANDOM\n    ring_hash_lb_config: {}\n    type: STRICT_DNS",
        "static_resources.clusters[1].ring_hash_lb_config",
        "has no effect with lb_policy RANDOM: remove it, or set RING_HASH",
    );
    refuses(
        "type: STRICT_DNS",
        "lb_policy: CLUSTER_PROVIDED\n    type: STRICT_DNS",
        "static_resources.clusters[1].lb_policy",
        "CLUSTER_PROVIDED is for clusters with a cluster_type",
    );
    let hostnames = "common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}";
    let (path, text) =
        only(&format!("static_resources: {{clusters: [{{name: c, type: STATIC, lb_policy: MAGLEV, {hostnames}}}]}}"));
    assert!(path.ends_with(".use_hostname_for_hashing") && text.contains("STRICT_DNS"), "{path}: {text}");
}

#[test]
fn one_of_two_ways() {
    let kinds = "lb_policy: CLUSTER_PROVIDED, cluster_type: {name: envoy.clusters.redis}, type: STATIC";
    let (path, text) = only(&format!("static_resources: {{clusters: [{{name: c, {kinds}}}]}}"));
    assert_eq!(path, "static_resources.clusters[0].type");
    assert!(text.contains("cannot be set together with `cluster_type`"), "{text}");
    let options =
        "{\"@type\": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions}";
    let both = format!("envoy.filters.network.redis_proxy: {options}, envoy.redis_proxy: {options}");
    let (path, text) =
        only(&format!("static_resources: {{clusters: [{{name: c, typed_extension_protocol_options: {{{both}}}}}]}}"));
    assert_eq!(path, "static_resources.clusters[0].typed_extension_protocol_options[\"envoy.redis_proxy\"]");
    assert!(text.contains("given twice"), "{text}");
}

#[test]
fn every_problem_is_listed_at_once_with_its_line() {
    let text = TUTORIAL
        .replace("id: sidecar", "id: no")
        .replace("stat_prefix: redis_stats", "stat_prefix: \"\"")
        .replace("op_timeout: 5s", "op_timeout: 5")
        .replace("read_policy: REPLICA ", "raed_policy: REPLICA ")
        .replace("lb_policy: CLUSTER_PROVIDED", "health_checks: [{}]")
        .replace("redirect_refresh_threshold: 7", "redirect_refresh_threshold: seven");
    let problems = problems(&text);
    let told: Vec<_> =
        problems.iter().map(|problem| (problem.line, problem.path.rsplit('.').next().unwrap())).collect();
    let line = |part: &str| u32::try_from(text.lines().position(|line| line.contains(part)).unwrap() + 1).unwrap();
    let expected = [
        (line("id: no"), "id"),
        (line("stat_prefix"), "stat_prefix"),
        (line("op_timeout"), "op_timeout"),
        (line("raed_policy"), "raed_policy"),
        (line("- name: \"custom"), "lb_policy"),
        (line("health_checks"), "health_checks"),
        (line("seven"), "redirect_refresh_threshold"),
    ];
    assert_eq!(told, expected, "{problems}");
    assert!(problems.to_string().ends_with("\n7 problems"));
    assert!(problems.to_string().starts_with("t.yaml:2: node.id: expected text"), "{problems}");
}
