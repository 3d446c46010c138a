//! Which connections a filter chain is for.

use super::reader::Reader;
use meant::{ChainMatch, Network, SourceType};
use std::net::IpAddr;

/// What the chain's `filter_chain_match` means; without one it matches everything.
pub(super) fn chain_match(chain: &Reader<'_>) -> ChainMatch {
    let Some(written) = chain.one("filter_chain_match") else { return ChainMatch::default() };
    // Envoy has never made anything of them; a chain that somebody meant to narrow would match too much.
    written.guard("address_suffix", "not supported, nor by Envoy: use prefix_ranges");
    written.guard("suffix_len", "not supported, nor by Envoy: use prefix_ranges");
    let port = |number: u32| u16::try_from(number).ok();
    ChainMatch {
        destination_port: written.wrapped_u32("destination_port").and_then(port),
        destinations: networks(&written, "prefix_ranges"),
        server_names: server_names(&written),
        transport_protocol: written.text("transport_protocol"),
        application_protocols: written.texts("application_protocols"),
        direct_sources: networks(&written, "direct_source_prefix_ranges"),
        source_type: match written.choice("source_type").as_str() {
            "SAME_IP_OR_LOOPBACK" => SourceType::Local,
            "EXTERNAL" => SourceType::External,
            _ => SourceType::Any,
        },
        sources: networks(&written, "source_prefix_ranges"),
        source_ports: written.numbers("source_ports").into_iter().filter_map(port).collect(),
    }
}

fn server_names(written: &Reader<'_>) -> Vec<String> {
    let names = written.texts("server_names");
    for (index, name) in names.iter().enumerate() {
        if name.strip_prefix("*.").unwrap_or(name).contains('*') {
            let path = format!("{}[{index}]", written.at("server_names"));
            written.report().wrong(&path, format!("`{name}`: `*` may only stand before a dot at the beginning"));
        }
    }
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn networks(written: &Reader<'_>, name: &str) -> Vec<Network> {
    written.all(name).iter().filter_map(network).collect()
}

/// An `envoy.config.core.v3.CidrRange`, with the bits that do not count cleared, so that equal ones look equal.
fn network(range: &Reader<'_>) -> Option<Network> {
    let text = range.text("address_prefix");
    let bits = range.wrapped_u32("prefix_len").unwrap_or(0);
    let Ok(address) = text.parse::<IpAddr>() else {
        range.wrong("address_prefix", format!("`{text}` is not an IP address"));
        return None;
    };
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    if bits > width {
        range.wrong("prefix_len", format!("must be at most {width}, is {bits}"));
        return None;
    }
    let address = match address {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & u32::MAX.checked_shl(width - bits).unwrap_or(0)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & u128::MAX.checked_shl(width - bits).unwrap_or(0)).into()),
    };
    Some(Network { address, bits: u8::try_from(bits).unwrap_or(u8::MAX) })
}

/// Whether a connection could be matched by both equally well: for every criterion both ask for nothing, or for one
/// thing in common. Envoy refuses that.
pub(super) fn overlap(one: &ChainMatch, other: &ChainMatch) -> bool {
    one.destination_port == other.destination_port
        && meet(&one.destinations, &other.destinations)
        && meet(&one.server_names, &other.server_names)
        && one.transport_protocol == other.transport_protocol
        && meet(&one.application_protocols, &other.application_protocols)
        && meet(&one.direct_sources, &other.direct_sources)
        && one.source_type == other.source_type
        && meet(&one.sources, &other.sources)
        && meet(&one.source_ports, &other.source_ports)
}

fn meet<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    one.is_empty() && other.is_empty() || one.iter().any(|item| other.contains(item))
}
