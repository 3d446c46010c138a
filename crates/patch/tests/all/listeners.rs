//! The cases of istiod's own test of listener patches: all patches are loaded together, so that each case shows as well
//! that the others do not interfere.

use crate::set_up::{Written, each, names, of_spec, outcome, proxy, typed};
use config::Schema;
use patch::proxy::Role;
use serde_json::{Value as Json, json};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const MANAGER_TYPE: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const REDIS: &str = "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";
const DOWNSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const FAULT: &str = "envoy.extensions.filters.http.fault.v3.HTTPFault";

fn filters(names: &[&str]) -> Json {
    names.iter().map(|name| json!({"name": name})).collect()
}

fn manager(names: &[&str]) -> Json {
    json!({"name": MANAGER, "typed_config": typed(MANAGER_TYPE, json!({"http_filters": filters(names)}))})
}

fn address(port: u32) -> Json {
    json!({"socket_address": {"address": "10.0.0.1", "port_value": port}})
}

fn listener(name: &str, port: u32, chains: Json) -> Json {
    json!({"name": name, "address": address(port), "filter_chains": chains})
}

fn redis(name: &str) -> Json {
    let config = json!({"stat_prefix": "redis_stats", "prefix_routes": {"catch_all_route": {"cluster": "custom-redis-cluster"}}});
    json!({"name": name, "typed_config": typed(REDIS, config)})
}

fn tls_params(config: Json) -> Json {
    let config = json!({"common_tls_context": {"tls_params": config}});
    json!({"name": "envoy.transport_sockets.tls", "typed_config": typed(DOWNSTREAM_TLS, config)})
}

fn alts() -> Json {
    let of = "type.googleapis.com/envoy.extensions.transport_sockets.alts.v3.Alts";
    let config = json!({"type_url": of, "value": {"handshaker_service": "1.2.3.4"}});
    json!({"name": "transport_sockets.alts", "typed_config": typed("udpa.type.v1.TypedStruct", config)})
}

fn on_port(port: u32) -> Json {
    json!({"listener": {"portNumber": port}})
}

/// A match of a network filter on a port, outbound.
fn filter_on(port: u32, name: &str) -> Json {
    json!({"context": "SIDECAR_OUTBOUND", "listener": {"portNumber": port, "filterChain": {"filter": {"name": name}}}})
}

/// A match of an HTTP filter in a listener.
fn sub_filter(context: &str, listener: Json, name: &str) -> Json {
    let mut listener = listener;
    listener["filterChain"]["filter"] = json!({"name": MANAGER, "subFilter": {"name": name}});
    json!({"context": context, "listener": listener})
}

fn with(matching: Json, key: &str, value: Json) -> Json {
    let mut matching = matching;
    matching[key] = value;
    matching
}

/// Of every context, as they are loaded together.
fn patches() -> Vec<Written> {
    [patches_of_12345(), patches_of_others(), patches_of_other_contexts()].concat()
}

fn outbound(listener: Json) -> Json {
    json!({"context": "SIDECAR_OUTBOUND", "listener": listener})
}

