//! Why a patch hit nothing, and what it may have meant.

use super::nearest::nearest;
use crate::engine::Applied;
use crate::field::{config, inner, messages, name, socket, text};
use crate::filter::{ApplyTo, Context, Operation, Patch, successor};
use crate::matching::{
    ListenerFacts, chain_differs, cluster_differs, hosts_of, listener_differs, parse_cluster_name, routes_differ,
    side_of_cluster, side_of_listener, side_of_routes, vhost_differs,
};
use crate::proxy::ProxyInfo;
use crate::resources::Resources;
use config::Schema;
use prost_reflect::DynamicMessage;

/// Where the patch was applied to nothing.
pub(crate) struct Surroundings<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) base: &'a Resources,
    pub(crate) applied: &'a Applied,
    pub(crate) proxy: &'a ProxyInfo,
}

type Told = (String, Vec<String>);

/// The reason, and candidates.
pub(crate) fn explain(around: &Surroundings<'_>, patch: &Patch, warnings: &[String]) -> Told {
    if let Some(reason) = without_looking(patch) {
        return (reason, Vec::new());
    }
    if !warnings.is_empty() {
        return ("it could not be carried out where it matches: see its warnings".to_owned(), Vec::new());
    }
    match patch.apply_to {
        ApplyTo::Cluster => around.cluster(patch),
        ApplyTo::RouteConfiguration | ApplyTo::VirtualHost | ApplyTo::HttpRoute => around.route(patch),
        _ => around.listener(patch),
    }
}

/// What does nothing whatever the proxy has.
fn without_looking(patch: &Patch) -> Option<String> {
    let (apply_to, operation) = (patch.apply_to, patch.operation);
    if patch.matching.context == Context::Waypoint {
        return Some("context WAYPOINT is declared by Istio, and no engine applies it".to_owned());
    }
    match apply_to {
        ApplyTo::ExtensionConfig => {
            return Some(
                "EXTENSION_CONFIG is served over ECDS to the filter that asks for it, not in what is patched here"
                    .to_owned(),
            );
        }
        ApplyTo::Bootstrap => return Some("BOOTSTRAP is deprecated and changes nothing that is pushed".to_owned()),
        _ => {}
    }
    let instead = match (apply_to, operation) {
        (ApplyTo::Cluster | ApplyTo::Listener | ApplyTo::FilterChain | ApplyTo::HttpRoute, Operation::Replace) => {
            "REMOVE and ADD"
        }
        (ApplyTo::RouteConfiguration, operation) if !operation.is_merge() => "MERGE",
        (ApplyTo::NetworkFilter | ApplyTo::HttpFilter | ApplyTo::ListenerFilter, Operation::MergeAndReplaceList) => {
            "MERGE or REPLACE"
        }
        _ => return unnamed(patch),
    };
    Some(format!("{operation} does nothing with {apply_to}: use {instead}"))
}

/// REPLACE and REMOVE of a filter that is not named.
fn unnamed(patch: &Patch) -> Option<String> {
    let needs = match (patch.apply_to, patch.operation) {
        (ApplyTo::NetworkFilter, Operation::Replace | Operation::Remove) if patch.matching.filter().is_none() => {
            "match.listener.filterChain.filter.name"
        }
        (ApplyTo::HttpFilter, Operation::Replace | Operation::Remove) if patch.matching.sub_filter().is_none() => {
            "match.listener.filterChain.filter.subFilter.name"
        }
        (ApplyTo::ListenerFilter, Operation::Replace | Operation::Remove | Operation::Merge)
            if patch.matching.listener_filter().is_none() =>
        {
            "match.listener.listenerFilter"
        }
        _ => return None,
    };
    Some(format!("{} of a {} needs its name in {needs}", patch.operation, patch.apply_to))
}

