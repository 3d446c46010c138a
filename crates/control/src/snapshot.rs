//! What one proxy gets: lists of shared resources, ready to be served.

use crate::patched::Reports;
use patch::Report;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use std::sync::Arc;
use xds::{Kind, ResourceSet};
use xxhash_rust::xxh64::xxh64;

/// One resource, as a message and as what is sent.
#[derive(Clone, Debug)]
pub struct Resource {
    /// What it says.
    pub message: DynamicMessage,
    /// Its name and bytes, with a version that is a hash of them.
    pub wire: Arc<xds::Resource>,
}

impl Resource {
    /// A resource of the message's own name (of its cluster, for endpoints), whose JSON form is `json`.
    ///
    /// Its version is a hash of that form and not of its bytes: protobuf gives a map's entries no order, so that the same
    /// message has other bytes each time it is made, and would be sent again each time.
    #[must_use]
    pub fn new(kind: Kind, message: DynamicMessage, json: &Value) -> Self {
        let field = if kind == Kind::Endpoints { "cluster_name" } else { "name" };
        let name = message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned));
        let mut wire = xds::Resource::new(kind, name.unwrap_or_default(), message.encode_to_vec());
        wire.version = format!("{:016x}", xxh64(json.to_string().as_bytes(), 0)).into();
        Self { message, wire: Arc::new(wire) }
    }

    /// Its name, unique for its kind in a snapshot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.wire.name
    }
}

/// Resources of one kind, in the order in which they are pushed.
pub type Resources = Vec<Arc<Resource>>;

/// Resources of one proxy: those that it shares with all of its group, and after them its own.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    pub(crate) shared: Arc<Resources>,
    pub(crate) own: Arc<Resources>,
}

impl Layered {
    /// All, in the order in which they are pushed.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.shared.iter().chain(self.own.iter())
    }
}

/// What one proxy gets.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Service clusters, the fixed ones, those that EnvoyFilters add, inbound ones.
    pub clusters: Layered,
    /// One set for each cluster that asks for its endpoints.
    pub endpoints: Arc<Resources>,
    /// Those of services by name, those that EnvoyFilters add, `virtualOutbound`, `virtualInbound`.
    pub listeners: Layered,
    /// The same as the server of xDS sends it; the same `Arc` as under an earlier state if nothing differs.
    pub served: Arc<xds::server::Snapshot>,
    pub(crate) reports: Reports,
    /// Which of the state's typed resources, in their order, concern it.
    pub(crate) typed: Vec<bool>,
}

impl Snapshot {
    /// What became of every EnvoyFilter.
    #[must_use]
    pub fn report(&self) -> Report {
        self.reports.joined()
    }
}

/// `resources` as they are served.
pub(crate) fn set(resources: &Resources) -> ResourceSet {
    ResourceSet::new(wires(resources))
}

/// What is sent of each.
pub(crate) fn wires(resources: &Resources) -> impl Iterator<Item = Arc<xds::Resource>> {
    resources.iter().map(|resource| Arc::clone(&resource.wire))
}
