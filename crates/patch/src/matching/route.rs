//! Route configurations, their virtual hosts and routes.

use super::parse_cluster_name;
use crate::field::{name, texts};
use crate::filter::{Context, Patch, RouteMatch};
use prost_reflect::DynamicMessage;

/// Why the route configuration is not meant; `None` if it is.
pub(crate) fn routes_differ(patch: &Patch, side: Context, routes: &DynamicMessage) -> Option<String> {
    let wanted = patch.matching.route()?;
    let name = name(routes);
    if !wanted.name.is_empty() && wanted.name != name {
        return Some(format!("it is not named {}", wanted.name));
    }
    if side == Context::Gateway {
        return of_gateway(wanted, &name);
    }
    // A sidecar's is named by its port, or by host and port, which istiod does not look into.
    let port = if name.starts_with("inbound|") { parse_cluster_name(&name).port } else { name.parse().unwrap_or(0) };
    (wanted.port != 0 && wanted.port != port).then(|| format!("its name tells port {port}, not {}", wanted.port))
}

/// `http.80` or `https.443.portname.gateway.namespace`.
fn of_gateway(wanted: &RouteMatch, name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let port = parts.get(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let (port_name, gateway) = match parts.as_slice() {
        ["https", _, port_name, gateway, namespace] => ((*port_name).to_owned(), format!("{namespace}/{gateway}")),
        _ => Default::default(),
    };
    if wanted.port != 0 && wanted.port != port {
        return Some(format!("its port is {port}, not {}", wanted.port));
    }
    if !wanted.port_name.is_empty() && wanted.port_name != port_name {
        return Some(format!("its port is named {port_name:?}, not {}", wanted.port_name));
    }
    if !wanted.gateway.is_empty() && wanted.gateway != gateway {
        return Some(format!("it is of gateway {gateway:?}, not {}", wanted.gateway));
    }
    None
}

/// Why the virtual host is not meant; `None` if it is.
pub(crate) fn vhost_differs(patch: &Patch, vhost: &DynamicMessage) -> Option<String> {
    let wanted = patch.matching.route()?.vhost.as_ref()?;
    if !wanted.name.is_empty() && wanted.name != name(vhost) {
        return Some(format!("it is not named {}", wanted.name));
    }
    if !wanted.domain.is_empty() && !texts(vhost, "domains").contains(&wanted.domain) {
        return Some(format!("its domains do not list {}", wanted.domain));
    }
    None
}

/// Whether a route is named at all.
pub(crate) fn has_route_match(patch: &Patch) -> bool {
    patch.matching.route().and_then(|route| route.vhost.as_ref()).is_some_and(|vhost| vhost.route.is_some())
}

/// Why the route is not meant; `None` if it is.
pub(crate) fn route_differs(patch: &Patch, route: &DynamicMessage) -> Option<String> {
    let (wanted, action) = patch.matching.route()?.vhost.as_ref()?.route.as_ref()?;
    if !wanted.is_empty() && *wanted != name(route) {
        return Some(format!("it is not named {wanted}"));
    }
    let does = |field: &str| route.has_field_by_name(field);
    let is_meant = match action.as_str() {
        "ROUTE" => does("route"),
        "REDIRECT" => does("redirect"),
        "DIRECT_RESPONSE" => does("direct_response"),
        _ => true,
    };
    (!is_meant).then(|| format!("its action is not {action}"))
}