fn patches_of_12345() -> Vec<Written> {
    let listener_filter = |name: &str| outbound(json!({"portNumber": 12345, "listenerFilter": name}));
    let proxy_protocol = "envoy.filters.listener.proxy_protocol";
    let version = |text: &str| json!({"proxyVersion": text});
    let tls_13 = json!({"transport_socket": tls_params(json!({
        "tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"
    }))});
    vec![
        // L1
        (
            "LISTENER",
            json!({"context": "SIDECAR_OUTBOUND", "proxy": {"metadata": {"foo": "sidecar"}}}),
            "ADD",
            json!({"name": "new-outbound-listener1"}),
        ),
        // L2, L3, L4
        (
            "NETWORK_FILTER",
            with(filter_on(12345, "filter1"), "proxy", version(r"^1\.[2-9](.*?)$")),
            "INSERT_BEFORE",
            json!({"name": "filter0"}),
        ),
        (
            "NETWORK_FILTER",
            with(outbound(json!({"portNumber": 12345})), "proxy", version(r"^1\.[5-9](.*?)$")),
            "INSERT_FIRST",
            json!({"name": "filter0"}),
        ),
        ("NETWORK_FILTER", filter_on(12345, "filter2"), "REMOVE", Json::Null),
        // L5, L6
        (
            "FILTER_CHAIN",
            outbound(json!({"portNumber": 12345, "filterChain": {"applicationProtocols": "http/1.1"}})),
            "REMOVE",
            Json::Null,
        ),
        (
            "FILTER_CHAIN",
            outbound(json!({"portNumber": 12345, "filterChain": {"transportProtocol": "tls"}})),
            "MERGE",
            tls_13,
        ),
        // L7 to L11
        ("LISTENER_FILTER", outbound(json!({"portNumber": 12345})), "REMOVE", Json::Null),
        (
            "LISTENER_FILTER",
            outbound(json!({"portNumber": 12345})),
            "ADD",
            json!({"name": "http-filter-to-be-removed-then-add"}),
        ),
        ("LISTENER_FILTER", outbound(json!({"portNumber": 12345})), "ADD", json!({"name": proxy_protocol})),
        ("LISTENER_FILTER", listener_filter(proxy_protocol), "INSERT_BEFORE", json!({"name": "before proxy_protocol"})),
        ("LISTENER_FILTER", listener_filter(proxy_protocol), "INSERT_AFTER", json!({"name": "after proxy_protocol"})),
    ]
}

fn patches_of_others() -> Vec<Written> {
    let op_timeout = json!({"typed_config": typed(REDIS, json!({"settings": {"op_timeout": "0.2s"}}))});
    vec![
        // L12, L13, L14
        (
            "NETWORK_FILTER",
            with(filter_on(6379, "filter1"), "context", json!("ANY")),
            "REPLACE",
            redis("envoy.redis_proxy"),
        ),
        (
            "NETWORK_FILTER",
            json!({"listener": {"filterChain": {"filter": {"name": "envoy.filters.network.redis_proxy"}}}}),
            "MERGE",
            op_timeout,
        ),
        ("NETWORK_FILTER", filter_on(6380, "not-there"), "REPLACE", redis("envoy.redis_proxy")),
        // L15 to L18
        (
            "NETWORK_FILTER",
            filter_on(6381, "default-network-filter"),
            "REPLACE",
            json!({"name": "default-network-filter-replaced"}),
        ),
        ("NETWORK_FILTER", filter_on(6381, "default-network-filter-removed"), "REMOVE", Json::Null),
        (
            "LISTENER_FILTER",
            outbound(json!({"portNumber": 6381, "listenerFilter": "filter-to-be-removed"})),
            "REMOVE",
            Json::Null,
        ),
        (
            "LISTENER_FILTER",
            outbound(json!({"portNumber": 6381, "listenerFilter": "filter-before-replace"})),
            "REPLACE",
            json!({"name": "filter-after-replace"}),
        ),
        // L19, L20
        (
            "HTTP_FILTER",
            sub_filter(
                "SIDECAR_OUTBOUND",
                json!({"name": "listener-http-filter-to-be-replaced"}),
                "http-filter-to-be-replaced",
            ),
            "REPLACE",
            json!({"name": "http-filter-replaced"}),
        ),
        (
            "HTTP_FILTER",
            sub_filter(
                "SIDECAR_OUTBOUND",
                json!({"name": "listener-http-filter-to-be-replaced-not-found"}),
                "not-there",
            ),
            "REPLACE",
            json!({"name": "http-filter-replaced"}),
        ),
        // L21, L22
        ("FILTER_CHAIN", outbound(json!({"portNumber": 7777})), "MERGE", json!({"transport_socket": alts()})),
        ("FILTER_CHAIN", outbound(json!({"portNumber": 7778})), "MERGE", json!({"transport_socket": alts()})),
    ]
}

