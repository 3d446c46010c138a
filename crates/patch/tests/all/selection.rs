//! Which `EnvoyFilter`s concern a proxy, and in which order.

use crate::set_up::{names, outcome, proxy};
use config::Schema;
use patch::proxy::Role;
use patch::{EnvoyFilter, ProxyInfo, filter};
use serde_json::{Value as Json, json};

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// An `EnvoyFilter` that adds a cluster of its own name.
fn adds(schema: &Schema, namespace: &str, name: &str, metadata: Json, spec: Json) -> EnvoyFilter {
    let (mut metadata, mut spec) = (metadata, spec);
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(namespace);
    if spec["configPatches"].is_null() {
        spec["configPatches"] = json!([{"applyTo": "CLUSTER", "patch": {"operation": "ADD", "value": {"name": name}}}]);
    }
    filter::read(schema, &json!({"kind": "EnvoyFilter", "metadata": metadata, "spec": spec})).unwrap()
}

fn order(schema: &Schema, filters: &[EnvoyFilter], proxy: &ProxyInfo) -> Vec<String> {
    let (after, report) = outcome(schema, &json!({}), filters, proxy);
    let added: Vec<String> = names(&after["clusters"]).into_iter().map(str::to_owned).collect();
    let concerned = report.envoy_filters.iter().filter(|filter| filter.not_for_this_proxy.is_none());
    assert_eq!(added, concerned.map(|filter| filter.name.clone()).collect::<Vec<_>>());
    added
}

fn in_namespace(namespace: &str, labels: &[(&str, &str)]) -> ProxyInfo {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ProxyInfo { namespace: namespace.to_owned(), labels, ..proxy(Role::Sidecar) }
}

#[test]
fn priorities_in_one_namespace() {
    let schema = Schema::load_mesh().unwrap();
    let of = |name: &str, priority: i32, created: &str| {
        adds(&schema, "not-default", name, json!({"creationTimestamp": created}), json!({"priority": priority}))
    };
    let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let filters = [
        of("a20", 20, new),
        of("b20", 20, old),
        of("b10", 10, old),
        of("a10", 10, old),
        of("zero", 0, new),
        of("m1", -1, old),
        of("m10", -10, new),
    ];
    assert_eq!(order(&schema, &filters, &proxy(Role::Sidecar)), ["m10", "m1", "zero", "a10", "b10", "b20", "a20"]);
}

#[test]
fn the_root_namespace_goes_first_unless_priority_says_otherwise() {
    let schema = Schema::load_mesh().unwrap();
    let root = |priority: i32| {
        let created = json!({"creationTimestamp": "2026-01-03T00:00:00Z"});
        adds(&schema, "istio-system", "z-root", created, json!({"priority": priority}))
    };
    let own = || adds(&schema, "not-default", "a-own", json!({"creationTimestamp": "2026-01-01T00:00:00Z"}), json!({}));
    assert_eq!(order(&schema, &[own(), root(0)], &proxy(Role::Sidecar)), ["z-root", "a-own"]);
    assert_eq!(order(&schema, &[root(1), own()], &proxy(Role::Sidecar)), ["a-own", "z-root"]);
    // A proxy in the root namespace gets it once.
    assert_eq!(order(&schema, &[own(), root(0)], &in_namespace("istio-system", &[])), ["z-root"]);
}

#[test]
fn who_is_concerned() {
    let schema = Schema::load_mesh().unwrap();
    let versioned = json!([{
        "applyTo": "CLUSTER", "match": {"proxy": {"proxyVersion": r"1\.4.*"}},
        "patch": {"operation": "ADD", "value": {"name": "own"}}
    }]);
    let metadata = json!([{
        "applyTo": "CLUSTER", "match": {"proxy": {"metadata": {"foo": "sidecar", "bar": "proxy"}}},
        "patch": {"operation": "ADD", "value": {"name": "root"}}
    }]);
    let filters = [
        adds(&schema, "istio-system", "root", json!({}), json!({"configPatches": metadata})),
        adds(
            &schema,
            "not-default",
            "own",
            json!({}),
            json!({"workloadSelector": {"labels": {"app": "v1"}}, "configPatches": versioned}),
        ),
    ];
    let clusters = |proxy: &ProxyInfo| {
        let (after, report) = outcome(&schema, &json!({}), &filters, proxy);
        let told = report.envoy_filters.iter().all(|filter| {
            filter.not_for_this_proxy.is_some()
                || filter.patches.iter().all(|patch| patch.nothing.is_some() == patch.hits.is_empty())
        });
        assert!(told, "{report}");
        names(&after["clusters"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let v1 = in_namespace("not-default", &[("app", "v1")]);
    let with_version = |version: &str| ProxyInfo { version: version.to_owned(), ..v1.clone() };
    assert_eq!(clusters(&with_version("1.4.0")), ["root", "own"]);
    assert_eq!(clusters(&with_version("1.5.0")), ["root"]);
    assert_eq!(clusters(&with_version("")), ["root"]);
    assert_eq!(clusters(&ProxyInfo { labels: Default::default(), ..with_version("1.4.0") }), ["root"]);
    assert_eq!(clusters(&ProxyInfo { namespace: "istio-system".into(), ..with_version("1.4.0") }), ["root"]);
    assert_eq!(clusters(&ProxyInfo { metadata: Default::default(), ..with_version("1.5.0") }), Vec::<String>::new());
}

#[test]
fn target_refs_are_for_gateways_and_waypoints() {
    let schema = Schema::load_mesh().unwrap();
    let to = |kind: &str, name: &str| json!({"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": kind, "name": name}]});
    let filters = [
        adds(&schema, "not-default", "mine", json!({}), to("Gateway", "g")),
        adds(&schema, "not-default", "other", json!({}), to("Gateway", "h")),
        adds(&schema, "not-default", "selected", json!({}), json!({"workloadSelector": {"labels": {"app": "x"}}})),
        adds(&schema, "istio-system", "class", json!({}), to("GatewayClass", "istio-waypoint")),
        adds(&schema, "not-default", "plain", json!({}), json!({})),
    ];
    let of_gateway = |role| ProxyInfo { role, ..in_namespace("not-default", &[(GATEWAY_NAME, "g"), ("app", "x")]) };
    assert_eq!(order(&schema, &filters, &of_gateway(Role::Router)), ["mine", "plain", "selected"]);
    assert_eq!(order(&schema, &filters, &of_gateway(Role::Waypoint)), ["class", "mine"]);
    assert_eq!(order(&schema, &filters, &in_namespace("not-default", &[("app", "x")])), ["plain", "selected"]);
}

#[test]
fn an_undecodable_value_refuses_the_whole_filter() {
    let schema = Schema::load_mesh().unwrap();
    let patches = json!([
        {"applyTo": "CLUSTER", "patch": {"operation": "ADD", "value": {"name": "a"}}},
        {"applyTo": "HTTP_ROUTE", "patch": {"operation": "MERGE", "value": {"name": 5}}},
    ]);
    let resource = json!({"kind": "EnvoyFilter", "metadata": {"name": "x"}, "spec": {"configPatches": patches}});
    let refused = filter::read(&schema, &resource).unwrap_err();
    assert_eq!(refused.reasons, ["Envoy filter: json: cannot unmarshal number into Go value of type string"]);
}
