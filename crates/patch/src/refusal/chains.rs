//! What is wrong with a listener's filter chains.

use crate::field::{inner, messages, name, text};
use config::Schema;
use config::schema::type_in;
use prost_reflect::DynamicMessage;

/// Types of the network filters that end a chain.
const TERMINAL: [&str; 9] = [
    "envoy.extensions.filters.network.direct_response.v3.Config",
    "envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
    "envoy.extensions.filters.network.echo.v3.Echo",
    "envoy.extensions.filters.network.generic_proxy.v3.GenericProxy",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
    "envoy.extensions.filters.network.reverse_tunnel.v3.ReverseTunnel",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy",
];

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

const DOWNSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

/// Where a certificate may come from.
const CERTIFICATES: [&str; 4] = [
    "tls_certificates",
    "tls_certificate_sds_secret_configs",
    "tls_certificate_provider_instance",
    "custom_tls_certificate_selector",
];

/// Why a proxy would refuse the listener's chains.
pub(super) fn reasons(schema: &Schema, listener: &DynamicMessage) -> Vec<String> {
    let chains = messages(listener, "filter_chains");
    let default = inner(listener, "default_filter_chain");
    let is_udp = inner(listener, "address")
        .and_then(|address| inner(&address, "socket_address"))
        .is_some_and(|socket| crate::field::choice(&socket, "protocol") == "UDP");
    if chains.is_empty() && default.is_none() && !is_udp && !listener.has_field_by_name("api_listener") {
        return vec!["filter_chains: a listener without filter chains".to_owned()];
    }
    let places = (0..chains.len()).map(|index| format!("filter_chains[{index}]"));
    let mut reasons: Vec<String> =
        places.zip(&chains).flat_map(|(place, chain)| of_chain(schema, chain, &place)).collect();
    reasons.extend(default.iter().flat_map(|chain| of_chain(schema, chain, "default_filter_chain")));
    reasons.extend(same_match(&chains));
    reasons
}

/// Two chains that would take the same connections.
fn same_match(chains: &[DynamicMessage]) -> Vec<String> {
    let of = |chain: &DynamicMessage| {
        inner(chain, "filter_chain_match").filter(|matching| matching.fields().next().is_some())
    };
    let mut reasons = Vec::new();
    for (index, chain) in chains.iter().enumerate() {
        let first = chains[..index].iter().position(|earlier| of(earlier) == of(chain));
        if let Some(first) = first {
            reasons.push(format!("filter_chains[{index}]: has the same filter_chain_match as filter_chains[{first}]"));
        }
    }
    reasons
}

fn of_chain(schema: &Schema, chain: &DynamicMessage, place: &str) -> Vec<String> {
    let filters = messages(chain, "filters");
    let mut reasons: Vec<String> = without_certificate(schema, chain, place).into_iter().collect();
    for (index, filter) in filters.iter().enumerate() {
        let here = format!("{place}.filters[{index}]");
        let Some(of) = inner(filter, "typed_config").map(|config| type_of(schema, &config)) else {
            if !filter.has_field_by_name("config_discovery") {
                reasons.push(format!("{here}: {} has no typed_config, so its type is unknown", name(filter)));
            }
            continue;
        };
        let (is_last, is_terminal) = (index + 1 == filters.len(), TERMINAL.contains(&of.as_str()));
        if is_terminal && !is_last {
            reasons.push(format!("{here}: {} ({of}) ends the chain, so it must be its last filter", name(filter)));
        }
        // Of a type that is not in the API nothing is known.
        if is_last && !is_terminal && of.starts_with("envoy.extensions.") && schema.message(&of).is_some() {
            reasons.push(format!(
                "{here}: {} ({of}) does not end the chain, so it must not be its last filter",
                name(filter)
            ));
        }
        if of == MANAGER {
            reasons.extend(of_manager(schema, filter, &here));
        }
    }
    reasons
}

/// The type of a configuration, also of one that is spelt as a `TypedStruct`.
fn type_of(schema: &Schema, config: &DynamicMessage) -> String {
    let outer = type_in(config);
    let url = schema.unpack(config).filter(|_| outer.ends_with(".TypedStruct")).map(|inner| text(&inner, "type_url"));
    url.map_or(outer, |url| url.rsplit('/').next().unwrap_or_default().to_owned())
}

/// A server that speaks TLS needs a certificate.
fn without_certificate(schema: &Schema, chain: &DynamicMessage, place: &str) -> Option<String> {
    let config = inner(&inner(chain, "transport_socket")?, "typed_config")?;
    let context = schema.unpack(&config).filter(|_| type_in(&config) == DOWNSTREAM_TLS)?;
    let tls = inner(&context, "common_tls_context");
    let has = |field: &str| tls.as_ref().is_some_and(|tls| tls.has_field_by_name(field));
    let has_any = CERTIFICATES.iter().any(|field| has(field));
    (!has_any).then(|| format!("{place}.transport_socket: a DownstreamTlsContext without a certificate"))
}

/// The HTTP filters of a connection manager end in one that answers.
fn of_manager(schema: &Schema, filter: &DynamicMessage, place: &str) -> Vec<String> {
    let Some(manager) = crate::field::config(schema, filter) else { return Vec::new() };
    let filters = messages(&manager, "http_filters");
    let is_router = |filter: &DynamicMessage| {
        inner(filter, "typed_config")
            .is_some_and(|config| type_in(&config) == "envoy.extensions.filters.http.router.v3.Router")
    };
    let router = filters.iter().position(is_router);
    match router {
        None if filters.is_empty() => vec![format!("{place}.http_filters: needs a router at its end")],
        Some(at) if at + 1 < filters.len() => {
            vec![format!("{place}.http_filters[{at}]: the router ends the chain, so it must be its last filter")]
        }
        _ => Vec::new(),
    }
}
