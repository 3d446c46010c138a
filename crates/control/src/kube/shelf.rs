//! The objects of one kind as they are known, and the list that is to take their place once it is whole.

use super::kinds::Kind;
use super::wire::{Item, Name, Record};
use crate::object::{Key, Object, Objection};
use config::Problem;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of one object.
#[derive(Clone, Debug)]
struct Slot {
    /// Its last form that could be used.
    object: Option<Arc<Object>>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
    /// Nothing of it but the generation of a faulty version is anything to the registry.
    record: Option<Record>,
}

/// The objects of one kind.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    known: BTreeMap<Name, Slot>,
    /// The list that is being received.
    fresh: Option<BTreeMap<Name, Slot>>,
}

impl Shelf {
    /// A list begins; what is known stays until it is whole.
    pub(super) fn begin(&mut self) {
        self.fresh = Some(BTreeMap::new());
    }

    /// The object is this by now. Whether anything is different.
    pub(super) fn put(&mut self, item: Item) -> bool {
        let Item { name, object, problems, notes, record } = item;
        let former = self.fresh.as_ref().and_then(|fresh| fresh.get(&name)).or_else(|| self.known.get(&name));
        let kept = former.and_then(|slot| slot.object.as_ref());
        let object = match (object, kept) {
            (Some(object), Some(kept)) if **kept == object => Some(Arc::clone(kept)),
            (Some(object), _) => Some(Arc::new(object)),
            // As with a file that has become faulty, what it held before counts.
            (None, kept) => kept.map(Arc::clone),
        };
        let slot = Slot { object, problems, notes, record };
        let is_new = former.is_none_or(|former| !former.says(&slot));
        self.at_hand().insert(name, slot);
        is_new && self.fresh.is_none()
    }

    /// The object is no more. Whether it was known.
    pub(super) fn remove(&mut self, name: &Name) -> bool {
        self.at_hand().remove(name).is_some() && self.fresh.is_none()
    }

    /// The list is whole. Whether anything is different.
    pub(super) fn commit(&mut self) -> bool {
        let Some(fresh) = self.fresh.take() else { return false };
        let is_same = fresh.len() == self.known.len()
            && fresh.iter().zip(&self.known).all(|((name, slot), (other, known))| name == other && known.says(slot));
        self.known = fresh;
        !is_same
    }

    /// The list will not become whole.
    pub(super) fn give_up(&mut self) {
        self.fresh = None;
    }

    /// There is no such kind any more. Whether there was anything of it.
    pub(super) fn clear(&mut self) -> bool {
        self.fresh = None;
        !std::mem::take(&mut self.known).is_empty()
    }

    fn at_hand(&mut self) -> &mut BTreeMap<Name, Slot> {
        self.fresh.as_mut().unwrap_or(&mut self.known)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.known.values().filter_map(|slot| slot.object.as_ref())
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.known.values().flat_map(|slot| &slot.problems)
    }

    /// Why newest versions do not count.
    pub(super) fn objections<'s>(&'s self, kind: &'static Kind) -> impl Iterator<Item = Objection> + 's {
        let faulty = self.known.iter().filter(|(_, slot)| kind.is_judged() && !slot.problems.is_empty());
        faulty.map(move |((namespace, name), slot)| {
            let told: Vec<String> = slot.problems.iter().map(told).collect();
            Objection {
                key: Key { kind: kind.word(), namespace: namespace.clone(), name: name.clone() },
                source: slot.problems.first().map_or_else(|| "".into(), |problem| problem.file.as_str().into()),
                generation: slot.generation(),
                text: told.join("; "),
                is_conflict: false,
                is_kept: slot.object.is_some(),
            }
        })
    }

    /// What is needed to write an object's status.
    pub(super) fn record(&self, name: &Name) -> Option<&Record> {
        self.known.get(name)?.record.as_ref()
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = &Problem> {
        self.known.values().flat_map(|slot| &slot.notes)
    }
}

/// What is wrong, without the source.
fn told(problem: &Problem) -> String {
    let Problem { path, text, .. } = problem;
    if path.is_empty() { text.clone() } else { format!("{path}: {text}") }
}

impl Slot {
    fn generation(&self) -> i64 {
        self.record.as_ref().map_or(0, |record| record.generation)
    }

    /// Whether it is the same to the registry and to people.
    fn says(&self, other: &Self) -> bool {
        let same_object = match (&self.object, &other.object) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        // A faulty version is another than the one before it, though the fault may be the same.
        let same_version = self.problems.is_empty() || self.generation() == other.generation();
        same_object && same_version && self.problems == other.problems && self.notes == other.notes
    }
}
