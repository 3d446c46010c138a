//! What one proxy gets, sharing with others what is equal.
//!
//! Three levels keep 10,000 proxies and 1,000 services cheap. **A service's resources** are made once for each rule and
//! [view](View) and kept while the registry's `Arc` of the service lives on, so that a change of one service makes its
//! resources anew and no others. **A class** is all proxies that cannot be told apart by anything that matters (namespace,
//! the labels that some selector asks for, an own address only if a headless service has an endpoint there): it has one
//! [`Snapshot`]. **A snapshot** is a list of `Arc`s; whoever compares two of them may compare pointers first.

use crate::generate::{self, View};
use crate::node::Node;
use crate::object::Labels;
use crate::registry::service::Service;
use crate::registry::{Rule, Scope, State};
use config::{Mismatch, Schema};
use prost::Message as _;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A type of resource that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `envoy.config.cluster.v3.Cluster` (CDS).
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment` (EDS).
    Endpoints,
    /// `envoy.config.listener.v3.Listener` (LDS).
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration` (RDS); none is ever made.
    Route,
}

impl Type {
    /// All of them, in the order in which they are pushed.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::Endpoints, Self::Listener, Self::Route];

    /// The full name of the message.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Cluster => "envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "envoy.config.listener.v3.Listener",
            Self::Route => "envoy.config.route.v3.RouteConfiguration",
        }
    }
}

/// One resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its name, unique for its type in a snapshot.
    pub name: String,
    /// What it says.
    pub message: DynamicMessage,
    /// The same as protobuf bytes.
    pub bytes: Vec<u8>,
}

impl Resource {
    /// A resource of the message's own name (of its cluster, for endpoints).
    #[must_use]
    pub fn new(message: DynamicMessage) -> Self {
        let name = ["name", "cluster_name"].into_iter().find_map(|field| {
            let value = message.get_field_by_name(field)?;
            value.as_str().map(str::to_owned)
        });
        let bytes = message.encode_to_vec();
        Self { name: name.unwrap_or_default(), message, bytes }
    }
}

/// Resources of one type, in the order in which they are pushed.
pub type Resources = Vec<Arc<Resource>>;

/// What one proxy gets.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Service clusters, the fixed ones, inbound ones.
    pub clusters: Resources,
    /// One set for each cluster that asks for its endpoints.
    pub endpoints: Resources,
    /// Those of services by name, then `virtualOutbound`, then `virtualInbound`.
    pub listeners: Resources,
    /// None: HTTP passes at L4.
    pub routes: Resources,
}

impl Snapshot {
    /// The resources of one type.
    #[must_use]
    pub fn of(&self, kind: Type) -> &Resources {
        match kind {
            Type::Cluster => &self.clusters,
            Type::Endpoints => &self.endpoints,
            Type::Listener => &self.listeners,
            Type::Route => &self.routes,
        }
    }
}

/// Makes snapshots, and remembers what can be used again.
pub struct Generator {
    schema: Arc<Schema>,
    /// The state that `classes` belongs to.
    state: Option<Arc<State>>,
    classes: HashMap<Class, Arc<Snapshot>>,
    views: Vec<Arc<View>>,
    made: HashMap<MadeKey, Arc<Made>>,
}

/// Everything that tells proxies apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Class {
    namespace: String,
    labels: Labels,
    /// The own addresses at which a headless service has an endpoint.
    headless: Vec<String>,
    view: usize,
    /// The view that knows the machine, if some service asks for it.
    near: usize,
    /// The own ports that services lead to.
    served: Vec<(u16, usize, usize)>,
}

/// Pointers, which [`Made`] keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MadeKey {
    service: usize,
    rule: usize,
    scope: usize,
    view: usize,
}

/// The resources of one service.
struct Made {
    service: Arc<Service>,
    _rule: Option<Arc<Rule>>,
    _scope: Option<Arc<Scope>>,
    clusters: Resources,
    endpoints: Resources,
    listeners: Vec<MadeListener>,
}

struct MadeListener {
    of_endpoint: Option<String>,
    resource: Arc<Resource>,
}

