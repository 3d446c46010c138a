//! Every field of Envoy's Redis messages is honoured, visibly, or refused by its path.

use crate::schema::Schema;
use crate::testing::whole;
use crate::{Problems, load_text};
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};

/// One place in a bootstrap for each of the messages.
fn bootstrap() -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 6379}});
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "p",
        "settings": {"op_timeout": "1s", "connection_rate_limit": {"connection_rate_limit_per_sec": 1}},
        "prefix_routes": {
            "routes": [{
                "prefix": "x", "cluster": "c",
                "request_mirror_policy": [{"cluster": "m"}], "read_command_policy": {"cluster": "r"},
            }],
        },
        "faults": [{"fault_enabled": {"default_value": {"numerator": 1}}}],
    });
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
        "credentials": [{"address": address}],
    });
    let redis_cluster = "type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig";
    json!({"static_resources": {
        "listeners": [{
            "name": "l", "address": address,
            "filter_chains": [{"filters": [{"name": "f", "typed_config": filter}]}],
        }],
        "clusters": [{
            "name": "c", "lb_policy": "CLUSTER_PROVIDED",
            "cluster_type": {"name": "envoy.clusters.redis", "typed_config": {"@type": redis_cluster}},
            "typed_extension_protocol_options": {"envoy.filters.network.redis_proxy": options},
        }],
    }})
}

const FILTER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/prefix_routes/routes/0";
const OPTIONS: &str = "/static_resources/clusters/0/typed_extension_protocol_options/envoy.filters.network.redis_proxy";

/// The messages by their names, and where they stand in the bootstrap.
fn messages() -> Vec<(&'static str, String)> {
    vec![
        ("RedisProxy", FILTER.to_owned()),
        ("RedisProxy.ConnPoolSettings", format!("{FILTER}/settings")),
        ("RedisProxy.ConnectionRateLimit", format!("{FILTER}/settings/connection_rate_limit")),
        ("RedisProxy.PrefixRoutes", format!("{FILTER}/prefix_routes")),
        ("RedisProxy.PrefixRoutes.Route", ROUTE.to_owned()),
        ("RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy", format!("{ROUTE}/request_mirror_policy/0")),
        ("RedisProxy.PrefixRoutes.Route.ReadCommandPolicy", format!("{ROUTE}/read_command_policy")),
        ("RedisProxy.RedisFault", format!("{FILTER}/faults/0")),
        ("RedisProtocolOptions", OPTIONS.to_owned()),
        ("RedisProtocolOptions.Credential", format!("{OPTIONS}/credentials/0")),
        ("RedisClusterConfig", "/static_resources/clusters/0/cluster_type/typed_config".to_owned()),
    ]
}

