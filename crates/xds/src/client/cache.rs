//! The last good state on disk, for a start without a control plane.
//!
//! One file, replaced by rename. Secrets are not written. A file that is damaged, or of another node - the listeners of
//! one pod are wrong for another - counts as none.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use xxhash_rust::xxh64::xxh64;

use crate::kind::Kind;
use crate::proto::DeltaResource;
use crate::resource::Resource;

use super::talk::Talk;

/// The first bytes of the file; the number changes with its form.
const MAGIC: &[u8; 8] = b"slotxds1";

#[derive(Clone, PartialEq, prost::Message)]
struct Written {
    #[prost(string, tag = "1")]
    node: String,
    #[prost(message, repeated, tag = "2")]
    kinds: Vec<WrittenKind>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WrittenKind {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(message, repeated, tag = "3")]
    resources: Vec<DeltaResource>,
}

/// What was held of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) kind: Kind,
    pub(super) version: String,
    pub(super) resources: Vec<Arc<Resource>>,
}

/// The file's content for what is held now.
pub(super) fn encode(node: &str, talk: &Talk) -> Vec<u8> {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Secret).map(|kind| WrittenKind {
        type_url: kind.url().to_owned(),
        version: talk.version(kind).to_owned(),
        resources: talk.held(kind).map(|held| written(held)).collect(),
    });
    let body = Written { node: node.to_owned(), kinds: kinds.collect() }.encode_to_vec();
    [MAGIC.as_slice(), &xxh64(&body, 0).to_be_bytes(), &body].concat()
}

/// What a file holds for this node; none if it is damaged or of another node.
pub(super) fn decode(node: &str, bytes: &[u8]) -> Option<Vec<Kept>> {
    let (sum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    if u64::from_be_bytes(*sum) != xxh64(body, 0) {
        return None;
    }
    let written = Written::decode(body).ok().filter(|written| written.node == node)?;
    let kept = written.kinds.into_iter().filter_map(|kind| {
        let resources = kind.resources.into_iter().map(read).collect();
        Some(Kept { kind: Kind::of(&kind.type_url)?, version: kind.version, resources })
    });
    Some(kept.collect())
}

/// Replaces the file: at no moment is there a half-written one under its name.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(".new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

fn written(held: &Resource) -> DeltaResource {
    DeltaResource { version: held.version.to_string(), resource: Some(held.any.clone()), name: held.name.to_string() }
}

fn read(written: DeltaResource) -> Arc<Resource> {
    let any = written.resource.unwrap_or_default();
    Arc::new(Resource { name: written.name.into(), version: written.version.into(), any })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Arrival, Verdict, Want};
    use crate::node::Node;
    use crate::server::Dialect;

    fn talk() -> Talk {
        let mut talk = Talk::new(Dialect::Delta, &Node::default());
        for kind in [Kind::Cluster, Kind::Secret] {
            talk.want(kind, Want::Everything);
            let held = Arc::new(Resource::new(kind, "one", b"body".to_vec()));
            talk.judge(&Arrival::cached(kind, "v7".to_owned(), vec![held]), &Verdict::default());
        }
        talk
    }

    #[test]
    fn what_was_held_comes_back_but_no_secret() {
        let kept = decode("me", &encode("me", &talk())).unwrap();
        let held: Vec<_> = kept.iter().filter(|kept| !kept.resources.is_empty()).collect();
        assert_eq!(held.len(), 1);
        assert_eq!((held[0].kind, held[0].version.as_str()), (Kind::Cluster, "v7"));
        assert_eq!(*held[0].resources[0], Resource::new(Kind::Cluster, "one", b"body".to_vec()));
    }

    #[test]
    fn another_nodes_file_and_any_damage_count_as_none() {
        let good = encode("me", &talk());
        assert_eq!(decode("you", &good), None);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode("me", &bad), None, "byte {at}");
            assert_eq!(decode("me", &good[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn the_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
