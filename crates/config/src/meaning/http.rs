//! HTTP where a control plane sends it: its bytes pass through.

use super::reader::Reader;
use super::tcp_proxy;
use meant::{TcpProxy, Way};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use std::collections::BTreeSet;

/// Filters of HTTP that refuse requests: who wrote one relies on it.
const GUARDS: [&str; 7] = [
    "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.http.oauth2.v3.OAuth2",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
];

/// Where no route leads to a cluster: nothing answers there, so that what was to be refused stays refused.
const NOWHERE: &str = "BlackHoleCluster";

/// What is left of an `HttpConnectionManager`: bytes go to the one cluster of its routes, else to where the client
/// wanted to go.
pub(super) fn passed(filter: &Reader<'_>) -> TcpProxy {
    filter.covered();
    let way = way(filter);
    if let Some(subject) = filter.subject() {
        guards(filter).iter().for_each(|guard| {
            subject.loud(format!(
                "the policy of the HTTP filter {guard} is NOT enforced: requests that it would refuse pass"
            ));
        });
        subject.degraded(match &way {
            Way::Original => "HTTP passes through to its original destination".to_owned(),
            Way::Clusters(clusters) => {
                let names: Vec<&str> = clusters.iter().map(|(name, _)| name.as_str()).collect();
                format!("HTTP passes through to {}", names.join(", "))
            }
        });
    }
    tcp_proxy::passing(&filter.text("stat_prefix"), way)
}

fn way(filter: &Reader<'_>) -> Way {
    let Some(routes) = filter.one("route_config") else { return Way::Original };
    routes.covered();
    let mut found = Found::default();
    found.search(routes.message());
    let mut clusters = found.clusters.into_iter();
    match (clusters.next(), clusters.next()) {
        (Some(only), None) if !found.is_open => Way::Clusters(vec![(only, 1)]),
        (None, None) if !found.is_open => Way::Clusters(vec![(NOWHERE.to_owned(), 1)]),
        _ => Way::Original,
    }
}

/// The clusters that routes lead to.
#[derive(Default)]
struct Found {
    clusters: BTreeSet<String>,
    /// Some route chooses its cluster by what is in the request, or routes are delivered.
    is_open: bool,
}

impl Found {
    fn search(&mut self, message: &DynamicMessage) {
        match message.descriptor().full_name() {
            "envoy.config.route.v3.RouteAction" => return self.action(message),
            "envoy.config.route.v3.Vhds" => self.is_open = true,
            _ => {}
        }
        message.fields().for_each(|(_, value)| self.value(value));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Message(message) => self.search(message),
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            _ => {}
        }
    }

    fn action(&mut self, action: &DynamicMessage) {
        let text = |message: &DynamicMessage, name: &str| {
            message.get_field_by_name(name).and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
        };
        if action.has_field_by_name("cluster") {
            self.clusters.insert(text(action, "cluster"));
        } else if let Some(weighted) = action.get_field_by_name("weighted_clusters")
            && action.has_field_by_name("weighted_clusters")
        {
            let clusters = weighted.as_message().and_then(|weighted| weighted.get_field_by_name("clusters"));
            let names = clusters.iter().filter_map(|clusters| clusters.as_list()).flatten();
            self.clusters.extend(names.filter_map(Value::as_message).map(|cluster| text(cluster, "name")));
        } else {
            self.is_open = true;
        }
    }
}

/// The guards among the HTTP filters, by name.
fn guards(filter: &Reader<'_>) -> Vec<String> {
    let found = filter.all("http_filters").into_iter().filter_map(|http| {
        http.covered();
        let kind = http.type_held("typed_config").unwrap_or_default();
        GUARDS.contains(&kind.as_str()).then(|| format!("`{}` ({kind})", http.text("name")))
    });
    found.collect()
}
