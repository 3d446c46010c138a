//! The table of istiod's own validation test, and the rules of the resource's schema.

use config::Schema;
use patch::filter;
use serde_json::{Value as Json, json};

/// What is said of an `EnvoyFilter` with this `spec`: reasons for a refusal, or warnings.
fn said(schema: &Schema, spec: &Json) -> (Vec<String>, Vec<String>) {
    let resource = json!({"kind": "EnvoyFilter", "metadata": {"name": "x", "namespace": "n"}, "spec": spec});
    match filter::read(schema, &resource) {
        Ok(filter) => (Vec::new(), filter.warnings),
        Err(refused) => (refused.reasons, refused.warnings),
    }
}

fn one(patch: Json) -> Json {
    json!({"configPatches": [patch]})
}

/// A patch that is sound but for its match.
fn matching(apply_to: &str, matching: Json) -> Json {
    one(json!({"applyTo": apply_to, "match": matching, "patch": {"operation": "REMOVE"}}))
}

fn of_filter(filter: Json) -> Json {
    json!({"listener": {"filterChain": {"sni": "124", "filter": filter}}})
}

fn refusals() -> Vec<(Json, &'static str)> {
    let manager = "envoy.filters.network.http_connection_manager";
    let add =
        |apply_to: &str, value: Json| one(json!({"applyTo": apply_to, "patch": {"operation": "ADD", "value": value}}));
    let ext_authz = "type.googleapis.com/envoy.config.filter.network.ext_authz.v2.ExtAuthz";
    let waypoint = json!({"context": "WAYPOINT", "listener": {"portNumber": 80}});
    let far = json!({"context": "WAYPOINT", "waypoint": {"portNumber": 65536}});
    vec![
        (json!({"configPatches": [null]}), "Envoy filter: null config patch"),
        (one(json!({"patch": {"operation": "ADD"}})), "Envoy filter: missing applyTo"),
        (one(json!({"applyTo": "LISTENER"})), "Envoy filter: missing patch"),
        (one(json!({"applyTo": "LISTENER", "patch": {}})), "Envoy filter: missing patch operation"),
        (
            one(json!({"applyTo": "LISTENER", "patch": {"operation": "ADD"}})),
            "Envoy filter: missing patch value for non-remove operation",
        ),
        (
            matching("LISTENER", json!({"proxy": {"proxyVersion": "%#@~++==`24c234`"}})),
            "Envoy filter: invalid regex for proxy version, [error parsing regexp: invalid nested repetition operator: `++`]",
        ),
        (
            matching("LISTENER", json!({"cluster": {}})),
            "Envoy filter: applyTo for listener class objects cannot have non listener match",
        ),
        (matching("NETWORK_FILTER", of_filter(json!({}))), "Envoy filter: filter match has no name to match on"),
        (
            matching("NETWORK_FILTER", of_filter(json!({"name": "random", "subFilter": {"name": "x"}}))),
            "Envoy filter: subfilter match can be used with applyTo HTTP_FILTER only",
        ),
        (
            matching("HTTP_FILTER", of_filter(json!({"name": "random", "subFilter": {"name": "x"}}))),
            "Envoy filter: subfilter match requires filter match with envoy.filters.network.http_connection_manager",
        ),
        (
            matching("HTTP_FILTER", of_filter(json!({"name": manager, "subFilter": {}}))),
            "Envoy filter: subfilter match has no name to match on",
        ),
        (
            matching("VIRTUAL_HOST", json!({"cluster": {}})),
            "Envoy filter: applyTo for http route class objects cannot have non route configuration match",
        ),
        (
            matching("CLUSTER", json!({"listener": {}})),
            "Envoy filter: applyTo for cluster class objects cannot have non cluster match",
        ),
        (
            add("CLUSTER", json!({"name": false})),
            "Envoy filter: json: cannot unmarshal bool into Go value of type string",
        ),
        (
            add("NETWORK_FILTER", json!({"name": "x", "typed_config": {"@type": ext_authz}})),
            "referenced type unknown (hint: try using the v3 XDS API): Envoy filter: could not resolve Any message type: type.googleapis.com/envoy.config.filter.network.ext_authz.v2.ExtAuthz",
        ),
        (
            matching("CLUSTER", json!({"context": "SIDECAR_INBOUND", "waypoint": {"portNumber": 80}})),
            "only support waypointMatch when context is WAYPOINT",
        ),
        (matching("LISTENER", waypoint), "only support waypointMatch when context is WAYPOINT"),
        (matching("LISTENER", far), "port must be between 1-65535"),
        (
            json!({"workloadSelector": {"labels": {"a": "b"}}, "targetRefs": [{"kind": "Gateway", "name": "g"}]}),
            "only one of targetRefs or workloadSelector can be set",
        ),
        (
            json!({"configPatches": 1}),
            "cannot parse proto message for x: json: cannot unmarshal number into Go value of type []json.RawMessage",
        ),
    ]
}

