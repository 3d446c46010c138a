//! Where istiod panics, stops half-way, leaks or is silent, and ours is not.

use crate::set_up::{Written, each, names, outcome, proxy, resources, typed};
use config::Schema;
use patch::proxy::Role;
use patch::{Refused, apply};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const TCP: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ECHO: &str = "envoy.extensions.filters.network.echo.v3.Echo";
const TCP_NAME: &str = "envoy.filters.network.tcp_proxy";

fn tcp() -> Json {
    json!({"name": TCP_NAME, "typed_config": typed(TCP, json!({"stat_prefix": "s", "cluster": "c"}))})
}

fn echo() -> Json {
    json!({"name": "echo", "typed_config": typed(ECHO, json!({}))})
}

fn listener(name: &str, port: u32, chains: Json) -> Json {
    let address = json!({"socket_address": {"address": "10.0.0.1", "port_value": port}});
    json!({"name": name, "address": address, "filter_chains": chains})
}

fn chains(filters: Json) -> Json {
    json!([{"filters": filters}])
}

/// A network filter merge without any match: in istiod the first filter of another type ends the patching of the
/// remaining listeners, which come in random order.
#[test]
fn a_merge_meets_another_type_and_goes_on() {
    let schema = Schema::load_mesh().unwrap();
    let base = json!({"listeners": [
        listener("a", 1, chains(json!([tcp()]))), listener("b", 2, chains(json!([echo()]))), listener("c", 3, chains(json!([tcp()]))),
    ]});
    let value = json!({"name": "renamed", "typed_config": typed(TCP, json!({"idle_timeout": "7s"}))});
    let (after, report) = outcome(
        &schema,
        &base,
        &each(&schema, &[("NETWORK_FILTER", json!({}), "MERGE", value)]),
        &proxy(Role::Sidecar),
    );
    for index in [0, 2] {
        let filter = &after["listeners"][index]["filter_chains"][0]["filters"][0];
        assert_eq!((&filter["name"], &filter["typed_config"]["idle_timeout"]), (&json!("renamed"), &json!("7s")));
    }
    assert_eq!(after["listeners"][1], base["listeners"][1]);
    let patch = &report.envoy_filters[0].patches[0];
    assert_eq!(patch.hits.len(), 2);
    assert!(
        patch.warnings[0].contains("of b holds") && patch.warnings[0].contains("use REPLACE"),
        "{:?}",
        patch.warnings
    );
}

#[test]
fn one_chain_is_changed_and_not_its_neighbour() {
    let schema = Schema::load_mesh().unwrap();
    let chain = |port: u32| json!({"filter_chain_match": {"destination_port": port, "application_protocols": ["istio"]}, "filters": [tcp()]});
    let base = json!({"listeners": [listener("virtualInbound", 15006, json!([chain(6379), chain(16379)]))]});
    let matching = json!({"context": "SIDECAR_INBOUND", "listener": {"portNumber": 6379}});
    let value = json!({"filter_chain_match": {"application_protocols": ["mine"]}});
    let filters = each(&schema, &[("FILTER_CHAIN", matching, "MERGE_AND_REPLACE_LIST", value)]);
    let (after, _) = outcome(&schema, &base, &filters, &proxy(Role::Sidecar));
    let chains = &after["listeners"][0]["filter_chains"];
    assert_eq!(chains[0]["filter_chain_match"]["application_protocols"], json!(["mine"]));
    assert_eq!(chains[1], base["listeners"][0]["filter_chains"][1]);
    // And it is gone with the filter.
    assert_eq!(outcome(&schema, &base, &[], &proxy(Role::Sidecar)).0["listeners"], base["listeners"]);
}

