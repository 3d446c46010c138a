//! What a proxy would refuse, as far as it can be known without one: Envoy takes an update of one kind whole or not at
//! all, so that one bad cluster keeps every other from being updated.

mod chains;
mod clusters;
mod own;
mod typed;

use crate::engine::{Applied, Changes, Target};
use crate::field::{name, socket};
use crate::resources::{Kind, Resources};
use config::Schema;
use prost_reflect::DynamicMessage;
use std::collections::HashMap;

/// A resource that would be refused, and was not so before it was patched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) target: Target,
    /// Before it was patched.
    pub(crate) name: String,
    pub(crate) reasons: Vec<String>,
    /// The patches that touched it.
    pub(crate) touched: Vec<usize>,
}

/// The resources of a kind.
pub(crate) fn of_kind(resources: &Resources, kind: Kind) -> &[DynamicMessage] {
    match kind {
        Kind::Listener => &resources.listeners,
        Kind::Cluster => &resources.clusters,
        Kind::RouteConfiguration => &resources.routes,
    }
}

/// Every resource that some patch made such that the proxy would refuse it.
pub(crate) fn find(schema: &Schema, base: &Resources, applied: &Applied) -> Vec<Fault> {
    let kinds = [
        (Kind::Listener, &applied.listeners),
        (Kind::Cluster, &applied.clusters),
        (Kind::RouteConfiguration, &applied.routes),
    ];
    kinds.into_iter().flat_map(|(kind, changes)| of(schema, kind, of_kind(base, kind), changes, applied)).collect()
}

fn of(schema: &Schema, kind: Kind, base: &[DynamicMessage], changes: &Changes, applied: &Applied) -> Vec<Fault> {
    let mut faults = Vec::new();
    if changes.changed.is_empty() && changes.added.is_empty() {
        return faults;
    }
    let mut tell = |target: Target, named: &DynamicMessage, reasons: Vec<String>| {
        if !reasons.is_empty() {
            let touched = applied.touched.get(&target).cloned().unwrap_or_default();
            faults.push(Fault { kind, target, name: name(named), reasons, touched });
        }
    };
    let mut others = Others::default();
    for (index, before) in base.iter().enumerate() {
        let Some(changed) = changes.changed.get(&index) else {
            others.add(kind, before);
            continue;
        };
        let Some(after) = changed else { continue };
        let known: Vec<String> = own::reasons(schema, kind, before).iter().map(|reason| anywhere(reason)).collect();
        let mut reasons = own::reasons(schema, kind, after);
        reasons.retain(|reason| !known.contains(&anywhere(reason)));
        if identity(before) != identity(after) {
            reasons.extend(others.clash(kind, after));
        }
        others.add(kind, after);
        tell(Target::Base(kind, index), before, reasons);
    }
    for (_, order, message) in &changes.added {
        let mut reasons = own::reasons(schema, kind, message);
        reasons.extend(others.clash(kind, message));
        others.add(kind, message);
        tell(Target::Added(kind, *order), message, reasons);
    }
    faults
}

/// A reason without the numbers of list elements, which a patch may have moved.
fn anywhere(reason: &str) -> String {
    let (mut plain, mut in_index) = (String::new(), false);
    for c in reason.chars() {
        in_index = c == '[' || in_index && c.is_ascii_digit();
        plain.extend((!in_index).then_some(c));
    }
    plain
}

fn identity(message: &DynamicMessage) -> (String, Option<(String, u32)>) {
    (name(message), socket(message))
}

/// What must be there once only.
#[derive(Default)]
struct Others {
    names: HashMap<String, ()>,
    sockets: HashMap<(String, u32), String>,
}

impl Others {
    fn add(&mut self, kind: Kind, message: &DynamicMessage) {
        self.names.insert(name(message), ());
        if let (Kind::Listener, Some(socket)) = (kind, socket(message)) {
            self.sockets.insert(socket, name(message));
        }
    }

    fn clash(&self, kind: Kind, message: &DynamicMessage) -> Vec<String> {
        let mut reasons = Vec::new();
        let name = name(message);
        if self.names.contains_key(&name) && !name.is_empty() {
            reasons.push(format!("there is already a {} named {name}", kind.word()));
        }
        let socket = socket(message).filter(|_| kind == Kind::Listener);
        if let Some((socket, other)) = socket.and_then(|socket| self.sockets.get(&socket).map(|other| (socket, other)))
        {
            reasons.push(format!("listener {other} has the same address {}:{}", socket.0, socket.1));
        }
        reasons
    }
}
