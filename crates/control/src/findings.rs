//! What became of the EnvoyFilters, over all proxies that have asked under the present state.
//!
//! One proxy on which a patch hits nothing means little: a patch for inbound ports concerns servers only. A patch that
//! hit nothing on any of them is what its author wants to hear of.

use crate::registry::State;
use crate::snapshot::Snapshot;
use crate::telling::Weight;
use patch::filter::{ApplyTo, Context, Operation};
use patch::report::{Hit, OfFilter, OfPatch};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// Places shown of each patch; all are counted.
const MOST_SHOWN: usize = 20;

/// What became of all EnvoyFilters.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// How many kinds of proxies have asked: proxies of one kind get the very same.
    pub kinds_of_proxies: usize,
    /// By namespace and name.
    pub envoy_filters: Vec<Filter>,
    /// Resources that go out without some patches, since the proxy would refuse them.
    pub held_back: Vec<HeldBack>,
    /// Resources that proxies have refused, and which patches touched them.
    pub nacks: Vec<Blame>,
}

/// What became of one EnvoyFilter.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub file: String,
    /// The line that it begins on.
    pub line: u32,
    /// Why it is refused, in istiod's words. A former version that was accepted stays in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// What is odd about it, whatever the proxy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How many kinds of proxies it concerns.
    pub concerns: usize,
    /// Why it does not concern one of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_for: Option<String>,
    /// Its patches, in order.
    pub patches: Vec<Patch>,
}

/// What became of one patch.
#[derive(Clone, Debug, Serialize)]
pub struct Patch {
    /// Its place in `configPatches`.
    pub index: usize,
    /// What it patches.
    pub apply_to: ApplyTo,
    /// How, as written.
    pub operation: Operation,
    /// On which side.
    pub context: Context,
    /// At how many different places it was applied.
    pub hit_count: usize,
    /// Some of them.
    pub hits: Vec<Hit>,
    /// Why it was applied nowhere, on the first proxy that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    /// What it may have meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<String>,
    /// What does not do what it says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The resources at which it was held back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<String>,
    /// The proxies that refuse a resource it touched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_by: Vec<String>,
    #[serde(skip)]
    places: HashSet<(String, String)>,
}

/// A resource that goes out without some patches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HeldBack {
    /// Kind and name.
    pub resource: String,
    /// The patches that are left out there.
    pub without: Vec<String>,
    /// Why the proxy would refuse it.
    pub reasons: Vec<String>,
}

/// What a proxy refused, and which patches touched it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// The proxy, as `pod.namespace`.
    pub proxy: String,
    /// The kind of what was refused, as in `lds`.
    pub kind: &'static str,
    /// The response that was refused.
    pub nonce: String,
    /// The proxy's own words.
    pub message: String,
    /// The resources that the words name.
    pub resources: Vec<String>,
    /// The patches that touched them; empty if they are as they were generated.
    pub patches: Vec<String>,
}

impl Findings {
    /// From what each kind of proxy got, and what proxies have refused.
    pub(crate) fn new(state: &State, given: &[Arc<Snapshot>], nacks: Vec<Blame>) -> Self {
        let mut findings = Self { kinds_of_proxies: given.len(), nacks, ..Self::default() };
        let mut filters: BTreeMap<(String, String), Filter> = BTreeMap::new();
        for snapshot in given {
            let report = snapshot.report();
            for of_filter in report.envoy_filters {
                let key = (of_filter.namespace.clone(), of_filter.name.clone());
                filters.entry(key).or_default().add(of_filter);
            }
            for refusal in report.refusals.into_iter().filter(|refusal| refusal.held_back) {
                let resource = format!("{} {}", refusal.kind.word(), refusal.name);
                let held = HeldBack { resource, without: refusal.caused_by, reasons: refusal.reasons };
                if !findings.held_back.contains(&held) {
                    findings.held_back.push(held);
                }
            }
        }
        findings.held_back.sort();
        for object in &state.envoy_filters {
            let key = (object.meta.namespace.clone(), object.meta.name.clone());
            let filter = filters.entry(key).or_default();
            filter.namespace.clone_from(&object.meta.namespace);
            filter.name.clone_from(&object.meta.name);
            (filter.file, filter.line) = (object.file.to_string(), object.line);
        }
        findings.envoy_filters = filters.into_values().collect();
        findings.blame();
        findings
    }

