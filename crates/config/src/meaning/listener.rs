//! A listener: one address, one filter chain, one filter.

use super::reader::Reader;
use super::{address, redis_proxy, tcp_proxy};
use crate::schema::names;
use meant::Filter;

/// `per_connection_buffer_limit_bytes`, if not written.
const BUFFER_LIMIT: u32 = 1 << 20;

/// What `envoy.config.listener.v3.Listener` means; `None` if it lacks what a listener needs.
pub(super) fn listener(listener: &Reader<'_>) -> Option<meant::Listener> {
    // Nothing here reads metadata: what could (access logs, filters of HTTP) is refused.
    listener.without_effect(&["metadata"]);
    listener.only_bool("bind_to_port", true);
    listener.only_bool("use_original_dst", false);
    listener.only_bool("transparent", false);
    listener.only_bool("freebind", false);
    listener.only_bool("enable_reuse_port", true);
    listener.refuse("listener_filters", "listener filters are not supported yet: remove them");
    listener.refuse("default_filter_chain", "not supported yet: write the one chain under filter_chains");
    let name = listener.text("name");
    let buffer_limit = buffer_limit(listener);
    let filter = chain(listener);
    if !listener.has("address") {
        listener.wrong("address", "is required");
    }
    let address = address::bound(listener, "address");
    Some(meant::Listener { buffer_limit, ..meant::Listener::with_one_filter(name, address?, filter?) })
}

fn buffer_limit(listener: &Reader<'_>) -> usize {
    let field = "per_connection_buffer_limit_bytes";
    let limit = listener.wrapped_u32(field).unwrap_or(BUFFER_LIMIT);
    if limit == 0 {
        listener.wrong(field, "0 would lift the limit, and memory must stay bounded: give a number of bytes");
    }
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn chain(listener: &Reader<'_>) -> Option<Filter> {
    let mut chains = listener.all("filter_chains").into_iter();
    let Some(chain) = chains.next() else {
        if !listener.has("default_filter_chain") {
            listener.wrong("filter_chains", "is required: a listener needs one chain with one filter");
        }
        return None;
    };
    for other in chains {
        other.report().unsupported(other.path(), "more than one filter chain is not supported yet: remove it");
    }
    chain.without_effect(&["metadata", "name"]);
    chain.only_empty("filter_chain_match");
    chain.only_bool("use_proxy_proto", false);
    chain.refuse("transport_socket", "TLS for clients is not supported yet: remove it");
    terminal_filter(&chain)
}

fn terminal_filter(chain: &Reader<'_>) -> Option<Filter> {
    let mut filters = chain.all("filters");
    let Some(last) = filters.pop() else {
        chain.wrong("filters", format!("is required: give one filter, {} or {}", names::REDIS_PROXY, names::TCP_PROXY));
        return None;
    };
    for earlier in filters {
        earlier.report().unsupported(earlier.path(), "filters before the last are not supported yet: remove it");
    }
    // Any name will do: the type decides.
    last.without_effect(&["name"]);
    if !last.has("typed_config") && !last.has("config_discovery") {
        last.wrong("typed_config", "is required");
    }
    let held = last.held("typed_config")?;
    match held.type_name.as_str() {
        names::REDIS_PROXY => Some(Filter::Redis(redis_proxy::redis_proxy(&held.fields).into())),
        names::TCP_PROXY => Some(Filter::Tcp(tcp_proxy::tcp_proxy(&held.fields))),
        other => {
            let known = [names::REDIS_PROXY, names::TCP_PROXY].join(" and ");
            held.fields
                .report()
                .unsupported(held.fields.path(), format!("{other} is no filter that is supported: {known} are"));
            None
        }
    }
}
