//! From what is known to a verdict of each resource.

use super::Outlook;
use super::condition::{About, Condition, Truth, Verdict, some};
use super::fleet::{Class, Fleet, Parts, Progress};
use crate::findings::{Filter, Patch, name_of};
use crate::object::{Key, Object, Objection};
use crate::registry::State;
use crate::typed::Bound;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use xds::server::ProxyStatus;

/// A verdict of every resource that gets one, by kind, namespace and name.
pub(super) fn verdicts(outlook: &Outlook, proxies: &[ProxyStatus]) -> Vec<Verdict> {
    let fleet = Fleet::new(&outlook.given, proxies);
    let mut objections: BTreeMap<About, &Objection> =
        outlook.objections.iter().map(|one| (about(&one.key, &one.source), one)).collect();
    let filters = filters(outlook, &fleet);
    let typed = typed(&outlook.state, &fleet);
    let all = filters.into_iter().chain(typed).map(|(object, programmed)| {
        let about = about(&object.key(), &object.file);
        match objections.remove(&about) {
            Some(objection) => refused(about, objection),
            None => accepted(about, object, programmed),
        }
    });
    let mut all: Vec<Verdict> = all.collect();
    // Those of which no version counts.
    all.extend(
        objections.into_iter().filter(|(about, _)| is_judged(about.kind)).map(|(about, one)| refused(about, one)),
    );
    all.sort_by(|a, b| a.about.cmp(&b.about));
    all
}

fn is_judged(kind: &str) -> bool {
    kind == "EnvoyFilter"
        || kind.ends_with("RedisService")
        || kind.ends_with("RedisRoute")
        || kind.ends_with("RedisDestination")
}

fn about(key: &Key, source: &Arc<str>) -> About {
    let Key { kind, namespace, name } = key;
    About { kind, namespace: namespace.clone(), name: name.clone(), source: Arc::clone(source) }
}

fn accepted(about: About, object: &Object, programmed: Condition) -> Verdict {
    let accepted = Condition::accepted(Truth::True, "Valid", "it is valid and in force".to_owned());
    Verdict { about, generation: object.meta.generation, conditions: [accepted, programmed] }
}

fn refused(about: About, objection: &Objection) -> Verdict {
    let reason = if objection.is_conflict { "Conflict" } else { "Invalid" };
    let kept = if objection.is_kept { "the version before it stays in force" } else { "nothing of it is in force" };
    let accepted = Condition::accepted(Truth::False, reason, objection.text.clone());
    let programmed = Condition::programmed(Truth::False, reason, format!("it is not accepted: {kept}"));
    Verdict { about, generation: objection.generation, conditions: [accepted, programmed] }
}

/// How it stands with every EnvoyFilter that was read.
fn filters<'o>(outlook: &'o Outlook, fleet: &Fleet) -> Vec<(&'o Arc<Object>, Condition)> {
    let parts: Vec<HashMap<(String, String), Parts>> = fleet.classes.iter().map(parts_of_filters).collect();
    let found: HashMap<(&str, &str), &Filter> =
        outlook.findings.envoy_filters.iter().map(|one| ((one.namespace.as_str(), one.name.as_str()), one)).collect();
    let one = |object: &'o Arc<Object>| {
        let meta = &object.meta;
        let key = (meta.namespace.clone(), meta.name.clone());
        let (mut progress, mut concerned) = (Progress::default(), 0);
        for (class, parts) in fleet.classes.iter().zip(&parts) {
            let Some(parts) = parts.get(&key) else { continue };
            concerned += class.size;
            if !parts.is_empty() {
                class.count(parts, &mut progress);
            }
        }
        let found = found.get(&(meta.namespace.as_str(), meta.name.as_str())).copied();
        (object, filter(outlook, fleet, found, concerned, &progress))
    };
    outlook.state.envoy_filters.iter().map(one).collect()
}

/// Of the EnvoyFilters that concern proxies of a class, the resources that they touch there.
fn parts_of_filters(class: &Class) -> HashMap<(String, String), Parts> {
    let report = class.snapshot.report();
    let concerning =
        report.envoy_filters.into_iter().filter(|one| one.not_for_this_proxy.is_none() && one.refused.is_empty());
    let parts = concerning.map(|filter| {
        let mut parts = Parts::default();
        filter.patches.iter().flat_map(|patch| &patch.hits).for_each(|hit| parts.add(hit.kind, &hit.name));
        ((filter.namespace, filter.name), parts)
    });
    parts.collect()
}

fn filter(
    outlook: &Outlook,
    fleet: &Fleet,
    found: Option<&Filter>,
    concerned: usize,
    progress: &Progress,
) -> Condition {
    if let Some(early) = early(fleet) {
        return early;
    }
    let patches = found.map_or(&[][..], |found| &found.patches);
    if concerned == 0 {
        let why = found.and_then(|found| found.not_for.as_deref());
        return nobody(fleet, why.map_or_else(String::new, |why| format!(": {why}")));
    }
    if let Some(refused) = refusals(progress) {
        return refused;
    }
    let held: Vec<String> = found.map(|found| held_back(outlook, found)).unwrap_or_default();
    if !held.is_empty() {
        return Condition::programmed(Truth::False, "HeldBack", held.join("; "));
    }
    let idle: Vec<String> = patches.iter().filter_map(idle).collect();
    if !idle.is_empty() {
        let rest = if progress.of == 0 { format!("concerns {}", count(concerned)) } else { on(progress) };
        return Condition::programmed(Truth::False, "NothingMatched", format!("{}; {rest}", idle.join("; ")));
    }
    settled(progress)
}

