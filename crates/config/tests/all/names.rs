//! Names that are not known.

use crate::told::{FILTER, SMALL, changed, only, refuses};

#[test]
fn misspelt_names_are_answered_with_the_nearest() {
    let settings = format!("{FILTER}.settings");
    refuses("op_timeout", "op_timout", &format!("{settings}.op_timout"), "did you mean `op_timeout`?");
    refuses("stat_prefix", "stats_prefix", &format!("{FILTER}.stats_prefix"), "did you mean `stat_prefix`?");
    refuses("enable_redirection", "xyz", &format!("{settings}.xyz"), "ConnPoolSettings has no such field");
    refuses("REPLICA", "REPLICAS", &format!("{settings}.read_policy"), "did you mean REPLICA?");
    refuses("REPLICA", "99", &format!("{settings}.read_policy"), "must be one of MASTER, ");
    let (path, text) = only(&changed("v3.RedisProxy", "v3.RedisProxi"));
    assert_eq!(path, FILTER);
    assert!(text.ends_with("did you mean envoy.extensions.filters.network.redis_proxy.v3.RedisProxy?"), "{text}");
    let value = "static_resources.clusters[0].cluster_type.typed_config.value";
    refuses(
        "cluster_refresh_rate",
        "refresh_rate",
        &format!("{value}.refresh_rate"),
        "RedisClusterConfig has no such field",
    );
}

#[test]
fn names_of_older_apis_are_answered_with_their_successors() {
    let v2 = "type.googleapis.com/envoy.config.filter.network.redis_proxy.v2.RedisProxy";
    let v3 = "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy";
    refuses(v3, v2, FILTER, "write envoy.extensions.filters.network.redis_proxy.v3.RedisProxy instead of");
    let cluster = "static_resources.clusters[1]";
    refuses(
        "type: STRICT_DNS",
        "type: STRICT_DNS\n    hosts: []",
        &format!("{cluster}.hosts"),
        "under `load_assignment`",
    );
    refuses(
        "typed_config:\n          \"",
        "config: {}\n        typed_config:\n          \"",
        "static_resources.listeners[0].filter_chains[0].filters[0].config",
        "use `typed_config`",
    );
}

#[test]
fn a_type_that_is_not_known_is_refused_once() {
    let to = "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy";
    let (path, text) = only(&changed("envoy.extensions.filters.network.redis_proxy.v3.RedisProxy", to));
    assert_eq!((path.as_str(), text), (FILTER, format!("{to} is not supported yet")));
    refuses(
        "type.googleapis.com/envoy.extensions.filters.network.redis_proxy",
        "redis",
        FILTER,
        "must begin with type.googleapis.com/",
    );
    refuses("\"@type\": type.googleapis.com/envoy", "\"#\": type.googleapis.com/envoy", FILTER, "needs an \"@type\"");
    let filter = SMALL.split("          stat_prefix").next().unwrap();
    let other = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let (path, text) = only(&filter.replace("envoy.extensions.filters.network.redis_proxy.v3.RedisProxy", other));
    assert_eq!(path, FILTER);
    assert!(text.contains("UpstreamTlsContext is no filter that is supported"), "{text}");
}
