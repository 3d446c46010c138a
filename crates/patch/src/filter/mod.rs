//! The resource `EnvoyFilter`: typed, its values already messages of Envoy's API.

mod words;

mod read;
mod spec;
mod value;
mod verdict;

mod deprecated;
mod version;

pub use read::{NotRead, read, read_list};
pub use version::VersionMatch;
pub use words::{ApplyTo, Context, Operation};

pub(crate) use deprecated::successor;
pub(crate) use verdict::CONNECTION_MANAGER;

use config::dynamic::{Step, Unknown};
use prost_reflect::DynamicMessage;
use std::collections::BTreeMap;

/// An `EnvoyFilter` that istiod's validation accepts.
#[derive(Clone, Debug)]
pub struct EnvoyFilter {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it was created (RFC 3339, UTC); empty if that is not known, which is earlier than any time.
    pub created: String,
    /// Lower goes first.
    pub priority: i32,
    /// The labels that a pod must have; none: all pods of the namespace.
    pub selector: BTreeMap<String, String>,
    /// What it is attached to instead of a selector.
    pub targets: Vec<Target>,
    /// Its patches, in order.
    pub patches: Vec<Patch>,
    /// What istiod's validation, and ours, warns of; not the standing warning that every `EnvoyFilter` gets.
    pub warnings: Vec<String>,
}

/// An entry of `targetRefs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `Gateway`, `GatewayClass`, `Service`, `ServiceEntry`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// One of `configPatches`.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The kind of object that is patched.
    pub apply_to: ApplyTo,
    /// Which of them.
    pub matching: Match,
    /// What is done.
    pub operation: Operation,
    /// The operation as written: INSERT_* of an object without an order is carried out as ADD.
    pub written: Operation,
    /// The object that is added or merged; none for REMOVE.
    pub value: Option<DynamicMessage>,
    /// Fields of the value that no message knows.
    pub unknown: Vec<Unknown>,
    /// Fields of the value that were set to their defaults, which a MERGE cannot do.
    pub defaults: Vec<Vec<Step>>,
}

/// `match`.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// Of which side.
    pub context: Context,
    /// Of which proxies.
    pub proxy: ProxyMatch,
    /// Which objects.
    pub object: Object,
}

/// `match.proxy`.
#[derive(Clone, Debug, Default)]
pub struct ProxyMatch {
    /// Which versions.
    pub version: Option<VersionMatch>,
    /// What the node metadata must say.
    pub metadata: BTreeMap<String, String>,
}

/// The one of `match.listener`, `match.cluster`, `match.routeConfiguration` that is given.
#[derive(Clone, Debug, Default)]
pub enum Object {
    /// None of them: everything matches.
    #[default]
    Any,
    /// `listener`.
    Listener(ListenerMatch),
    /// `cluster`.
    Cluster(ClusterMatch),
    /// `routeConfiguration`.
    Route(RouteMatch),
    /// `waypoint`, which istiod's engine does not know.
    Waypoint,
}

/// `match.listener`; an empty text and a port of 0 match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerMatch {
    /// The listener's name.
    pub name: String,
    /// Its port; for `virtualInbound` and `virtualOutbound` the destination port of a chain.
    pub port: u32,
    /// Documented by Istio, and looked at by nobody.
    pub port_name: String,
    /// The name of a listener filter.
    pub listener_filter: String,
    /// Which filter chains.
    pub chain: Option<ChainMatch>,
}

/// `match.listener.filterChain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    /// The chain's name.
    pub name: String,
    /// One of its server names.
    pub sni: String,
    /// Its transport protocol.
    pub transport_protocol: String,
    /// Application protocols, all of which it must have.
    pub application_protocols: Vec<String>,
    /// Its destination port.
    pub destination_port: u32,
    /// The name of a network filter.
    pub filter: Option<String>,
    /// The name of an HTTP filter inside it.
    pub sub_filter: Option<String>,
}

/// `match.cluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMatch {
    /// The cluster's whole name; the other fields are not looked at then.
    pub name: String,
    /// The service's full host name.
    pub service: String,
    /// The subset.
    pub subset: String,
    /// The service's port.
    pub port: u32,
}

/// `match.routeConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// The port in the route configuration's name.
    pub port: u32,
    /// The name of a gateway's port.
    pub port_name: String,
    /// The gateway, as `namespace/name`.
    pub gateway: String,
    /// The route configuration's name.
    pub name: String,
    /// Which virtual hosts.
    pub vhost: Option<VhostMatch>,
}

/// `match.routeConfiguration.vhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostMatch {
    /// The virtual host's name.
    pub name: String,
    /// One of its domains.
    pub domain: String,
    /// Which routes: a name (empty: any) and an action (`ANY`, `ROUTE`, `REDIRECT`, `DIRECT_RESPONSE`).
    pub route: Option<(String, String)>,
}

impl Match {
    /// `match.listener`, if it is given.
    pub fn listener(&self) -> Option<&ListenerMatch> {
        if let Object::Listener(listener) = &self.object { Some(listener) } else { None }
    }

    /// `match.listener.filterChain`, if it is given.
    pub fn chain(&self) -> Option<&ChainMatch> {
        self.listener()?.chain.as_ref()
    }

    /// `match.cluster`, if it is given.
    pub fn cluster(&self) -> Option<&ClusterMatch> {
        if let Object::Cluster(cluster) = &self.object { Some(cluster) } else { None }
    }

    /// `match.routeConfiguration`, if it is given.
    pub fn route(&self) -> Option<&RouteMatch> {
        if let Object::Route(route) = &self.object { Some(route) } else { None }
    }

    /// The network filter that is named.
    pub fn filter(&self) -> Option<&str> {
        self.chain()?.filter.as_deref()
    }

    /// The HTTP filter that is named.
    pub fn sub_filter(&self) -> Option<&str> {
        self.chain()?.sub_filter.as_deref()
    }

    /// The listener filter that is named.
    pub fn listener_filter(&self) -> Option<&str> {
        self.listener().map(|listener| listener.listener_filter.as_str()).filter(|name| !name.is_empty())
    }
}
