//! One named resource, an immutable set of them, and what differs between two sets.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use xxhash_rust::xxh64::xxh64;

use crate::kind::Kind;
use crate::proto::{Any, ClusterEndpointsName};

/// A named resource: an encoded `Any` and a version. Equal versions of one name mean equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Unique in its kind.
    pub name: Arc<str>,
    /// Compared, and given to the other side, which treats it as opaque.
    pub version: Arc<str>,
    /// The encoded `google.protobuf.Any`.
    pub any: Bytes,
}

impl Resource {
    /// From an encoded message. The version is a hash of the bytes, so that it is the same after a restart and a proxy
    /// that comes back with what it has need not be sent it again.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>, message: impl Into<Bytes>) -> Resource {
        let any = Any { type_url: kind.url().to_owned(), value: message.into() }.encode_to_vec();
        Resource { name: name.into(), version: format!("{:016x}", xxh64(&any, 0)).into(), any: any.into() }
    }

    /// The encoded message inside the `Any`; empty if the bytes are not an `Any`.
    pub fn message(&self) -> Bytes {
        Any::decode(self.any.clone()).map(|any| any.value).unwrap_or_default()
    }
}

/// The name under which a cluster's endpoints are asked for: its `service_name`, else its own name.
pub(crate) fn endpoints_name(cluster: &Resource) -> Arc<str> {
    let written = ClusterEndpointsName::decode(cluster.message()).ok();
    let service = written.and_then(|written| written.eds_cluster_config).map(|eds| eds.service_name);
    service.filter(|name| !name.is_empty()).map_or_else(|| cluster.name.clone(), Arc::from)
}

/// The resources of one kind for one node, or for many: immutable, to be shared. Keeps the order in which it was given,
/// which is the order in which they are sent.
#[derive(Debug, Default)]
pub struct ResourceSet {
    listed: Box<[Arc<Resource>]>,
    /// Positions in `listed`, sorted by name.
    sorted: Box<[u32]>,
    digest: u64,
}

impl ResourceSet {
    /// Of two resources with one name the first is kept: proxies refuse a whole push for a name that comes twice.
    pub fn new(resources: impl IntoIterator<Item = Arc<Resource>>) -> ResourceSet {
        let mut listed: Vec<Arc<Resource>> = resources.into_iter().collect();
        let mut sorted = by_name(&listed);
        if sorted.windows(2).any(|pair| listed[pair[0] as usize].name == listed[pair[1] as usize].name) {
            sorted.dedup_by(|later, earlier| listed[*later as usize].name == listed[*earlier as usize].name);
            sorted.sort_unstable();
            listed = sorted.iter().map(|&at| listed[at as usize].clone()).collect();
            sorted = by_name(&listed);
        }
        let digest = digest(sorted.iter().map(|&at| &*listed[at as usize]));
        ResourceSet { listed: listed.into(), sorted: sorted.into(), digest }
    }

    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.listed.iter()
    }

    /// The resource of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.position(name).and_then(|at| self.at(at))
    }

    /// Where in the order given the resource of a name is.
    pub(crate) fn position(&self, name: &str) -> Option<u32> {
        let found = self.sorted.binary_search_by(|&at| (*self.listed[at as usize].name).cmp(name)).ok()?;
        self.sorted.get(found).copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Names and versions as one number; the order is no part of it.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What leads from this set to `newer`.
    pub fn difference(&self, newer: &ResourceSet) -> Difference {
        let mut difference = Difference::default();
        let (mut old, mut new) = (self.in_name_order().peekable(), newer.sorted.iter().copied().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(&b)) => compare(a, &newer.listed[b as usize]),
            };
            match order {
                Ordering::Less => difference.removed.extend(old.next().cloned()),
                Ordering::Greater => difference.changed.extend(new.next()),
                Ordering::Equal => {
                    if let (Some(a), Some(b)) = (old.next(), new.next()) {
                        let same =
                            Arc::ptr_eq(a, &newer.listed[b as usize]) || a.version == newer.listed[b as usize].version;
                        difference.changed.extend((!same).then_some(b));
                    }
                }
            }
        }
        // Sent in the set's own order, not in that of the names.
        difference.changed.sort_unstable();
        difference
    }

    /// These resources, and of `others` those whose name is not among them, after them.
    pub fn with<'a>(&'a self, others: impl IntoIterator<Item = &'a Arc<Resource>>) -> ResourceSet {
        ResourceSet::new(self.iter().chain(others).cloned())
    }

    /// The resource at a position of [`Difference::changed`].
    pub(crate) fn at(&self, position: u32) -> Option<&Arc<Resource>> {
        self.listed.get(position as usize)
    }

    fn in_name_order(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.sorted.iter().map(|&at| &self.listed[at as usize])
    }
}

