//! A filter chain: which connections it is for, TLS, and the filter that ends it.

use super::reader::Reader;
use super::socket::{self, Socket};
use super::{chain_match, http, redis_proxy, tcp_proxy, tls};
use crate::schema::names;
use meant::{Chain, Filter, ServerTls};
use std::sync::Arc;

/// Filters that end a chain: Envoy refuses them anywhere else.
const TERMINAL: [&str; 3] = [names::REDIS_PROXY, names::TCP_PROXY, names::HTTP];

/// Filters that cannot end a chain.
const PASSING: [&str; 4] = [
    "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
    "envoy.tcp.metadataexchange.config.MetadataExchange",
    "stats.PluginConfig",
];

/// Filters that refuse connections: who wrote one relies on it.
const GUARDS: [&str; 5] = [
    "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
    "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
    "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.network.ratelimit.v3.RateLimit",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
];

/// What `envoy.config.listener.v3.FilterChain` means; `None` if it cannot be used, which has been told then.
pub(super) fn chain(chain: &Reader<'_>) -> Option<Chain> {
    // Nothing here reads metadata.
    chain.without_effect(&["metadata"]);
    chain.only_bool("use_proxy_proto", false);
    let name = chain.text("name");
    let matches = chain_match::chain_match(chain);
    let timeout = chain.duration("transport_socket_connect_timeout").filter(|timeout| !timeout.is_zero());
    let tls = tls(chain, &name);
    let filter = last_filter(chain, &name);
    Some(Chain { name, matches, tls: tls?, tls_timeout: timeout, filter: filter? })
}

/// TLS towards clients, if any; `None` if the chain is to be left out.
fn tls(chain: &Reader<'_>, name: &str) -> Option<Option<Arc<ServerTls>>> {
    match socket::socket(chain, names::SERVER_TLS) {
        Socket::Plain => Some(None),
        Socket::Tls(context) => Some(Some(Arc::new(tls::server(&context)))),
        Socket::Unknown(kind) => {
            let text = format!("{kind} is not supported yet: use {} or remove it", names::SERVER_TLS);
            match chain.subject() {
                Some(subject) => {
                    subject
                        .loud(format!("the chain `{name}` is left out: its transport socket {kind} is not supported"));
                }
                None => chain.unsupported("transport_socket", text),
            }
            None
        }
        Socket::Wrong => None,
    }
}

fn last_filter(chain: &Reader<'_>, name: &str) -> Option<Filter> {
    let mut filters = chain.all("filters");
    let Some(last) = filters.pop() else {
        if let Some(subject) = chain.subject() {
            // As in Envoy.
            subject.degraded(format!("the chain `{name}` has no filter and closes its connections"));
            return Some(Filter::Tcp(tcp_proxy::closing(name)));
        }
        chain.wrong("filters", format!("is required: give one filter, {} or {}", names::REDIS_PROXY, names::TCP_PROXY));
        return None;
    };
    filters.iter().for_each(earlier_filter);
    terminal_filter(&last)
}

/// A filter before the last: none is run.
fn earlier_filter(filter: &Reader<'_>) {
    filter.covered();
    let kind = filter.type_held("typed_config").unwrap_or_default();
    let name = filter.text("name");
    if TERMINAL.contains(&kind.as_str()) {
        return filter.report().wrong(filter.path(), format!("`{name}` ends a chain: put it last"));
    }
    let Some(subject) = filter.subject() else {
        return filter.report().unsupported(filter.path(), "filters before the last are not supported yet: remove it");
    };
    match guard_in(filter, &kind) {
        Some(guard) => subject.loud(format!(
            "the policy of the network filter `{name}` ({guard}) is NOT enforced: connections that it would refuse pass"
        )),
        None => subject.ignored_named(format!("network filter {name}")),
    }
}

/// The guard that a filter is, or may become where its configuration is delivered by itself.
fn guard_in(filter: &Reader<'_>, kind: &str) -> Option<&'static str> {
    let delivered = filter.one("config_discovery").map(|discovery| {
        discovery.covered();
        discovery.texts("type_urls")
    });
    let kinds = delivered.unwrap_or_default();
    let is = |guard: &&&str| kind == **guard || kinds.iter().any(|url| url.ends_with(**guard));
    GUARDS.iter().find(is).copied()
}

fn terminal_filter(filter: &Reader<'_>) -> Option<Filter> {
    // Any name will do: the type decides.
    let name = filter.text("name");
    if !filter.has("typed_config") && !filter.has("config_discovery") {
        filter.wrong("typed_config", "is required");
    }
    if filter.subject().is_some() && filter.has("config_discovery") {
        return Some(Filter::Tcp(passed(filter, &name, "a filter whose configuration is delivered by itself")));
    }
    let kind = filter.type_held("typed_config")?;
    match kind.as_str() {
        names::REDIS_PROXY => {
            let fields = filter.held("typed_config")?.fields.strictly();
            Some(Filter::Redis(redis_proxy::redis_proxy(&fields).into()))
        }
        names::TCP_PROXY => Some(Filter::Tcp(tcp_proxy::tcp_proxy(&filter.held("typed_config")?.fields))),
        kind if PASSING.contains(&kind) => {
            filter.report().wrong(filter.path(), format!("{kind} cannot be the last filter of a chain"));
            None
        }
        names::STRUCT if name.contains("redis_proxy") => {
            let text =
                format!("a filter in a {} is not known to Envoy: write it as {}", names::STRUCT, names::REDIS_PROXY);
            filter.wrong("typed_config", text);
            None
        }
        names::HTTP if filter.subject().is_some() => {
            Some(Filter::Tcp(http::passed(&filter.held("typed_config")?.fields)))
        }
        other if filter.subject().is_some() => Some(Filter::Tcp(passed(filter, &name, other))),
        other => {
            // Read only so that what is wrong inside is not told besides.
            if let Some(held) = filter.held("typed_config") {
                held.fields.covered();
            }
            let known = [names::REDIS_PROXY, names::TCP_PROXY].join(" and ");
            filter.unsupported("typed_config", format!("{other} is no filter that is supported: {known} are"));
            None
        }
    }
}

/// A filter that is not known: its bytes pass through, to wherever the client wanted to go.
fn passed(filter: &Reader<'_>, name: &str, kind: &str) -> meant::TcpProxy {
    filter.covered();
    if let Some(subject) = filter.subject() {
        subject.degraded(format!("`{name}` ({kind}) passes bytes through to their original destination"));
    }
    tcp_proxy::passing(name, meant::Way::Original)
}
