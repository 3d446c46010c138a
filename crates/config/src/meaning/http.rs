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

/// What is left of an `HttpConnectionManager`: bytes go to the one cluster of its routes, else to where the client
/// wanted to go. Where every route is answered by the proxy itself, nothing may pass.
pub(super) fn passed(filter: &Reader<'_>) -> TcpProxy {
    filter.covered();
    if let Some(subject) = filter.subject() {
        for guard in guards(filter) {
            let told = "is NOT enforced: requests that it would refuse pass";
            subject.loud(format!("the policy of the HTTP filter {guard} {told}"));
        }
    }
    let stat_prefix = filter.text("stat_prefix");
    let (told, passed) = match target(filter) {
        Target::One(cluster) => {
            let told = format!("HTTP passes through to {cluster}");
            (told, tcp_proxy::passing(&stat_prefix, Way::Clusters(vec![(cluster, 1)])))
        }
        Target::None => {
            ("HTTP that the proxy is to answer itself is closed".to_owned(), tcp_proxy::closing(&stat_prefix))
        }
        Target::Several => {
            let told = "HTTP passes through to its original destination".to_owned();
            (told, tcp_proxy::passing(&stat_prefix, Way::Original))
        }
    };
    if let Some(subject) = filter.subject() {
        subject.degraded(told);
    }
    passed
}

/// Where routes lead to.
enum Target {
    One(String),
    None,
    /// To several clusters, or to those that a request or a control plane chooses.
    Several,
}

fn target(filter: &Reader<'_>) -> Target {
    let Some(routes) = filter.one("route_config") else { return Target::Several };
    routes.covered();
    let mut found = Found::default();
    found.search(routes.message());
    let mut clusters = found.clusters.into_iter();
    match (clusters.next(), clusters.next()) {
        _ if found.is_open => Target::Several,
        (Some(only), None) => Target::One(only),
        (None, _) => Target::None,
        _ => Target::Several,
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