fn patches_of_other_contexts() -> Vec<Written> {
    vec![
        // L23: of other contexts
        ("LISTENER", with(on_port(12345), "context", json!("SIDECAR_INBOUND")), "REMOVE", Json::Null),
        ("LISTENER", with(on_port(80), "context", json!("SIDECAR_INBOUND")), "MERGE", json!({})),
        (
            "FILTER_CHAIN",
            json!({"context": "SIDECAR_INBOUND", "listener": {"portNumber": 80, "filterChain": {"transportProtocol": "tls"}}}),
            "REMOVE",
            Json::Null,
        ),
        // G1 to G4
        (
            "LISTENER",
            with(on_port(80), "context", json!("GATEWAY")),
            "MERGE",
            json!({"listener_filters": [{"name": "foo"}]}),
        ),
        (
            "FILTER_CHAIN",
            json!({"context": "GATEWAY", "listener": {"portNumber": 80, "filterChain": {"sni": "*.foo.com"}}}),
            "MERGE",
            json!({"filter_chain_match": {"server_names": ["foo.com"]}}),
        ),
        (
            "HTTP_FILTER",
            sub_filter("GATEWAY", json!({"portNumber": 80, "filterChain": {"sni": "*.foo.com"}}), "http-filter2"),
            "INSERT_AFTER",
            json!({"name": "http-filter3"}),
        ),
        (
            "HTTP_FILTER",
            sub_filter("GATEWAY", json!({"portNumber": 80}), "http-filter-to-be-removed-then-add"),
            "REMOVE",
            Json::Null,
        ),
        (
            "HTTP_FILTER",
            sub_filter("GATEWAY", json!({"portNumber": 80}), "http-filter-to-be-removed-then-add"),
            "ADD",
            json!({"name": "http-filter-to-be-removed-then-add"}),
        ),
    ]
}

/// The three chains of `12345`: with a TLS socket, for HTTP, with two filters.
fn three_chains(socket: Json) -> Json {
    json!([
        {"filter_chain_match": {"transport_protocol": "tls"}, "transport_socket": socket, "filters": filters(&["envoy.transport_sockets.tls"])},
        {"filter_chain_match": {"application_protocols": ["http/1.1", "h2c"]}, "filters": filters(&["filter1"])},
        {"filters": filters(&["filter1", "filter2"])},
    ])
}

fn outbound_listeners() -> Json {
    let old_tls = tls_params(json!({"ecdh_curves": ["X25519"], "tls_maximum_protocol_version": "TLSv1_1"}));
    let mut with_default = listener("default-filter-chain", 6381, json!([{"filters": filters(&["network-filter"])}]));
    with_default["default_filter_chain"] =
        json!({"filters": filters(&["default-network-filter", "default-network-filter-removed"])});
    with_default["listener_filters"] = filters(&["filter-to-be-removed", "filter-before-replace"]);
    let timeout = json!({"name": "envoy.filters.network.redis_proxy", "typed_config": typed(REDIS, json!({"settings": {"op_timeout": "5s"}}))});
    json!([
        listener("12345", 12345, three_chains(old_tls)),
        listener("network-filter-to-be-replaced", 6379, json!([{"filters": filters(&["filter1", "filter2"])}])),
        {"name": "redis-proxy", "filter_chains": [{"filter_chain_match": {"destination_port": 9999}, "filters": [timeout]}]},
        listener("network-filter-to-be-replaced-not-found", 6380, json!([{"filters": filters(&["network-filter-should-not-be-replaced"])}])),
        with_default,
        {"name": "another-listener"},
        {"name": "listener-http-filter-to-be-replaced", "filter_chains": [{"filters": [manager(&["http-filter-to-be-replaced", "another-http-filter"])]}]},
        {"name": "listener-http-filter-to-be-replaced-not-found", "filter_chains": [{"filters": [manager(&["http-filter-should-not-be-replaced", "another-http-filter"])]}]},
        listener("custom-tls-replacement", 7777, json!([{"transport_socket": tls_params(json!({})), "filters": filters(&["filter"])}])),
        listener("custom-tls-addition", 7778, json!([{"filters": filters(&["filter"])}])),
    ])
}

