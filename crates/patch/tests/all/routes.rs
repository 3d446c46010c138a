//! The cases of istiod's own test of route patches.

use crate::set_up::{Written, each, names, outcome, proxy, typed};
use config::Schema;
use patch::proxy::Role;
use serde_json::{Value as Json, json};

fn of_vhost(vhost: Json) -> Json {
    json!({"context": "SIDECAR_OUTBOUND", "routeConfiguration": {"portNumber": 80, "vhost": vhost}})
}

fn of_route(route: Json) -> Json {
    of_vhost(json!({"name": "vhost1", "route": route}))
}

fn route(name: &str) -> Json {
    json!({"name": name, "match": {"prefix": "/"}, "route": {"cluster": "c"}})
}

fn base() -> Json {
    let redirect = json!({"name": "bar", "match": {"prefix": "/"}, "redirect": {"host_redirect": "x"}});
    json!({"routes": [
        {"name": "80", "request_headers_to_remove": ["h1"], "virtual_hosts": [
            {"name": "vhost1", "domains": ["domain"], "routes": [route("route1.0"), route("route2.0"), redirect, route("route3.0")]},
            {"name": "allow_any", "domains": ["*"]},
            {"name": "vhost3", "domains": ["other"]},
        ]},
        {"name": "9090", "virtual_hosts": [{"name": "vhost1", "domains": ["domain"]}]},
    ]})
}

fn patches() -> Vec<Written> {
    let anywhere = json!({"context": "SIDECAR_OUTBOUND", "routeConfiguration": {"portNumber": 80}});
    let new = json!({"name": "new-vhost", "domains": ["new"]});
    vec![
        ("ROUTE_CONFIGURATION", anywhere.clone(), "MERGE", json!({"request_headers_to_remove": ["h2", "h3"]})),
        ("HTTP_ROUTE", of_route(json!({"action": "ROUTE"})), "MERGE", json!({"route": {"prefix_rewrite": "/foo"}})),
        ("HTTP_ROUTE", of_route(json!({"name": "bar"})), "REMOVE", Json::Null),
        ("VIRTUAL_HOST", of_vhost(json!({"name": "allow_any"})), "REMOVE", Json::Null),
        ("VIRTUAL_HOST", anywhere.clone(), "ADD", new),
        (
            "VIRTUAL_HOST",
            json!({"context": "ANY", "routeConfiguration": {"portNumber": 80}}),
            "MERGE",
            json!({"domains": ["domain:80"]}),
        ),
        ("VIRTUAL_HOST", of_vhost(json!({"domainName": "other"})), "REPLACE", json!({"name": "vhost3-replaced"})),
        ("HTTP_ROUTE", of_vhost(json!({"name": "vhost1"})), "INSERT_FIRST", route("route0.0")),
        ("HTTP_ROUTE", of_route(json!({"name": "route2.0"})), "INSERT_BEFORE", route("route1.5")),
        ("HTTP_ROUTE", of_route(json!({"name": "route2.0"})), "INSERT_AFTER", route("route2.5")),
        ("HTTP_ROUTE", of_vhost(json!({"name": "vhost1"})), "ADD", route("route4.0")),
        (
            "ROUTE_CONFIGURATION",
            json!({"context": "GATEWAY"}),
            "MERGE",
            json!({"most_specific_header_mutations_wins": true}),
        ),
    ]
}

#[test]
fn sidecar_outbound() {
    let schema = Schema::load_mesh().unwrap();
    let (after, _) = outcome(&schema, &base(), &each(&schema, &patches()), &proxy(Role::Sidecar));
    let first = &after["routes"][0];
    assert_eq!(first["request_headers_to_remove"], json!(["h1", "h2", "h3"]));
    assert_eq!(names(&first["virtual_hosts"]), ["vhost1", "vhost3-replaced", "new-vhost"]);
    let host = &first["virtual_hosts"][0];
    let expected = ["route0.0", "route1.0", "route1.5", "route2.0", "route2.5", "route3.0", "route4.0"];
    assert_eq!(names(&host["routes"]), expected);
    assert_eq!(host["routes"][1]["route"]["prefix_rewrite"], "/foo");
    assert!(host["routes"][0]["route"].get("prefix_rewrite").is_none());
    assert_eq!(host["domains"], json!(["domain", "domain:80"]));
    // What is added is not merged any more.
    assert_eq!(first["virtual_hosts"][2]["domains"], json!(["new"]));
    assert_eq!(after["routes"][1], base()["routes"][1]);
}

#[test]
fn lists_are_appended_or_replaced() {
    let schema = Schema::load_mesh().unwrap();
    for (operation, expected) in [("MERGE", json!(["domain", "x"])), ("MERGE_AND_REPLACE_LIST", json!(["x"]))] {
        let filters = each(
            &schema,
            &[("VIRTUAL_HOST", of_vhost(json!({"name": "vhost1"})), operation, json!({"domains": ["x"]}))],
        );
        let (after, _) = outcome(&schema, &base(), &filters, &proxy(Role::Sidecar));
        assert_eq!(after["routes"][0]["virtual_hosts"][0]["domains"], expected);
    }
}

#[test]
fn gateways_are_matched_by_port_and_name() {
    let schema = Schema::load_mesh().unwrap();
    let base = json!({"routes": [{"name": "http.80"}, {"name": "https.443.https.gw.ns"}]});
    for (matching, expected) in [
        (json!({"portNumber": 80}), [true, false]),
        (json!({"portNumber": 443, "portName": "https", "gateway": "ns/gw"}), [false, true]),
        (json!({"gateway": "ns/other"}), [false, false]),
        (json!({"name": "http.80"}), [true, false]),
        (json!({}), [true, true]),
    ] {
        let matching_gateway = json!({"context": "GATEWAY", "routeConfiguration": matching});
        let filters = each(
            &schema,
            &[("ROUTE_CONFIGURATION", matching_gateway, "MERGE", json!({"request_headers_to_remove": ["x"]}))],
        );
        let (after, _) = outcome(&schema, &base, &filters, &proxy(Role::Router));
        let hit = [0, 1].map(|index: usize| after["routes"][index].get("request_headers_to_remove").is_some());
        assert_eq!(hit, expected, "{matching}");
    }
}

/// istiod patches the routes that stand inside an inbound listener when it makes them.
#[test]
fn inbound_routes_stand_in_the_listener() {
    let schema = Schema::load_mesh().unwrap();
    let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let listener = |name: &str| {
        let config = typed(manager, json!({"route_config": {"name": "inbound|80||"}}));
        json!({"name": name, "filter_chains": [{"filters": [{"name": "h", "typed_config": config}]}]})
    };
    let base = json!({"listeners": [listener("virtualInbound"), listener("10.0.0.1_80")]});
    let matching = json!({"context": "SIDECAR_INBOUND", "routeConfiguration": {"portNumber": 80}});
    let filters =
        each(&schema, &[("ROUTE_CONFIGURATION", matching, "MERGE", json!({"request_headers_to_remove": ["x"]}))]);
    let (after, _) = outcome(&schema, &base, &filters, &proxy(Role::Sidecar));
    let routes =
        |index: usize| &after["listeners"][index]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"];
    assert_eq!(routes(0)["request_headers_to_remove"], json!(["x"]));
    assert_eq!(after["listeners"][1], base["listeners"][1]);
}
