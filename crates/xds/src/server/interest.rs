//! What a proxy asked for, of one kind.

use std::sync::Arc;

use crate::kind::Kind;
use crate::names::Names;
use crate::resource::ResourceSet;

/// The word that asks for everything.
const EVERYTHING: &str = "*";

/// The names a proxy asked for, and whether it wants everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    pub(super) wildcard: bool,
    pub(super) names: Names,
    /// It has once asked by name: from then on an empty list means nothing, not everything.
    named: bool,
}

impl Interest {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// From a state-of-the-world request, which repeats all names.
    pub(super) fn listed(kind: Kind, listed: &[String], before: Option<&Interest>, known: &ResourceSet) -> Interest {
        let named = before.is_some_and(|before| before.named) || !listed.is_empty();
        let everything = listed.iter().any(|name| name == EVERYTHING) || (!named && kind.is_whole());
        Interest { wildcard: everything, names: shared(listed, known).collect(), named }
    }

    /// From the first incremental request of a kind.
    pub(super) fn first(kind: Kind, subscribe: &[String], known: &ResourceSet) -> Interest {
        Interest::listed(kind, subscribe, None, known)
    }

    /// From a later incremental request.
    pub(super) fn change(&mut self, subscribe: &[String], unsubscribe: &[String], known: &ResourceSet) {
        let names_everything = |names: &[String]| names.iter().any(|name| name == EVERYTHING);
        self.wildcard = (self.wildcard || names_everything(subscribe)) && !names_everything(unsubscribe);
        self.named |= !subscribe.is_empty();
        if !(subscribe.is_empty() && unsubscribe.is_empty()) {
            self.names.change(shared(subscribe, known), &unsubscribe.iter().map(String::as_str).collect());
        }
    }
}

/// Names without the wildcard, taking the allocation of a resource of that name where there is one.
pub(super) fn shared<'a>(names: &'a [String], known: &'a ResourceSet) -> impl Iterator<Item = Arc<str>> + 'a {
    names
        .iter()
        .filter(|name| *name != EVERYTHING)
        .map(|name| known.get(name).map_or_else(|| Arc::from(name.as_str()), |resource| resource.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_empty_list_means_everything_until_a_name_was_given() {
        let none = ResourceSet::default();
        let everything = Interest::listed(Kind::Cluster, &[], None, &none);
        assert!(everything.contains("any"));
        assert!(Interest::listed(Kind::Cluster, &[], Some(&everything), &none).contains("any"));
        let named = Interest::listed(Kind::Cluster, &strings(&["a"]), Some(&everything), &none);
        assert!(named.contains("a") && !named.contains("any"));
        assert!(!Interest::listed(Kind::Cluster, &[], Some(&named), &none).contains("a"));
        assert!(
            !Interest::listed(Kind::Endpoints, &[], None, &none).contains("any"),
            "endpoints are asked for by name"
        );
    }

    #[test]
    fn incremental_requests_add_and_take_away() {
        let none = ResourceSet::default();
        let mut interest = Interest::first(Kind::Listener, &strings(&["a", "*"]), &none);
        assert!(interest.contains("any"));
        interest.change(&strings(&["b"]), &strings(&["*"]), &none);
        assert!(interest.contains("a") && interest.contains("b") && !interest.contains("any"));
        interest.change(&[], &strings(&["a"]), &none);
        assert!(!interest.contains("a"));
    }
}
