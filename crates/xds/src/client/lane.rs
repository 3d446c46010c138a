//! One kind of resource in a conversation: what is wanted, what is held, what was said on the present stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::kind::Kind;
use crate::names::Names;
use crate::proto::{Any, DeltaResource, Named, Status, WRAPPED};
use crate::resource::Resource;

use super::talk::Arrival;
use super::update::{Refused, Verdict};

/// What the proxy needs of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Everything the control plane has for this node.
    Everything,
    /// Only these; no name at all means that nothing is asked for.
    Named(Names),
}

impl Want {
    /// By name.
    pub fn named<T: Into<Arc<str>>>(names: impl IntoIterator<Item = T>) -> Want {
        Want::Named(names.into_iter().collect())
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Want::Everything => true,
            Want::Named(names) => names.contains(name),
        }
    }

    pub(super) fn names(&self) -> Names {
        match self {
            Want::Everything => Names::default(),
            Want::Named(names) => names.clone(),
        }
    }
}

/// One kind of resource in a conversation.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) want: Option<Want>,
    /// What was accepted last, by name.
    pub(super) held: BTreeMap<Arc<str>, Arc<Resource>>,
    /// The version of the last response that was accepted whole.
    pub(super) version: String,
    /// The last response on the present stream.
    pub(super) nonce: String,
    /// What the control plane was asked for on the present stream.
    pub(super) told: Option<Want>,
    /// A response lies with the user.
    pub(super) open: bool,
    /// The first response ever has come.
    pub(super) answered: bool,
    /// What the user refused last, by name: the bytes and the reason.
    refused: BTreeMap<Arc<str>, (Bytes, String)>,
    /// What could not be read in the last response.
    pub(super) unreadable: Vec<Refused>,
    /// A refusal that has still to be said, and what is refused.
    pub(super) owed: Option<(Status, Arrival)>,
}

impl Lane {
    /// Forgets what is no longer wanted. Not before the control plane knows: a name that is wanted again before that is
    /// not sent again.
    pub(super) fn prune(&mut self) {
        let asks = |want: &Option<Want>, name: &str| want.as_ref().is_some_and(|want| want.contains(name));
        let (want, told) = (&self.want, &self.told);
        self.held.retain(|name, _| asks(want, name) || asks(told, name));
        self.refused.retain(|name, _| asks(want, name));
    }

    /// A new stream begins: nothing has been said on it.
    pub(super) fn restart(&mut self) {
        (self.told, self.open, self.owed) = (None, false, None);
        self.nonce.clear();
    }

    /// Of the resources received, those that are wanted: some may have been under way when they were given up.
    pub(super) fn wanted(&self, mut received: Vec<Resource>) -> Vec<Resource> {
        received.retain(|resource| self.want.as_ref().is_some_and(|want| want.contains(&resource.name)));
        received
    }

    /// Of the resources received, those with other bytes than what is held; versions of the others are taken over. With
    /// `versions_tell` an equal version is enough: equal messages need not have equal bytes, where there are maps in them.
    pub(super) fn changed(&mut self, received: Vec<Resource>, versions_tell: bool) -> Vec<Arc<Resource>> {
        let mut changed = Vec::new();
        for resource in received {
            let held = self.held.get_mut(&resource.name);
            let same_version =
                |held: &Resource| versions_tell && !held.version.is_empty() && held.version == resource.version;
            match held.filter(|held| held.any == resource.any || same_version(held)) {
                Some(held) if held.version == resource.version => {}
                Some(held) => *held = Arc::new(resource),
                None => changed.push(Arc::new(resource)),
            }
        }
        changed
    }