    /// Marks the patches of which a proxy has refused a result.
    fn blame(&mut self) {
        for filter in &mut self.envoy_filters {
            for patch in &mut filter.patches {
                let name = name_of(&filter.namespace, &filter.name, patch.index);
                let mut refused_by: Vec<String> = self
                    .nacks
                    .iter()
                    .filter(|nack| nack.patches.contains(&name))
                    .map(|nack| nack.proxy.clone())
                    .collect();
                refused_by.dedup();
                patch.refused_by = refused_by;
            }
        }
    }

    /// Every patch, with its filter.
    pub(crate) fn patches(&self) -> impl Iterator<Item = (&Filter, &Patch)> {
        self.envoy_filters.iter().flat_map(|filter| filter.patches.iter().map(move |patch| (filter, patch)))
    }

    /// What people are to hear of, one line each.
    pub(crate) fn lines(&self) -> Vec<(Weight, String)> {
        let mut lines = Vec::new();
        for filter in self.envoy_filters.iter().filter(|filter| filter.concerns == 0) {
            let why = filter.not_for.as_deref().map(|why| format!("{filter} concerns no proxy so far: {why}"));
            lines.extend(why.map(|why| (Weight::Note, why)));
        }
        for (filter, patch) in self.patches() {
            let place = |line: String| (Weight::Warning, format!("{filter} {line}"));
            lines.extend(patch.lines().map(place));
        }
        lines.extend(self.held_back.iter().map(|held| (Weight::Warning, held.to_string())));
        lines
    }
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, without, reasons } = self;
        let (without, reasons) = (without.join(", "), reasons.join("; "));
        write!(f, "{resource} goes out without EnvoyFilter {without}, since proxies would refuse it: {reasons}")
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvoyFilter {}/{} ({}:{})", self.namespace, self.name, self.file, self.line)
    }
}

/// How a patch is named everywhere.
pub(crate) fn name_of(namespace: &str, name: &str, index: usize) -> String {
    format!("{namespace}/{name} configPatches[{index}]")
}

impl Filter {
    /// What became of it on one more kind of proxy.
    fn add(&mut self, one: OfFilter) {
        self.refused.extend(one.refused.into_iter().filter(|_| self.refused.is_empty()).collect::<Vec<_>>());
        self.warnings = one.warnings;
        if let Some(why) = one.not_for_this_proxy {
            // The first by text and not by chance, so that the same is told each time.
            self.not_for = Some(self.not_for.take().map_or(why.clone(), |known| known.min(why)));
            return;
        }
        if one.patches.is_empty() {
            return;
        }
        self.concerns += 1;
        for patch in one.patches {
            match self.patches.iter_mut().find(|known| known.index == patch.index) {
                Some(known) => known.add(patch),
                None => self.patches.push(patch.into()),
            }
        }
    }
}

impl From<OfPatch> for Patch {
    fn from(one: OfPatch) -> Self {
        let OfPatch { index, apply_to, operation, context, hits, nothing, nearest, warnings, held_back } = one;
        let mut patch = Self {
            index,
            apply_to,
            operation,
            context,
            hit_count: 0,
            hits: Vec::new(),
            nothing,
            nearest,
            warnings,
            held_back,
            refused_by: Vec::new(),
            places: HashSet::new(),
        };
        patch.hit(hits);
        patch
    }
}

impl Patch {
    /// What it does not do, one line each.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let place = format!("configPatches[{}]", self.index);
        let nowhere = self.nothing.iter().map(|nothing| {
            let near = self.nearest.join(", ");
            let near = if near.is_empty() { String::new() } else { format!("; near: {near}") };
            format!("{place} was applied nowhere: {nothing}{near}")
        });
        let nowhere: Vec<String> = nowhere.collect();
        nowhere.into_iter().chain(self.warnings.iter().map(move |text| format!("{place}: {text}")))
    }

    fn add(&mut self, one: OfPatch) {
        // None, which is less than any reason, where it was applied.
        if (&one.nothing, &one.nearest) < (&self.nothing, &self.nearest) {
            (self.nothing, self.nearest) = (one.nothing, one.nearest);
        }
        self.hit(one.hits);
        let extend = |known: &mut Vec<String>, more: Vec<String>| {
            let new: Vec<String> = more.into_iter().filter(|text| !known.contains(text)).collect();
            known.extend(new);
        };
        extend(&mut self.warnings, one.warnings);
        extend(&mut self.held_back, one.held_back);
        self.warnings.sort();
        self.held_back.sort();
    }

    fn hit(&mut self, hits: Vec<Hit>) {
        for hit in hits {
            if self.places.insert((hit.name.clone(), hit.place.clone())) {
                self.hit_count += 1;
                if self.hits.len() < MOST_SHOWN {
                    self.hits.push(hit);
                }
            }
        }
    }
}