impl Generator {
    /// One that makes messages of `schema`.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self { schema, state: None, classes: HashMap::new(), views: Vec::new(), made: HashMap::new() }
    }

    /// What `node` gets under `state`. Two calls under one state return the same `Arc` if the nodes are of one class.
    ///
    /// # Errors
    /// Only if a resource is made that Envoy's API does not know: a fault of this crate.
    pub fn snapshot(&mut self, state: &Arc<State>, node: &Node) -> Result<Arc<Snapshot>, Mismatch> {
        self.turn_to(state);
        let labels = state.labels_of(node);
        let view = self.view(View::new(state, node, &labels));
        let near = self.near(state, node, &view);
        let served = state.served_by(node);
        let own: BTreeSet<String> = node.ips.iter().map(ToString::to_string).collect();
        let class = Class {
            namespace: node.namespace.clone(),
            labels: state.labels_that_matter(&labels),
            headless: own.iter().filter(|ip| state.is_headless(ip)).cloned().collect(),
            view: address(&view),
            near: address(&near),
            served: served.iter().map(|one| (one.number, one.port, address(&one.service))).collect(),
        };
        if let Some(known) = self.classes.get(&class) {
            return Ok(Arc::clone(known));
        }
        let mut snapshot = self.outbound(state, node, &labels, [&view, &near], &own)?;
        let modes = state.modes(&node.namespace, &labels);
        snapshot.clusters.push(self.resource(Type::Cluster, &generate::black_hole(&view))?);
        snapshot.clusters.push(self.resource(Type::Cluster, &generate::passthrough(&view))?);
        for cluster in generate::inbound_clusters(&served, &view) {
            snapshot.clusters.push(self.resource(Type::Cluster, &cluster)?);
        }
        snapshot.clusters.push(self.resource(Type::Cluster, &generate::inbound_passthrough(&view))?);
        snapshot.listeners.push(self.resource(Type::Listener, &generate::virtual_outbound(&view))?);
        snapshot.listeners.push(self.resource(Type::Listener, &generate::virtual_inbound(&served, &modes, &view))?);
        let snapshot = Arc::new(snapshot);
        self.classes.insert(class, Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Forgets what belongs to another state.
    fn turn_to(&mut self, state: &Arc<State>) {
        if self.state.as_ref().is_some_and(|known| Arc::ptr_eq(known, state)) {
            return;
        }
        let alive: HashSet<usize> = state.services.iter().map(address).collect();
        if self.state.as_ref().is_some_and(|former| state.shapes_services_like(former)) {
            self.made.retain(|_, made| alive.contains(&address(&made.service)));
        } else {
            self.made.clear();
            self.views.clear();
        }
        self.classes.clear();
        self.state = Some(Arc::clone(state));
    }

    /// The `Arc` of an equal view, so that views can be compared by pointer.
    fn view(&mut self, view: View) -> Arc<View> {
        if let Some(known) = self.views.iter().find(|known| ***known == view) {
            return Arc::clone(known);
        }
        self.views.push(Arc::new(view));
        Arc::clone(&self.views[self.views.len() - 1])
    }

    /// The same view with the proxy's machine, if there is a service that asks for it.
    fn near(&mut self, state: &State, node: &Node, view: &Arc<View>) -> Arc<View> {
        if node.machine.is_empty() || !state.services.iter().any(|service| service.machine_local) {
            return Arc::clone(view);
        }
        self.view(View { machine: node.machine.clone(), ..View::clone(view) })
    }

    /// The services that the proxy sees.
    fn outbound(
        &mut self,
        state: &Arc<State>,
        node: &Node,
        labels: &Labels,
        [view, near]: [&Arc<View>; 2],
        own: &BTreeSet<String>,
    ) -> Result<Snapshot, Mismatch> {
        let mut snapshot = Snapshot::default();
        let mut names = HashSet::new();
        for service in seen(state, &node.namespace) {
            let view = if service.machine_local { near } else { view };
            let made = self.made(state, service, node, labels, view)?;
            snapshot.clusters.extend(made.clusters.iter().cloned());
            snapshot.endpoints.extend(made.endpoints.iter().cloned());
            for listener in &made.listeners {
                let is_own = listener.of_endpoint.as_ref().is_some_and(|address| own.contains(address));
                if !is_own && names.insert(listener.resource.name.clone()) {
                    snapshot.listeners.push(Arc::clone(&listener.resource));
                }
            }
        }
        snapshot.listeners.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(snapshot)
    }

    fn made(
        &mut self,
        state: &Arc<State>,
        service: &Arc<Service>,
        node: &Node,
        labels: &Labels,
        view: &Arc<View>,
    ) -> Result<Arc<Made>, Mismatch> {
        let rule = state.rule_for(service, &node.namespace, labels);
        let scope = state.scope_for(&node.namespace, labels);
        let key = MadeKey {
            service: address(service),
            rule: rule.map_or(0, address),
            scope: scope.map_or(0, address),
            view: address(view),
        };
        if let Some(made) = self.made.get(&key) {
            return Ok(Arc::clone(made));
        }
        let visible = |number: u16| scope.is_none_or(|scope| scope.shows(service, number, &node.namespace));
        let rule_ref = rule.map(AsRef::as_ref);
        let clusters = generate::clusters(service, rule_ref, view, state, visible);
        let asks: HashSet<&str> =
            clusters.iter().filter(|one| one["type"] == "EDS").filter_map(|one| one["name"].as_str()).collect();
        let endpoints = generate::assignments(service, rule_ref, view, state, visible, |name| asks.contains(name));
        let listeners = generate::listeners(service, rule_ref, view, visible);
        let all = |kind, values: &[Value]| -> Result<Resources, Mismatch> {
            values.iter().map(|value| self.resource(kind, value)).collect()
        };
        let made = Arc::new(Made {
            clusters: all(Type::Cluster, &clusters)?,
            endpoints: all(Type::Endpoints, &endpoints)?,
            listeners: listeners.into_iter().map(|listener| self.listener(listener)).collect::<Result<_, _>>()?,
            service: Arc::clone(service),
            _rule: rule.cloned(),
            _scope: scope.cloned(),
        });
        self.made.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn listener(&self, listener: generate::Listener) -> Result<MadeListener, Mismatch> {
        let resource = self.resource(Type::Listener, &listener.json)?;
        Ok(MadeListener { of_endpoint: listener.of_endpoint, resource })
    }

    fn resource(&self, kind: Type, value: &Value) -> Result<Arc<Resource>, Mismatch> {
        Ok(Arc::new(Resource::new(self.schema.message_from_json(kind.message(), value)?)))
    }
}

/// The services that are exported to `namespace`, each host once: its own before others.
fn seen<'s>(state: &'s State, namespace: &str) -> Vec<&'s Arc<Service>> {
    let exported = || state.services.iter().filter(|service| service.export.reaches(namespace));
    let mut chosen: HashMap<&str, &Arc<Service>> = HashMap::new();
    for service in exported() {
        let best = chosen.entry(&service.host).or_insert(service);
        if best.namespace != namespace && service.namespace == namespace {
            *best = service;
        }
    }
    exported()
        .filter(|service| chosen.get(service.host.as_str()).is_some_and(|best| Arc::ptr_eq(best, service)))
        .collect()
}

fn address<T>(arc: &Arc<T>) -> usize {
    Arc::as_ptr(arc).cast::<()>() as usize
}
