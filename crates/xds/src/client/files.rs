//! Configuration from files, Envoy's `path_config_source`, delivered like a control plane's.
//!
//! A file is looked at a few times a second instead of being watched through the kernel: that costs one system call,
//! and it works where events do not - network mounts, and the symbolic links that Kubernetes swaps for a ConfigMap.
//! Unlike Envoy, which only sees a file that is moved in place, an edit in place is seen as well; a half-written file is
//! refused and read again when it changes next.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost::Message;
use tokio::sync::mpsc;

use crate::kind::Kind;
use crate::node::Node;
use crate::proto::DiscoveryResponse;
use crate::server::Dialect;

use super::lane::Want;
use super::talk::{Outcome, Talk};
use super::update::{Origin, Update, Verdict};

/// How often a file is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Reads a `DiscoveryResponse` as it is written in a file: JSON and YAML need descriptors, which this room does not have.
/// An error is for the operator.
pub type Decode = Arc<dyn Fn(&Path, &[u8]) -> Result<DiscoveryResponse, String> + Send + Sync>;

/// Why a file's content is not in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Read(PathBuf, String),
    /// It is not a `DiscoveryResponse`.
    #[error("{0}: {1}")]
    Decode(PathBuf, String),
    /// The user refused what is in it.
    #[error("{0}: {1}")]
    Refused(PathBuf, String),
}

/// What tells one content of a path from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

/// Delivers the resources of one kind in a file, now and whenever the file changes, until the receiver is dropped.
/// `told` hears what is wrong with the file; the last good content stays in use. Files ending in `.pb` are read as they
/// are, others by `decode`.
pub async fn watch_file(
    kind: Kind,
    path: PathBuf,
    decode: Decode,
    updates: mpsc::Sender<Update>,
    told: impl Fn(&FileError) + Send,
) {
    let mut talk = Talk::new(Dialect::Sotw, &Node::default());
    talk.want(kind, Want::Everything);
    talk.connected();
    let mut seen = None;
    while !updates.is_closed() {
        let now = look(&path);
        if seen.as_ref() != Some(&now) {
            if let Err(error) = deliver(&mut talk, kind, &path, &decode, &updates).await {
                told(&error);
            }
            seen = Some(now);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn deliver(
    talk: &mut Talk,
    kind: Kind,
    path: &Path,
    decode: &Decode,
    updates: &mpsc::Sender<Update>,
) -> Result<(), FileError> {
    let response = read(kind, path, decode).await?;
    let Outcome::Judge(arrival) = talk.hear(&response) else { return Ok(()) };
    let (update, answer) = Update::new(&arrival, Origin::File(path.to_owned()));
    if updates.send(update).await.is_err() {
        return Ok(());
    }
    let verdict = answer.await.unwrap_or_else(|_| Verdict::refuse_all(&arrival.changed, "nobody could use it"));
    let refused = talk.judge(&arrival, &verdict).and_then(|request| request.error().map(str::to_owned));
    refused.map_or(Ok(()), |why| Err(FileError::Refused(path.to_owned(), why)))
}

async fn read(kind: Kind, path: &Path, decode: &Decode) -> Result<DiscoveryResponse, FileError> {
    let content = {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error)))
    };
    let bytes = content.map_err(|error| FileError::Read(path.to_owned(), error.to_string()))?;
    let decoded = if path.extension().is_some_and(|extension| extension == "pb") {
        DiscoveryResponse::decode(Bytes::from(bytes)).map_err(|error| error.to_string())
    } else {
        decode(path, &bytes)
    };
    let mut response = decoded.map_err(|why| FileError::Decode(path.to_owned(), why))?;
    // Files mostly leave it out: what is in them is told by the resources.
    kind.url().clone_into(&mut response.type_url);
    Ok(response)
}

/// Follows symbolic links: a ConfigMap is changed by pointing one elsewhere.
fn look(path: &Path) -> Option<Look> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some(Look { inode: found.ino(), length: found.len(), modified: found.modified().ok() })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::client::Refused;
    use crate::resource::Resource;

    fn response(resources: &[Resource]) -> DiscoveryResponse {
        let resources = resources.iter().map(|resource| resource.any.clone()).collect();
        DiscoveryResponse { resources, ..DiscoveryResponse::default() }
    }

    fn listener(name: &str, more: u8) -> Resource {
        let message = [&[10, name.len() as u8], name.as_bytes(), &[0x18, more]].concat();
        Resource::new(Kind::Listener, name, message)
    }

    fn put(path: &Path, content: &[u8]) {
        let beside = path.with_extension("new");
        std::fs::write(&beside, content).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    async fn names(updates: &mut mpsc::Receiver<Update>) -> (Vec<String>, Vec<String>) {
        let update = tokio::time::timeout(Duration::from_secs(20), updates.recv()).await.unwrap().unwrap();
        assert!(matches!(update.origin, Origin::File(_)));
        let changed = update.changed.iter().map(|resource| resource.name.to_string()).collect();
        let removed = update.removed.iter().map(|name| name.to_string()).collect();
        update.accept();
        (changed, removed)
    }

    #[tokio::test]
    async fn a_replaced_file_is_one_change_and_a_bad_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lds.pb");
        put(&path, &response(&[listener("a", 1), listener("b", 1)]).encode_to_vec());
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (sender, mut updates) = mpsc::channel(1);
        let heard = errors.clone();
        let told = move |error: &FileError| heard.lock().unwrap().push(error.clone());
        let decode: Decode = Arc::new(|_, _| Err("not this one".to_owned()));
        tokio::spawn(watch_file(Kind::Listener, path.clone(), decode, sender, told));
        assert_eq!(names(&mut updates).await, (vec!["a".to_owned(), "b".to_owned()], vec![]));
        put(&path, b"\xff\xff\xff");
        while errors.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(matches!(errors.lock().unwrap()[0], FileError::Decode(..)));
        put(&path, &response(&[listener("a", 2)]).encode_to_vec());
        assert_eq!(names(&mut updates).await, (vec!["a".to_owned()], vec!["b".to_owned()]));
    }

    #[tokio::test]
    async fn what_the_user_refuses_is_told_and_other_forms_are_decoded_by_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lds.yaml");
        put(&path, b"anything");
        let (sender, mut updates) = mpsc::channel(1);
        let (tell, mut errors) = mpsc::unbounded_channel();
        let decode: Decode = Arc::new(|_, bytes| {
            assert_eq!(bytes, b"anything");
            Ok(response(&[listener("a", 1)]))
        });
        let told = move |error: &FileError| drop(tell.send(error.to_string()));
        tokio::spawn(watch_file(Kind::Listener, path.clone(), decode, sender, told));
        let update = updates.recv().await.unwrap();
        update.answer(Verdict { refused: vec![Refused { name: "a".into(), reason: "has no chain".to_owned() }] });
        let error = errors.recv().await.unwrap();
        assert_eq!(error, format!("{}: Error adding/updating listener(s) a: has no chain", path.display()));
    }
}
