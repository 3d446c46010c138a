//! One named resource, an immutable set of them, and what differs between two sets.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use xxhash_rust::xxh64::xxh64;

use crate::kind::Kind;
use crate::proto::{Any, ClusterEndpointsName};

/// A named resource: an encoded `Any` and a version. Equal versions of one name mean equal content.
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
    /// that comes back with what it has need not be sent it again. Messages with maps in them have other bytes each time
    /// they are encoded: give those a version of their own.
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
pub fn endpoints_name(cluster: &Resource) -> Arc<str> {
    let written = ClusterEndpointsName::decode(cluster.message()).ok();
    let service = written.and_then(|written| written.eds_cluster_config).map(|eds| eds.service_name);
    service.filter(|name| !name.is_empty()).map_or_else(|| cluster.name.clone(), Arc::from)
}

/// The resources of one kind for one node, or for many: immutable, to be shared. Keeps the order in which it was given,
/// which is the order in which they are sent.
///
/// Most of what a proxy has others have too. So a set has two layers: one that many sets share, and a few of its own after
/// it, see [`ResourceSet::with`]. Ten thousand proxies with a thousand common resources each then cost ten thousand times
/// a few, and what changed is found by looking at the few as long as the common layer is the same.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    shared: Arc<Layer>,
    own: Layer,
}

#[derive(Clone, Debug, Default)]
struct Layer {
    listed: Box<[Arc<Resource>]>,
    /// Positions in `listed`, sorted by name.
    sorted: Box<[u32]>,
    digest: u64,
}

impl Layer {
    /// Of two resources with one name the first is kept.
    fn new(mut listed: Vec<Arc<Resource>>) -> Layer {
        let mut sorted = by_name(&listed);
        if sorted.windows(2).any(|pair| listed[pair[0] as usize].name == listed[pair[1] as usize].name) {
            sorted.dedup_by(|later, earlier| listed[*later as usize].name == listed[*earlier as usize].name);
            sorted.sort_unstable();
            listed = sorted.iter().map(|&at| listed[at as usize].clone()).collect();
            sorted = by_name(&listed);
        }
        let digest = listed.iter().fold(0, |sum: u64, resource| sum.wrapping_add(fingerprint(resource)));
        Layer { listed: listed.into(), sorted: sorted.into(), digest }
    }

    fn position(&self, name: &str) -> Option<u32> {
        let found = self.sorted.binary_search_by(|&at| (*self.listed[at as usize].name).cmp(name)).ok()?;
        self.sorted.get(found).copied()
    }

    fn len(&self) -> u32 {
        u32::try_from(self.listed.len()).unwrap_or(u32::MAX)
    }

    /// Positions, counted from `first`, and resources in the order of their names.
    fn in_name_order(&self, first: u32) -> impl Iterator<Item = (u32, &Arc<Resource>)> {
        self.sorted.iter().map(move |&at| (first + at, &self.listed[at as usize]))
    }
}

impl ResourceSet {
    /// All in the layer that [`ResourceSet::with`] shares. Of two resources with one name the first is kept: proxies
    /// refuse a whole push for a name that comes twice.
    pub fn new(resources: impl IntoIterator<Item = Arc<Resource>>) -> ResourceSet {
        ResourceSet { shared: Arc::new(Layer::new(resources.into_iter().collect())), own: Layer::default() }
    }