/// The same resource in two sets is mostly the same allocation: names are compared only where something changed.
fn compare(a: &Arc<Resource>, b: &Arc<Resource>) -> Ordering {
    if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.name.cmp(&b.name) }
}

fn by_name(listed: &[Arc<Resource>]) -> Vec<u32> {
    let mut sorted: Vec<u32> = (0..u32::try_from(listed.len()).unwrap_or(u32::MAX)).collect();
    sorted.sort_by(|&a, &b| listed[a as usize].name.cmp(&listed[b as usize].name));
    sorted
}

fn digest<'a>(resources: impl Iterator<Item = &'a Resource>) -> u64 {
    resources.fold(0, |seed, resource| xxh64(resource.version.as_bytes(), xxh64(resource.name.as_bytes(), seed)))
}

/// What leads from one set to a newer one.
#[derive(Debug, Default)]
pub struct Difference {
    /// Positions in the newer set, ascending, of what is new or has another version.
    pub(crate) changed: Vec<u32>,
    /// Resources of the older set whose name the newer one does not have.
    pub removed: Vec<Arc<Resource>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str, body: &str) -> Arc<Resource> {
        Arc::new(Resource::new(Kind::Cluster, name, body.as_bytes().to_vec()))
    }

    fn names(set: &ResourceSet, positions: &[u32]) -> Vec<String> {
        positions.iter().map(|&at| set.at(at).unwrap().name.to_string()).collect()
    }

    #[test]
    fn a_set_keeps_its_order_and_the_first_of_two_names() {
        let set = ResourceSet::new([resource("b", "1"), resource("c", "1"), resource("a", "1"), resource("b", "2")]);
        assert_eq!(set.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["b", "c", "a"]);
        assert_eq!(set.get("b").unwrap().message(), "1".as_bytes());
        assert!(set.get("d").is_none());
        assert_eq!(
            set.digest(),
            ResourceSet::new([resource("a", "1"), resource("b", "1"), resource("c", "1")]).digest()
        );
        assert_ne!(
            set.digest(),
            ResourceSet::new([resource("a", "2"), resource("b", "1"), resource("c", "1")]).digest()
        );
    }

    #[test]
    fn a_difference_lists_what_is_new_changed_and_gone() {
        let kept = resource("m", "same");
        let old = ResourceSet::new([resource("z", "1"), kept.clone(), resource("a", "1"), resource("q", "1")]);
        let new = ResourceSet::new([resource("z", "2"), resource("b", "1"), kept, resource("q", "1")]);
        let difference = old.difference(&new);
        assert_eq!(names(&new, &difference.changed), ["z", "b"], "in the newer set's order");
        assert_eq!(difference.removed.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["a"]);
        assert!(new.difference(&new).changed.is_empty());
    }

    #[test]
    fn versions_follow_the_bytes() {
        assert_eq!(resource("a", "1").version, resource("a", "1").version);
        assert_ne!(resource("a", "1").version, resource("a", "2").version);
    }

    #[test]
    fn a_cluster_names_its_endpoints() {
        let named = ClusterEndpointsName { name: "c".to_owned(), eds_cluster_config: None };
        let plain = Resource::new(Kind::Cluster, "c", named.encode_to_vec());
        assert_eq!(&*endpoints_name(&plain), "c");
        let eds = Some(crate::proto::EdsClusterConfig { service_name: "s".to_owned() });
        let other = ClusterEndpointsName { eds_cluster_config: eds, ..named };
        assert_eq!(&*endpoints_name(&Resource::new(Kind::Cluster, "c", other.encode_to_vec())), "s");
    }
}
