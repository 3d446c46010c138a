//! The cases of istiod's own test of cluster patches.

use crate::set_up::{Written, each, names, outcome, proxy, typed};
use config::Schema;
use patch::proxy::Role;
use serde_json::{Value as Json, json};

const UPSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const TLS: &str = "envoy.transport_sockets.tls";

fn tls(params: Json) -> Json {
    let config = json!({"common_tls_context": {
        "tls_params": params, "tls_certificate_provider_instance": {"instance_name": "x"}
    }});
    json!({"name": TLS, "typed_config": typed(UPSTREAM_TLS, config)})
}

fn params(socket: &Json) -> &Json {
    &socket["typed_config"]["common_tls_context"]["tls_params"]
}

fn alts() -> Json {
    let of = "type.googleapis.com/envoy.extensions.transport_sockets.alts.v3.Alts";
    let config = json!({"type_url": of, "value": {"handshaker_service": "1.2.3.4"}});
    json!({"name": "transport_sockets.alts", "typed_config": typed("udpa.type.v1.TypedStruct", config)})
}

/// A cluster of the services in `hosts`, as istiod notes them.
fn cluster(name: &str, hosts: &[&str]) -> Json {
    let services: Vec<Json> = hosts.iter().map(|host| json!({"host": host})).collect();
    json!({"name": name, "metadata": {"filter_metadata": {"istio": {"services": services}}}})
}

#[test]
fn which_cluster_is_meant() {
    let schema = Schema::load_mesh().unwrap();
    let v1 = json!({"portNumber": 80, "service": "foo.bar", "subset": "v1"});
    for (matching, name, hosts, expected) in [
        (json!({"name": "scooby"}), "scrappy", vec![], false),
        (v1.clone(), "outbound|80|v2|foo.bar", vec![], false),
        (v1.clone(), "outbound|80|v1|google.com", vec![], false),
        (json!({"service": "foo.bar"}), "inbound|80||", vec!["foo.bar"], true),
        (v1.clone(), "outbound|90|v1|foo.bar", vec![], false),
        (v1, "outbound|80|v1|foo.bar", vec![], true),
        (json!({"name": "x", "service": "other"}), "x", vec![], true),
        (json!({"service": "foo.bar"}), "custom", vec!["foo.bar"], false),
    ] {
        let filters = each(&schema, &[("CLUSTER", json!({"cluster": matching}), "REMOVE", Json::Null)]);
        let base = json!({"clusters": [cluster(name, &hosts)]});
        let (after, _) = outcome(&schema, &base, &filters, &proxy(Role::Sidecar));
        assert_eq!(after["clusters"] == json!([]), expected, "{matching} {name}");
    }
}

fn patches() -> Vec<Written> {
    let on = |context: &str, matching: Json| json!({"context": context, "cluster": matching});
    let min_13 = json!({"name": TLS, "typed_config": typed(UPSTREAM_TLS, json!({
        "common_tls_context": {"tls_params": {"tls_minimum_protocol_version": "TLSv1_3"}}
    }))});
    vec![
        ("CLUSTER", json!({"context": "SIDECAR_OUTBOUND"}), "ADD", json!({"name": "new-cluster1"})),
        ("CLUSTER", json!({"context": "SIDECAR_OUTBOUND"}), "ADD", json!({"name": "new-cluster2"})),
        ("CLUSTER", on("GATEWAY", json!({"service": "gateway.com"})), "REMOVE", Json::Null),
        ("CLUSTER", on("SIDECAR_INBOUND", json!({"portNumber": 9999})), "REMOVE", Json::Null),
        ("CLUSTER", on("SIDECAR_INBOUND", json!({"service": "service.servicens"})), "MERGE", json!({"type": "EDS"})),
        ("CLUSTER", json!({"context": "ANY"}), "MERGE", json!({"dns_lookup_family": "V6_ONLY"})),
        ("CLUSTER", json!({"context": "ANY"}), "MERGE", json!({"lb_policy": "RING_HASH"})),
        ("CLUSTER", on("SIDECAR_OUTBOUND", json!({"portNumber": 443})), "MERGE", json!({"transport_socket": min_13})),
        ("CLUSTER", on("SIDECAR_OUTBOUND", json!({"portNumber": 7777})), "MERGE", json!({"transport_socket": alts()})),
    ]
}