    /// These resources, and after them those of `more` whose name is not among them. The common layer is shared with the
    /// new set, not copied.
    pub fn with(&self, more: impl IntoIterator<Item = Arc<Resource>>) -> ResourceSet {
        let mut own = self.own.listed.to_vec();
        own.extend(more.into_iter().filter(|resource| self.shared.position(&resource.name).is_none()));
        ResourceSet { shared: self.shared.clone(), own: Layer::new(own) }
    }

    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.shared.listed.iter().chain(&self.own.listed)
    }

    /// The resource of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.position(name).and_then(|at| self.at(at))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.shared.listed.len() + self.own.listed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and versions as one number; the order is no part of it.
    pub fn digest(&self) -> u64 {
        self.shared.digest.wrapping_add(self.own.digest)
    }

    /// What leads from this set to `newer`.
    pub fn difference(&self, newer: &ResourceSet) -> Difference {
        let mut difference = Difference::default();
        if Arc::ptr_eq(&self.shared, &newer.shared) {
            let first = self.shared.len();
            difference.walk(self.own.in_name_order(first), newer.own.in_name_order(first));
        } else {
            difference.walk(self.in_name_order(), newer.in_name_order());
        }
        // Sent in the set's own order, not in that of the names.
        difference.changed.sort_unstable();
        difference
    }

    /// Where in the order given the resource of a name is.
    pub(crate) fn position(&self, name: &str) -> Option<u32> {
        self.shared.position(name).or_else(|| self.own.position(name).map(|at| at + self.shared.len()))
    }

    /// The resource at a position.
    pub(crate) fn at(&self, position: u32) -> Option<&Arc<Resource>> {
        let own = || self.own.listed.get((position - self.shared.len()) as usize);
        self.shared.listed.get(position as usize).or_else(own)
    }

    fn in_name_order(&self) -> impl Iterator<Item = (u32, &Arc<Resource>)> {
        let mut shared = self.shared.in_name_order(0).peekable();
        let mut own = self.own.in_name_order(self.shared.len()).peekable();
        std::iter::from_fn(move || match (shared.peek(), own.peek()) {
            (Some((_, a)), Some((_, b))) if b.name < a.name => own.next(),
            (Some(_), _) => shared.next(),
            (None, _) => own.next(),
        })
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

fn fingerprint(resource: &Resource) -> u64 {
    xxh64(resource.version.as_bytes(), xxh64(resource.name.as_bytes(), 0))
}

/// What leads from one set to a newer one.
#[derive(Debug, Default)]
pub struct Difference {
    /// Positions in the newer set, ascending, of what is new or has another version.
    pub(crate) changed: Vec<u32>,
    /// Resources of the older set whose name the newer one does not have.
    pub removed: Vec<Arc<Resource>>,
}

impl Difference {
    /// Both in the order of their names, with their positions.
    fn walk<'a>(
        &mut self,
        old: impl Iterator<Item = (u32, &'a Arc<Resource>)>,
        new: impl Iterator<Item = (u32, &'a Arc<Resource>)>,
    ) {
        let (mut old, mut new) = (old.peekable(), new.peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, a)), Some((_, b))) => compare(a, b),
            };
            let before = (order != Ordering::Greater).then(|| old.next()).flatten();
            let after = (order != Ordering::Less).then(|| new.next()).flatten();
            match (before, after) {
                (Some((_, a)), Some((at, b))) => {
                    let same = Arc::ptr_eq(a, b) || a.version == b.version;
                    self.changed.extend((!same).then_some(at));
                }
                (None, Some((at, _))) => self.changed.push(at),
                (Some((_, a)), None) => self.removed.push(a.clone()),
                (None, None) => return,
            }
        }
    }
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
    fn layers_do_not_show() {
        let (a, b, c, d) = (resource("a", "1"), resource("b", "1"), resource("c", "1"), resource("d", "1"));
        let common = ResourceSet::new([d.clone(), b.clone()]);
        let layered = common.with([c.clone(), resource("b", "other"), a.clone()]);
        assert_eq!(layered.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["d", "b", "c", "a"]);
        let flat = ResourceSet::new([d.clone(), b.clone(), c.clone(), a.clone()]);
        assert_eq!((layered.digest(), layered.len()), (flat.digest(), 4));
        assert!(layered.difference(&flat).changed.is_empty() && flat.difference(&layered).removed.is_empty());
        let newer = common.with([resource("a", "2"), resource("e", "1")]);
        for (old, new) in [(&layered, &newer), (&flat, &ResourceSet::new(newer.iter().cloned()))] {
            let difference = old.difference(new);
            assert_eq!(names(new, &difference.changed), ["a", "e"]);
            assert_eq!(difference.removed, std::slice::from_ref(&c));
        }
        assert_eq!(layered.get("a"), Some(&a));
        assert_eq!(layered.get("d"), Some(&d));
        assert!(layered.at(4).is_none());
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