fn of_chain(listener: &Json, chain: usize) -> Vec<&str> {
    names(&listener["filter_chains"][chain]["filters"])
}

fn http_filters(filter: &Json) -> Vec<&str> {
    names(&filter["typed_config"]["http_filters"])
}

fn the_chains_of_12345(listener: &Json, params: &Json) {
    // L2, L3, L4, L5: the chain for HTTP is gone.
    assert_eq!(listener["filter_chains"].as_array().unwrap().len(), 2);
    assert_eq!(of_chain(listener, 0), ["envoy.transport_sockets.tls"]);
    assert_eq!(of_chain(listener, 1), ["filter0", "filter1"]);
    // L6
    let socket = &listener["filter_chains"][0]["transport_socket"];
    assert_eq!(socket["typed_config"]["common_tls_context"]["tls_params"], *params);
    // L7 to L11
    let proxy_protocol = "envoy.filters.listener.proxy_protocol";
    let expected =
        ["http-filter-to-be-removed-then-add", "before proxy_protocol", proxy_protocol, "after proxy_protocol"];
    assert_eq!(names(&listener["listener_filters"]), expected);
}

#[test]
fn sidecar_outbound() {
    let schema = Schema::load_mesh().unwrap();
    let base = json!({"listeners": outbound_listeners()});
    let (after, _) = outcome(&schema, &base, &each(&schema, &patches()), &proxy(Role::Sidecar));
    let after = &after["listeners"];
    // L1
    let mut expected = names(&base["listeners"]);
    expected.push("new-outbound-listener1");
    assert_eq!(names(after), expected);
    assert_eq!(after[10], json!({"name": "new-outbound-listener1"}));
    let params = json!({"ecdh_curves": ["X25519"], "tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"});
    the_chains_of_12345(&after[0], &params);
    // L12
    assert_eq!(of_chain(&after[1], 0), ["envoy.redis_proxy", "filter2"]);
    assert_eq!(after[1]["filter_chains"][0]["filters"][0], redis("envoy.redis_proxy"));
    // L13: a duration is replaced whole
    assert_eq!(after[2]["filter_chains"][0]["filters"][0]["typed_config"]["settings"], json!({"op_timeout": "0.200s"}));
    // L14
    assert_eq!(after[3], base["listeners"][3]);
    // L15 to L18
    assert_eq!(names(&after[4]["default_filter_chain"]["filters"]), ["default-network-filter-replaced"]);
    assert_eq!(of_chain(&after[4], 0), ["network-filter"]);
    assert_eq!(names(&after[4]["listener_filters"]), ["filter-after-replace"]);
    assert_eq!(after[5], base["listeners"][5]);
    // L19, L20
    assert_eq!(
        http_filters(&after[6]["filter_chains"][0]["filters"][0]),
        ["http-filter-replaced", "another-http-filter"]
    );
    assert_eq!(after[7], base["listeners"][7]);
    // L21, L22
    assert_eq!(after[8]["filter_chains"][0]["transport_socket"], alts());
    assert_eq!(after[9]["filter_chains"][0]["transport_socket"], alts());
}

