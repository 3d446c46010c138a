//! The objects of one kind as they are known, and the list that is to take their place once it is whole.

use super::wire::{Item, Name};
use crate::object::Object;
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
        let Item { name, object, problems, notes } = item;
        let former = self.fresh.as_ref().and_then(|fresh| fresh.get(&name)).or_else(|| self.known.get(&name));
        let kept = former.and_then(|slot| slot.object.as_ref());
        let object = match (object, kept) {
            (Some(object), Some(kept)) if **kept == object => Some(Arc::clone(kept)),
            (Some(object), _) => Some(Arc::new(object)),
            // As with a file that has become faulty, what it held before counts.
            (None, kept) => kept.map(Arc::clone),
        };
        let slot = Slot { object, problems, notes };
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

    pub(super) fn notes(&self) -> impl Iterator<Item = &Problem> {
        self.known.values().flat_map(|slot| &slot.notes)
    }
}

impl Slot {
    /// Whether it is the same to the registry and to people.
    fn says(&self, other: &Self) -> bool {
        let same_object = match (&self.object, &other.object) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_object && self.problems == other.problems && self.notes == other.notes
    }
}
