//! The clusters of a service: one for each port, and one for each port and subset.

use super::endpoints::load_assignment;
use super::names::{extension, outbound as cluster_name};
use super::policy::{apply, limits};
use super::tls::{Wanted, secure};
use super::view::View;
use crate::object::Labels;
use crate::registry::service::{Origin, Port, Resolution, Service};
use crate::registry::{Protocol, Rule, State};
use crate::typed::Bound;
use crate::written::rule::{RuleSubset, TrafficPolicy};
use serde_json::{Value, json};
use std::sync::Arc;

/// One cluster to be made.
pub(super) struct Wish<'a> {
    pub(super) service: &'a Service,
    pub(super) port: &'a Port,
    pub(super) rule: Option<&'a Rule>,
    pub(super) subset: Option<&'a RuleSubset>,
    pub(super) policy: TrafficPolicy,
    pub(super) view: &'a View,
    /// Whether endpoints that speak Istio's mutual TLS are spoken to by it.
    pub(super) auto_mtls: bool,
    /// What a typed resource makes of it.
    pub(super) bound: Option<&'a Bound>,
}

/// The clusters of the ports of `service` that `seen` lets through; `bounds` is what typed resources make of them.
pub(crate) fn outbound(
    service: &Service,
    rule: Option<&Rule>,
    bounds: &[Arc<Bound>],
    view: &View,
    state: &State,
    seen: impl Fn(u16) -> bool,
) -> Vec<Value> {
    let auto_mtls = super::tls::is_automatic(service, state);
    let ports = service.ports.iter().filter(|port| port.protocol != Protocol::Udp && seen(port.number));
    let policy = rule.and_then(|rule| rule.policy.clone()).unwrap_or_default();
    let none = TrafficPolicy::default();
    ports
        .flat_map(|port| {
            let bound = bounds.iter().find(|bound| bound.at.port == port.number).map(AsRef::as_ref);
            let wish = |subset, policy| Wish { service, port, rule, subset, policy, view, auto_mtls, bound: None };
            let subsets = rule.map_or(&[][..], |rule| &rule.subsets).iter().map(|subset| {
                let own = subset.traffic_policy.as_ref().unwrap_or(&none);
                wish(Some(subset), policy.for_subset(own, port.number))
            });
            let plain = wish(None, policy.for_port(port.number));
            let own = bound.map(|bound| plain.bound_by(bound));
            let replaces = bound.is_some_and(|bound| bound.upstream.name().is_none());
            let plain = Some(plain).filter(|_| !replaces);
            plain.into_iter().chain(own).chain(subsets).collect::<Vec<_>>()
        })
        .filter_map(|wish| wish.cluster())
        .collect()
}

impl<'a> Wish<'a> {
    /// The same as a typed resource wants it.
    fn bound_by(&self, bound: &'a Bound) -> Self {
        // A cluster of its own holds nothing but what the resource says.
        let rule = self.rule.filter(|_| bound.upstream.name().is_none());
        let policy = if bound.upstream.name().is_none() { self.policy.clone() } else { TrafficPolicy::default() };
        let (policy, bound) = (bound.upstream.policy(policy), Some(bound));
        Self {
            rule,
            policy,
            bound,
            service: self.service,
            port: self.port,
            subset: None,
            view: self.view,
            auto_mtls: self.auto_mtls,
        }
    }

    pub(super) fn subset_name(&self) -> &str {
        self.subset.map_or("", |subset| &subset.name)
    }

    fn name(&self) -> String {
        cluster_name(self.port.number, self.subset_name(), &self.service.host)
    }

    fn labels(&self) -> Option<&Labels> {
        self.subset.map(|subset| &subset.labels)
    }