/// istiod patches its virtual listeners one at a time without adding anything; here all listeners are patched together
/// and a listener is added once.
#[test]
fn what_is_added_is_added_once() {
    let schema = Schema::load_mesh().unwrap();
    let listeners = json!([
        listener("12345", 12345, three_chains(tls_params(json!({})))),
        {"name": "another-listener"},
        {"name": "virtualOutbound"},
        {"name": "virtualInbound", "traffic_direction": "INBOUND"},
    ]);
    let (after, _) =
        outcome(&schema, &json!({"listeners": listeners}), &each(&schema, &patches()), &proxy(Role::Sidecar));
    let expected = ["12345", "another-listener", "new-outbound-listener1", "virtualOutbound", "virtualInbound"];
    assert_eq!(names(&after["listeners"]), expected);
    let params = json!({"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"});
    the_chains_of_12345(&after["listeners"][0], &params);
    let inbound =
        |context: &str| each(&schema, &[("LISTENER", json!({"context": context}), "ADD", json!({"name": "new"}))]);
    let listeners = json!({"listeners": [{"name": "a"}, {"name": "virtualOutbound"}, {"name": "virtualInbound"}]});
    for (context, expected) in [
        ("ANY", vec!["a", "new", "virtualOutbound", "virtualInbound"]),
        ("SIDECAR_INBOUND", vec!["a", "virtualOutbound", "virtualInbound", "new"]),
        ("GATEWAY", vec!["a", "virtualOutbound", "virtualInbound"]),
    ] {
        let (after, _) = outcome(&schema, &listeners, &inbound(context), &proxy(Role::Sidecar));
        assert_eq!(names(&after["listeners"]), expected, "{context}");
    }
}

#[test]
fn gateway() {
    let schema = Schema::load_mesh().unwrap();
    let chain =
        |names: &[&str], filter: Json| json!([{"filter_chain_match": {"server_names": names}, "filters": [filter]}]);
    let base = json!({"listeners": [
        listener("80", 80, chain(&["match.com", "*.foo.com"], manager(&["http-filter1", "http-filter2"]))),
        listener("another-listener", 443, chain(&["nomatch.com", "*.foo.com"], json!({"name": "network-filter"}))),
    ]});
    let (after, _) = outcome(&schema, &base, &each(&schema, &patches()), &proxy(Role::Router));
    let first = &after["listeners"][0];
    // G1, G2
    assert_eq!(names(&first["listener_filters"]), ["foo"]);
    let matching = &first["filter_chains"][0]["filter_chain_match"];
    assert_eq!(matching["server_names"], json!(["match.com", "*.foo.com", "foo.com"]));
    // G3, G4
    let expected = ["http-filter1", "http-filter2", "http-filter3", "http-filter-to-be-removed-then-add"];
    assert_eq!(http_filters(&first["filter_chains"][0]["filters"][0]), expected);
    // G5
    assert_eq!(after["listeners"][1], base["listeners"][1]);
}

#[test]
fn gateway_with_priority() {
    let schema = Schema::load_mesh().unwrap();
    let inspector = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    let named = "envoy.filters.listener.tls_inspector";
    let base = json!({"listeners": [{
        "name": "80", "address": address(80), "filter_chains": [{"filters": [manager(&[])]}],
        "listener_filters": [{"name": named, "typed_config": typed(inspector, json!({}))}],
    }]});
    let of = |name: &str, priority: i32, written: Written| {
        let mut spec = crate::set_up::spec(&written);
        spec["priority"] = json!(priority);
        of_spec(&schema, name, &spec)
    };
    let http =
        |operation, value| ("HTTP_FILTER", sub_filter("GATEWAY", json!({"portNumber": 80}), "X"), operation, value);
    let bigger = json!({"name": named, "typed_config": typed(inspector, json!({"initialReadBufferSize": 8192}))});
    let on_80 = json!({"context": "GATEWAY", "listener": {"portNumber": 80, "listenerFilter": named}});
    let filters = [
        of("a", 2, http("ADD", json!({"name": "X"}))),
        of("b", 1, http("REMOVE", Json::Null)),
        of("c", 0, ("LISTENER_FILTER", on_80, "MERGE", bigger)),
    ];
    let (after, _) = outcome(&schema, &base, &filters, &proxy(Role::Router));
    let listener = &after["listeners"][0];
    assert_eq!(http_filters(&listener["filter_chains"][0]["filters"][0]), ["X"]);
    assert_eq!(listener["listener_filters"][0]["typed_config"]["initial_read_buffer_size"], 8192);
}

