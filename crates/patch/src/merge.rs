//! One message into another, as istiod's merge does.
//!
//! What is set in the patch overwrites, and a scalar at its default is not set: `false`, `0`, `""` and the first value
//! of an enum cannot be merged, not even inside a wrapper, unless the target has no wrapper there. Messages go into
//! messages, lists behind lists, entries of a map in place of those with the same key. A duration is replaced whole. Of
//! a oneof the patch's member wins. An `Any` is opaque, except where the engine opens it ([`any_into`]).

use config::Schema;
use config::schema::type_in;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};

/// What a list of the patch does to a list of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Goes behind it.
    Append,
    /// Takes its place.
    Replace,
}

/// `patch` into `target`; both are of the same type.
pub(crate) fn into(target: &mut DynamicMessage, patch: &DynamicMessage, lists: Lists) {
    for (field, value) in patch.fields() {
        match value {
            Value::Message(inner) if is_merged(target, &field, inner) => {
                if let Some(target) = target.get_field_mut(&field).as_message_mut() {
                    into(target, inner, lists);
                }
            }
            Value::List(items) if lists == Lists::Append => {
                if let Some(target) = target.get_field_mut(&field).as_list_mut() {
                    target.extend(items.iter().cloned());
                }
            }
            Value::Map(entries) => {
                if let Some(target) = target.get_field_mut(&field).as_map_mut() {
                    target.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
            }
            value => target.set_field(&field, value.clone()),
        }
    }
}

/// Whether a message goes into the one that is there, rather than in its place.
fn is_merged(target: &DynamicMessage, field: &FieldDescriptor, patch: &DynamicMessage) -> bool {
    if !target.has_field(field) {
        return false;
    }
    match patch.descriptor().full_name() {
        "google.protobuf.Duration" => false,
        // istiod would put the type of the one on the bytes of the other when the patch's are empty.
        "google.protobuf.Any" => {
            target.get_field(field).as_message().is_some_and(|held| type_in(held) == type_in(patch))
        }
        _ => true,
    }
}

/// Why an `Any` could not be opened and merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmerged {
    /// The two are of different types: (there, in the patch).
    OtherType(String, String),
    /// Nothing is known of the type.
    UnknownType(String),
}

/// The `Any` that holds `there` with `patch` merged into it.
pub(crate) fn any_into(
    schema: &Schema,
    there: &DynamicMessage,
    patch: &DynamicMessage,
) -> Result<DynamicMessage, Unmerged> {
    let (of_target, of_patch) = (type_in(there), type_in(patch));
    if of_target != of_patch {
        return Err(Unmerged::OtherType(of_target, of_patch));
    }
    let (Some(mut held), Some(inner)) = (schema.unpack(there), schema.unpack(patch)) else {
        return Err(Unmerged::UnknownType(of_target));
    };
    into(&mut held, &inner, Lists::Append);
    schema.pack(&held).ok_or(Unmerged::UnknownType(of_target))
}

#[cfg(test)]
mod tests {
    use super::{Lists, Unmerged, any_into, into};
    use crate::resources::CLUSTER;
    use config::Schema;
    use config::dynamic::{Reader, to_json};
    use prost_reflect::DynamicMessage;
    use serde_json::{Value as Json, json};

    fn cluster(schema: &Schema, json: &Json) -> DynamicMessage {
        let reader = Reader { schema, carries_unknown_types: true };
        reader.read(&schema.message(CLUSTER).unwrap(), json).unwrap().message
    }

    fn merged(schema: &Schema, target: &Json, patch: &Json, lists: Lists) -> Json {
        let mut target = cluster(schema, target);
        into(&mut target, &cluster(schema, patch), lists);
        to_json(schema, &target)
    }

