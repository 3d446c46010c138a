//! Secrets, files, and what is shown of what was delivered.

use crate::recorded::{Reader, encoded, named};
use config::delivered::{self, Resource};
use config::{Loaded, load_text, load_text_with_dump};
use meant::{ConfigSource, ControlAddress, Delivered, Roots, Secret};
use serde_json::{Value, json};
use std::path::PathBuf;

const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

fn secret(fields: Value) -> Vec<u8> {
    let mut json = json!({"@type": SECRET, "name": "default"});
    json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    encoded(&Reader::shared().mesh, &json)
}

#[test]
fn secrets_of_both_kinds() {
    let schema = &Reader::shared().schema;
    let bytes = secret(json!({"tls_certificate": {
        "certificate_chain": {"inline_bytes": "Q0hBSU4="}, "private_key": {"inline_bytes": "S0VZ"},
    }}));
    let reading = delivered::secret(schema, &bytes).unwrap();
    let expected = Delivered::Identity { chain: b"CHAIN".to_vec(), key: Secret::new("KEY") };
    assert_eq!(reading.meant, ("default".to_owned(), expected));
    let shown = delivered::dump(schema, SECRET, &bytes).unwrap().to_string();
    assert!(shown.contains("Q0hBSU4=") && !shown.contains("S0VZ") && !shown.contains("KEY"), "{shown}");
    let bytes = secret(json!({"validation_context": {"trusted_ca": {"inline_string": "CA"}}}));
    let (_, Delivered::Trust(trust)) = delivered::secret(schema, &bytes).unwrap().meant else { panic!() };
    assert_eq!(trust.roots, Roots::Written(b"CA".to_vec()));
    for (fields, words) in [
        (json!({}), "secret default: tls_certificate: is required, or validation_context"),
        (
            json!({"generic_secret": {"secret": {"inline_string": "x"}}}),
            "secret default: generic_secret: not supported",
        ),
        (json!({"tls_certificate": {"private_key": {"inline_string": "hush"}}}), "certificate_chain: is required"),
        (json!({"validation_context": {"crl": {"inline_string": "x"}}}), "validation_context.crl: not supported"),
    ] {
        let told = delivered::secret(schema, &secret(fields)).unwrap_err().to_string();
        assert!(told.contains(words) && !told.contains("hush"), "{told}");
    }
    let told = delivered::secret(schema, b"\xff\xff").unwrap_err().to_string();
    assert!(told.starts_with("secret: these bytes are no envoy.extensions.transport_sockets.tls.v3.Secret"), "{told}");
}

#[test]
fn what_was_delivered_is_shown() {
    let reader = Reader::shared();
    let json = named("default/c/redis-cluster-0", "lds", "virtualInbound");
    let url = json["@type"].as_str().unwrap();
    let mut expected = json.clone();
    expected.as_object_mut().unwrap().remove("@type");
    assert_eq!(delivered::dump(&reader.mesh, url, &encoded(&reader.mesh, json)).unwrap(), expected);
    // Of Istio's own messages the smaller schema knows the names.
    let shown = delivered::dump(&reader.schema, url, &encoded(&reader.mesh, json)).unwrap();
    let stats = &shown["filter_chains"][0]["filters"][1]["typed_config"];
    assert_eq!(*stats, json!({"@type": "type.googleapis.com/stats.PluginConfig"}));
    assert!(delivered::dump(&reader.schema, "x/y.Z", &[]).is_err());
}

#[test]
fn files_deliver_resources() {
    let schema = &Reader::shared().schema;
    let text = r#"
version_info: "7"
resources:
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: a
  type: STATIC
  typed_extension_protocol_options: {x: {"@type": type.googleapis.com/nobody.Knows, y: 1}}
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: b
- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
  name: wrapped
  resource: {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: c}
"#;
    let file = delivered::file(schema, text, "cds.yaml").unwrap();
    assert_eq!(file.version, "7");
    let names: Vec<&str> = file.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let Resource { type_url, message, .. } = &file.resources[0];
    assert_eq!(type_url, CLUSTER);
    let reading = delivered::cluster(schema, &delivered::Sources::default(), message).unwrap();
    assert_eq!((reading.meant.name.as_str(), reading.notes.len()), ("a", 1));
    let json = r#"{"resources": [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a"}]}"#;
    assert_eq!(delivered::file(schema, json, "cds.json").unwrap().resources[0].name, "a");
    let told = delivered::file(schema, "resources:\n- name: x\n", "f.yaml").unwrap_err().to_string();
    assert!(told.starts_with("f.yaml:2: resources[0]: needs an \"@type\""), "{told}");
    let told = delivered::file(schema, &text.replace("name: a", "nam: a"), "f.yaml").unwrap_err().to_string();
    assert!(told.contains("did you mean `name`?"), "{told}");
}

