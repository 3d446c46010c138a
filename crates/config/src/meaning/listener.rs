//! A listener: where it listens, how a connection is looked at, and its filter chains.

use super::reader::Reader;
use super::{address, chain, chain_match, inspectors};
use meant::Chain;
use std::sync::Arc;

/// `per_connection_buffer_limit_bytes`, if not written.
const BUFFER_LIMIT: u32 = 1 << 20;

/// What `envoy.config.listener.v3.Listener` means; `None` if it lacks what a listener needs.
pub(super) fn listener(listener: &Reader<'_>) -> Option<meant::Listener> {
    // Nothing here reads metadata: what could (access logs, filters of HTTP) is refused or told.
    listener.without_effect(&["metadata"]);
    listener.harmless(&["traffic_direction", "max_connections_to_accept_per_socket_event", "stat_prefix"]);
    listener.harmless(&["ignore_global_conn_limit", "bypass_overload_manager"]);
    listener.only_bool("transparent", false);
    listener.only_bool("freebind", false);
    listener.only_bool("enable_reuse_port", true);
    guard(listener);
    let hands_over = listener.wrapped_bool("use_original_dst").unwrap_or(false);
    let (restores, sniffing) = inspectors::inspectors(listener);
    let (chains, default_chain) = chains(listener);
    if !listener.has("address") {
        listener.wrong("address", "is required");
    }
    let found = meant::Listener {
        name: listener.text("name"),
        address: address::bound(listener, "address")?,
        binds: binds(listener),
        hands_over,
        restores_destination: hands_over || restores,
        sniffing,
        chains,
        default_chain,
        buffer_limit: buffer_limit(listener),
    };
    Some(found)
}

/// Without these the rest would mean something else.
fn guard(listener: &Reader<'_>) {
    listener.guard("filter_chain_matcher", "not supported yet: give each chain a filter_chain_match");
    listener.guard("fcds_config", "not supported yet: write the chains under filter_chains");
    listener.guard("api_listener", "not supported yet: use an address and filter_chains");
    listener.guard("udp_listener_config", "Redis speaks TCP: remove it");
    listener.guard("internal_listener", "not supported yet: use an address");
    if let Some(subject) = listener.subject()
        && listener.has("additional_addresses")
    {
        subject.loud("its additional_addresses are not served: only its address is");
        listener.without_effect(&["additional_addresses"]);
    }
}

/// `bind_to_port`, in its old place as well.
fn binds(listener: &Reader<'_>) -> bool {
    let old = listener.one("deprecated_v1").and_then(|old| old.wrapped_bool("bind_to_port"));
    listener.wrapped_bool("bind_to_port").or(old).unwrap_or(true)
}

fn buffer_limit(listener: &Reader<'_>) -> usize {
    let field = "per_connection_buffer_limit_bytes";
    let limit = listener.wrapped_u32(field).unwrap_or(BUFFER_LIMIT);
    if limit > 0 {
        return usize::try_from(limit).unwrap_or(usize::MAX);
    }
    match listener.subject() {
        Some(subject) => subject.degraded(format!("a {field} of 0 is {BUFFER_LIMIT}: memory stays bounded")),
        None => listener.wrong(field, "0 would lift the limit, and memory must stay bounded: give a number of bytes"),
    }
    usize::try_from(BUFFER_LIMIT).unwrap_or(usize::MAX)
}

fn chains(listener: &Reader<'_>) -> (Vec<Arc<Chain>>, Option<Arc<Chain>>) {
    let written = listener.all("filter_chains");
    let default = listener.one("default_filter_chain");
    if written.is_empty() && default.is_none() {
        listener.wrong("filter_chains", "is required: a listener needs a chain that ends in one filter");
    }
    let mut chains: Vec<Arc<Chain>> = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for reader in &written {
        let Some(chain) = chain::chain(reader) else { continue };
        let same = chains.iter().position(|earlier| chain_match::overlap(&earlier.matches, &chain.matches));
        if let Some(earlier) = same {
            let text =
                format!("matches connections that {} matches in the same way: make them differ", places[earlier]);
            reader.report().wrong(&reader.at("filter_chain_match"), text);
        }
        places.push(reader.path().to_owned());
        chains.push(Arc::new(chain));
    }
    (chains, default.as_ref().and_then(chain::chain).map(Arc::new))
}
