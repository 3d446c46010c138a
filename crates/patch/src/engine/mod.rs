//! The patches at work, one file a kind of object, from the outside in.
//!
//! The base is only read: a resource that some patch concerns is copied, patched, and put beside it. So nothing that
//! several proxies, or several places of one, share can be changed by accident, and the same patches can be applied
//! once more without those that are held back.

mod place;
mod typed;

mod listener;
mod listener_filter;
mod chain;
mod network;
mod http;

mod cluster;

mod route;

use crate::filter::{ApplyTo, Context};
use crate::proxy::Role;
use crate::report::{Hit, Trace};
use crate::resources::{Kind, Resources};
use crate::select::Chosen;
use config::Schema;
use prost_reflect::DynamicMessage;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

/// A resource: one of the base by its place there, or the one that a patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Target {
    Base(Kind, usize),
    Added(Kind, usize),
}

/// Patches, by their order, that are not applied to a resource.
pub(crate) type Held = HashSet<(usize, Target)>;

/// What became of the resources of one kind.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By place in the base: what took its place; nothing if it was removed.
    pub(crate) changed: BTreeMap<usize, Option<DynamicMessage>>,
    /// What was added, with the side it was added on and the patch that did it.
    pub(crate) added: Vec<(Context, usize, DynamicMessage)>,
}

/// What became of everything.
pub(crate) struct Applied {
    pub(crate) listeners: Changes,
    pub(crate) clusters: Changes,
    pub(crate) routes: Changes,
    pub(crate) trace: Trace,
    /// Which patches touched a resource.
    pub(crate) touched: BTreeMap<Target, Vec<usize>>,
}

/// Applies `chosen` to `base`, except where they are `held`.
pub(crate) fn run(schema: &Schema, base: &Resources, role: Role, chosen: &[Chosen<'_>], held: &Held) -> Applied {
    let run = Run { schema, chosen, held, role, trace: Trace::default(), touched: RefCell::default() };
    let listeners = run.listeners(&base.listeners);
    let clusters = run.clusters(&base.clusters);
    let routes = run.routes(&base.routes);
    Applied { listeners, clusters, routes, trace: run.trace, touched: run.touched.into_inner() }
}

/// One application of all patches.
struct Run<'a> {
    schema: &'a Schema,
    chosen: &'a [Chosen<'a>],
    held: &'a Held,
    role: Role,
    trace: Trace,
    touched: RefCell<BTreeMap<Target, Vec<usize>>>,
}

/// The resource that is being patched.
struct Site {
    kind: Kind,
    target: Target,
    side: Context,
    /// Its name before it was patched.
    name: String,
}

impl<'a> Run<'a> {
    /// The patches of one kind of object whose context is that of the resource.
    fn at(&self, apply_to: ApplyTo, site: &Site) -> Vec<Chosen<'a>> {
        let side = site.side;
        let target = site.target;
        self.of(apply_to).filter(|one| is_on(one, side) && !self.held.contains(&(one.order, target))).collect()
    }

    /// The patches of one kind of object.
    fn of(&self, apply_to: ApplyTo) -> impl Iterator<Item = Chosen<'a>> + use<'a> {
        self.chosen.iter().copied().filter(move |one| one.patch.apply_to == apply_to)
    }

    /// Notes that a patch was applied.
    fn hit(&self, site: &Site, patch: &Chosen<'_>, place: impl Into<String>, done: &'static str) {
        let hit = Hit { kind: site.kind, name: site.name.clone(), place: place.into(), done };
        self.trace.hit(patch.order, hit);
        let mut touched = self.touched.borrow_mut();
        let patches = touched.entry(site.target).or_default();
        if !patches.contains(&patch.order) {
            patches.push(patch.order);
        }
    }

    /// What the patches of one kind, whose value is a whole resource, add on `side`.
    fn added(&self, kind: Kind, apply_to: ApplyTo, side: Context) -> Vec<(Context, usize, DynamicMessage)> {
        let mut added = Vec::new();
        for one in self.of(apply_to) {
            let target = Target::Added(kind, one.order);
            let is_here = crate::matching::is_added_on(one.patch.matching.context, side);
            let Some(value) = one.patch.value.as_ref() else { continue };
            if one.patch.operation != crate::filter::Operation::Add
                || !is_here
                || self.held.contains(&(one.order, target))
            {
                continue;
            }
            self.hit(&Site { kind, target, side, name: crate::field::name(value) }, &one, "", "added");
            added.push((side, one.order, value.clone()));
        }
        added
    }

    /// The sides that a proxy has, in the order in which they are patched.
    fn sides(&self) -> &'static [Context] {
        if self.role == Role::Router { &[Context::Gateway] } else { &[Context::Outbound, Context::Inbound] }
    }
}

fn is_on(one: &Chosen<'_>, side: Context) -> bool {
    one.patch.matching.context == side || one.patch.matching.context == Context::Any
}
