//! What a proxy gets: its listeners, clusters and routes.

use config::Schema;
use config::dynamic::to_json;
use prost_reflect::DynamicMessage;
use serde_json::Value as Json;

/// The full name of a listener's message.
pub const LISTENER: &str = "envoy.config.listener.v3.Listener";
/// The full name of a cluster's message.
pub const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
/// The full name of a route configuration's message.
pub const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";

/// The resources of one proxy, each in the order in which it is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// Messages of type [`LISTENER`].
    pub listeners: Vec<DynamicMessage>,
    /// Messages of type [`CLUSTER`].
    pub clusters: Vec<DynamicMessage>,
    /// Messages of type [`ROUTES`].
    pub routes: Vec<DynamicMessage>,
}

impl Resources {
    /// Every resource with its kind and name, as JSON.
    pub fn as_json(&self, schema: &Schema) -> Vec<(Kind, String, Json)> {
        let of = |kind: Kind| {
            let list = crate::refusal::of_kind(self, kind).iter();
            list.map(move |message| (kind, crate::field::name(message), to_json(schema, message)))
        };
        [Kind::Listener, Kind::Cluster, Kind::RouteConfiguration].into_iter().flat_map(of).collect()
    }
}

/// The three kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A listener.
    Listener,
    /// A cluster.
    Cluster,
    /// A route configuration.
    RouteConfiguration,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Cluster => "cluster",
            Self::RouteConfiguration => "route configuration",
        }
    }
}
