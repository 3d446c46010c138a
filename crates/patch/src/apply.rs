//! The whole road: choose, apply, look at the result as the proxy would, tell.

use crate::engine::{self, Applied, Changes, Held, Target};
use crate::filter::{Context, EnvoyFilter};
use crate::matching::{side_of_cluster, side_of_listener};
use crate::proxy::ProxyInfo;
use crate::refusal::{self, Fault};
use crate::report::{OfFilter, OfPatch, Refusal, Report, Surroundings, explain};
use crate::resources::Resources;
use crate::select::{Selection, select};
use config::Schema;
use prost_reflect::DynamicMessage;
use std::collections::BTreeMap;

/// What is done with a resource that the proxy would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It goes out, as from istiod, and is told.
    Kept,
    /// The patches that made it so are left out at that resource, so that the rest goes out; and it is told.
    HeldBack,
}

/// How often patches are left out before every patch of a faulty resource is: a resource may be faulty in several ways.
const MOST_ROUNDS: usize = 16;

/// What `filters` make of `base` for `proxy`, and what became of every patch.
///
/// `filters` may come in any order; those that do not concern the proxy are told and left out. A resource that no patch
/// concerns is moved and not copied. The same arguments give the same result, but for the order of a map's entries in the
/// bytes of an `Any`, which protobuf leaves open: compare messages, not bytes.
pub fn apply(
    schema: &Schema,
    base: Resources,
    filters: &[EnvoyFilter],
    proxy: &ProxyInfo,
    refused: Refused,
) -> (Resources, Report) {
    let selection = select(filters, proxy);
    let work = Work { schema, base: &base, proxy, filters, selection: &selection };
    let (applied, held, refusals) = work.run(refused);
    let mut report = work.report(&applied, &held);
    report.refusals = refusals;
    (put_together(base, applied, proxy), report)
}

struct Work<'a> {
    schema: &'a Schema,
    base: &'a Resources,
    proxy: &'a ProxyInfo,
    filters: &'a [EnvoyFilter],
    selection: &'a Selection<'a>,
}

impl Work<'_> {
    /// Applies everything, again and again without what is held back, until the proxy would take the result.
    fn run(&self, refused: Refused) -> (Applied, Held, Vec<Refusal>) {
        let run = |held: &Held| engine::run(self.schema, self.base, self.proxy.role, &self.selection.chosen, held);
        let mut held = Held::new();
        let mut refusals: Vec<Refusal> = Vec::new();
        let mut applied = run(&held);
        for round in 0..MOST_ROUNDS {
            let faults = refusal::find(self.schema, self.base, &applied);
            for fault in &faults {
                let is_last = round + 2 >= MOST_ROUNDS;
                let causes = if is_last { fault.touched.clone() } else { self.causes(fault, &held) };
                self.tell(fault, &causes, refused == Refused::HeldBack, &mut refusals);
                held.extend(causes.iter().map(|order| (*order, fault.target)));
            }
            if faults.is_empty() || refused == Refused::Kept {
                break;
            }
            applied = run(&held);
        }
        if refused == Refused::Kept {
            held.clear();
        }
        (applied, held, refusals)
    }

    /// The patches at fault: for every reason the last patch without which it would not be there, else all.
    fn causes(&self, fault: &Fault, held: &Held) -> Vec<usize> {
        if matches!(fault.target, Target::Added(..)) {
            return fault.touched.clone();
        }
        let without = |order: usize| {
            let mut held = held.clone();
            held.insert((order, fault.target));
            let applied = engine::run(self.schema, self.base, self.proxy.role, &self.selection.chosen, &held);
            let faults = refusal::find(self.schema, self.base, &applied);
            let left = faults.into_iter().find(|other| other.target == fault.target);
            (order, left.map(|left| left.reasons).unwrap_or_default())
        };
        let left: Vec<(usize, Vec<String>)> = fault.touched.iter().rev().map(|order| without(*order)).collect();
        let mut causes = Vec::new();
        for reason in &fault.reasons {
            match left.iter().find(|(_, left)| !left.contains(reason)) {
                Some((order, _)) => causes.push(*order),
                None => return fault.touched.clone(),
            }
        }
        causes.sort_unstable();
        causes.dedup();
        causes
    }

    fn tell(&self, fault: &Fault, causes: &[usize], held_back: bool, refusals: &mut Vec<Refusal>) {
        let caused_by = causes.iter().map(|order| self.patch_name(*order)).collect();
        let (kind, name, reasons) = (fault.kind, fault.name.clone(), fault.reasons.clone());
        refusals.push(Refusal { kind, name, reasons, caused_by, held_back });
    }

    fn patch_name(&self, order: usize) -> String {
        let one = &self.selection.chosen[order];
        let filter = &self.filters[one.filter];
        format!("{}/{} configPatches[{}]", filter.namespace, filter.name, one.number)
    }

    fn report(&self, applied: &Applied, held: &Held) -> Report {
        let surroundings = Surroundings { schema: self.schema, base: self.base, applied, proxy: self.proxy };
        let mut left_out: BTreeMap<(usize, usize), &str> = BTreeMap::new();
        let mut elsewhere: Vec<OfFilter> = Vec::new();
        for (filter, number, reason) in &self.selection.left_out {
            match number {
                Some(number) => drop(left_out.insert((*filter, *number), reason)),
                None => elsewhere.push(of_filter(&self.filters[*filter], Some(reason.clone()))),
            }
        }
        let mut envoy_filters: Vec<OfFilter> = Vec::new();
        for filter in &self.selection.order {
            let mut told = of_filter(&self.filters[*filter], None);
            told.patches = (0..self.filters[*filter].patches.len())
                .map(|number| {
                    self.of_patch((*filter, number), left_out.get(&(*filter, number)).copied(), &surroundings, held)
                })
                .collect();
            envoy_filters.push(told);
        }
        envoy_filters.extend(elsewhere);
        Report { envoy_filters, refusals: Vec::new() }
    }

    fn of_patch(
        &self,
        (filter, number): (usize, usize),
        left_out: Option<&str>,
        surroundings: &Surroundings<'_>,
        held: &Held,
    ) -> OfPatch {
        let patch = &self.filters[filter].patches[number];
        let mut told = OfPatch {
            index: number,
            apply_to: patch.apply_to,
            operation: patch.written,
            context: patch.matching.context,
            hits: Vec::new(),
            nothing: left_out.map(str::to_owned),
            nearest: Vec::new(),
            warnings: Vec::new(),
            held_back: Vec::new(),
        };
        let chosen = self.selection.chosen.iter().find(|one| (one.filter, one.number) == (filter, number));
        let Some(one) = chosen else { return told };
        told.hits = surroundings.applied.trace.hits(one.order);
        told.warnings = surroundings.applied.trace.warnings(one.order);
        told.held_back =
            held.iter().filter(|(order, _)| *order == one.order).map(|(_, target)| self.name_of(*target)).collect();
        told.held_back.sort();
        if told.hits.is_empty() && told.held_back.is_empty() {
            let (nothing, nearest) = explain(surroundings, patch, &told.warnings);
            told.nothing = Some(nothing);
            told.nearest = nearest;
        }
        told
    }

    fn name_of(&self, target: Target) -> String {
        let of = |list: &[DynamicMessage], index: usize| list.get(index).map(crate::field::name).unwrap_or_default();
        match target {
            Target::Base(kind, index) => format!("{} {}", kind.word(), of(refusal::of_kind(self.base, kind), index)),
            Target::Added(kind, order) => {
                let value = self.selection.chosen[order].patch.value.as_ref();
                format!("{} {}", kind.word(), value.map(crate::field::name).unwrap_or_default())
            }
        }
    }
}

