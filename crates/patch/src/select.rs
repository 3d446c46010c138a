//! Which `EnvoyFilter`s concern a proxy, in which order, and which of their patches.

use crate::filter::{EnvoyFilter, Patch, ProxyMatch, Target};
use crate::proxy::{ProxyInfo, Role};

/// The class whose Gateways are waypoints.
const WAYPOINT_CLASS: &str = "istio-waypoint";

/// A patch that concerns a proxy.
#[derive(Clone, Copy)]
pub(crate) struct Chosen<'a> {
    /// Its place among all patches that were chosen.
    pub(crate) order: usize,
    /// The place of its filter among those that were given.
    pub(crate) filter: usize,
    /// Its place in its filter.
    pub(crate) number: usize,
    pub(crate) patch: &'a Patch,
}

/// The patches that concern `proxy`, in the order in which they are applied; and for every filter why it, or one of its
/// patches, does not.
pub(crate) struct Selection<'a> {
    pub(crate) chosen: Vec<Chosen<'a>>,
    /// Filters, and the patches in them, that were left out, with the reason.
    pub(crate) left_out: Vec<(usize, Option<usize>, String)>,
    /// The filters, in the order in which they are applied.
    pub(crate) order: Vec<usize>,
}

/// Chooses among `filters`.
pub(crate) fn select<'a>(filters: &'a [EnvoyFilter], proxy: &ProxyInfo) -> Selection<'a> {
    let mut left_out = Vec::new();
    let mut attached: Vec<usize> = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        match refusal(filter, proxy) {
            Some(reason) => left_out.push((index, None, reason)),
            None => attached.push(index),
        }
    }
    attached.sort_by_key(|index| order(&filters[*index], proxy));
    let mut chosen = Vec::new();
    for filter in &attached {
        for (number, patch) in filters[*filter].patches.iter().enumerate() {
            match other_proxy(&patch.matching.proxy, proxy) {
                Some(reason) => left_out.push((*filter, Some(number), reason)),
                None => chosen.push(Chosen { order: chosen.len(), filter: *filter, number, patch }),
            }
        }
    }
    Selection { chosen, left_out, order: attached }
}

/// Lower priority, then the root namespace, then the older, then by name.
fn order<'a>(filter: &'a EnvoyFilter, proxy: &ProxyInfo) -> (i32, bool, &'a str, String) {
    let is_elsewhere = filter.namespace != proxy.root_namespace;
    (filter.priority, is_elsewhere, &filter.created, format!("{}.{}", filter.name, filter.namespace))
}

/// Why `filter` does not concern `proxy`.
fn refusal(filter: &EnvoyFilter, proxy: &ProxyInfo) -> Option<String> {
    let in_root = filter.namespace == proxy.root_namespace;
    if !in_root && filter.namespace != proxy.namespace {
        return Some(format!(
            "it is in namespace {}; this proxy is in {}, and {} is the root namespace",
            filter.namespace, proxy.namespace, proxy.root_namespace
        ));
    }
    if proxy.role == Role::Waypoint || (proxy.gateway().is_some() && !filter.targets.is_empty()) {
        let is_target = filter.targets.iter().any(|target| is_meant(target, proxy, in_root));
        return (!is_target).then(|| "none of its targetRefs is this gateway or waypoint".to_owned());
    }
    if !filter.targets.is_empty() {
        return Some("it has targetRefs, and this proxy is not one of a Kubernetes Gateway".to_owned());
    }
    let missing = filter.selector.iter().find(|(key, value)| proxy.labels.get(*key) != Some(*value))?;
    let found = proxy.labels.get(missing.0).map_or_else(|| "none".to_owned(), |found| format!("{found:?}"));
    Some(format!("its workloadSelector wants label {} = {:?}, this proxy has {found}", missing.0, missing.1))
}

fn is_meant(target: &Target, proxy: &ProxyInfo, in_root: bool) -> bool {
    match target.kind.as_str() {
        "GatewayClass" => in_root && proxy.role == Role::Waypoint && target.name == WAYPOINT_CLASS,
        "Gateway" if in_root && proxy.namespace != proxy.root_namespace => false,
        "Gateway" => proxy.gateway() == Some(target.name.as_str()),
        _ => false,
    }
}

/// Why a patch does not concern a proxy of this version and metadata.
fn other_proxy(wanted: &ProxyMatch, proxy: &ProxyInfo) -> Option<String> {
    if let Some(version) = wanted.version.as_ref().filter(|version| !version.matches(&proxy.version)) {
        let found = if proxy.version.is_empty() { "unknown" } else { &proxy.version };
        return Some(format!("proxyVersion {:?} is not found in this proxy's version, which is {found}", version.text));
    }
    let (key, value) = wanted.metadata.iter().find(|(key, value)| proxy.metadata.get(*key) != Some(*value))?;
    let found = proxy.metadata.get(key).map_or_else(|| "none".to_owned(), |found| format!("{found:?}"));
    Some(format!("proxy.metadata wants {key} = {value:?}, this proxy has {found}"))
}