    /// Whether the user has been told of a resource, and has accepted or refused it.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.held.contains_key(name) || self.refused.contains_key(name)
    }

    /// All of these.
    pub(super) fn told_of(&self) -> impl Iterator<Item = &Arc<str>> {
        let only_refused = self.refused.keys().filter(|name| !self.held.contains_key(*name));
        self.held.keys().chain(only_refused)
    }

    /// Whether these very resources were refused before.
    pub(super) fn has_refused(&self, changed: &[Arc<Resource>], unreadable: &[Refused]) -> bool {
        let same = |new: &Arc<Resource>| self.refused.get(&new.name).is_some_and(|(any, _)| *any == new.any);
        unreadable == self.unreadable && changed.iter().all(same)
    }

    /// The words with which all that is refused now was refused.
    pub(super) fn refusal(&self, kind: Kind, unreadable: &[Refused]) -> String {
        let refused =
            self.refused.iter().map(|(name, (_, reason))| Refused { name: name.clone(), reason: reason.clone() });
        Verdict { refused: refused.chain(unreadable.iter().cloned()).collect() }.text(kind)
    }

    /// Takes over what the user accepted.
    pub(super) fn apply(&mut self, changed: &[Arc<Resource>], removed: &[Arc<str>], verdict: &Verdict) {
        let refused: BTreeMap<&str, &str> =
            verdict.refused.iter().map(|refused| (&*refused.name, refused.reason.as_str())).collect();
        for resource in changed {
            if let Some(reason) = refused.get(&*resource.name) {
                self.refused.insert(resource.name.clone(), (resource.any.clone(), (*reason).to_owned()));
            } else {
                self.refused.remove(&resource.name);
                self.held.insert(resource.name.clone(), resource.clone());
            }
        }
        for name in removed {
            self.held.remove(name);
            self.refused.remove(name);
        }
        self.prune();
    }
}

/// The resources of a state-of-the-world response, whose names stand inside them; and what cannot be read.
pub(super) fn read_listed(kind: Kind, listed: &[Bytes], version: &str) -> (Vec<Resource>, Vec<Refused>) {
    split(listed.iter().enumerate().map(|(at, any)| {
        read_any(kind, any, version).map_err(|reason| Refused { name: format!("resource {at}").into(), reason })
    }))
}

/// The resources of an incremental response.
pub(super) fn read_delta(kind: Kind, listed: Vec<DeltaResource>) -> (Vec<Resource>, Vec<Refused>) {
    split(listed.into_iter().map(|resource| {
        let name: Arc<str> = resource.name.as_str().into();
        let any = resource.resource.unwrap_or_default();
        match of_kind(kind, &any) {
            Ok(_) => Ok(Resource { name, version: resource.version.into(), any }),
            Err(reason) => Err(Refused { name, reason }),
        }
    }))
}

fn split(read: impl Iterator<Item = Result<Resource, Refused>>) -> (Vec<Resource>, Vec<Refused>) {
    let (mut resources, mut refused) = (Vec::new(), Vec::new());
    for outcome in read {
        match outcome {
            Ok(resource) => resources.push(resource),
            Err(why) => refused.push(why),
        }
    }
    (resources, refused)
}

fn read_any(kind: Kind, any: &Bytes, version: &str) -> Result<Resource, String> {
    let outer = Any::decode(any.clone()).map_err(|error| error.to_string())?;
    if outer.type_url == WRAPPED {
        let wrapped = DeltaResource::decode(outer.value).map_err(|error| error.to_string())?;
        let any = wrapped.resource.unwrap_or_default();
        of_kind(kind, &any)?;
        return Ok(Resource { name: wrapped.name.into(), version: version.into(), any });
    }
    let message = of_kind(kind, any)?;
    let name = Named::decode(message).map_err(|error| error.to_string())?.name;
    Ok(Resource { name: name.into(), version: version.into(), any: any.clone() })
}

/// The message in an `Any`, which must be of the kind that was asked for.
fn of_kind(kind: Kind, any: &Bytes) -> Result<Bytes, String> {
    let any = Any::decode(any.clone()).map_err(|error| error.to_string())?;
    if any.type_url == kind.url() {
        Ok(any.value)
    } else {
        Err(format!("is a {} and not a {}", any.type_url, kind.url()))
    }
}
