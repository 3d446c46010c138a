//! One object of the mesh as its user wrote it, and where.

use crate::typed::{Declared, Secret};
use crate::written::istio::{PeerAuthentication, ServiceEntry, Sidecar, Workload};
use crate::written::kubernetes::{EndpointSlice, Endpoints, Pod, Service};
use crate::written::rule::DestinationRule;
use config::text::Node;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels, or what a selector asks of them.
pub type Labels = BTreeMap<String, String>;

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// Its name, unique for its kind in its namespace.
    pub name: String,
    /// Its namespace; `default` where none is written, empty for kinds that have none.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it was made, as RFC 3339 text (which sorts by time); files mostly do not say.
    pub creation_timestamp: Option<String>,
    /// How often its spec has changed, as an API server counts; 0 where nobody does.
    pub generation: i64,
}

/// What identifies an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind, as in `Service`.
    pub kind: &'static str,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// What every object has.
    pub meta: Meta,
    /// What its kind holds.
    pub body: Body,
    /// The file (or other source) that it stands in.
    pub file: Arc<str>,
    /// The line that it begins on, from 1; 0 if there is no line.
    pub line: u32,
}

/// Why the newest version of an object does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    /// Which object.
    pub(crate) key: Key,
    /// The file (or other source) that it stands in.
    pub(crate) source: Arc<str>,
    /// The generation of that version.
    pub(crate) generation: i64,
    /// What is wrong with it, by field.
    pub(crate) text: String,
    /// Whether it is another object that is in its way.
    pub(crate) is_conflict: bool,
    /// Whether a version before it stays in force.
    pub(crate) is_kept: bool,
}

impl Objection {
    /// That to `object`, with a version before it in force.
    pub(crate) fn to(object: &Object, text: String) -> Self {
        let (source, generation) = (Arc::clone(&object.file), object.meta.generation);
        Self { key: object.key(), source, generation, text, is_conflict: false, is_kept: true }
    }
}

/// What an object holds, by kind. Kinds that are not listed mean nothing to the registry and are skipped.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A `Namespace`, for its labels.
    Namespace,
    /// A cluster's `Node`, for its place (labels `topology.kubernetes.io/region` and `zone`).
    Machine,
    /// A `Service`.
    Service(Service),
    /// An `EndpointSlice`.
    EndpointSlice(EndpointSlice),
    /// The older `Endpoints`.
    Endpoints(Endpoints),
    /// A `Pod`.
    Pod(Pod),
    /// A `StatefulSet` or `Deployment`: the labels of its pods.
    Template(Labels),
    /// A `ServiceEntry`.
    ServiceEntry(ServiceEntry),
    /// A `WorkloadEntry`.
    WorkloadEntry(Workload),
    /// A `DestinationRule`.
    DestinationRule(Box<DestinationRule>),
    /// A `Sidecar`.
    Sidecar(Sidecar),
    /// A `PeerAuthentication`.
    PeerAuthentication(PeerAuthentication),
    /// An `EnvoyFilter`, the whole document with its lines.
    EnvoyFilter(Arc<Node>),
    /// A typed Redis resource, ours or Aeraki's.
    Redis(Box<Declared>),
    /// A `Secret`, for typed resources that name it.
    Secret(Secret),
}

impl Object {
    /// What identifies it.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { kind: self.body.kind(), namespace: self.meta.namespace.clone(), name: self.meta.name.clone() }
    }
}

impl Body {
    /// The name of the kind. `StatefulSet` and `Deployment` share one, which is neither.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Machine => "Node",
            Self::Service(_) => "Service",
            Self::EndpointSlice(_) => "EndpointSlice",
            Self::Endpoints(_) => "Endpoints",
            Self::Pod(_) => "Pod",
            Self::Template(_) => "pod template",
            Self::ServiceEntry(_) => "ServiceEntry",
            Self::WorkloadEntry(_) => "WorkloadEntry",
            Self::DestinationRule(_) => "DestinationRule",
            Self::Sidecar(_) => "Sidecar",
            Self::PeerAuthentication(_) => "PeerAuthentication",
            Self::EnvoyFilter(_) => "EnvoyFilter",
            Self::Redis(declared) => declared.word(),
            Self::Secret(_) => "Secret",
        }
    }
}

/// Whether labels have everything that `selector` asks for; an empty selector asks for nothing.
#[must_use]
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}