fn inbound_patches() -> Vec<Written> {
    let on_80 = |name: &str| sub_filter("SIDECAR_INBOUND", json!({"portNumber": 80}), name);
    let anywhere = |name: &str| sub_filter("SIDECAR_INBOUND", json!({}), name);
    let manager_on_80 = json!({"context": "SIDECAR_INBOUND", "listener": {"portNumber": 80, "filterChain": {"filter": {"name": MANAGER}}}});
    let chain_named = |filter: &str| json!({"context": "SIDECAR_INBOUND", "listener": {"filterChain": {"name": "filter-chain-name-match", "filter": {"name": filter}}}});
    let inbound_port = |port: u32| json!({"context": "SIDECAR_INBOUND", "listener": {"portNumber": port}});
    let alpn = |protocols: [&str; 2]| {
        let config = json!({"common_tls_context": {"alpn_protocols": protocols}});
        json!({"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": typed(DOWNSTREAM_TLS, config)}})
    };
    let to_6380 = json!({"context": "SIDECAR_INBOUND", "listener": {"name": "virtualInbound", "filterChain": {
        "destinationPort": 6380, "filter": {"name": "network-filter-to-be-replaced"}
    }}});
    let doubled = typed(
        &format!("type.googleapis.com/{MANAGER_TYPE}"),
        json!({
            "xffNumTrustedHops": "4", "mergeSlashes": true, "alwaysSetRequestIdInResponse": true
        }),
    );
    let fault = |config: Json| json!({"typed_config": typed(FAULT, config)});
    vec![
        ("HTTP_FILTER", on_80("http-filter2"), "INSERT_BEFORE", json!({"name": "http-filter3"})),
        ("HTTP_FILTER", on_80("http-filter2"), "INSERT_AFTER", json!({"name": "http-filter4"})),
        ("HTTP_FILTER", on_80("http-filter2"), "INSERT_AFTER", json!({"name": "http-filter-5"})),
        (
            "HTTP_FILTER",
            with(inbound_port(80), "context", json!("SIDECAR_INBOUND")),
            "INSERT_FIRST",
            json!({"name": "http-filter0"}),
        ),
        ("HTTP_FILTER", on_80("http-filter-to-be-removed"), "REMOVE", Json::Null),
        ("HTTP_FILTER", on_80("http-filter-to-be-removed-then-add"), "REMOVE", Json::Null),
        (
            "HTTP_FILTER",
            on_80("http-filter-to-be-removed-then-add"),
            "ADD",
            json!({"name": "http-filter-to-be-removed-then-add"}),
        ),
        ("HTTP_FILTER", anywhere("http-filter3"), "INSERT_BEFORE", json!({"name": "http-filter-to-be-removed2"})),
        ("HTTP_FILTER", anywhere("http-filter-to-be-removed2"), "REMOVE", Json::Null),
        ("HTTP_FILTER", on_80("envoy.filters.http.fault"), "MERGE", fault(json!({"upstream_cluster": "scooby"}))),
        ("HTTP_FILTER", on_80("envoy.filters.http.fault"), "MERGE", fault(json!({"downstreamNodes": ["foo"]}))),
        ("NETWORK_FILTER", manager_on_80, "MERGE", json!({"name": MANAGER, "typed_config": doubled})),
        ("FILTER_CHAIN", inbound_port(80), "MERGE", alpn(["h2-80", "http/1.1-80"])),
        ("FILTER_CHAIN", inbound_port(6380), "MERGE", alpn(["h2-6380", "http/1.1-6380"])),
        ("NETWORK_FILTER", to_6380, "REPLACE", redis("envoy.redis_proxy")),
        ("NETWORK_FILTER", chain_named("custom-network-filter-2"), "REMOVE", Json::Null),
        (
            "NETWORK_FILTER",
            chain_named("custom-network-filter-1"),
            "INSERT_BEFORE",
            json!({"name": "network-filter-to-be-removed"}),
        ),
        ("NETWORK_FILTER", chain_named("network-filter-to-be-removed"), "REMOVE", Json::Null),
        (
            "FILTER_CHAIN",
            json!({"context": "SIDECAR_INBOUND", "listener": {"portNumber": 80, "filterChain": {"transportProtocol": "tls"}}}),
            "REMOVE",
            Json::Null,
        ),
    ]
}