#[test]
fn a_listener_filter_is_merged_by_its_name() {
    let schema = Schema::load_mesh().unwrap();
    let of = |name: &str, of: &str| json!({"name": name, "typed_config": typed(of, json!({}))});
    let inspector = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    let mut base = listener("virtualInbound", 15006, chains(json!([tcp()])));
    base["listener_filters"] = json!([
        of("original_dst", "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"),
        of("tls", inspector)
    ]);
    let value = json!({"name": "ignored", "typed_config": typed(inspector, json!({"initial_read_buffer_size": 4096}))});
    let matching = json!({"listener": {"listenerFilter": "tls"}});
    let (after, _) = outcome(
        &schema,
        &json!({"listeners": [base]}),
        &each(&schema, &[("LISTENER_FILTER", matching, "MERGE", value)]),
        &proxy(Role::Sidecar),
    );
    let filters = &after["listeners"][0]["listener_filters"];
    assert_eq!(names(filters), ["original_dst", "tls"]);
    assert_eq!(filters[1]["typed_config"]["initial_read_buffer_size"], 4096);
}

fn held(schema: &Schema, base: &Json, patches: &[Written]) -> (Json, patch::Report) {
    let filters = each(schema, patches);
    let (after, report) = apply(schema, resources(schema, base), &filters, &proxy(Role::Sidecar), Refused::HeldBack);
    let of = |messages: &[prost_reflect::DynamicMessage]| json!(crate::set_up::shown(schema, messages));
    (json!({"listeners": of(&after.listeners), "clusters": of(&after.clusters)}), report)
}

/// Only the patch that is at fault is held back, only where it is, and the rest goes out.
#[test]
fn what_the_proxy_would_refuse_is_held_back_alone() {
    let schema = Schema::load_mesh().unwrap();
    let of = |name: &str| listener(name, u32::from(name.as_bytes()[0]), chains(json!([tcp()])));
    let base = json!({
        "listeners": [of("a"), of("z"), of("b")],
        "clusters": [{"name": "c"}, {"name": "d"}],
    });
    let named = |name: &str| json!({"listener": {"name": name}});
    let cluster = |name: &str| json!({"cluster": {"name": name}});
    let patches: Vec<Written> = vec![
        ("LISTENER", named("a"), "MERGE", json!({"stat_prefix": "kept"})),
        ("FILTER_CHAIN", named("a"), "REMOVE", Json::Null),
        ("LISTENER", json!({}), "MERGE", json!({"connection_balance_config": {"exact_balance": {}}})),
        ("NETWORK_FILTER", named("b"), "ADD", echo()),
        ("CLUSTER", cluster("c"), "MERGE", json!({"connect_timeout": "-1s"})),
        ("CLUSTER", cluster("c"), "MERGE", json!({"lb_policy": "RANDOM"})),
        ("CLUSTER", json!({}), "ADD", json!({"name": "d"})),
        ("CLUSTER", json!({}), "ADD", json!({"name": "new", "type": "STATIC", "lb_policy": "CLUSTER_PROVIDED"})),
        ("LISTENER", named("b"), "MERGE", json!({"name": "z"})),
        ("LISTENER", json!({}), "ADD", listener("same-address", u32::from(b'a'), chains(json!([tcp()])))),
    ];
    let (after, report) = held(&schema, &base, &patches);
    let listeners = &after["listeners"];
    assert_eq!(names(listeners), ["a", "z", "b"]);
    assert_eq!(
        (&listeners[0]["stat_prefix"], names(&listeners[0]["filter_chains"][0]["filters"])),
        (&json!("kept"), vec![TCP_NAME])
    );
    for index in [0, 1, 2] {
        assert!(listeners[index].get("connection_balance_config").is_some(), "{listeners}");
    }
    assert_eq!(names(&listeners[2]["filter_chains"][0]["filters"]), [TCP_NAME]);
    assert_eq!(after["clusters"], json!([{"name": "c", "lb_policy": "RANDOM"}, {"name": "d"}]));
    let causes: BTreeSet<&str> = report.refusals.iter().flat_map(|one| &one.caused_by).map(String::as_str).collect();
    for number in [1, 3, 4, 6, 7, 8, 9] {
        let cause = format!("not-default/test-{number:03} configPatches[0]");
        assert!(causes.contains(cause.as_str()), "{number}: {report}");
    }
    assert_eq!(causes.len(), 7, "{report}");
    assert!(report.refusals.iter().all(|refusal| refusal.held_back));
    let told = |number: usize| &report.envoy_filters[number].patches[0];
    assert_eq!((told(1).held_back.as_slice(), told(2).held_back.len()), (["listener a".to_owned()].as_slice(), 0));
    assert_eq!((told(2).hits.len(), told(0).hits.len()), (3, 1));
}