/// Every field that has an effect, with a value that shows it.
fn honoured(message: &str, field: &str) -> Option<Value> {
    let secret = json!({"inline_string": "s3cret"});
    let part = json!({"default_value": {"numerator": 5}});
    Some(match (message, field) {
        ("RedisProxy", "stat_prefix") => json!("other"),
        ("RedisProxy", "settings") => json!({"op_timeout": "2s"}),
        ("RedisProxy", "latency_in_micros") => json!(true),
        ("RedisProxy", "prefix_routes") => json!({"catch_all_route": {"cluster": "other"}}),
        ("RedisProxy", "downstream_auth_password" | "downstream_auth_username") => secret,
        ("RedisProxy", "downstream_auth_passwords") => json!([secret]),
        ("RedisProxy", "faults") => json!([]),
        ("RedisProxy.ConnPoolSettings", "op_timeout" | "buffer_flush_timeout") => json!("2s"),
        ("RedisProxy.ConnPoolSettings", "enable_hashtagging" | "enable_redirection" | "enable_command_stats") => {
            json!(true)
        }
        ("RedisProxy.ConnPoolSettings", "max_buffer_size_before_flush" | "max_upstream_unknown_connections") => {
            json!(7)
        }
        ("RedisProxy.ConnPoolSettings", "read_policy") => json!("ANY"),
        ("RedisProxy.ConnPoolSettings", "connection_rate_limit") => json!({"connection_rate_limit_per_sec": 7}),
        ("RedisProxy.ConnectionRateLimit", "connection_rate_limit_per_sec") => json!(7),
        ("RedisProxy.PrefixRoutes", "routes") => json!([{"prefix": "y", "cluster": "c"}]),
        ("RedisProxy.PrefixRoutes", "case_insensitive") => json!(true),
        ("RedisProxy.PrefixRoutes", "catch_all_route") => json!({"cluster": "c"}),
        ("RedisProxy.PrefixRoutes.Route", "prefix" | "cluster" | "key_formatter") => json!("other"),
        ("RedisProxy.PrefixRoutes.Route", "remove_prefix") => json!(true),
        ("RedisProxy.PrefixRoutes.Route", "request_mirror_policy") => json!([]),
        ("RedisProxy.PrefixRoutes.Route", "read_command_policy") => json!({"cluster": "other"}),
        ("RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy", "cluster") => json!("other"),
        ("RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy", "runtime_fraction") => part,
        ("RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy", "exclude_read_commands") => json!(true),
        ("RedisProxy.PrefixRoutes.Route.ReadCommandPolicy", "cluster") => json!("other"),
        ("RedisProxy.RedisFault", "fault_type") => json!("ERROR"),
        ("RedisProxy.RedisFault", "fault_enabled") => part,
        ("RedisProxy.RedisFault", "delay") => json!("2s"),
        ("RedisProxy.RedisFault", "commands") => json!(["get"]),
        ("RedisProtocolOptions" | "RedisProtocolOptions.Credential", "auth_password" | "auth_username") => secret,
        ("RedisProtocolOptions", "credentials") => json!([]),
        ("RedisProtocolOptions.Credential", "address") => {
            json!({"socket_address": {"address": "other", "port_value": 7}})
        }
        ("RedisClusterConfig", "cluster_refresh_rate" | "cluster_refresh_timeout" | "redirect_refresh_interval") => {
            json!("2s")
        }
        (
            "RedisClusterConfig",
            "redirect_refresh_threshold" | "failure_refresh_threshold" | "host_degraded_refresh_threshold",
        ) => json!(7),
        _ => return None,
    })
}

/// A value that is not the field's default.
fn sample(field: &FieldDescriptor) -> Value {
    let one = match field.kind() {
        Kind::Bool => json!(true),
        Kind::String => json!("other"),
        Kind::Enum(kind) => json!(kind.values().last().unwrap().name()),
        Kind::Message(message) if message.full_name() == "google.protobuf.BoolValue" => json!(true),
        Kind::Message(_) => json!({}),
        _ => json!(7),
    };
    if field.is_list() { json!([one]) } else { one }
}

fn load(bootstrap: &Value) -> Result<String, Problems> {
    load_text(&bootstrap.to_string(), "b.json").map(|proxy| whole(&proxy))
}

/// The problem path of a JSON pointer.
fn path(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| match part.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) if part.contains('.') => format!("[\"{part}\"]"),
        Err(_) => format!(".{part}"),
    });
    parts.collect::<String>().trim_start_matches('.').to_owned()
}