#[test]
fn sidecar_inbound_virtual() {
    let schema = Schema::load_mesh().unwrap();
    let port = |port: u32| json!({"destination_port": port});
    let mut with_fault = manager(&["envoy.filters.http.fault", "http-filter2", "http-filter-to-be-removed"]);
    with_fault["typed_config"]["http_filters"][0]["typed_config"] = typed(FAULT, json!({"upstream_cluster": "foobar"}));
    let black_hole = typed(
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        json!({"stat_prefix": "b", "cluster": "BlackHoleCluster"}),
    );
    let two = filters(&["custom-network-filter-1", "custom-network-filter-2"]);
    let base = json!({"listeners": [listener("virtualInbound", 15006, json!([
        {"name": "virtualInbound-blackhole", "filter_chain_match": port(15006), "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": black_hole}]},
        {"filter_chain_match": port(80), "filters": [with_fault]},
        {"filter_chain_match": {"address_suffix": "0.0.0.0"}, "filters": filters(&["network-filter-should-not-be-replaced"])},
        {"filter_chain_match": port(6380), "filters": filters(&["network-filter-to-be-replaced"])},
        {"name": "filter-chain-name-not-match", "filters": two},
        {"name": "filter-chain-name-match", "filters": two},
        {"name": "catch-all", "filters": [manager(&["base"])]},
    ]))]});
    let (after, _) = outcome(&schema, &base, &each(&schema, &inbound_patches()), &proxy(Role::Sidecar));
    let (before, after) = (&base["listeners"][0]["filter_chains"], &after["listeners"][0]["filter_chains"]);
    // V1
    let manager = &after[1]["filters"][0];
    let expected = [
        "http-filter0",
        "envoy.filters.http.fault",
        "http-filter3",
        "http-filter2",
        "http-filter-5",
        "http-filter4",
        "http-filter-to-be-removed-then-add",
    ];
    assert_eq!(http_filters(manager), expected);
    // V2
    let fault = &manager["typed_config"]["http_filters"][1]["typed_config"];
    assert_eq!((&fault["upstream_cluster"], &fault["downstream_nodes"]), (&json!("scooby"), &json!(["foo"])));
    // V3
    let config = &manager["typed_config"];
    assert_eq!(config["xff_num_trusted_hops"], 4);
    assert_eq!((&config["merge_slashes"], &config["always_set_request_id_in_response"]), (&json!(true), &json!(true)));
    assert!(after[6]["filters"][0]["typed_config"]["merge_slashes"].is_null());
    // V4
    let alpn = |chain: usize| &after[chain]["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"];
    assert_eq!((alpn(1), alpn(3)), (&json!(["h2-80", "http/1.1-80"]), &json!(["h2-6380", "http/1.1-6380"])));
    // V5
    assert_eq!(after[3]["filters"], json!([redis("envoy.redis_proxy")]));
    // V6, V7
    assert_eq!((names(&after[5]["filters"]), &after[4]), (vec!["custom-network-filter-1"], &before[4]));
    // V8, V9
    assert_eq!(after.as_array().unwrap().len(), 7);
    for untouched in [0, 2, 6] {
        assert_eq!(after[untouched], before[untouched]);
    }
}
