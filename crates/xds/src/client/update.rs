//! What came, and what the user says to it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::kind::Kind;
use crate::resource::Resource;

/// Where an update comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A control plane.
    Server,
    /// The cache on disk, written when a control plane was there.
    Cache,
    /// A file.
    File(PathBuf),
}

/// New and changed resources of one kind. To be answered as soon as it is clear whether they can be used - nothing more is
/// read from the control plane before, so not only when they are in use; dropped without an answer it counts as refused.
#[derive(Debug)]
pub struct Update {
    /// Which kind.
    pub kind: Kind,
    /// What is new or has other bytes, in the order of the server.
    pub changed: Vec<Arc<Resource>>,
    /// What is no more, or was asked for by name and does not exist.
    pub removed: Vec<Arc<str>>,
    /// Where it comes from.
    pub origin: Origin,
    verdict: oneshot::Sender<Verdict>,
}

/// A resource that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub name: Arc<str>,
    /// Why: read by the operator of the control plane.
    pub reason: String,
}

/// What of an update was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// All that is not named here was accepted.
    pub refused: Vec<Refused>,
}

impl Update {
    pub(super) fn new(arrival: &super::talk::Arrival, origin: Origin) -> (Update, oneshot::Receiver<Verdict>) {
        let (verdict, answer) = oneshot::channel();
        let (changed, removed) = (arrival.changed.clone(), arrival.removed.clone());
        (Update { kind: arrival.kind, changed, removed, origin, verdict }, answer)
    }

    /// All of it is in use.
    pub fn accept(self) {
        self.answer(Verdict::default());
    }

    /// What is named is not in use, the rest is.
    pub fn answer(self, verdict: Verdict) {
        // Nobody is there to hear it when the client has been stopped.
        let _ = self.verdict.send(verdict);
    }
}

impl Verdict {
    /// Everything in an update refused for one reason.
    pub fn refuse_all(changed: &[Arc<Resource>], reason: &str) -> Verdict {
        let refused = |resource: &Arc<Resource>| Refused { name: resource.name.clone(), reason: reason.to_owned() };
        Verdict { refused: changed.iter().map(refused).collect() }
    }

    /// The text of a NACK, in the form that Envoy gives it.
    pub(super) fn text(&self, kind: Kind) -> String {
        let reasons: Vec<String> =
            self.refused.iter().map(|refused| format!("{}: {}", refused.name, refused.reason)).collect();
        format!("Error adding/updating {} {}", plural(kind), reasons.join("\n"))
    }
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Cluster => "cluster(s)",
        Kind::Endpoints => "endpoint(s)",
        Kind::Listener => "listener(s)",
        Kind::Routes => "route(s)",
        Kind::Secret => "secret(s)",
        Kind::Extension => "extension(s)",
    }
}