fn is_patched(cluster: &Json) {
    assert_eq!((&cluster["dns_lookup_family"], &cluster["lb_policy"]), (&json!("V6_ONLY"), &json!("RING_HASH")));
}

#[test]
fn outbound() {
    let schema = Schema::load_mesh().unwrap();
    let old = json!({"ecdh_curves": ["X25519"], "tls_minimum_protocol_version": "TLSv1_1"});
    let matches =
        |socket: Json| json!([{"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket}]);
    let capped = json!({"ecdh_curves": ["X25519"], "tls_maximum_protocol_version": "TLSv1_3"});
    let base = json!({"clusters": [
        {"name": "outbound|443||cluster1", "dns_lookup_family": "V4_ONLY", "lb_policy": "ROUND_ROBIN", "transport_socket_matches": matches(tls(old))},
        {"name": "outbound|443||cluster2", "lb_policy": "MAGLEV", "http2_protocol_options": {}},
        {"name": "outbound|443||cluster3", "transport_socket": tls(capped)},
        {"name": "outbound|7777||custom-tls-addition"},
        {"name": "outbound|7777||custom-tls-replacement", "transport_socket": tls(json!({}))},
        {"name": "outbound|7777||custom-tls-replacement-tsm", "transport_socket_matches": matches(tls(json!({})))},
    ]});
    let (after, report) = outcome(&schema, &base, &each(&schema, &patches()), &proxy(Role::Sidecar));
    let after = &after["clusters"];
    (0..6).for_each(|index| is_patched(&after[index]));
    let merged = params(&after[0]["transport_socket_matches"][0]["transport_socket"]);
    assert_eq!(*merged, json!({"ecdh_curves": ["X25519"], "tls_minimum_protocol_version": "TLSv1_3"}));
    assert!(after[1].get("http2_protocol_options").is_some());
    assert_eq!(*params(&after[1]["transport_socket"]), json!({"tls_minimum_protocol_version": "TLSv1_3"}));
    let both = json!({
        "ecdh_curves": ["X25519"], "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"
    });
    assert_eq!(*params(&after[2]["transport_socket"]), both);
    let provider =
        &after[2]["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificate_provider_instance"];
    assert_eq!(provider["instance_name"], "x");
    assert_eq!((&after[3]["transport_socket"], &after[4]["transport_socket"]), (&alts(), &alts()));
    assert_eq!(after[5]["transport_socket_matches"], base["clusters"][5]["transport_socket_matches"]);
    assert!(after[5].get("transport_socket").is_none());
    assert_eq!((&after[6], &after[7]), (&json!({"name": "new-cluster1"}), &json!({"name": "new-cluster2"})));
    // What istiod drops silently is told.
    let told = &report.envoy_filters[8].patches[0].warnings;
    assert!(
        told.iter().any(|warning| warning.contains("custom-tls-replacement-tsm has transport_socket_matches")),
        "{told:?}"
    );
}

#[test]
fn inbound_and_gateway() {
    let schema = Schema::load_mesh().unwrap();
    let filters = each(&schema, &patches());
    let inbound =
        json!({"clusters": [cluster("inbound|7443||", &["service.servicens"]), {"name": "inbound|9999||mgmtCluster"}]});
    let (after, _) = outcome(&schema, &inbound, &filters, &proxy(Role::Sidecar));
    assert_eq!(
        after["clusters"].as_array().unwrap().iter().filter(|one| one["name"] == "inbound|9999||mgmtCluster").count(),
        0
    );
    is_patched(&after["clusters"][0]);
    assert_eq!(after["clusters"][0]["type"], "EDS");
    let gateway =
        json!({"clusters": [{"name": "cluster1"}, {"name": "cluster2"}, {"name": "outbound|443||gateway.com"}]});
    let (after, _) = outcome(&schema, &gateway, &filters, &proxy(Role::Router));
    assert_eq!(names(&after["clusters"]), ["cluster1", "cluster2"]);
    (0..2).for_each(|index| is_patched(&after["clusters"][index]));
}
