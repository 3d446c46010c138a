//! What a control plane sends that is not known here: told where it only degrades, refused where it guards.

use crate::recorded::Reader;
use config::delivered;
use meant::{Balance, Discovery, Filter, Way};
use serde_json::{Value, json};

const NETWORK: &str = "type.googleapis.com/envoy.extensions.filters.network";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

fn tcp() -> Value {
    json!({"name": "tcp", "typed_config": {"@type": format!("{NETWORK}.tcp_proxy.v3.TcpProxy"), "stat_prefix": "t", "cluster": "c"}})
}

fn redis() -> Value {
    json!({"name": "r", "typed_config": {
        "@type": format!("{NETWORK}.redis_proxy.v3.RedisProxy"), "stat_prefix": "p",
        "settings": {"op_timeout": "1s"}, "prefix_routes": {"catch_all_route": {"cluster": "c"}},
    }})
}

fn listener(filters: &[Value]) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 6379}},
        "filter_chains": [{"filters": filters}],
    })
}

fn cluster() -> Value {
    json!({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c", "type": "STATIC"})
}

fn redis_cluster() -> Value {
    let config = "type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig";
    let mut cluster = cluster();
    cluster.as_object_mut().unwrap().remove("type");
    cluster["lb_policy"] = json!("CLUSTER_PROVIDED");
    cluster["cluster_type"] = json!({"name": "envoy.clusters.redis", "typed_config": {"@type": config}});
    cluster
}

/// `value` with each of the fields set.
fn with(mut value: Value, fields: Value) -> Value {
    value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    value
}

fn of_chain(fields: Value) -> Value {
    let mut listener = listener(&[tcp()]);
    listener["filter_chains"][0] = with(listener["filter_chains"][0].clone(), fields);
    listener
}

struct Judge(&'static Reader);

impl Judge {
    fn new() -> Self {
        Self(Reader::shared())
    }

    fn notes(&self, json: &Value) -> Vec<String> {
        let notes = match json["@type"].as_str().unwrap().ends_with("Listener") {
            true => self.0.listener(json).map(|reading| reading.notes),
            false => self.0.cluster(json).map(|reading| reading.notes),
        };
        notes.unwrap_or_else(|problems| panic!("{json}: {problems}"))
    }

    fn refusal(&self, json: &Value) -> String {
        let told = match json["@type"].as_str().unwrap().ends_with("Listener") {
            true => self.0.listener(json).map(|reading| format!("{:?}", reading.meant)),
            false => self.0.cluster(json).map(|reading| format!("{:?}", reading.meant)),
        };
        told.expect_err(&json.to_string()).to_string()
    }

    fn filter(&self, json: &Value) -> Filter {
        self.0.listener(json).unwrap_or_else(|problems| panic!("{problems}")).meant.chains[0].filter.clone()
    }
}

fn way(filter: &Filter) -> &Way {
    let Filter::Tcp(filter) = filter else { panic!("{filter:?}") };
    &filter.to
}

fn http(routes: Value) -> Value {
    let config = json!({"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]});
    json!({"name": "h", "typed_config": {
        "@type": format!("{NETWORK}.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "s", "route_config": config,
    }})
}

#[test]
fn http_goes_where_its_routes_lead() {
    let judge = Judge::new();
    let to = |cluster: &str| json!({"match": {"prefix": "/"}, "route": {"cluster": cluster}});
    let closed = json!({"match": {"prefix": "/x"}, "direct_response": {"status": 403}});
    let by_header = json!({"match": {"prefix": "/y"}, "route": {"cluster_header": "x-where"}});
    let weighted = json!({"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 2}]});
    let weighted = json!({"match": {"prefix": "/z"}, "route": {"weighted_clusters": weighted}});
    let only = Way::Clusters(vec![("a".to_owned(), 1)]);
    for (routes, expected) in [
        (json!([to("a"), closed, to("a")]), only),
        (json!([to("a"), to("b")]), Way::Original),
        (json!([weighted]), Way::Original),
        (json!([to("a"), by_header]), Way::Original),
    ] {
        assert_eq!(*way(&judge.filter(&listener(&[http(routes.clone())]))), expected, "{routes}");
    }
    // What every route refuses does not pass.
    let refused = listener(&[http(json!([closed]))]);
    assert_ne!(*way(&judge.filter(&refused)), Way::Original);
    assert_eq!(judge.notes(&refused), ["listener l: HTTP that the proxy is to answer itself is closed"]);
}

#[test]
fn unknown_filters_pass_bytes_and_are_named() {
    let judge = Judge::new();
    let unknown = json!({"name": "x", "typed_config": {"@type": format!("{NETWORK}.mongo_proxy.v3.MongoProxy"), "stat_prefix": "m"}});
    let json = listener(&[unknown]);
    assert_eq!(*way(&judge.filter(&json)), Way::Original);
    let expected = "listener l: `x` (envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy) passes bytes through to \
                    their original destination";
    assert_eq!(judge.notes(&json), [expected]);
    let json = with(
        listener(&[tcp()]),
        json!({
            "access_log": [{"name": "a"}], "tcp_backlog_size": 5, "traffic_direction": "INBOUND", "transparent": true,
            "per_connection_buffer_limit_bytes": 0,
        }),
    );
    let expected = "listener l: a per_connection_buffer_limit_bytes of 0 is 1048576: memory stays bounded; no effect here: \
                    access_log, tcp_backlog_size, transparent";
    assert_eq!(judge.notes(&json), [expected]);
    let nothing = listener(&[]);
    assert_ne!(*way(&judge.filter(&nothing)), Way::Original);
}

#[test]
fn guards_that_are_not_run_are_told_loudly() {
    let judge = Judge::new();
    let rbac =
        json!({"name": "policy", "typed_config": {"@type": format!("{NETWORK}.rbac.v3.RBAC"), "stat_prefix": "x"}});
    let stats = json!({"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}});
    let notes = judge.notes(&listener(&[rbac.clone(), stats, redis()]));
    assert_eq!(
        notes,
        [
            "listener l: the policy of the network filter `policy` (envoy.extensions.filters.network.rbac.v3.RBAC) is NOT \
             enforced: connections that it would refuse pass",
            "listener l: no effect here: network filter istio.stats",
        ]
    );
    let mut with_jwt = http(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a"}}]));
    let jwt = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
    with_jwt["typed_config"]["http_filters"] = json!([{"name": "jwt", "typed_config": {"@type": jwt}}]);
    let notes = judge.notes(&listener(&[with_jwt]));
    assert!(notes[0].contains("the HTTP filter `jwt` ") && notes[0].contains("NOT enforced"), "{notes:?}");
    let discovered = json!({"name": "later", "config_discovery": {
        "config_source": {"ads": {}}, "type_urls": [format!("{NETWORK}.rbac.v3.RBAC")],
    }});
    assert!(judge.notes(&listener(&[discovered, tcp()]))[0].contains("NOT enforced"));
    // As a last filter it ends nothing.
    assert!(judge.refusal(&listener(&[rbac])).contains("cannot be the last filter"));
}

#[test]
fn what_ends_a_chain_is_last() {
    let judge = Judge::new();
    for first in [redis(), tcp(), http(json!([]))] {
        let told = judge.refusal(&listener(&[first, tcp()]));
        assert!(told.starts_with("listener l: filter_chains[0].filters[0]: "), "{told}");
        assert!(told.contains("ends a chain: put it last"), "{told}");
    }
}

#[test]
fn redis_stays_strict() {
    let judge = Judge::new();
    let mut filter = redis();
    filter["typed_config"]["custom_commands"] = json!(["x"]);
    let told = judge.refusal(&listener(&[filter]));
    assert_eq!(
        told,
        "listener l: filter_chains[0].filters[0].typed_config.custom_commands: not supported yet: remove them\n1 problem"
    );
    let mut filter = redis();
    filter["typed_config"].as_object_mut().unwrap().remove("settings");
    assert!(judge.refusal(&listener(&[filter])).contains("typed_config.settings: is required"));
    let structure = json!({"name": "envoy.redis_proxy", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {}}});
    assert!(judge.refusal(&listener(&[structure])).contains("write it as envoy.extensions"));

    for (field, value) in [
        ("outlier_detection", json!({})),
        (
            "health_checks",
            json!([{
                "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {},
            }]),
        ),
    ] {
        let told = judge.refusal(&with(redis_cluster(), json!({field: value})));
        assert!(told.starts_with(&format!("cluster c: {field}: ")), "{told}");
        let notes = judge.notes(&with(cluster(), json!({field: value})));
        assert_eq!(notes, [format!("cluster c: no effect here: {field}")]);
    }
    let mut zones = redis_cluster();
    zones["cluster_type"]["typed_config"]["enable_zone_discovery"] = json!(true);
    assert!(
        judge.refusal(&zones).contains("cluster_type.typed_config.enable_zone_discovery: true is not supported yet")
    );
    // What a control plane puts on every cluster is no reason to refuse one of Redis.
    let http = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let typed = json!({http: {"@type": format!("type.googleapis.com/{http}"), "explicit_http_config": {"http_protocol_options": {}}}});
    let dressed = json!({
        "alt_stat_name": "x", "circuit_breakers": {"thresholds": [{"max_connections": 5}]}, "metadata": {},
        "filters": [{"name": "istio.metadata_exchange"}], "typed_extension_protocol_options": typed,
    });
    let expected =
        format!("cluster c: no effect here: circuit_breakers, filters, typed_extension_protocol_options[\"{http}\"]");
    assert_eq!(judge.notes(&with(redis_cluster(), dressed)), [expected]);
    // Options of Redis are Redis's, whatever the cluster.
    let options = format!("{NETWORK}.redis_proxy.v3.RedisProtocolOptions");
    let options = json!({"envoy.filters.network.redis_proxy": {"@type": options, "aws_iam": {"region": "x", "service_name": "y", "cache_name": "z"}}});
    assert!(judge.refusal(&with(cluster(), json!({"typed_extension_protocol_options": options}))).contains("aws_iam"));
}

#[test]
fn a_typed_struct_is_what_it_spells() {
    let judge = Judge::new();
    let spelt = |url: &str, settings: Value| {
        json!({"name": "r", "typed_config": {"@type": format!("type.googleapis.com/{url}.TypedStruct"),
            "type_url": format!("{NETWORK}.redis_proxy.v3.RedisProxy"),
            "value": {"stat_prefix": "p", "settings": settings, "prefix_routes": {"catch_all_route": {"cluster": "c"}}}}})
    };
    for url in ["udpa.type.v1", "xds.type.v3"] {
        let filter = judge.filter(&listener(&[spelt(url, json!({"op_timeout": "7s"}))]));
        let Filter::Redis(filter) = filter else { panic!("{filter:?}") };
        assert_eq!(filter.settings.op_timeout.as_secs(), 7);
    }
    let told = judge.refusal(&listener(&[spelt("xds.type.v3", json!({"op_timeot": "7s"}))]));
    assert!(told.contains("did you mean `op_timeout`?"), "{told}");
}

#[test]
fn sockets_that_are_not_known() {
    let judge = Judge::new();
    let starttls = "type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig";
    let socket = json!({"name": "s", "typed_config": {"@type": starttls, "cleartext_socket_config": {}}});
    let json = of_chain(json!({"name": "odd", "transport_socket": socket}));
    let reading = judge.0.listener(&json).unwrap();
    assert!(reading.meant.chains.is_empty());
    assert_eq!(
        reading.notes,
        ["listener l: the chain `odd` is left out: its transport socket \
             envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig is not supported"]
    );
    // Nobody is reached in plain text who was to be reached otherwise.
    let told = judge.refusal(&with(cluster(), json!({"transport_socket": socket})));
    assert!(told.starts_with("cluster c: transport_socket: "), "{told}");
    let entry = json!([{"name": "m", "match": {}, "transport_socket": socket}]);
    assert!(judge.refusal(&with(cluster(), json!({"transport_socket_matches": entry}))).contains("StartTlsConfig"));
}

#[test]
fn what_narrows_trust_is_refused() {
    let judge = Judge::new();
    let ca = json!({"inline_string": "PEM"});
    let regex = json!({"safe_regex": {"regex": ".*"}});
    for (field, value) in [
        ("verify_certificate_hash", json!(["0".repeat(64)])),
        ("verify_certificate_spki", json!(["0".repeat(44)])),
        ("crl", json!({"inline_string": "PEM"})),
        ("custom_validator_config", json!({"name": "x"})),
        ("max_verify_depth", json!(1)),
        ("ca_certificate_provider_instance", json!({"instance_name": "x"})),
        ("match_subject_alt_names", json!([regex])),
        ("match_subject_alt_names", json!([{"exact": "a", "ignore_case": true}])),
        ("match_typed_subject_alt_names", json!([{"san_type": "OTHER_NAME", "matcher": {"exact": "a"}, "oid": "1.2"}])),
    ] {
        let context = with(json!({"trusted_ca": ca}), json!({field: value}));
        let tls = json!({"@type": format!("{TLS}.UpstreamTlsContext"), "common_tls_context": {"validation_context": context}});
        let told = judge.refusal(&with(cluster(), json!({"transport_socket": {"name": "t", "typed_config": tls}})));
        assert!(told.contains(&format!("validation_context.{field}")), "{field}: {told}");
    }
    let names = json!({"validation_context": {"match_subject_alt_names": [{"exact": "a"}]}});
    let tls = json!({"@type": format!("{TLS}.UpstreamTlsContext"), "common_tls_context": names});
    let told = judge.refusal(&with(cluster(), json!({"transport_socket": {"name": "t", "typed_config": tls}})));
    assert!(told.contains("add trusted_ca"), "{told}");
    let tls = json!({"@type": format!("{TLS}.DownstreamTlsContext"), "require_sni": true, "common_tls_context": {
        "tls_certificates": [{"certificate_chain": {"inline_string": "A"}, "private_key": {"inline_string": "B"}}]}});
    let told = judge.refusal(&of_chain(json!({"transport_socket": {"name": "t", "typed_config": tls}})));
    assert!(told.contains("require_sni"), "{told}");
}

#[test]
fn chains_that_cannot_be_told_apart_are_refused() {
    let judge = Judge::new();
    let chain = |criteria: Value| json!({"filter_chain_match": criteria, "filters": [tcp()]});
    let two = |one: Value, other: Value| with(listener(&[]), json!({"filter_chains": [chain(one), chain(other)]}));
    for (one, other, same) in [
        (json!({}), json!({}), true),
        (json!({"destination_port": 1}), json!({"destination_port": 2}), false),
        (json!({"destination_port": 1}), json!({}), false),
        (json!({"application_protocols": ["a", "b"]}), json!({"application_protocols": ["b", "c"]}), true),
        (json!({"application_protocols": ["a"]}), json!({"application_protocols": ["c"]}), false),
        (json!({"server_names": ["A.example"]}), json!({"server_names": ["a.example"]}), true),
        (
            json!({"prefix_ranges": [{"address_prefix": "10.1.2.3", "prefix_len": 8}]}),
            json!({"prefix_ranges": [{"address_prefix": "10.9.9.9", "prefix_len": 8}]}),
            true,
        ),
        (json!({"source_type": "EXTERNAL"}), json!({"source_type": "SAME_IP_OR_LOOPBACK"}), false),
        (json!({"source_ports": [1, 2]}), json!({"source_ports": [3]}), false),
    ] {
        let json = two(one.clone(), other.clone());
        if same {
            assert!(judge.refusal(&json).contains("filter_chains[1].filter_chain_match: matches connections"), "{one}");
        } else {
            assert!(judge.notes(&json).is_empty(), "{one} {other}");
        }
    }
    for (criteria, words) in [
        (json!({"server_names": ["*a.example"]}), "may only stand before a dot"),
        (json!({"prefix_ranges": [{"address_prefix": "x"}]}), "is not an IP address"),
        (json!({"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 33}]}), "must be at most 32"),
        (json!({"address_suffix": "x"}), "use prefix_ranges"),
        (json!({"destination_port": 0}), "must be at least 1"),
    ] {
        assert!(judge.refusal(&of_chain(json!({"filter_chain_match": criteria}))).contains(words), "{words}");
    }
    let matcher = json!({"filter_chain_matcher": {"on_no_match": {"action": {"name": "x"}}}});
    assert!(judge.refusal(&with(listener(&[tcp()]), matcher)).contains("filter_chain_matcher"));
}

#[test]
fn what_envoy_refuses_of_clusters() {
    let judge = Judge::new();
    for (fields, words) in [
        (json!({"type": "EDS"}), "`eds_config` is required"),
        (json!({"type": "ORIGINAL_DST"}), "needs CLUSTER_PROVIDED"),
        (json!({"lb_policy": "CLUSTER_PROVIDED"}), "is for clusters with a cluster_type"),
        (json!({"connect_timeout": "0s"}), "connect_timeout"),
        (
            json!({"upstream_bind_config": {"source_address": {"address": "x", "port_value": 0}}}),
            "is not an IP address",
        ),
    ] {
        assert!(judge.refusal(&with(cluster(), fields)).contains(words), "{words}");
    }
    let original =
        json!({"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "load_assignment": {"cluster_name": "c"}});
    assert!(judge.refusal(&with(cluster(), original)).contains("has no members of its own"));
    let eds = |source: Value| with(cluster(), json!({"type": "EDS", "eds_cluster_config": {"eds_config": source}}));
    let server = |name: &str| json!({"api_config_source": {"api_type": "GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": name}}]}});
    assert!(judge.refusal(&eds(server("nobody"))).contains("there is no cluster `nobody`"));
    assert!(judge.0.cluster(&eds(server("sds-grpc"))).is_ok());
    let google = json!({"api_config_source": {"api_type": "GRPC", "grpc_services": [{"google_grpc": {"target_uri": "x", "stat_prefix": "y"}}]}});
    assert!(judge.refusal(&eds(google)).contains("use envoy_grpc"));
    assert!(judge.refusal(&eds(json!({"api_config_source": {"api_type": "REST"}}))).contains("use GRPC or DELTA_GRPC"));
    assert!(judge.refusal(&eds(json!({"ads": {}, "resource_api_version": "V2"}))).contains("v2 API is gone"));
    let kind = with(cluster(), json!({"cluster_type": {"name": "envoy.clusters.aggregate"}}));
    let mut kind = kind;
    kind.as_object_mut().unwrap().remove("type");
    let reading = judge.0.cluster(&kind).unwrap();
    assert_eq!(reading.meant.discovery, Discovery::Static(Balance::RoundRobin));
    assert_eq!(
        reading.notes,
        ["cluster c: has no members: its cluster_type `envoy.clusters.aggregate` is not supported"]
    );
}

#[test]
fn members_that_must_not_be_used_are_left_out() {
    let judge = Judge::new();
    let member = |port: u16, status: &str| json!({"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": port}}}, "health_status": status});
    let metadata =
        |labels: Value| json!({"filter_metadata": {"envoy.transport_socket_match": labels, "istio": {"x": 1}}});
    let mut labelled = member(8, "DEGRADED");
    labelled["metadata"] = metadata(json!({"tlsMode": "istio", "flag": true}));
    labelled["load_balancing_weight"] = json!(3);
    let json = json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "s",
        "endpoints": [
            {"lb_endpoints": [member(1, "HEALTHY"), member(2, "DRAINING"), member(3, "UNHEALTHY"), member(4, "TIMEOUT")]},
            {"priority": 1, "metadata": metadata(json!({"tlsMode": "other", "zone": "z"})), "lb_endpoints": [
                labelled, {"endpoint": {"address": {"pipe": {"path": "/x"}}}},
            ]},
        ],
    });
    let reading = judge.0.endpoints(&json).unwrap();
    let ports: Vec<_> =
        reading.meant.endpoints.iter().map(|member| (member.port, member.priority, member.weight)).collect();
    assert_eq!(ports, [(1, 0, 1), (8, 1, 3)]);
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let labels = &reading.meant.endpoints[1].labels;
    assert_eq!(*labels, [label("flag", "true"), label("tlsMode", "istio"), label("zone", "z")]);
    assert_eq!(reading.notes, ["endpoints s: no effect here: endpoints.lb_endpoints.endpoint.address.pipe"]);
    let name = json!({"address": {"socket_address": {"address": "a.example", "port_value": 1}}});
    let json = json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "s",
        "endpoints": [{"lb_endpoints": [{"endpoint": name}]}],
    });
    assert!(judge.0.endpoints(&json).unwrap_err().to_string().contains("`a.example` is not an IP address"));
}

#[test]
fn fields_that_a_newer_envoy_has_are_told_by_number() {
    let judge = Judge::new();
    let mut bytes = crate::recorded::encoded(&judge.0.mesh, &listener(&[tcp()]));
    bytes.extend([0xc0, 0xbb, 0x01, 0x01]); // field 3000: 1
    let reading = delivered::listener(&judge.0.schema, &judge.0.sources, &bytes).unwrap();
    assert_eq!(reading.notes, ["listener l: no effect here: #3000"]);
}