/// A bootstrap that is driven over TCP and TLS.
const DRIVEN: &str = r#"
node: {id: me}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services:
    - envoy_grpc: {cluster_name: control}
      initial_metadata: [{key: authorization, value: Bearer x}]
  lds_config: {ads: {}}
  cds_config: {path_config_source: {path: /etc/cds.yaml}}
static_resources:
  clusters:
  - name: control
    type: STRICT_DNS
    connect_timeout: 2s
    circuit_breakers: {thresholds: [{max_connections: 5}]}
    http2_protocol_options: {}
    load_assignment:
      cluster_name: control
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: istiod.example, port_value: 15012}}}}]}]
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context:
          validation_context:
            trusted_ca: {inline_string: CA}
            match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: istiod.istio-system.svc}}]
"#;

fn driven(text: &str) -> Result<Loaded, String> {
    load_text_with_dump(text, "t").map_err(|problems| problems.to_string())
}

#[test]
fn a_control_plane_over_tls() {
    let loaded = driven(DRIVEN).unwrap();
    assert!(loaded.notes.is_empty() && loaded.proxy.clusters.is_empty(), "{:?}", loaded.notes);
    let dynamic = loaded.proxy.dynamic.unwrap();
    let ads = dynamic.ads.unwrap();
    assert_eq!(ads.addresses, [ControlAddress::Tcp("istiod.example".to_owned(), 15012)]);
    assert_eq!((ads.delta, ads.connect_timeout.as_secs()), (false, 2));
    assert_eq!(ads.metadata, [("authorization".to_owned(), "Bearer x".to_owned())]);
    let tls = ads.tls.unwrap();
    assert_eq!((tls.roots.as_slice(), tls.server_name.as_deref()), (b"CA".as_slice(), Some("istiod.istio-system.svc")));
    assert_eq!(dynamic.clusters, Some(ConfigSource::File(PathBuf::from("/etc/cds.yaml"))));
}

#[test]
fn control_planes_that_cannot_be_reached() {
    for (from, to, words) in [
        ("envoy_grpc: {cluster_name: control}", "google_grpc: {target_uri: x, stat_prefix: y}", "use envoy_grpc"),
        ("{cluster_name: control}", "{cluster_name: nobody}", "there is no cluster `nobody`"),
        ("api_type: GRPC", "api_type: REST", "REST is not supported: use GRPC"),
        ("id: me", "cluster: us", "`node.id` is required"),
        (
            "trusted_ca: {inline_string: CA}",
            "trusted_ca: {inline_string: \"\"}",
            "must be verified: give its authorities",
        ),
        ("exact: istiod", "prefix: istiod", "match one exact DNS name"),
        ("lds_config: {ads: {}}", "lds_resources_locator: x", "use lds_config"),
        ("  ads_config:", "  lds_resources_locator: x\n  ads_config:", "lds_resources_locator: not supported yet"),
        ("type: STRICT_DNS", "type: STRICT_DNS\n    nam: x", "did you mean `name`?"),
    ] {
        let told = driven(&DRIVEN.replacen(from, to, 1)).expect_err(to);
        assert!(told.contains(words), "{to}: {told}");
    }
    let start = DRIVEN.find("  ads_config:").unwrap();
    let end = DRIVEN.find("  lds_config:").unwrap();
    let told = driven(&format!("{}{}", &DRIVEN[..start], &DRIVEN[end..])).unwrap_err();
    assert!(told.contains("lds_config.ads: needs dynamic_resources.ads_config"), "{told}");
}

#[test]
fn types_that_nobody_knows_are_told_in_a_driven_bootstrap_and_refused_in_another() {
    let listener = "  listeners:\n  - name: l\n    address: {socket_address: {address: 127.0.0.1, port_value: 0}}\n    \
                    filter_chains: [{filters: [{name: x, typed_config: {\"@type\": type.googleapis.com/nobody.Knows, a: 1}}]}]\n";
    let text = DRIVEN.replace("static_resources:\n", &format!("static_resources:\n{listener}"));
    let loaded = driven(&text).unwrap();
    let expected = "listener l: `x` (nobody.Knows) passes bytes through to their original destination";
    assert_eq!(loaded.notes, [expected]);
    assert!(load_text(&format!("static_resources:\n{listener}"), "t").is_err());
    // One of ours, misspelt.
    let near = "envoy.extensions.filters.network.redis_proxy.v3.RedisProxi";
    let told = driven(&text.replace("nobody.Knows", near)).unwrap_err();
    assert!(told.contains("did you mean"), "{told}");
}
