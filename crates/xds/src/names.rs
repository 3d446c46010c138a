//! The names that one side asks the other for.

use std::collections::HashSet;
use std::sync::Arc;

/// A sorted set of names. Cloning shares; so ten thousand proxies that ask for the same names cost one list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names(Arc<Vec<Arc<str>>>);

impl Names {
    /// Whether it is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds and removes many at once; a name in both is removed.
    pub fn change(&mut self, added: impl IntoIterator<Item = Arc<str>>, removed: &Names) {
        let mut names: Vec<Arc<str>> = self.iter().cloned().chain(added).collect();
        names.retain(|name| !removed.contains(name));
        *self = names.into_iter().collect();
    }

    /// Those of these names that are not among `others`.
    pub fn without(&self, others: &Names) -> Names {
        if Arc::ptr_eq(&self.0, &others.0) {
            return Names::default();
        }
        Names(Arc::new(self.iter().filter(|name| !others.contains(name)).cloned().collect()))
    }

    /// For a protobuf field.
    pub(crate) fn to_strings(&self) -> Vec<String> {
        self.iter().map(|name| name.to_string()).collect()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|known| (**known).cmp(name))
    }
}

impl<T: Into<Arc<str>>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Names {
        let mut names: Vec<Arc<str>> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        names.shrink_to_fit();
        Names(Arc::new(names))
    }
}

/// Lists of names that are in use, one allocation each.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    known: HashSet<Names>,
    /// Lists at which to look for those that nobody uses any more.
    crowded: usize,
}

impl Pool {
    /// The same names, sharing the memory of an equal list where there is one.
    pub(crate) fn share(&mut self, names: &Names) -> Names {
        if let Some(known) = self.known.get(names) {
            return known.clone();
        }
        if self.known.len() >= self.crowded {
            self.known.retain(|names| Arc::strong_count(&names.0) > 1);
            self.crowded = 16 + 2 * self.known.len();
        }
        self.known.insert(names.clone());
        names.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_share_and_unused_ones_are_forgotten() {
        let mut pool = Pool::default();
        let list = |number: usize| -> Names { [number.to_string()].into_iter().collect() };
        let first = pool.share(&list(1));
        assert!(Arc::ptr_eq(&pool.share(&list(1)).0, &first.0));
        for number in 0..1000 {
            pool.share(&list(number));
        }
        assert!(pool.known.len() < 100, "{}", pool.known.len());
        assert!(Arc::ptr_eq(&pool.share(&list(1)).0, &first.0));
    }

    #[test]
    fn names_are_a_set() {
        let mut names: Names = ["b", "a", "b"].into_iter().collect();
        assert_eq!(names.to_strings(), ["a", "b"]);
        names.change(["c".into(), "d".into()], &["a", "d"].into_iter().collect());
        assert_eq!(names.to_strings(), ["b", "c"]);
        assert!(names.contains("c") && !names.contains("a"));
        assert_eq!(names.without(&["b"].into_iter().collect()).to_strings(), ["c"]);
        assert!(names.without(&names.clone()).is_empty());
    }
}
