//! What holds for services and proxies: DestinationRules, Sidecars, PeerAuthentications.

use super::service::{Export, Service};
use crate::object::{Labels, Object, selects};
use crate::written::istio::{Egress, MtlsMode, PeerAuthentication, Sidecar};
use crate::written::mesh::{Mesh, OutboundMode};
use crate::written::rule::{DestinationRule, RuleSubset, TrafficPolicy};
use std::collections::BTreeMap;

/// All DestinationRules of one namespace for one host, as one: the policy is that of the oldest that has one, and a
/// subset that several name is that of the oldest.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The namespace that it stands in.
    pub namespace: String,
    /// The name of the oldest.
    pub name: String,
    /// The full host, or `*` and the end of hosts.
    pub host: String,
    pub(super) export: Export,
    /// The proxies that heed it; empty for all.
    pub(super) selector: Labels,
    pub(crate) policy: Option<TrafficPolicy>,
    pub(crate) subsets: Vec<RuleSubset>,
}

impl Rule {
    pub(super) fn new(object: &Object, rule: &DestinationRule, mesh: &Mesh) -> Self {
        let namespace = &object.meta.namespace;
        let words = if rule.export_to.is_empty() { &mesh.default_destination_rule_export_to } else { &rule.export_to };
        Self {
            namespace: namespace.clone(),
            name: object.meta.name.clone(),
            host: full_host(&rule.host, namespace, mesh),
            export: Export::new(words.iter().map(String::as_str), namespace),
            selector: rule.workload_selector.clone().unwrap_or_default().match_labels,
            policy: rule.traffic_policy.clone(),
            subsets: rule.subsets.clone(),
        }
    }

    /// Takes a younger rule in, if it is for the same.
    pub(super) fn absorbs(&mut self, younger: &Self) -> bool {
        let key = |rule: &Self| (rule.namespace.clone(), rule.host.clone(), rule.selector.clone());
        if key(self) != key(younger) || self.export != younger.export {
            return false;
        }
        if self.policy.is_none() {
            self.policy.clone_from(&younger.policy);
        }
        for subset in &younger.subsets {
            if self.subsets.iter().all(|known| known.name != subset.name) {
                self.subsets.push(subset.clone());
            }
        }
        true
    }

    /// How closely its host names `host`; `None` if not at all.
    fn closeness(&self, host: &str) -> Option<usize> {
        host_matches(&self.host, host).then_some(if self.host == host { usize::MAX } else { self.host.len() })
    }
}

/// The rule for `service` that a proxy of `namespace` with `labels` heeds: one of its own namespace before one of the
/// service's before one of the root's; there the one whose host is closest.
pub(super) fn rule_for<'r, R: AsRef<Rule>>(
    rules: &'r [R],
    service: &Service,
    namespace: &str,
    labels: &Labels,
    root: &str,
) -> Option<&'r R> {
    let closest = |place: &str| {
        let here = rules.iter().filter(|rule| {
            let rule = rule.as_ref();
            // A rule with a selector is for its own namespace's proxies only.
            let heeded = rule.selector.is_empty() || (rule.namespace == namespace && selects(&rule.selector, labels));
            rule.namespace == place && heeded && (place == namespace || rule.export.reaches(namespace))
        });
        let close = here.filter_map(|rule| {
            let closeness = rule.as_ref().closeness(&service.host)?;
            Some((closeness, !rule.as_ref().selector.is_empty(), rule))
        });
        // `rev`, so that the oldest of equals is the last of the largest.
        let close: Vec<_> = close.collect();
        close.into_iter().rev().max_by_key(|(closeness, selected, _)| (*closeness, *selected)).map(|(_, _, rule)| rule)
    };
    closest(namespace).or_else(|| closest(&service.namespace)).or_else(|| closest(root))
}

fn full_host(host: &str, namespace: &str, mesh: &Mesh) -> String {
    if host.contains('.') || host == "*" {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.{}", mesh.domain_suffix)
    }
}

