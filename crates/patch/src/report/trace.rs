//! What is noted while patches are applied.

use super::Hit;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Notes by the order of the patches.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hits: RefCell<BTreeMap<usize, Vec<Hit>>>,
    warnings: RefCell<BTreeMap<usize, Vec<String>>>,
}

impl Trace {
    /// The patch was applied there.
    pub(crate) fn hit(&self, patch: usize, hit: Hit) {
        self.hits.borrow_mut().entry(patch).or_default().push(hit);
    }

    /// The patch did not do what it says; the same words are told once.
    pub(crate) fn warn(&self, patch: usize, text: String) {
        let mut warnings = self.warnings.borrow_mut();
        let told = warnings.entry(patch).or_default();
        if !told.contains(&text) {
            told.push(text);
        }
    }

    pub(crate) fn hits(&self, patch: usize) -> Vec<Hit> {
        self.hits.borrow().get(&patch).cloned().unwrap_or_default()
    }

    pub(crate) fn warnings(&self, patch: usize) -> Vec<String> {
        self.warnings.borrow().get(&patch).cloned().unwrap_or_default()
    }
}
