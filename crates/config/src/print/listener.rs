//! Listeners, their chains, and the TCP filter.

use super::yaml::{Map, Yaml};
use super::{Secrets, duration, redis, socket, tls};
use crate::schema::names;
use meant::{Chain, ChainMatch, Filter, Listener, Network, Ports, Sniffing, SourceType, TcpProxy, Way};
use std::time::Duration;

pub(super) fn listener(listener: &Listener, secrets: Secrets) -> Map {
    let map = Map::new()
        .text("name", &listener.name)
        .put("address", socket(&listener.address))
        .word_unless("bind_to_port", listener.binds, true)
        .flag("use_original_dst", listener.hands_over)
        .word_unless("per_connection_buffer_limit_bytes", listener.buffer_limit, 1 << 20)
        .list("listener_filters", inspectors(listener));
    patience(map, &listener.sniffing)
        .list("filter_chains", listener.chains.iter().map(|one| chain(one, secrets)))
        .some("default_filter_chain", default_chain(listener, secrets))
}

/// One that closes everything where there is no chain at all, since Envoy wants one.
fn default_chain(listener: &Listener, secrets: Secrets) -> Option<Map> {
    let nowhere = || TcpProxy {
        stat_prefix: "closed".to_owned(),
        to: Way::Clusters(vec![("(no chain is left)".to_owned(), 1)]),
        idle_timeout: None,
        max_connect_attempts: 1,
    };
    let closed = || Map::new().list("filters", [filter(&Filter::Tcp(nowhere()), secrets)]);
    let written = listener.default_chain.as_ref().map(|one| chain(one, secrets));
    written.or_else(|| listener.chains.is_empty().then(closed))
}

fn patience(map: Map, sniffing: &Sniffing) -> Map {
    let sniffs = sniffing.tls.is_some() || sniffing.http.is_some();
    let default = sniffs.then_some(Duration::from_secs(15));
    // Zero is for ever.
    let written = (sniffing.patience != default).then(|| duration(sniffing.patience.unwrap_or_default()));
    map.some("listener_filters_timeout", written).flag("continue_on_listener_filters_timeout", sniffing.goes_on)
}

fn inspectors(listener: &Listener) -> Vec<Map> {
    // Where connections are handed over, the original destination is looked up without saying so.
    let restores = listener.restores_destination && !listener.hands_over;
    let inspectors = [
        ("original_dst", names::ORIGINAL_DST, restores.then(Vec::new)),
        ("tls_inspector", names::TLS_INSPECTOR, listener.sniffing.tls.clone()),
        ("http_inspector", names::HTTP_INSPECTOR, listener.sniffing.http.clone()),
    ];
    let filter = |(name, kind, off): (&str, &str, Option<Ports>)| {
        let map = Map::new().text("name", &format!("envoy.filters.listener.{name}")).put("typed_config", typed(kind));
        off.map(|off| map.some("filter_disabled", disabled(&off)))
    };
    inspectors.into_iter().filter_map(filter).collect()
}

fn disabled(off: &Ports) -> Option<Map> {
    let range = |(start, end): &(u16, u16)| {
        let range = Map::new().word("start", start).word("end", end);
        Map::new().put("destination_port_range", range)
    };
    match off.as_slice() {
        [] => None,
        [one] => Some(range(one)),
        several => Some(Map::new().put("or_match", Map::new().list("rules", several.iter().map(range)))),
    }
}

fn chain(chain: &Chain, secrets: Secrets) -> Map {
    let matches = (chain.matches != ChainMatch::default()).then(|| chain_match(&chain.matches));
    Map::new()
        .text_if("name", &chain.name)
        .some("filter_chain_match", matches)
        .some("transport_socket", chain.tls.as_ref().map(|tls| tls::server(tls, secrets)))
        .some("transport_socket_connect_timeout", chain.tls_timeout.map(duration))
        .list("filters", [filter(&chain.filter, secrets)])
}

fn chain_match(matches: &ChainMatch) -> Map {
    let source_type = match matches.source_type {
        SourceType::Any => "ANY",
        SourceType::Local => "SAME_IP_OR_LOOPBACK",
        SourceType::External => "EXTERNAL",
    };
    Map::new()
        .some("destination_port", matches.destination_port.map(|port| Yaml::Word(port.to_string())))
        .list("prefix_ranges", matches.destinations.iter().map(network))
        .list("direct_source_prefix_ranges", matches.direct_sources.iter().map(network))
        .word_unless("source_type", source_type, "ANY")
        .list("source_prefix_ranges", matches.sources.iter().map(network))
        .list("source_ports", matches.source_ports.iter().map(|port| Yaml::Word(port.to_string())))
        .list("server_names", matches.server_names.iter().cloned().map(Yaml::Text))
        .text_if("transport_protocol", &matches.transport_protocol)
        .list("application_protocols", matches.application_protocols.iter().cloned().map(Yaml::Text))
}

fn network(network: &Network) -> Map {
    Map::new().text("address_prefix", &network.address.to_string()).word("prefix_len", network.bits)
}

fn filter(filter: &Filter, secrets: Secrets) -> Map {
    let (name, config) = match filter {
        Filter::Redis(filter) => ("envoy.filters.network.redis_proxy", redis::redis_proxy(filter, secrets)),
        Filter::Tcp(filter) => ("envoy.filters.network.tcp_proxy", tcp_proxy(filter)),
    };
    Map::new().text("name", name).put("typed_config", config)
}

fn tcp_proxy(filter: &TcpProxy) -> Map {
    let idle_timeout = match filter.idle_timeout {
        Some(timeout) if timeout == Duration::from_secs(3600) => None,
        Some(timeout) => Some(duration(timeout)),
        // Zero is never.
        None => Some(duration(Duration::ZERO)),
    };
    way(typed(names::TCP_PROXY).text("stat_prefix", &filter.stat_prefix), &filter.to)
        .some("idle_timeout", idle_timeout)
        .word_unless("max_connect_attempts", filter.max_connect_attempts, 1)
}

fn way(map: Map, way: &Way) -> Map {
    match way {
        Way::Clusters(clusters) => match clusters.as_slice() {
            [(name, 1)] => map.text("cluster", name),
            several => {
                let weighted = |(name, weight): &(String, u32)| Map::new().text("name", name).word("weight", weight);
                map.put("weighted_clusters", Map::new().list("clusters", several.iter().map(weighted)))
            }
        },
        Way::Original => map.text("cluster", super::ORIGINAL),
    }
}

/// The beginning of an `Any`.
pub(super) fn typed(name: &str) -> Map {
    Map::new().put("@type", Yaml::Text(format!("type.googleapis.com/{name}")))
}