    /// `None` for a cluster without endpoints whose endpoints cannot come later.
    fn cluster(&self) -> Option<Value> {
        let name = self.name();
        if let Some(bound) = self.bound
            && let Some(name) = bound.upstream.name()
        {
            return Some(self.apart(bound, name));
        }
        let mut cluster = json!({
            "name": name,
            "alt_stat_name": format!("{name};"),
            "connect_timeout": self.view.mesh.connect_timeout.to_string(),
            "circuit_breakers": limits(&self.policy),
            "common_lb_config": {"healthy_panic_threshold": {}},
            "metadata": {"filter_metadata": {"istio": self.metadata()}},
        });
        let found = self.discovery(&name, &mut cluster);
        let is_redis = self.bound.is_some_and(|bound| bound.upstream.is_cluster());
        if found.is_none() && !is_redis {
            return None;
        }
        apply(self, &mut cluster);
        if let Some(bound) = self.bound {
            bound.upstream.shape(self.service, self.port, self.policy.load_balancer.is_some(), &mut cluster);
        }
        // Nodes that are discovered have no metadata: either all are spoken to by mutual TLS, or none.
        let wanted = Wanted { is_original: is_redis || cluster["type"] == "ORIGINAL_DST" };
        secure(self, &wanted, &mut cluster);
        Some(cluster)
    }

    /// A Redis cluster with a name of its own.
    fn apart(&self, bound: &Bound, name: &str) -> Value {
        let mut cluster = json!({"name": name, "connect_timeout": self.view.mesh.connect_timeout.to_string()});
        apply(self, &mut cluster);
        let pool = self.policy.connection_pool.as_ref();
        if pool.is_some_and(|pool| pool.tcp.max_connections > 0) {
            cluster["circuit_breakers"] = limits(&self.policy);
        }
        bound.upstream.shape(self.service, self.port, false, &mut cluster);
        secure(self, &Wanted { is_original: true }, &mut cluster);
        cluster
    }

    /// How the cluster finds its endpoints.
    fn discovery(&self, name: &str, cluster: &mut Value) -> Option<()> {
        let set = |cluster: &mut Value, kind: &str| cluster["type"] = kind.into();
        match self.service.resolution {
            Resolution::Endpoints => {
                set(cluster, "EDS");
                cluster["eds_cluster_config"] = json!({
                    "eds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
                    "service_name": name,
                });
            }
            Resolution::Headless | Resolution::OriginalDestination => set(cluster, "ORIGINAL_DST"),
            Resolution::Dns => {
                set(cluster, "STRICT_DNS");
                self.look_up(name, cluster)?;
            }
            Resolution::DnsRoundRobin => {
                set(cluster, "LOGICAL_DNS");
                self.look_up(name, cluster)?;
            }
        }
        Some(())
    }

    fn look_up(&self, name: &str, cluster: &mut Value) -> Option<()> {
        let assignment = load_assignment(self.service, self.port, self.labels(), self.view, name, |_| false);
        assignment["endpoints"].as_array()?;
        cluster["load_assignment"] = assignment;
        cluster["dns_refresh_rate"] = self.view.mesh.dns_refresh_rate.to_string().into();
        cluster["dns_jitter"] = "0.100s".into();
        cluster["respect_dns_ttl"] = true.into();
        cluster["dns_lookup_family"] = match (self.view.v4, self.view.v6) {
            (true, true) => "ALL",
            (false, true) => "V6_ONLY",
            _ => "V4_ONLY",
        }
        .into();
        cluster["typed_dns_resolver_config"] = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": extension("network.dns_resolver.cares.v3.CaresDnsResolverConfig"),
                "udp_max_queries": 100,
            },
        });
        Some(())
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({"services": [service_metadata(self.service)]});
        if self.service.origin == Origin::ServiceEntry && self.service.external {
            metadata["external"] = true.into();
        }
        if let Some(rule) = self.rule {
            let (namespace, name) = (&rule.namespace, &rule.name);
            let path = format!("/apis/networking.istio.io/v1/namespaces/{namespace}/destination-rule/{name}");
            metadata["config"] = path.into();
        }
        if let Some(subset) = self.subset {
            metadata["subset"] = subset.name.as_str().into();
        }
        metadata
    }
}

/// How a cluster names the service that it stands for.
pub(super) fn service_metadata(service: &Service) -> Value {
    json!({"host": service.host, "name": service.name, "namespace": service.namespace})
}
