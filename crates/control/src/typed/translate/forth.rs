//! From typed resources to EnvoyFilters.

use super::{Input, Made, Translated, made};
use crate::registry::State;
use crate::registry::service::{Resolution, Service};
use crate::typed::Bound;
use serde_json::{Value, json};
use std::sync::Arc;

/// The EnvoyFilters that do what the typed resources of `input` do today. The services that they name must be among the
/// files, for their addresses.
#[must_use]
pub fn to_envoy_filters(input: &Input) -> Translated {
    let state = input.state();
    let mut found = Translated::default();
    found.lost.extend(state.refused.iter().map(ToString::to_string));
    for bound in &state.typed.bounds {
        let home = bound.only.as_deref();
        let seen = |service: &&Arc<Service>| home.is_none_or(|home| service.export.reaches(home));
        let named = state.services.iter().filter(|service| service.host == bound.at.host);
        let Some(service) = named.into_iter().find(seen) else { continue };
        of(&state, bound, service, &mut found);
    }
    found
}

fn of(state: &State, bound: &Arc<Bound>, service: &Service, found: &mut Translated) {
    let namespace = bound.only.as_deref().unwrap_or(&service.namespace);
    let Some(Made { listeners, clusters }) = made(state, bound, service, namespace) else { return };
    let whose = format!("{}:{} ({})", bound.at.host, bound.at.port, bound.sources.join(", "));
    if listeners.is_empty() {
        found.lost.push(format!("{whose}: the service has no address, so there is no listener to patch"));
        return;
    }
    if service.resolution == Resolution::Headless {
        found
            .notes
            .push(format!("{whose}: the listeners are those of today's endpoints; translate again when they change"));
    } else {
        found
            .notes
            .push(format!("{whose}: {} are today's addresses; translate again when they change", listeners.join(", ")));
    }
    if bound.clients.is_none() && service.selector.is_some() {
        found
            .notes
            .push(format!("{whose}: the nodes' own sidecars get it too, since an EnvoyFilter cannot leave them out"));
    }
    let mut patches = Vec::new();
    let mut filter = bound.filter.clone();
    conceal(&mut filter, &whose, "", found);
    for listener in &listeners {
        patches.push(json!({
            "applyTo": "NETWORK_FILTER",
            "match": {
                "context": "SIDECAR_OUTBOUND",
                "listener": {"name": listener, "filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}},
            },
            "patch": {"operation": "REPLACE", "value": filter},
        }));
    }
    for mut cluster in clusters {
        conceal(&mut cluster, &whose, "", found);
        if bound.upstream.name().is_none() {
            patches.push(json!({
                "applyTo": "CLUSTER",
                "match": {"context": "SIDECAR_OUTBOUND", "cluster": {"name": cluster["name"]}},
                "patch": {"operation": "REMOVE"},
            }));
        }
        patches.push(json!({
            "applyTo": "CLUSTER",
            "match": {"context": "SIDECAR_OUTBOUND"},
            "patch": {"operation": "ADD", "value": cluster},
        }));
    }
    for namespace in namespaces(state, bound, service) {
        let name = free_name(service, bound.at.port, &namespace, &found.documents);
        let mut spec = json!({"configPatches": patches});
        if let Some(clients) = bound.clients.as_ref().filter(|clients| !clients.match_labels.is_empty()) {
            spec["workloadSelector"] = json!({"labels": clients.match_labels});
        }
        found.documents.push(json!({
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }));
    }
}

/// A name that says whose it is, and that no document of the namespace has.
fn free_name(service: &Service, port: u16, namespace: &str, made: &[Value]) -> String {
    let home = if service.namespace == namespace { String::new() } else { format!("-{}", service.namespace) };
    let plain = format!("redis-{}{home}-{port}", service.name.replace(['.', '*'], "-"));
    let is_taken = |name: &str| {
        made.iter().any(|one| one["metadata"]["name"] == name && one["metadata"]["namespace"] == namespace)
    };
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(plain)
}

/// Where EnvoyFilters have to stand to reach the same proxies.
fn namespaces(state: &State, bound: &Bound, service: &Service) -> Vec<String> {
    if let Some(only) = &bound.only {
        return vec![only.clone()];
    }
    let said = bound.clients.as_ref().map(|clients| clients.namespaces.clone()).unwrap_or_default();
    let root = &state.mesh.root_namespace;
    // Where the service is not seen there is nothing to patch, but a cluster would be added.
    match () {
        () if !said.is_empty() => said,
        () if service.export.reaches(root) => vec![root.clone()],
        () => vec![service.namespace.clone()],
    }
}

/// Takes out what would be a secret in clear.
fn conceal(value: &mut Value, whose: &str, path: &str, found: &mut Translated) {
    match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain(|item| !is_secret(item));
            if items.len() < before {
                found.lost.push(told(whose, path));
            }
            for (index, item) in items.iter_mut().enumerate() {
                conceal(item, whose, &format!("{path}[{index}]"), found);
            }
        }
        Value::Object(fields) => {
            let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let secret: Vec<String> =
                fields.iter().filter(|(_, inner)| is_secret(inner)).map(|(name, _)| name.clone()).collect();
            for name in secret {
                fields.remove(&name);
                found.lost.push(told(whose, &at(&name)));
            }
            for (name, inner) in fields {
                conceal(inner, whose, &at(name), found);
            }
        }
        _ => {}
    }
}

fn told(whose: &str, path: &str) -> String {
    format!(
        "{whose}: {path} is left out: an EnvoyFilter would show the Secret's value in clear; a file beside the proxy would not"
    )
}

fn is_secret(value: &Value) -> bool {
    value.get("inline_string").is_some() || value.get("secret_access_key").is_some()
}
