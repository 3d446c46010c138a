//! EnvoyFilters: those that are refused, that concern nobody, and whose patches do nothing or something else.

use super::Found;
use super::world::{World, of_problem};
use crate::findings::{Filter, Patch};
use std::net::IpAddr;

/// A patch that was applied on no sidecar, and whose listener is at an address that services have.
pub(super) fn nowhere(world: &World) -> Vec<Found> {
    let idle = idle(world).into_iter().filter(|(filter, patch, _)| gone(world, filter, patch).is_none());
    idle.map(|(filter, patch, nothing)| {
        let near =
            if patch.nearest.is_empty() { String::new() } else { format!("; near: {}", patch.nearest.join(", ")) };
        found(filter, patch, format!("is applied on no sidecar: {nothing}{near}"))
    })
    .collect()
}

/// A patch for the listener of an address that no service has.
pub(super) fn moved(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for (filter, patch, _) in idle(world) {
        let Some((address, port)) = gone(world, filter, patch) else { continue };
        let candidates =
            world.state.services.iter().filter(|service| service.ports.iter().any(|own| own.number == port));
        let mut near: Vec<String> =
            candidates.flat_map(|service| service.ips().map(|ip| format!("{ip}_{port} ({})", service.host))).collect();
        near.sort();
        let near = if near.is_empty() { String::new() } else { format!("; on that port are {}", near.join(", ")) };
        all.push(found(
            filter,
            patch,
            format!("is for the listener {address}_{port}, but no service has that address{near}"),
        ));
    }
    all
}

pub(super) fn refused(world: &World) -> Vec<Found> {
    world.refused.iter().map(of_problem).chain(super::typed::otherwise(world)).collect()
}

pub(super) fn for_nobody(world: &World) -> Vec<Found> {
    let filters = &world.findings.envoy_filters;
    let nobody = filters.iter().filter(|filter| filter.concerns == 0 && world.has_sidecars);
    let why = |filter: &Filter| Some(whole(filter, format!("concerns no sidecar: {}", filter.not_for.as_ref()?)));
    nobody.filter_map(why).collect()
}

pub(super) fn held_back(world: &World) -> Vec<Found> {
    let mut all = Vec::new();
    for held in &world.findings.held_back {
        for (filter, patch) in world.findings.patches() {
            let name = crate::findings::name_of(&filter.namespace, &filter.name, patch.index);
            if held.without.contains(&name) {
                let text = format!("makes of {} what proxies refuse: {}", held.resource, held.reasons.join("; "));
                all.push(found(filter, patch, text));
            }
        }
    }
    all
}

pub(super) fn odd(world: &World) -> Vec<Found> {
    let patches = world.findings.patches();
    let of_patches =
        patches.flat_map(|(filter, patch)| patch.warnings.iter().map(|text| found(filter, patch, text.clone())));
    of_patches.chain(world.odd.iter().map(of_problem)).collect()
}

/// Patches that hit nothing and could have: not those for gateways, nor those for some proxies only.
fn idle(world: &World) -> Vec<(&Filter, &Patch, &str)> {
    let candidates = world.findings.patches().filter(|(filter, patch)| {
        patch.held_back.is_empty()
            && patch.context != patch::filter::Context::Gateway
            && written(world, filter, patch, "/match/proxy").is_none()
    });
    candidates.filter_map(|(filter, patch)| Some((filter, patch, patch.nothing.as_deref()?))).collect()
}

/// The address and port of the listener that a patch names, if no service has that address.
fn gone(world: &World, filter: &Filter, patch: &Patch) -> Option<(IpAddr, u16)> {
    let name = written(world, filter, patch, "/match/listener/name")?.as_str()?;
    let (address, port) = name.rsplit_once('_')?;
    let (address, port): (IpAddr, u16) = (address.parse().ok()?, port.parse().ok()?);
    let services = &world.state.services;
    let is_known = address.is_unspecified()
        || services.iter().any(|service| service.ips().any(|ip| ip == address))
        || services.iter().flat_map(|service| &service.endpoints).any(|one| one.address == address.to_string());
    (!is_known).then_some((address, port))
}

fn written<'w>(world: &'w World, filter: &Filter, patch: &Patch, pointer: &str) -> Option<&'w serde_json::Value> {
    let mut documents = world.kind("EnvoyFilter");
    let document = documents.find(|document| document.file == filter.file && document.name() == filter.name)?;
    document.json["spec"]["configPatches"].get(patch.index)?.pointer(pointer)
}

fn whole(filter: &Filter, text: String) -> Found {
    let about = format!("EnvoyFilter {}/{}", filter.namespace, filter.name);
    Found { file: filter.file.clone(), line: filter.line, about, text }
}

fn found(filter: &Filter, patch: &Patch, text: String) -> Found {
    let about = format!("EnvoyFilter {}/{} configPatches[{}]", filter.namespace, filter.name, patch.index);
    Found { about, ..whole(filter, text) }
}
