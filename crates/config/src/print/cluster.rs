//! Clusters.

use super::listener::typed;
use super::yaml::Map;
use super::{Secrets, duration, host_port, origin, source, tls};
use crate::schema::names;
use meant::{
    Balance, Cluster, Credentials, Discovery, DnsFamily, Endpoint, Keepalive, NodeCredentials, RedisCluster,
    SocketMatch, Upstream,
};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) fn cluster(cluster: &Cluster, secrets: Secrets) -> Map {
    let map = Map::new().text("name", &cluster.name).put("connect_timeout", duration(cluster.connect_timeout));
    let refresh = (cluster.dns_refresh_rate != Duration::from_secs(5)).then(|| duration(cluster.dns_refresh_rate));
    let options = protocol_options(&cluster.upstream, secrets);
    let options = options.map(|options| Map::new().put("envoy.filters.network.redis_proxy", options));
    discovery(map, &cluster.discovery)
        .word_unless("dns_lookup_family", dns_family(cluster.dns_family), "AUTO")
        .some("dns_refresh_rate", refresh)
        .some("upstream_connection_options", cluster.keepalive.as_ref().map(keepalive))
        .some("upstream_bind_config", cluster.source.as_ref().map(bind))
        .some("transport_socket", cluster.sockets.default.as_ref().map(|tls| tls::client(tls, secrets)))
        .list(
            "transport_socket_matches",
            cluster.sockets.matches.iter().enumerate().map(|one| socket_match(one, secrets)),
        )
        .some("typed_extension_protocol_options", options)
        .some("load_assignment", load_assignment(cluster))
}

fn discovery(map: Map, discovery: &Discovery) -> Map {
    match discovery {
        Discovery::Redis(config) => {
            let kind = Map::new().text("name", "envoy.clusters.redis").put("typed_config", redis_cluster(config));
            map.word("lb_policy", "CLUSTER_PROVIDED").put("cluster_type", kind)
        }
        Discovery::Static(balance) => self::balance(map.word("type", "STATIC"), *balance),
        Discovery::StrictDns(balance) => self::balance(map.word("type", "STRICT_DNS"), *balance),
        Discovery::LogicalDns(balance) => self::balance(map.word("type", "LOGICAL_DNS"), *balance),
        Discovery::Delivered { service, source, balance } => {
            let eds = Map::new().text("service_name", service).put("eds_config", origin::config_source(source));
            self::balance(map.word("type", "EDS").put("eds_cluster_config", eds), *balance)
        }
        Discovery::Original => map.word("type", "ORIGINAL_DST").word("lb_policy", "CLUSTER_PROVIDED"),
    }
}

fn bind(source: &SocketAddr) -> Map {
    let address = Map::new().text("address", &source.ip().to_string()).word("port_value", source.port());
    Map::new().put("source_address", address)
}

fn socket_match((number, entry): (usize, &SocketMatch), secrets: Secrets) -> Map {
    let socket = entry.socket.as_ref().map_or_else(tls::plain, |tls| tls::client(tls, secrets));
    Map::new()
        .text("name", &format!("match-{number}"))
        .put("match", labels(&entry.labels))
        .put("transport_socket", socket)
}

fn labels(labels: &[(String, String)]) -> Map {
    labels.iter().fold(Map::new(), |map, (key, value)| map.text(key, value))
}

fn redis_cluster(config: &RedisCluster) -> Map {
    typed(names::REDIS_CLUSTER)
        .put("cluster_refresh_rate", duration(config.refresh_rate))
        .put("cluster_refresh_timeout", duration(config.refresh_timeout))
        .put("redirect_refresh_interval", duration(config.redirect_refresh_interval))
        .word("redirect_refresh_threshold", config.redirect_refresh_threshold)
        .word_unless("failure_refresh_threshold", config.failure_refresh_threshold, 0)
        .word_unless("host_degraded_refresh_threshold", config.host_degraded_refresh_threshold, 0)
}