    #[test]
    fn what_is_set_overwrites_and_a_default_is_not_set() {
        let schema = Schema::load_mesh().unwrap();
        let target = json!({
            "name": "a", "lb_policy": "MAGLEV", "connect_timeout": "5.500s", "type": "EDS", "respect_dns_ttl": true,
            "per_connection_buffer_limit_bytes": 7, "eds_cluster_config": {"service_name": "s"}
        });
        for (patch, field, expected) in [
            (json!({"name": "b"}), "name", json!("b")),
            (json!({"name": "", "lb_policy": "ROUND_ROBIN"}), "lb_policy", json!("MAGLEV")),
            (json!({"respect_dns_ttl": false}), "respect_dns_ttl", json!(true)),
            // A duration is replaced whole, and so can become nothing.
            (json!({"connect_timeout": "1s"}), "connect_timeout", json!("1s")),
            (json!({"connect_timeout": "0s"}), "connect_timeout", json!("0s")),
            // Not even a wrapper can be set back, where there is one.
            (json!({"per_connection_buffer_limit_bytes": 0}), "per_connection_buffer_limit_bytes", json!(7)),
            (
                json!({"eds_cluster_config": {"eds_config": {"ads": {}}}}),
                "eds_cluster_config",
                json!({"service_name": "s", "eds_config": {"ads": {}}}),
            ),
            (json!({"cluster_type": {"name": "x"}}), "type", Json::Null),
        ] {
            assert_eq!(merged(&schema, &target, &patch, Lists::Append)[field], expected, "{patch}");
        }
        let fresh = merged(&schema, &json!({}), &json!({"per_connection_buffer_limit_bytes": 0}), Lists::Append);
        assert_eq!(fresh["per_connection_buffer_limit_bytes"], 0);
    }

    #[test]
    fn lists_and_maps() {
        let schema = Schema::load_mesh().unwrap();
        let thresholds = |most: u32| json!({"circuit_breakers": {"thresholds": [{"max_connections": most}]}});
        for (lists, expected) in [
            (Lists::Append, json!([{"max_connections": 1}, {"max_connections": 2}])),
            (Lists::Replace, json!([{"max_connections": 2}])),
        ] {
            assert_eq!(
                merged(&schema, &thresholds(1), &thresholds(2), lists)["circuit_breakers"]["thresholds"],
                expected
            );
        }
        let metadata =
            |key: &str, value: u32| json!({"metadata": {"filter_metadata": {key: {"v": value}, "same": {key: value}}}});
        let both = merged(&schema, &metadata("a", 1), &metadata("b", 2), Lists::Append);
        assert_eq!(both["metadata"]["filter_metadata"], json!({"a": {"v": 1}, "b": {"v": 2}, "same": {"b": 2}}));
    }

    #[test]
    fn what_an_any_holds() {
        let schema = Schema::load_mesh().unwrap();
        let of = |name: &str, config: &Json| {
            let mut config = config.clone();
            config["@type"] = json!(format!("type.googleapis.com/{name}"));
            let reader = Reader { schema: &schema, carries_unknown_types: true };
            reader.read(&schema.message("google.protobuf.Any").unwrap(), &config).unwrap().message
        };
        let redis = "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";
        let there = of(redis, &json!({"stat_prefix": "a", "settings": {"op_timeout": "5s"}}));
        let merged = any_into(&schema, &there, &of(redis, &json!({"settings": {"op_timeout": "0.2s"}}))).unwrap();
        let merged = to_json(&schema, &merged);
        assert_eq!((&merged["stat_prefix"], &merged["settings"]), (&json!("a"), &json!({"op_timeout": "0.200s"})));
        let echo = "envoy.extensions.filters.network.echo.v3.Echo";
        let other = any_into(&schema, &there, &of(echo, &json!({}))).unwrap_err();
        assert_eq!(other, Unmerged::OtherType(redis.to_owned(), echo.to_owned()));
        let unknown = of("nobody.Knows", &json!({}));
        assert_eq!(
            any_into(&schema, &unknown, &unknown).unwrap_err(),
            Unmerged::UnknownType("nobody.Knows".to_owned())
        );
    }

    /// istiod would put the type of an empty patch on the bytes that are there.
    #[test]
    fn an_any_of_another_type_takes_the_place_of_the_first_whole() {
        let schema = Schema::load_mesh().unwrap();
        let typed = |config: Json| json!({"cluster_type": {"name": "x", "typed_config": config}});
        let redis = json!({"@type": "type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig", "cluster_refresh_rate": "3s"});
        let echo = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"});
        assert_eq!(merged(&schema, &typed(redis), &typed(echo.clone()), Lists::Append), typed(echo));
    }
}
