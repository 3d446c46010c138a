//! What a configuration says that has no effect here, told in few lines and never a refusal.
//!
//! Used where configuration comes from a control plane that does not know for whom it writes: one clear line for each
//! resource, and lines of their own for what an operator must not miss.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What is told of one resource.
pub(crate) struct Subject {
    /// Begins each line, as in `listener virtualInbound`.
    label: String,
    /// The path of the resource.
    root: String,
    loud: RefCell<Vec<String>>,
    degraded: RefCell<BTreeSet<String>>,
    ignored: RefCell<BTreeSet<String>>,
}

impl Subject {
    pub(crate) fn new(label: String, root: &str) -> Rc<Self> {
        Rc::new(Self {
            label,
            root: root.to_owned(),
            loud: RefCell::default(),
            degraded: RefCell::default(),
            ignored: RefCell::default(),
        })
    }

    /// A line of its own.
    pub(crate) fn loud(&self, text: impl Into<String>) {
        let text = text.into();
        let mut loud = self.loud.borrow_mut();
        if !loud.contains(&text) {
            loud.push(text);
        }
    }

    /// Something is done in another manner than written.
    pub(crate) fn degraded(&self, text: impl Into<String>) {
        self.degraded.borrow_mut().insert(text.into());
    }

    /// The field at `path` has no effect.
    pub(crate) fn ignored(&self, path: &str) {
        let inner = path.strip_prefix(self.root.as_str()).unwrap_or(path);
        self.ignored_named(without_indices(inner.trim_start_matches('.')));
    }

    /// Something that has a name of its own has no effect.
    pub(crate) fn ignored_named(&self, name: impl Into<String>) {
        self.ignored.borrow_mut().insert(name.into());
    }

    /// The lines, the loud ones first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let joined = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut parts: Vec<String> = self.degraded.borrow().iter().cloned().collect();
        let ignored = self.ignored.borrow();
        if !ignored.is_empty() {
            parts.push(format!("no effect here: {}", joined(&ignored)));
        }
        let mut lines: Vec<String> = self.loud.borrow().iter().map(|text| format!("{}: {text}", self.label)).collect();
        lines.extend((!parts.is_empty()).then(|| format!("{}: {}", self.label, parts.join("; "))));
        lines
    }
}

/// `filter_chains[2].filters[0].name` as `filter_chains.filters.name`.
fn without_indices(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after.split_once(']') {
            Some((index, after)) if index.bytes().all(|byte| byte.is_ascii_digit()) => rest = after,
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::{Subject, without_indices};

    #[test]
    fn one_line_and_the_loud_ones_before_it() {
        let subject = Subject::new("listener x".to_owned(), "static_resources.listeners[3]");
        assert!(subject.lines().is_empty());
        subject.ignored("static_resources.listeners[3].filter_chains[1].metadata");
        subject.ignored("static_resources.listeners[3].filter_chains[2].metadata");
        subject.ignored_named("network filter a");
        subject.degraded("HTTP passes through");
        subject.loud("not enforced");
        subject.loud("not enforced");
        assert_eq!(
            subject.lines(),
            [
                "listener x: not enforced",
                "listener x: HTTP passes through; no effect here: filter_chains.metadata, network filter a"
            ]
        );
    }

    #[test]
    fn keys_of_maps_stay() {
        assert_eq!(without_indices("a[0].b[\"c.d[1]\"].e[12]"), "a.b[\"c.d\"].e");
    }
}
