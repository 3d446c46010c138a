use super::{Reader, Unreadable, duration, to_json};
use crate::schema::Schema;
use serde_json::{Value as Json, json};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";

fn read(schema: &Schema, name: &str, json: &Json) -> Result<super::Read, Unreadable> {
    Reader { schema, carries_unknown_types: false }.read(&schema.message(name).unwrap(), json)
}

#[test]
fn what_is_read_is_written_again() {
    let schema = Schema::load_mesh().unwrap();
    let json = json!({
        "name": "x", "connect_timeout": "0.500s", "lb_policy": "MAGLEV",
        "per_connection_buffer_limit_bytes": 1024,
        "metadata": {"filter_metadata": {"istio": {"services": [{"host": "a", "n": 1, "f": 1.5, "no": null, "yes": true}]}}},
        "typed_extension_protocol_options": {
            "k": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": "5s"}},
            "t": {"@type": "type.googleapis.com/stats.PluginConfig", "tcp_reporting_duration": "5s"}
        },
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 30}}
    });
    let read = read(&schema, CLUSTER, &json).unwrap();
    assert_eq!(to_json(&schema, &read.message), json);
    assert_eq!((read.unknown, read.defaults), (vec![], vec![]));
}

#[test]
fn unknown_fields_vanish_and_defaults_are_remembered() {
    let schema = Schema::load_mesh().unwrap();
    let json = json!({
        "connectTimeout": "500ms", "lb_polcy": "MAGLEV", "lb_policy": "ROUND_ROBIN", "respect_dns_ttl": false,
        "per_connection_buffer_limit_bytes": 0, "connect_timeout": null,
        "load_assignment": {"endpoints": [{"priority": 0}]}
    });
    let read = read(&schema, CLUSTER, &json).unwrap();
    let unknown = &read.unknown[0];
    assert_eq!((unknown.path.as_str(), unknown.nearest.as_deref()), ("lb_polcy", Some("lb_policy")));
    let defaults: Vec<String> = read.defaults.iter().map(|path| super::path_text(path)).collect();
    assert_eq!(defaults, ["per_connection_buffer_limit_bytes", "lb_policy", "respect_dns_ttl"]);
    assert_eq!(to_json(&schema, &read.message)["connect_timeout"], "0.500s");
}

#[test]
fn what_cannot_be_read_is_told_in_the_words_of_istiod() {
    let schema = Schema::load_mesh().unwrap();
    for (json, told) in [
        (json!({"name": false}), "json: cannot unmarshal bool into Go value of type string"),
        (json!({"name": ["x"]}), "json: cannot unmarshal array into Go value of type string"),
        (json!({"connect_timeout": 5}), "json: cannot unmarshal number into Go value of type string"),
        (json!({"connect_timeout": "nope"}), "bad Duration: time: invalid duration \"nope\""),
        (json!({"connect_timeout": "5"}), "bad Duration: time: missing unit in duration \"5\""),
        (
            json!({"lb_policy": "FASTEST"}),
            "unknown value \"\\\"FASTEST\\\"\" for enum envoy.config.cluster.v3.Cluster.LbPolicy",
        ),
        (json!({"cluster_type": {"typed_config": {"a": 1}}}), "Any JSON doesn't have '@type'"),
        (
            json!({"cluster_type": {"typed_config": {"@type": "type.googleapis.com/nobody.Knows"}}}),
            "could not resolve Any message type: type.googleapis.com/nobody.Knows",
        ),
        (
            json!({"per_connection_buffer_limit_bytes": 5_000_000_000_u64}),
            "json: cannot unmarshal number 5000000000 into Go value of type uint32",
        ),
    ] {
        assert_eq!(read(&schema, CLUSTER, &json).unwrap_err().0, told, "{json}");
    }
}

#[test]
fn unknown_types_can_be_carried() {
    let schema = Schema::load_mesh().unwrap();
    let json =
        json!({"name": "x", "typed_config": {"@type": "type.googleapis.com/nobody.Knows", "a": {"b": [1, "c"]}}});
    let descriptor = schema.message("envoy.config.listener.v3.Filter").unwrap();
    let read = Reader { schema: &schema, carries_unknown_types: true }.read(&descriptor, &json).unwrap();
    assert_eq!(to_json(&schema, &read.message), json);
}

#[test]
fn durations_are_those_of_go() {
    for (text, expected) in [
        ("1.5s", Ok((1, 500_000_000))),
        ("500ms", Ok((0, 500_000_000))),
        ("1h2m3s", Ok((3723, 0))),
        ("-1.5s", Ok((-1, -500_000_000))),
        (".5s", Ok((0, 500_000_000))),
        ("0", Ok((0, 0))),
        ("1d", Err("bad Duration: time: unknown unit \"d\" in duration \"1d\"")),
        ("", Err("bad Duration: time: invalid duration \"\"")),
        ("s", Err("bad Duration: time: invalid duration \"s\"")),
    ] {
        assert_eq!(duration::read(text).map_err(|error| error.0), expected.map_err(str::to_owned), "{text}");
    }
    assert_eq!([duration::write(-1, -500_000_000), duration::write(0, 1000)], ["-1.500s", "0.000001s"]);
}

#[test]
fn trees_become_what_kubectl_sends() {
    let text = "a: {yes: yes, port: 6379, ratio: 0.5, version: 1.2.3, text: '5', none: , e: 1e3}\n---\n- 010\n";
    let documents = crate::text::documents(text, false).unwrap();
    let first =
        json!({"yes": true, "port": 6379, "ratio": 0.5, "version": "1.2.3", "text": "5", "none": null, "e": 1e3});
    assert_eq!(super::json(&documents[0]), json!({"a": first}));
    assert_eq!(super::json(&documents[1]), json!([8]));
}
