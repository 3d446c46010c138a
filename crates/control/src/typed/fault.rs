//! What is wrong with a typed resource, by field.

use crate::object::Object;
use crate::written::fault::{Step, line, spelt};
use config::Problem;
use config::text::Node;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// As users write it: `spec.routes[0].to.host`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Whether it is that another resource decides the same.
    pub(crate) is_conflict: bool,
    /// Whether a change of another object can mend it: a service or a Secret that is still to come, a resource that is to go.
    pub(crate) awaits: bool,
}

impl Fault {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), is_conflict: false, awaits: false }
    }

    /// With its field.
    pub(crate) fn told(&self) -> String {
        if self.path.is_empty() { self.text.clone() } else { format!("{}: {}", self.path, self.text) }
    }

    /// That something is not there yet, or still there.
    pub(crate) fn awaiting(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { awaits: true, ..Self::new(path, text) }
    }

    /// The same with the file and line where `document` has the field.
    pub(crate) fn problem(&self, object: &Object, document: &Node) -> Problem {
        let steps = steps(&self.path);
        let shift = line(document, &steps);
        Problem { file: object.file.to_string(), line: shift, path: spelt(&steps), text: self.text.clone() }
    }
}

/// The steps of a path.
pub(crate) fn steps(path: &str) -> Vec<Step> {
    let mut found = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        found.extend(pieces.next().filter(|name| !name.is_empty()).map(|name| Step::Key(name.to_owned())));
        found.extend(pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok().map(Step::Index)));
    }
    found
}

/// Up to three of `known` that are most like `written`, as words for a sentence; empty if none is like it.
pub(crate) fn near<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> String {
    let mut alike: Vec<(f64, &str)> =
        known.map(|name| (strsim::normalized_damerau_levenshtein(written, name), name)).collect();
    alike.retain(|(likeness, _)| *likeness >= 0.6);
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.dedup();
    let names: Vec<&str> = alike.iter().take(3).map(|(_, name)| *name).collect();
    if names.is_empty() { String::new() } else { format!("; near: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{near, steps};
    use crate::written::fault::spelt;

    #[test]
    fn paths_are_taken_apart_and_spelt_again() {
        for path in ["spec.routes[0].mirrors[12].to.host", "spec", "spec.host"] {
            assert_eq!(spelt(&steps(path)), path);
        }
    }

    #[test]
    fn what_is_like_is_named_in_order() {
        let known = ["redis-cluster.redis", "redis-mirror.redis", "web.default"];
        assert_eq!(near("redis-clutser.redis", known.into_iter()), "; near: redis-cluster.redis, redis-mirror.redis");
        assert_eq!(near("x", known.into_iter()), "");
    }
}
