//! What is wrong with a listener's filter chains.

use super::typed::{misplaced, socket, type_of};
use crate::field::{inner, messages, name, peek, texts};
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

const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const HTTP: &str = "envoy.extensions.filters.http.";

/// HTTP filters that end a chain, or may do so by what they are configured to be.
const MAY_END: [&str; 8] =
    ["composite", "dynamic_modules", "file_server", "golang", "match_delegate", "router", "upstream_codec", "wasm"];

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
    reasons.extend(listener_filters(schema, listener));
    reasons
}

/// Two chains that would take the same connections.
fn same_match(chains: &[DynamicMessage]) -> Vec<String> {
    let matches: Vec<Option<&DynamicMessage>> = chains.iter().map(|chain| peek(chain, "filter_chain_match")).collect();
    let mut reasons = Vec::new();
    for (index, one) in matches.iter().enumerate() {
        if let Some(first) = matches[..index].iter().position(|earlier| overlap(*earlier, *one)) {
            reasons.push(format!("filter_chains[{index}]: takes the same connections as filter_chains[{first}]"));
        }
    }
    reasons
}

/// Whether two matches share a connection that neither takes more exactly: all that is no list is equal, and of every
/// list they have an element in common, or neither has any.
fn overlap(one: Option<&DynamicMessage>, other: Option<&DynamicMessage>) -> bool {
    const TEXTS: [&str; 2] = ["server_names", "application_protocols"];
    let texts =
        |matching: Option<&DynamicMessage>, field| matching.map(|matching| texts(matching, field)).unwrap_or_default();
    let shares = TEXTS.iter().all(|field| {
        let (one, other) = (texts(one, field), texts(other, field));
        one.is_empty() && other.is_empty() || one.iter().any(|text| other.contains(text))
    });
    let rest = |matching: Option<&DynamicMessage>| {
        let fields = matching.into_iter().flat_map(DynamicMessage::fields);
        let rest = fields.filter(|(field, _)| !TEXTS.contains(&field.name()));
        rest.map(|(field, value)| (field.number(), value.clone())).collect::<Vec<_>>()
    };
    shares && rest(one) == rest(other)
}

fn of_chain(schema: &Schema, chain: &DynamicMessage, place: &str) -> Vec<String> {
    let filters = messages(chain, "filters");
    let mut reasons: Vec<String> = without_certificate(schema, chain, place).into_iter().collect();
    let secure = peek(chain, "transport_socket");
    let place_of_socket = format!("{place}.transport_socket");
    reasons.extend(secure.and_then(|secure| socket(schema, secure, &place_of_socket, "UpstreamTlsContext")));
    for (index, filter) in filters.iter().enumerate() {
        let here = format!("{place}.filters[{index}]");
        let misplaced = misplaced(schema, filter, &["filters.network"], &here);
        let of = peek(filter, "typed_config").map(|config| type_of(schema, config)).unwrap_or_default();
        let is_known = of.starts_with("envoy.extensions.") && schema.message(&of).is_some();
        let (is_last, is_terminal) = (index + 1 == filters.len(), TERMINAL.contains(&of.as_str()));
        if is_terminal && !is_last {
            reasons.push(format!("{here}: {} ({of}) ends the chain, so it must be its last filter", name(filter)));
        }
        if is_last && !is_terminal && is_known && misplaced.is_none() {
            reasons.push(format!(
                "{here}: {} ({of}) does not end the chain, so it must not be its last filter",
                name(filter)
            ));
        }
        reasons.extend(misplaced);
        if of == MANAGER {
            reasons.extend(of_manager(schema, filter, &here));
        }
    }
    reasons
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
    let of = |filter: &DynamicMessage| {
        peek(filter, "typed_config").map(|config| type_of(schema, config)).unwrap_or_default()
    };
    let router = filters.iter().position(|filter| of(filter) == ROUTER);
    let last = filters.last().map(of).unwrap_or_default();
    let may_end = !last.starts_with(HTTP) || MAY_END.iter().any(|kind| last.starts_with(&format!("{HTTP}{kind}.")));
    match router {
        None if filters.is_empty() => vec![format!("{place}.http_filters: needs a router at its end")],
        Some(at) if at + 1 < filters.len() => {
            vec![format!("{place}.http_filters[{at}]: the router ends the chain, so it must be its last filter")]
        }
        None if !may_end => {
            vec![format!("{place}.http_filters: {last} does not end the chain: needs a router at its end")]
        }
        _ => Vec::new(),
    }
}

/// Filters before the choice of a chain.
fn listener_filters(schema: &Schema, listener: &DynamicMessage) -> Vec<String> {
    let filters = messages(listener, "listener_filters").into_iter().enumerate();
    let told = |(index, filter)| {
        misplaced(schema, &filter, &["filters.listener", "filters.udp"], &format!("listener_filters[{index}]"))
    };
    filters.filter_map(told).collect()
}
