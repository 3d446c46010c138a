//! `spec` as a message of Istio's API to the types of this room.

use super::{ChainMatch, ClusterMatch, ListenerMatch, Match, Object, ProxyMatch, RouteMatch, VersionMatch, VhostMatch};
use crate::field::{choice, inner, number, text};
use prost_reflect::{DynamicMessage, MapKey};
use std::collections::BTreeMap;

/// `match`, which may be missing; a version that cannot be read is left out.
pub(super) fn matching(patch: &DynamicMessage) -> Match {
    let Some(matching) = inner(patch, "match") else { return Match::default() };
    let proxy = inner(&matching, "proxy").map_or_else(ProxyMatch::default, |proxy| ProxyMatch {
        version: Some(text(&proxy, "proxy_version"))
            .filter(|version| !version.is_empty())
            .and_then(|version| VersionMatch::new(&version).ok()),
        metadata: texts(&proxy, "metadata"),
    });
    Match {
        context: super::Context::of(&choice(&matching, "context")).unwrap_or_default(),
        proxy,
        object: object(&matching),
    }
}

fn object(matching: &DynamicMessage) -> Object {
    if let Some(listener) = inner(matching, "listener") {
        return Object::Listener(of_listener(&listener));
    }
    if let Some(cluster) = inner(matching, "cluster") {
        return Object::Cluster(ClusterMatch {
            name: text(&cluster, "name"),
            service: text(&cluster, "service"),
            subset: text(&cluster, "subset"),
            port: number(&cluster, "port_number"),
        });
    }
    if let Some(route) = inner(matching, "route_configuration") {
        return Object::Route(of_route(&route));
    }
    if matching.has_field_by_name("waypoint") { Object::Waypoint } else { Object::Any }
}

fn of_listener(listener: &DynamicMessage) -> ListenerMatch {
    ListenerMatch {
        name: text(listener, "name"),
        port: number(listener, "port_number"),
        port_name: text(listener, "port_name"),
        listener_filter: text(listener, "listener_filter"),
        chain: inner(listener, "filter_chain").map(|chain| of_chain(&chain)),
    }
}

fn of_chain(chain: &DynamicMessage) -> ChainMatch {
    let filter = inner(chain, "filter");
    let sub_filter = filter.as_ref().and_then(|filter| inner(filter, "sub_filter"));
    let protocols = text(chain, "application_protocols");
    ChainMatch {
        name: text(chain, "name"),
        sni: text(chain, "sni"),
        transport_protocol: text(chain, "transport_protocol"),
        application_protocols: protocols.split(',').filter(|_| !protocols.is_empty()).map(str::to_owned).collect(),
        destination_port: number(chain, "destination_port"),
        filter: filter.map(|filter| text(&filter, "name")),
        sub_filter: sub_filter.map(|filter| text(&filter, "name")),
    }
}

fn of_route(route: &DynamicMessage) -> RouteMatch {
    RouteMatch {
        port: number(route, "port_number"),
        port_name: text(route, "port_name"),
        gateway: text(route, "gateway"),
        name: text(route, "name"),
        vhost: inner(route, "vhost").map(|vhost| VhostMatch {
            name: text(&vhost, "name"),
            domain: text(&vhost, "domain_name"),
            route: inner(&vhost, "route").map(|route| (text(&route, "name"), choice(&route, "action"))),
        }),
    }
}

/// A map of texts.
pub(super) fn texts(message: &DynamicMessage, name: &str) -> BTreeMap<String, String> {
    let value = message.get_field_by_name(name);
    let entries = value.as_ref().and_then(|value| value.as_map()).into_iter().flatten();
    let texts = entries.filter_map(|(key, value)| match key {
        MapKey::String(key) => Some((key.clone(), value.as_str()?.to_owned())),
        _ => None,
    });
    texts.collect()
}