#[test]
fn every_field_of_the_redis_messages_is_honoured_or_refused() {
    let schema = Schema::load().unwrap();
    let plain = load(&bootstrap()).unwrap_or_else(|problems| panic!("{problems}"));
    let (mut kept, mut refused) = (0, Vec::new());
    for (message, pointer) in messages() {
        let full = ["envoy.extensions.filters.network.redis_proxy.v3", "envoy.extensions.clusters.redis.v3"];
        let descriptor = full.iter().find_map(|package| schema.message(&format!("{package}.{message}"))).unwrap();
        for field in descriptor.fields() {
            let value = honoured(message, field.name());
            let mut changed = bootstrap();
            changed.pointer_mut(&pointer).unwrap()[field.name()] = value.clone().unwrap_or_else(|| sample(&field));
            let loaded = load(&changed);
            let name = format!("{message}.{}", field.name());
            if value.is_some() {
                assert_ne!(loaded.unwrap_or_else(|problems| panic!("{name}: {problems}")), plain, "{name}");
                kept += 1;
            } else {
                let problems = loaded.expect_err(&name);
                let expected = path(&format!("{pointer}/{}", field.name()));
                let told: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
                assert_eq!(told, [expected.as_str()], "{name}: {problems}");
                assert!(problems.to_string().contains("not supported yet"), "{problems}");
                refused.push(name);
            }
        }
    }
    assert_eq!(kept, 47);
    let expected = [
        "RedisProxy.external_auth_provider",
        "RedisProxy.custom_commands",
        "RedisProxy.protocol_version",
        "RedisProxy.ConnPoolSettings.dns_cache_config",
        "RedisProtocolOptions.aws_iam",
        "RedisClusterConfig.enable_zone_discovery",
    ];
    assert_eq!(refused, expected);
}

#[test]
fn the_prefix_of_a_catch_all_route_is_refused() {
    let mut changed = bootstrap();
    changed.pointer_mut(&format!("{FILTER}/prefix_routes")).unwrap()["catch_all_route"] =
        json!({"cluster": "c", "prefix": "x"});
    let problems = load(&changed).unwrap_err();
    assert!(problems.to_string().contains("prefix_routes.catch_all_route.prefix: a catch-all route has no prefix"));
}

#[test]
fn faults_keep_whole_percents_as_in_envoy() {
    for (numerator, denominator, percent) in [
        (10, "HUNDRED", 10),
        (500, "HUNDRED", 100),
        (1_999, "TEN_THOUSAND", 19),
        (9_999, "MILLION", 0),
        (u32::MAX, "MILLION", 100),
    ] {
        let mut changed = bootstrap();
        changed.pointer_mut(&format!("{FILTER}/faults/0")).unwrap()["fault_enabled"] =
            json!({"default_value": {"numerator": numerator, "denominator": denominator}});
        assert!(load(&changed).unwrap().contains(&format!("percent: {percent},")), "{numerator} {denominator}");
    }
}

#[test]
fn secrets_come_from_files_and_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, b"from a file\n").unwrap();
    // Cargo sets this one for every test.
    let variable = std::env::var("CARGO_PKG_NAME").unwrap();
    let mut changed = bootstrap();
    changed.pointer_mut(FILTER).unwrap()["downstream_auth_passwords"] = json!([{"filename": file}, {"environment_variable": "CARGO_PKG_NAME"}, {"inline_bytes": "/v8="}, {"inline_string": ""}]);
    let proxy = load_text(&changed.to_string(), "b.json").unwrap_or_else(|problems| panic!("{problems}"));
    let meant::Filter::Redis(filter) = &proxy.listeners[0].chains[0].filter else { panic!("not a Redis filter") };
    let passwords: Vec<&[u8]> = filter.auth.passwords.iter().map(meant::Secret::reveal).collect();
    assert_eq!(passwords, [b"from a file\n".as_slice(), variable.as_bytes(), b"\xfe\xff"]);

    changed.pointer_mut(FILTER).unwrap()["downstream_auth_passwords"] =
        json!([{"filename": folder.path()}, {"environment_variable": "NO_SUCH_VARIABLE"}, {}]);
    let problems = load(&changed).unwrap_err().to_string();
    assert!(problems.contains("downstream_auth_passwords[0].filename: cannot read `"), "{problems}");
    assert!(problems.contains("[1].environment_variable: the environment variable `NO_SUCH_VARIABLE` is not set"));
    assert!(problems.contains("[2]: `filename` or `inline_bytes` or "), "{problems}");
}