/// Whether `pattern`, a host that may begin with `*`, stands for `host`.
fn host_matches(pattern: &str, host: &str) -> bool {
    pattern.strip_prefix('*').map_or(pattern == host, |end| host.ends_with(end))
}

/// A Sidecar: which services some proxies see.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The namespace that it stands in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    pub(super) selector: Option<Labels>,
    egress: Vec<Egress>,
    pub(crate) outbound: Option<OutboundMode>,
}

impl Scope {
    pub(super) fn new(object: &Object, sidecar: &Sidecar) -> Self {
        let selector = sidecar.workload_selector.as_ref().map(|selector| selector.labels.clone());
        Self {
            namespace: object.meta.namespace.clone(),
            name: object.meta.name.clone(),
            selector: selector.filter(|labels| !labels.is_empty()),
            egress: sidecar.egress.clone(),
            outbound: sidecar.outbound_traffic_policy.map(|policy| policy.mode),
        }
    }

    /// Whether a proxy of `namespace` sees port `number` of `service`.
    pub(crate) fn shows(&self, service: &Service, number: u16, namespace: &str) -> bool {
        self.egress.is_empty()
            || self.egress.iter().any(|egress| {
                egress.port.is_none_or(|port| port.number == number)
                    && egress.hosts.iter().any(|host| names(host, service, namespace))
            })
    }
}

/// Whether `namespace/host` of an egress names `service`, for a proxy of `own`.
fn names(egress: &str, service: &Service, own: &str) -> bool {
    let (namespace, host) = egress.split_once('/').unwrap_or(("*", egress));
    let there = match namespace {
        "*" => true,
        "." => service.namespace == own,
        name => service.namespace == name,
    };
    there && host_matches(host, &service.host)
}

/// A PeerAuthentication: what the sidecars of some workloads accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// The namespace that it stands in.
    pub namespace: String,
    pub(super) selector: Option<Labels>,
    mode: MtlsMode,
    ports: BTreeMap<u16, MtlsMode>,
}

impl Authentication {
    pub(super) fn new(object: &Object, written: &PeerAuthentication) -> Self {
        let selector = written.selector.as_ref().map(|selector| selector.match_labels.clone());
        Self {
            namespace: object.meta.namespace.clone(),
            selector: selector.filter(|labels| !labels.is_empty()),
            mode: written.mtls.mode,
            ports: written.port_level_mtls.iter().map(|(port, mtls)| (*port, mtls.mode)).collect(),
        }
    }
}

/// What a sidecar accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Modes {
    whole: MtlsMode,
    ports: BTreeMap<u16, MtlsMode>,
}

impl Modes {
    /// On connections to `port`; never unset.
    pub(crate) fn on(&self, port: u16) -> MtlsMode {
        self.ports.get(&port).copied().filter(|mode| *mode != MtlsMode::Unset).unwrap_or(self.whole)
    }

    /// On connections to ports that nothing is said of; never unset.
    pub(crate) fn elsewhere(&self) -> MtlsMode {
        self.whole
    }
}

/// What holds for a workload of `namespace` with `labels`: the mesh's mode, over it the namespace's, over it its own.
pub(super) fn modes<A: AsRef<Authentication>>(all: &[A], namespace: &str, labels: &Labels, root: &str) -> Modes {
    let wide = |place: &str| all.iter().map(AsRef::as_ref).find(|one| one.namespace == place && one.selector.is_none());
    let own = all.iter().map(AsRef::as_ref).find(|one| {
        one.namespace == namespace && one.selector.as_ref().is_some_and(|selector| selects(selector, labels))
    });
    let from_narrow = [own, wide(namespace), wide(root)].into_iter().flatten().map(|one| one.mode);
    let whole = from_narrow.into_iter().find(|mode| *mode != MtlsMode::Unset).unwrap_or(MtlsMode::Permissive);
    Modes { whole, ports: own.map(|one| one.ports.clone()).unwrap_or_default() }
}