fn of_filter(filter: &EnvoyFilter, not_for_this_proxy: Option<String>) -> OfFilter {
    OfFilter {
        namespace: filter.namespace.clone(),
        name: filter.name.clone(),
        not_for_this_proxy,
        warnings: filter.warnings.clone(),
        ..OfFilter::default()
    }
}

/// The base with its changes. What is added goes where istiod puts it: a listener before `virtualOutbound`, an inbound
/// one to the end; a cluster behind those of its side.
fn put_together(base: Resources, applied: Applied, proxy: &ProxyInfo) -> Resources {
    let before_last = |listeners: &[DynamicMessage]| {
        let last = listeners.iter().position(|listener| crate::field::name(listener) == "virtualOutbound");
        last.or_else(|| end_of_outbound(listeners, |listener| side_of_listener(listener, proxy.role)))
    };
    let of_clusters =
        |clusters: &[DynamicMessage]| end_of_outbound(clusters, |cluster| side_of_cluster(cluster, proxy.role));
    Resources {
        listeners: changed(base.listeners, applied.listeners, before_last),
        clusters: changed(base.clusters, applied.clusters, of_clusters),
        routes: changed(base.routes, applied.routes, |_| None),
    }
}

fn end_of_outbound(list: &[DynamicMessage], side: impl Fn(&DynamicMessage) -> Context) -> Option<usize> {
    list.iter().rposition(|one| side(one) != Context::Inbound).map(|last| last + 1)
}

fn changed(
    base: Vec<DynamicMessage>,
    mut changes: Changes,
    place: impl Fn(&[DynamicMessage]) -> Option<usize>,
) -> Vec<DynamicMessage> {
    let at = place(&base);
    let (inbound, outbound): (Vec<_>, Vec<_>) =
        changes.added.into_iter().partition(|(side, ..)| *side == Context::Inbound);
    let mut outbound = outbound.into_iter().map(|(_, _, message)| message);
    let mut list = Vec::with_capacity(base.len());
    for (index, message) in base.into_iter().enumerate() {
        if at == Some(index) {
            list.extend(outbound.by_ref());
        }
        match changes.changed.remove(&index) {
            Some(changed) => list.extend(changed),
            None => list.push(message),
        }
    }
    list.extend(outbound);
    list.extend(inbound.into_iter().map(|(_, _, message)| message));
    list
}