#[test]
fn what_is_refused() {
    let schema = Schema::load_mesh().unwrap();
    for (spec, reason) in refusals() {
        assert_eq!(said(&schema, &spec).0, [reason], "{spec}");
    }
}

#[test]
fn a_name_that_yaml_takes_for_something_else() {
    let schema = Schema::load_mesh().unwrap();
    let refused = filter::read(&schema, &json!({"kind": "EnvoyFilter", "metadata": {"name": false}})).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "EnvoyFilter default/ is refused: metadata.name: needs to be text that is not empty"
    );
}

#[test]
fn what_is_warned_of() {
    let schema = Schema::load_mesh().unwrap();
    let add = |value: Json| one(json!({"applyTo": "CLUSTER", "patch": {"operation": "ADD", "value": value}}));
    let old_name = one(json!({
        "applyTo": "HTTP_FILTER", "match": of_filter(json!({"name": "envoy.http_connection_manager"})),
        "patch": {"operation": "MERGE", "value": {}}
    }));
    for (spec, warning) in [
        (
            json!({"workloadSelector": {}}),
            "Envoy filter: workload selector specified without labels, will be applied to all services in namespace",
        ),
        (
            matching("LISTENER", json!({"proxy": {"proxyVersion": "a{100}".repeat(200)}})),
            "configPatches[0]: Envoy filter: proxyVersion match exceeds 1024 characters and will be ignored",
        ),
        (
            matching("LISTENER", of_filter(json!({"name": "x"}))),
            "configPatches[0]: Envoy filter: filter match has no effect when used with LISTENER",
        ),
        (
            matching("FILTER_CHAIN", of_filter(json!({"name": "x"}))),
            "configPatches[0]: Envoy filter: filter match has no effect when used with FILTER_CHAIN",
        ),
        (
            old_name,
            "configPatches[0]: using deprecated filter name \"envoy.http_connection_manager\"; use \"envoy.filters.network.http_connection_manager\" instead",
        ),
        (
            add(json!({"conect_timeout": "1s"})),
            "configPatches[0]: Envoy filter: unknown field \"conect_timeout\" in envoy.config.cluster.v3.Cluster (conect_timeout vanishes): did you mean `connect_timeout`?",
        ),
        (
            matching("LISTENER", json!({"listener": {"portName": "tcp"}})),
            "configPatches[0]: match.listener.portName is documented but not looked at: it matches every port",
        ),
        (
            json!({"worklodSelector": {}}),
            "unknown field \"spec.worklodSelector\" vanishes: did you mean `workload_selector`?",
        ),
    ] {
        assert_eq!(said(&schema, &spec), (vec![], vec![warning.to_owned()]), "{spec}");
    }
}

#[test]
fn what_passes_without_a_word() {
    let schema = Schema::load_mesh().unwrap();
    let patch = |apply_to: &str, operation: &str, value: Json| {
        one(json!({"applyTo": apply_to, "patch": {"operation": operation, "value": value}}))
    };
    let ext_authz = json!({"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"}});
    let named = json!({"listener": {"filterChain": {"name": "envoy.tcp_proxy"}}});
    for spec in [
        json!({}),
        matching("LISTENER", json!({"proxy": {"proxyVersion": r"release-1\.2-23434"}})),
        patch("CLUSTER", "ADD", json!({"lb_policy": "RING_HASH"})),
        patch("CLUSTER", "ADD", json!({"dns_refresh_rate": "500ms"})),
        patch("CLUSTER", "REPLACE", json!({})),
        patch("EXTENSION_CONFIG", "MERGE", json!({})),
        one(
            json!({"applyTo": "NETWORK_FILTER", "match": named, "patch": {"operation": "INSERT_FIRST", "value": ext_authz}}),
        ),
        // Neither is looked at by istiod.
        matching("LISTENER_FILTER", json!({"cluster": {}})),
        matching("BOOTSTRAP", json!({"cluster": {}})),
        // Nor is anything of a patch for a waypoint.
        one(json!({"match": {"context": "WAYPOINT"}})),
    ] {
        assert_eq!(said(&schema, &spec), (vec![], vec![]), "{spec}");
    }
}