impl Surroundings<'_> {
    fn is_on(&self, patch: &Patch, side: Context) -> bool {
        patch.matching.context == Context::Any || patch.matching.context == side
    }

    fn listener(&self, patch: &Patch) -> Told {
        let role = self.proxy.role;
        let here: Vec<&DynamicMessage> =
            self.base.listeners.iter().filter(|listener| self.is_on(patch, side_of_listener(listener, role))).collect();
        if here.is_empty() {
            return (format!("this proxy has no listeners of context {}", patch.matching.context), Vec::new());
        }
        if patch.operation == Operation::Add && patch.apply_to == ApplyTo::Listener {
            return (format!("nothing is added with context {} to this proxy", patch.matching.context), Vec::new());
        }
        let is_meant = |listener: &&DynamicMessage| listener_differs(patch, &ListenerFacts::of(listener)).is_none();
        let meant: Vec<&DynamicMessage> = here.iter().copied().filter(is_meant).collect();
        if meant.is_empty() { self.no_listener(patch, &here) } else { self.in_listeners(patch, &meant) }
    }

    fn no_listener(&self, patch: &Patch, here: &[&DynamicMessage]) -> Told {
        let Some(wanted) = patch.matching.listener() else { return ("no listener matches".to_owned(), Vec::new()) };
        if let Some(named) = self.base.listeners.iter().find(|listener| name(listener) == wanted.name) {
            let side = side_of_listener(named, self.proxy.role);
            let facts = ListenerFacts::of(named);
            let why = match listener_differs(patch, &facts) {
                Some(why) => why,
                None => format!("it is of context {side}, not {}", patch.matching.context),
            };
            return (format!("listener {}: {why}", wanted.name), Vec::new());
        }
        let is_added = self.applied.listeners.added.iter().any(|(_, _, listener)| name(listener) == wanted.name);
        if is_added && !wanted.name.is_empty() {
            return (
                format!("listener {} is added by an EnvoyFilter, and what is added is not patched", wanted.name),
                Vec::new(),
            );
        }
        if wanted.name.is_empty() {
            let mut ports: Vec<u32> =
                here.iter().filter_map(|listener| socket(listener)).map(|(_, port)| port).collect();
            ports.sort_unstable();
            ports.dedup();
            let ports = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return (format!("no listener has port {}; their ports are {ports}", wanted.port), Vec::new());
        }
        let candidates = nearest(&wanted.name, here.iter().map(|listener| name(listener)));
        let candidates = candidates.into_iter().map(|name| self.with_target(&name)).collect();
        (format!("no listener is named {}", wanted.name), candidates)
    }

    /// A listener's name with the cluster that it leads to: an address alone tells nobody which service it is.
    fn with_target(&self, listener: &str) -> String {
        let target = self.base.listeners.iter().find(|one| name(one) == listener).and_then(|listener| {
            let filters = messages(listener, "filter_chains").into_iter().flat_map(|chain| messages(&chain, "filters"));
            let mut configs = filters.filter_map(|filter| config(self.schema, &filter));
            configs.find_map(|config| Some(text(&config, "cluster")).filter(|cluster| !cluster.is_empty()))
        });
        target.map_or_else(|| listener.to_owned(), |target| format!("{listener} (to {target})"))
    }

    fn in_listeners(&self, patch: &Patch, meant: &[&DynamicMessage]) -> Told {
        if patch.apply_to == ApplyTo::ListenerFilter {
            let known = meant.iter().flat_map(|listener| names(listener, "listener_filters")).collect();
            return no_filter(patch.matching.listener_filter().unwrap_or(""), "listener filter", known);
        }
        let (mut chains, mut others) = (Vec::new(), Vec::new());
        for listener in meant {
            let facts = ListenerFacts::of(listener);
            for chain in messages(listener, "filter_chains").into_iter().chain(inner(listener, "default_filter_chain"))
            {
                match chain_differs(patch, &facts, &chain) {
                    Some(why) => others.push(format!("{} chain {:?}: {why}", facts.name, name(&chain))),
                    None => chains.push(chain),
                }
            }
        }
        if chains.is_empty() {
            others.dedup();
            others.truncate(3);
            return ("no filter chain of the listeners that match is meant".to_owned(), others);
        }
        let filters: Vec<DynamicMessage> = chains.iter().flat_map(|chain| messages(chain, "filters")).collect();
        if patch.apply_to != ApplyTo::HttpFilter {
            return no_filter(
                patch.matching.filter().unwrap_or(""),
                "network filter",
                filters.iter().map(name).collect(),
            );
        }
        let wanted = patch.matching.filter().unwrap_or(crate::filter::CONNECTION_MANAGER);
        let managers: Vec<DynamicMessage> = filters.iter().filter(|filter| name(filter) == wanted).cloned().collect();
        if managers.is_empty() || wanted != crate::filter::CONNECTION_MANAGER {
            return no_filter(wanted, "HTTP connection manager", filters.iter().map(name).collect());
        }
        let inside = managers.iter().filter_map(|filter| config(self.schema, filter));
        let known = inside.flat_map(|manager| names(&manager, "http_filters")).collect();
        no_filter(patch.matching.sub_filter().unwrap_or(""), "HTTP filter", known)
    }

    fn cluster(&self, patch: &Patch) -> Told {
        let context = patch.matching.context;
        let here: Vec<&DynamicMessage> = self
            .base
            .clusters
            .iter()
            .filter(|cluster| self.is_on(patch, side_of_cluster(cluster, self.proxy.role)))
            .collect();
        let Some(wanted) = patch.matching.cluster().filter(|_| patch.operation != Operation::Add) else {
            return (format!("this proxy has no clusters of context {context}"), Vec::new());
        };
        if here.is_empty() {
            return (format!("this proxy has no clusters of context {context}"), Vec::new());
        }
        if let Some(other) = self.base.clusters.iter().find(|cluster| cluster_differs(patch, cluster).is_none()) {
            let side = side_of_cluster(other, self.proxy.role);
            let reason = match self.is_on(patch, side) {
                true => format!("cluster {} was removed by an earlier patch", name(other)),
                false => format!("cluster {} is of context {side}, not {context}", name(other)),
            };
            return (reason, Vec::new());
        }
        let names = here.iter().map(|cluster| name(cluster));
        if !wanted.name.is_empty() {
            if self.applied.clusters.added.iter().any(|(_, _, cluster)| name(cluster) == wanted.name) {
                return (
                    format!("cluster {} is added by an EnvoyFilter, and what is added is not patched", wanted.name),
                    Vec::new(),
                );
            }
            return (format!("no cluster is named {}", wanted.name), nearest(&wanted.name, names));
        }
        let of_service: Vec<String> =
            here.iter().filter(|cluster| is_for(cluster, &wanted.service)).map(|one| name(one)).collect();
        if !wanted.service.is_empty() && of_service.is_empty() {
            let hosts =
                here.iter().map(|cluster| parse_cluster_name(&name(cluster)).host).filter(|host| !host.is_empty());
            return (format!("no cluster is for service {}", wanted.service), nearest(&wanted.service, hosts));
        }
        let candidates =
            if of_service.is_empty() { nearest("", names) } else { of_service.into_iter().take(3).collect() };
        let subset = if wanted.subset.is_empty() { String::new() } else { format!(" and subset {}", wanted.subset) };
        let port = if wanted.port == 0 { String::new() } else { format!(" with port {}", wanted.port) };
        let service = if wanted.service.is_empty() { String::new() } else { format!(" of {}", wanted.service) };
        (format!("there is no cluster{service}{port}{subset}"), candidates)
    }

    fn route(&self, patch: &Patch) -> Told {
        let side = side_of_routes(self.proxy.role);
        if !self.is_on(patch, side) {
            return (format!("no route configuration of context {} matches", patch.matching.context), Vec::new());
        }
        let is_meant = |routes: &&DynamicMessage| routes_differ(patch, side, routes).is_none();
        let meant: Vec<&DynamicMessage> = self.base.routes.iter().filter(is_meant).collect();
        let wanted = patch.matching.route();
        if meant.is_empty() {
            let known = self.base.routes.iter().map(name);
            let wanted = wanted.map(|wanted| wanted.name.clone()).unwrap_or_default();
            let why = self.base.routes.iter().find_map(|routes| routes_differ(patch, side, routes));
            let told = if wanted.is_empty() { known.take(3).collect() } else { nearest(&wanted, known) };
            return (
                format!("no route configuration matches: {}", why.unwrap_or_else(|| "there is none".to_owned())),
                told,
            );
        }
        let hosts: Vec<DynamicMessage> = meant.iter().flat_map(|routes| messages(routes, "virtual_hosts")).collect();
        if hosts.iter().all(|host| vhost_differs(patch, host).is_some()) {
            let wanted = wanted.and_then(|wanted| wanted.vhost.as_ref());
            let wanted = wanted.map(|vhost| format!("{}{}", vhost.name, vhost.domain)).unwrap_or_default();
            return ("no virtual host matches".to_owned(), nearest(&wanted, hosts.iter().map(name)));
        }
        let routes: Vec<String> = hosts.iter().flat_map(|host| names(host, "routes")).collect();
        let wanted = wanted.and_then(|wanted| wanted.vhost.as_ref()).and_then(|vhost| vhost.route.as_ref());
        no_filter(wanted.map_or("", |(name, _)| name), "route", routes)
    }
}

fn is_for(cluster: &DynamicMessage, service: &str) -> bool {
    let parts = parse_cluster_name(&name(cluster));
    parts.host == service || parts.direction == "inbound" && hosts_of(cluster).iter().any(|host| host == service)
}

fn names(message: &DynamicMessage, field: &str) -> Vec<String> {
    messages(message, field).iter().map(name).collect()
}

/// What is there instead of the one that is named.
fn no_filter(wanted: &str, what: &str, mut known: Vec<String>) -> Told {
    known.sort();
    known.dedup();
    let renamed = successor(wanted).filter(|new| known.iter().any(|name| name == new));
    if let Some(new) = renamed {
        return (format!("no {what} is named {wanted}, which is an old name: it is {new} now"), vec![new.to_owned()]);
    }
    let reason = match (wanted, known.is_empty()) {
        (_, true) => format!("there is no {what} where the patch looks"),
        ("", false) => format!("no {what} is named, or an earlier patch took it"),
        (wanted, false) => {
            format!("no {what} is named {wanted}, or an earlier patch took it; there are {}", known.join(", "))
        }
    };
    (reason, nearest(wanted, known.into_iter()))
}
