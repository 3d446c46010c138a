//! What istiod's validation says of one patch, in its order and its words.

use super::{ApplyTo, Match, Object, Operation, VersionMatch, successor};
use crate::field::{choice, inner, text};
use prost_reflect::DynamicMessage;

/// The one network filter that holds HTTP filters.
pub(crate) const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// What a patch says, as far as it can be carried out.
pub(super) struct Sound {
    pub(super) apply_to: ApplyTo,
    pub(super) operation: Operation,
}

/// The kind of object and operation, or why the patch is refused.
pub(super) fn judge(patch: &DynamicMessage, has_value: bool, warnings: &mut Vec<String>) -> Result<Sound, String> {
    let refused = |what: &str| Err(format!("Envoy filter: {what}"));
    let Some(apply_to) = ApplyTo::of(&choice(patch, "apply_to")) else { return refused("missing applyTo") };
    let Some(inner_patch) = inner(patch, "patch") else { return refused("missing patch") };
    let Some(operation) = Operation::of(&choice(&inner_patch, "operation")) else {
        return refused("missing patch operation");
    };
    if operation != Operation::Remove && !has_value {
        return refused("missing patch value for non-remove operation");
    }
    version(patch, warnings)?;
    objects(apply_to, &super::spec::matching(patch), warnings)?;
    Ok(Sound { apply_to, operation })
}

fn version(patch: &DynamicMessage, warnings: &mut Vec<String>) -> Result<(), String> {
    let proxy = inner(patch, "match").and_then(|matching| inner(&matching, "proxy"));
    let written = proxy.map(|proxy| text(&proxy, "proxy_version")).unwrap_or_default();
    if written.is_empty() {
        return Ok(());
    }
    let version = VersionMatch::new(&written)
        .map_err(|error| format!("Envoy filter: invalid regex for proxy version, [{error}]"))?;
    if version.is_too_long() {
        warnings.push("Envoy filter: proxyVersion match exceeds 1024 characters and will be ignored".to_owned());
    }
    Ok(())
}

/// The kind of match that goes with the kind of object. What stands beside LISTENER_FILTER, EXTENSION_CONFIG and
/// BOOTSTRAP is not looked at by istiod.
fn objects(apply_to: ApplyTo, matching: &Match, warnings: &mut Vec<String>) -> Result<(), String> {
    let is_any = matches!(matching.object, Object::Any);
    let refused = |class: &str, kind: &str| {
        Err(format!("Envoy filter: applyTo for {class} class objects cannot have non {kind} match"))
    };
    match apply_to {
        ApplyTo::Listener | ApplyTo::FilterChain | ApplyTo::NetworkFilter | ApplyTo::HttpFilter => {
            if !is_any && matching.listener().is_none() {
                return refused("listener", "listener");
            }
            filters(apply_to, matching, warnings)
        }
        ApplyTo::RouteConfiguration | ApplyTo::VirtualHost | ApplyTo::HttpRoute => {
            if is_any || matching.route().is_some() { Ok(()) } else { refused("http route", "route configuration") }
        }
        ApplyTo::Cluster => {
            if is_any || matching.cluster().is_some() {
                Ok(())
            } else {
                refused("cluster", "cluster")
            }
        }
        ApplyTo::ListenerFilter | ApplyTo::ExtensionConfig | ApplyTo::Bootstrap => Ok(()),
    }
}

fn filters(apply_to: ApplyTo, matching: &Match, warnings: &mut Vec<String>) -> Result<(), String> {
    let refused = |what: &str| Err(format!("Envoy filter: {what}"));
    let Some(filter) = matching.filter() else { return Ok(()) };
    if matches!(apply_to, ApplyTo::Listener | ApplyTo::FilterChain) {
        warnings.push(format!("Envoy filter: filter match has no effect when used with {apply_to}"));
        return Ok(());
    }
    if filter.is_empty() {
        return refused("filter match has no name to match on");
    }
    let renamed = successor(filter);
    if let Some(sub_filter) = matching.sub_filter() {
        if apply_to != ApplyTo::HttpFilter {
            return refused("subfilter match can be used with applyTo HTTP_FILTER only");
        }
        if filter != CONNECTION_MANAGER && renamed != Some(CONNECTION_MANAGER) {
            return refused("subfilter match requires filter match with envoy.filters.network.http_connection_manager");
        }
        if sub_filter.is_empty() {
            return refused("subfilter match has no name to match on");
        }
    }
    for name in [Some(filter), matching.sub_filter()].into_iter().flatten() {
        if let Some(new) = successor(name) {
            warnings.push(format!("using deprecated filter name {name:?}; use {new:?} instead"));
        }
    }
    Ok(())
}