fn balance(map: Map, balance: Balance) -> Map {
    match balance {
        Balance::RoundRobin => map,
        Balance::LeastRequest => map.word("lb_policy", "LEAST_REQUEST"),
        Balance::Random => map.word("lb_policy", "RANDOM"),
        Balance::RingHash { minimum, maximum, murmur, by_hostname } => {
            let function = if murmur { "MURMUR_HASH_2" } else { "XX_HASH" };
            let settings = Map::new()
                .word_unless("minimum_ring_size", minimum, 1024)
                .word_unless("maximum_ring_size", maximum, 8 << 20)
                .word_unless("hash_function", function, "XX_HASH");
            hashing(map.word("lb_policy", "RING_HASH"), "ring_hash_lb_config", settings, by_hostname)
        }
        Balance::Maglev { table, by_hostname } => {
            let settings = Map::new().word_unless("table_size", table, 65_537);
            hashing(map.word("lb_policy", "MAGLEV"), "maglev_lb_config", settings, by_hostname)
        }
    }
}

fn hashing(map: Map, name: &str, settings: Map, by_hostname: bool) -> Map {
    let hostnames = by_hostname.then(|| {
        let hashing = Map::new().flag("use_hostname_for_hashing", true);
        Map::new().put("consistent_hashing_lb_config", hashing)
    });
    map.some(name, (!settings.is_empty()).then_some(settings)).some("common_lb_config", hostnames)
}

fn dns_family(family: DnsFamily) -> &'static str {
    match family {
        DnsFamily::Auto => "AUTO",
        DnsFamily::V4Only => "V4_ONLY",
        DnsFamily::V6Only => "V6_ONLY",
        DnsFamily::V4Preferred => "V4_PREFERRED",
        DnsFamily::All => "ALL",
    }
}

fn keepalive(keepalive: &Keepalive) -> Map {
    let seconds =
        |duration: Option<Duration>| duration.map(|duration| super::Yaml::Word(duration.as_secs().to_string()));
    let settings = Map::new()
        .some("keepalive_probes", keepalive.probes.map(|probes| super::Yaml::Word(probes.to_string())))
        .some("keepalive_time", seconds(keepalive.time))
        .some("keepalive_interval", seconds(keepalive.interval));
    Map::new().put("tcp_keepalive", settings)
}

fn protocol_options(upstream: &Upstream, secrets: Secrets) -> Option<Map> {
    if *upstream == Upstream::default() {
        return None;
    }
    let of_node = |node: &NodeCredentials| {
        credentials(Map::new().put("address", host_port(&node.host, node.port)), &node.credentials, secrets)
    };
    let map = credentials(typed(names::REDIS_PROTOCOL_OPTIONS), &upstream.credentials, secrets);
    Some(map.list("credentials", upstream.nodes.iter().map(of_node)))
}

fn credentials(map: Map, credentials: &Credentials, secrets: Secrets) -> Map {
    map.some("auth_username", credentials.username.as_ref().map(|name| source(name, secrets)))
        .some("auth_password", credentials.password.as_ref().map(|password| source(password, secrets)))
}

fn load_assignment(cluster: &Cluster) -> Option<Map> {
    if cluster.endpoints.is_empty() {
        return None;
    }
    let mut priorities: Vec<u32> = cluster.endpoints.iter().map(|endpoint| endpoint.priority).collect();
    priorities.dedup();
    // Neighbours of one priority together, so that the order stays.
    let mut rest = cluster.endpoints.as_slice();
    let groups = priorities.into_iter().map(|priority| {
        let count = rest.iter().take_while(|endpoint| endpoint.priority == priority).count();
        let (group, after) = rest.split_at(count);
        rest = after;
        Map::new().word_unless("priority", priority, 0).list("lb_endpoints", group.iter().map(endpoint))
    });
    Some(Map::new().text("cluster_name", &cluster.name).list("endpoints", groups))
}

fn endpoint(endpoint: &Endpoint) -> Map {
    let written = Map::new()
        .put("address", host_port(&endpoint.host, endpoint.port))
        .text_if("hostname", endpoint.hostname.as_deref().unwrap_or_default());
    let metadata = (!endpoint.labels.is_empty()).then(|| {
        let of_sockets = Map::new().put("envoy.transport_socket_match", labels(&endpoint.labels));
        Map::new().put("filter_metadata", of_sockets)
    });
    Map::new()
        .put("endpoint", written)
        .word_unless("load_balancing_weight", endpoint.weight, 1)
        .some("metadata", metadata)
}