#[test]
fn what_was_faulty_before_is_not_the_fault_of_a_patch() {
    let schema = Schema::load_mesh().unwrap();
    let base = json!({"clusters": [{"name": "c", "connect_timeout": "-1s"}]});
    let (after, report) = held(&schema, &base, &[("CLUSTER", json!({}), "MERGE", json!({"lb_policy": "RANDOM"}))]);
    assert_eq!(after["clusters"][0]["lb_policy"], "RANDOM");
    assert_eq!(report.refusals, []);
}

/// A patch, why it does nothing, and what it may have meant.
type Row = (Written, &'static str, &'static [&'static str]);

fn in_listener(listener: Json) -> Json {
    json!({"listener": listener})
}

fn rows_of_listeners() -> Vec<Row> {
    vec![
        (
            ("LISTENER", in_listener(json!({"name": "10.0.0.9_6379"})), "REMOVE", Json::Null),
            "no listener is named 10.0.0.9_6379",
            &["10.0.0.7_6379 (to c)"],
        ),
        (
            ("LISTENER", in_listener(json!({"name": "10.0.0.7_6379", "portNumber": 6380})), "REMOVE", Json::Null),
            "listener 10.0.0.7_6379: its port is 6379, not 6380",
            &[],
        ),
        (
            ("LISTENER", in_listener(json!({"portNumber": 1})), "REMOVE", Json::Null),
            "no listener has port 1; their ports are 6379, 15006",
            &[],
        ),
        (
            ("LISTENER", json!({"context": "GATEWAY"}), "REMOVE", Json::Null),
            "this proxy has no listeners of context GATEWAY",
            &[],
        ),
    ]
}

fn rows_of_filters() -> Vec<Row> {
    let filter = |name: &str| json!({"filterChain": {"filter": {"name": name}}});
    vec![
        (
            ("NETWORK_FILTER", in_listener(filter("envoy.tcp_proxy")), "REPLACE", echo()),
            "no network filter is named envoy.tcp_proxy, which is an old name: it is envoy.filters.network.tcp_proxy now",
            &[TCP_NAME],
        ),
        (
            ("NETWORK_FILTER", in_listener(filter("envoy.filters.network.tcp_prox")), "REMOVE", Json::Null),
            "no network filter is named envoy.filters.network.tcp_prox, or an earlier patch took it; there are envoy.filters.network.tcp_proxy",
            &[TCP_NAME],
        ),
        (
            ("NETWORK_FILTER", in_listener(json!({"name": "10.0.0.7_6379"})), "REPLACE", echo()),
            "REPLACE of a NETWORK_FILTER needs its name in match.listener.filterChain.filter.name",
            &[],
        ),
        (
            ("HTTP_FILTER", json!({}), "INSERT_FIRST", json!({"name": "x"})),
            "no HTTP connection manager is named envoy.filters.network.http_connection_manager, or an earlier patch took it; there are envoy.filters.network.tcp_proxy",
            &[TCP_NAME],
        ),
        (
            ("LISTENER_FILTER", in_listener(json!({"listenerFilter": "x"})), "REMOVE", Json::Null),
            "there is no listener filter where the patch looks",
            &[],
        ),
        (
            ("NETWORK_FILTER", json!({}), "MERGE_AND_REPLACE_LIST", json!({})),
            "MERGE_AND_REPLACE_LIST does nothing with NETWORK_FILTER: use MERGE or REPLACE",
            &[],
        ),
    ]
}

fn rows_of_others() -> Vec<Row> {
    vec![
        (
            (
                "LISTENER",
                json!({"context": "SIDECAR_INBOUND", "listener": {"name": "10.0.0.7_6379"}}),
                "REMOVE",
                Json::Null,
            ),
            "listener 10.0.0.7_6379: it is of context SIDECAR_OUTBOUND, not SIDECAR_INBOUND",
            &[],
        ),
        (
            (
                "FILTER_CHAIN",
                json!({"context": "SIDECAR_INBOUND", "listener": {"portNumber": 80}}),
                "REMOVE",
                Json::Null,
            ),
            "no filter chain of the listeners that match is meant",
            &["virtualInbound chain \"6379\": its destination port is 6379, not 80"],
        ),
        (
            ("CLUSTER", json!({"cluster": {"service": "redis.ns.svc"}}), "REMOVE", Json::Null),
            "no cluster is for service redis.ns.svc",
            &["redis.ns.svc.cluster.local"],
        ),
        (
            (
                "CLUSTER",
                json!({"cluster": {"service": "redis.ns.svc.cluster.local", "portNumber": 1}}),
                "REMOVE",
                Json::Null,
            ),
            "there is no cluster of redis.ns.svc.cluster.local with port 1",
            &["outbound|6379||redis.ns.svc.cluster.local"],
        ),
        (
            ("CLUSTER", json!({"context": "SIDECAR_INBOUND"}), "MERGE", json!({})),
            "this proxy has no clusters of context SIDECAR_INBOUND",
            &[],
        ),
        (("CLUSTER", json!({}), "REPLACE", json!({})), "REPLACE does nothing with CLUSTER: use REMOVE and ADD", &[]),
        (
            ("EXTENSION_CONFIG", json!({}), "ADD", json!({})),
            "EXTENSION_CONFIG is served over ECDS to the filter that asks for it, not in what is patched here",
            &[],
        ),
        (
            ("HTTP_ROUTE", json!({"routeConfiguration": {"vhost": {"name": "web"}}}), "REMOVE", Json::Null),
            "no virtual host matches",
            &["web:80"],
        ),
        (
            ("ROUTE_CONFIGURATION", json!({"routeConfiguration": {"name": "81"}}), "MERGE", json!({})),
            "no route configuration matches: it is not named 81",
            &["80"],
        ),
    ]
}

/// Why a patch did nothing, and what it may have meant.
#[test]
fn nothing_is_silent() {
    let schema = Schema::load_mesh().unwrap();
    let mut inbound = listener(
        "virtualInbound",
        15006,
        json!([{"name": "6379", "filter_chain_match": {"destination_port": 6379}, "filters": [tcp()]}]),
    );
    inbound["traffic_direction"] = json!("INBOUND");
    let base = json!({
        "listeners": [listener("10.0.0.7_6379", 6379, chains(json!([tcp()]))), inbound],
        "clusters": [{"name": "outbound|6379||redis.ns.svc.cluster.local"}],
        "routes": [{"name": "80", "virtual_hosts": [{"name": "web:80", "routes": [{"name": "r"}]}]}],
    });
    for (written, nothing, nearest) in [rows_of_listeners(), rows_of_filters(), rows_of_others()].concat() {
        let (after, report) =
            outcome(&schema, &base, &each(&schema, std::slice::from_ref(&written)), &proxy(Role::Sidecar));
        let patch = &report.envoy_filters[0].patches[0];
        assert_eq!(
            (patch.nothing.as_deref(), patch.nearest.as_slice()),
            (Some(nothing), nearest.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>().as_slice()),
            "{written:?}"
        );
        assert_eq!(after["listeners"], base["listeners"]);
    }
}