/// Where a patch was applied nowhere: why, and what it may have meant.
fn idle(patch: &Patch) -> Option<String> {
    let near = if patch.nearest.is_empty() { String::new() } else { format!("; near: {}", patch.nearest.join(", ")) };
    let nothing = patch.nothing.as_ref()?;
    Some(format!("configPatches[{}] was applied nowhere: {nothing}{near}", patch.index))
}

/// The resources that go out without patches of a filter.
fn held_back(outlook: &Outlook, filter: &Filter) -> Vec<String> {
    let mut told = Vec::new();
    for patch in filter.patches.iter().filter(|patch| !patch.held_back.is_empty()) {
        let name = name_of(&filter.namespace, &filter.name, patch.index);
        let here = outlook.findings.held_back.iter().filter(|held| held.without.contains(&name));
        told.extend(here.map(|held| {
            let (index, resource, why) = (patch.index, &held.resource, held.reasons.join("; "));
            format!("configPatches[{index}] is held back from {resource}, which proxies would refuse: {why}")
        }));
    }
    told.dedup();
    told
}

/// How it stands with every typed resource of which a version is in force.
fn typed<'o>(state: &'o State, fleet: &Fleet) -> Vec<(&'o Arc<Object>, Condition)> {
    let mut progress: BTreeMap<&str, Progress> = BTreeMap::new();
    for class in fleet.classes.iter().filter(|_| !state.typed.bounds.is_empty()) {
        let clusters: HashSet<&str> = class.snapshot.clusters.iter().map(|cluster| cluster.name()).collect();
        let mut parts: BTreeMap<&str, Parts> = BTreeMap::new();
        for bound in concerning(state, &class.snapshot.typed) {
            let made = parts_of(state, bound);
            if made.clusters.iter().all(|name| !clusters.contains(name.as_str())) {
                continue;
            }
            for source in &bound.sources {
                let parts = parts.entry(source).or_default();
                parts.clusters.extend(made.clusters.iter().cloned());
                parts.listeners.extend(made.listeners.iter().cloned());
            }
        }
        for (source, parts) in parts {
            class.count(&parts, progress.entry(source).or_default());
        }
    }
    let one = |object: &'o Arc<Object>| {
        let Key { kind, namespace, name } = object.key();
        let condition = match progress.get(format!("{kind} {namespace}/{name}").as_str()) {
            _ if early(fleet).is_some() => early(fleet),
            Some(progress) => refusals(progress).or_else(|| Some(settled(progress))),
            None => None,
        };
        (object, condition.unwrap_or_else(|| nobody(fleet, " of a client of the service".to_owned())))
    };
    state.typed.accepted.values().map(one).collect()
}

/// What of typed resources holds for proxies: for each port of a service that of their own namespace, or that for all.
fn concerning<'s>(state: &'s State, chosen: &'s [bool]) -> impl Iterator<Item = &'s Arc<Bound>> {
    let chosen: Vec<&Arc<Bound>> =
        state.typed.bounds.iter().zip(chosen).filter(|(_, is)| **is).map(|(bound, _)| bound).collect();
    let own: HashSet<_> = chosen.iter().filter(|bound| bound.only.is_some()).map(|bound| &bound.at).collect();
    chosen.into_iter().filter(move |bound| bound.only.is_some() || !own.contains(&bound.at))
}

/// The names of the resources that are made of it.
fn parts_of(state: &State, bound: &Bound) -> Parts {
    let mut parts = Parts::default();
    parts.clusters.insert(bound.upstream.name().map_or_else(|| bound.at.plain(), str::to_owned));
    for service in state.services.iter().filter(|service| service.host == bound.at.host) {
        let endpoints = service.endpoints.iter().map(|endpoint| endpoint.address.clone());
        let addresses = service.ips().map(|ip| ip.to_string()).chain(endpoints).chain(["0.0.0.0".to_owned()]);
        parts.listeners.extend(addresses.map(|address| format!("{address}_{}", bound.at.port)));
    }
    parts
}

/// What can be said whatever the resource: there is no proxy, or not all have asked since the last change.
fn early(fleet: &Fleet) -> Option<Condition> {
    if fleet.size == 0 {
        return Some(Condition::programmed(Truth::Unknown, "NoProxies", "no proxy is connected".to_owned()));
    }
    let waiting = some(&fleet.unasked);
    let pending = || Condition::programmed(Truth::Unknown, "Pending", format!("not offered yet to {waiting}"));
    (!fleet.unasked.is_empty()).then(pending)
}

fn nobody(fleet: &Fleet, why: String) -> Condition {
    let text = match fleet.size {
        1 => "the connected proxy is not concerned".to_owned(),
        size => format!("none of the {size} connected proxies is concerned"),
    };
    Condition::programmed(Truth::Unknown, "NoProxies", text + &why)
}

fn refusals(progress: &Progress) -> Option<Condition> {
    let (_, words) = progress.refuses.first_key_value()?;
    let names: Vec<&str> = progress.refuses.keys().copied().collect();
    let text = format!("{}; refused by {}: {}", on(progress), some(&names), words.trim());
    Some(Condition::programmed(Truth::False, "Refused", text))
}

fn settled(progress: &Progress) -> Condition {
    let mut waits = progress.waits.clone();
    waits.sort_unstable();
    if waits.is_empty() {
        return Condition::programmed(Truth::True, "Programmed", on(progress));
    }
    Condition::programmed(Truth::Unknown, "Pending", format!("{}; waiting for {}", on(progress), some(&waits)))
}

fn on(progress: &Progress) -> String {
    format!("programmed on {} of {}", progress.has, count(progress.of))
}

fn count(proxies: usize) -> String {
    if proxies == 1 { "1 proxy".to_owned() } else { format!("{proxies} proxies") }
}
