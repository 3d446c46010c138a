//! From the registry's state and a proxy's identity to what it gets, sharing what is equal.
//!
//! Four levels keep 10,000 proxies and 1,000 services cheap:
//!
//! - **A service's resources** are made once for each rule, scope and view, and kept while the registry's `Arc` of
//!   the service lives on: a change of one service makes its resources anew and no others.
//! - **A group** is all proxies that get the same for going out: the same namespace, Sidecar and view, and the same
//!   EnvoyFilters. Those are applied to the whole of it once.
//! - **What comes in** to a workload changes with the services that lead to it only, and outlives other changes.
//! - **A class** is all proxies of a group that serve the same ports in the same way and have, if a headless service has
//!   an endpoint there, the same address. It has one [`Snapshot`].

mod inbound;

use crate::generate::{self, View};
use crate::node::Node;
use crate::object::Labels;
use crate::patched::{Chosen, Filters, Reports, Side};
use crate::registry::service::Service;
use crate::registry::{Modes, Rule, Scope, Served, State};
use crate::snapshot::{Layered, Resource, Resources, Snapshot, set, wires};
use crate::typed::Bound;
use config::{Mismatch, Problem, Schema};
use inbound::{Entry, EntryKey, Inbound, InboundKey};
use patch::{ProxyInfo, Report};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use xds::{Kind, ResourceSet};

/// Makes snapshots, and remembers what can be used again.
pub struct Generator {
    schema: Arc<Schema>,
    /// The state that everything below belongs to.
    state: Option<Arc<State>>,
    filters: Filters,
    views: Vec<Arc<View>>,
    made: HashMap<MadeKey, Arc<Made>>,
    groups: HashMap<GroupKey, Arc<Group>>,
    entries: HashMap<EntryKey, Arc<Entry>>,
    inbound: HashMap<InboundKey, Arc<Inbound>>,
    classes: HashMap<Class, Arc<Snapshot>>,
    /// What was made under this state or an earlier one and is still held by somebody, by the digests of its sets.
    served: HashMap<[u64; 3], Arc<xds::server::Snapshot>>,
    /// The same of single sets, so that what is equal is known to be equal without a look.
    sets: HashMap<(Kind, u64), Arc<ResourceSet>>,
    /// How many states there have been.
    version: u64,
}

/// Pointers, which [`Made`] keeps alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MadeKey {
    service: usize,
    rule: usize,
    scope: usize,
    view: usize,
    bounds: Vec<usize>,
}

/// The resources of one service.
struct Made {
    service: Arc<Service>,
    _rule: Option<Arc<Rule>>,
    _scope: Option<Arc<Scope>>,
    _bounds: Vec<Arc<Bound>>,
    clusters: Resources,
    endpoints: Resources,
    listeners: Vec<MadeListener>,
}

struct MadeListener {
    of_endpoint: Option<String>,
    resource: Arc<Resource>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GroupKey {
    namespace: String,
    scope: usize,
    /// The DestinationRules with a selector that it heeds.
    heeded: Vec<bool>,
    /// The typed resources that concern it.
    typed: Vec<bool>,
    view: usize,
    /// The view that knows the machine, if some service asks for it.
    near: usize,
    /// The EnvoyFilters that concern it.
    filtered_by: Chosen,
}

/// What a group of proxies gets for going out.
struct Group {
    filtered_by: Chosen,
    clusters: Arc<Resources>,
    cluster_set: Arc<ResourceSet>,
    endpoints: Arc<Resources>,
    endpoint_set: Arc<ResourceSet>,
    listeners: Arc<Resources>,
    listener_set: Arc<ResourceSet>,
    /// The address of a headless service's endpoint, by the listener's name.
    of_endpoints: HashMap<String, String>,
    report: Arc<Report>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Class {
    group: usize,
    /// The own addresses at which a headless service has an endpoint.
    headless: Vec<String>,
    /// The own ports that services lead to.
    served: Vec<(u16, usize, usize)>,
    modes: Modes,
}

/// What is asked about a proxy again and again.
struct Asker<'a> {
    state: &'a Arc<State>,
    node: &'a Node,
    labels: Labels,
    scope: Option<Arc<Scope>>,
    view: Arc<View>,
    near: Arc<View>,
    info: ProxyInfo,
    typed: Vec<bool>,
}

impl Generator {
    /// One that makes messages of `schema`, which knows the whole of Envoy's API.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            state: None,
            filters: Filters::default(),
            views: Vec::new(),
            made: HashMap::new(),
            groups: HashMap::new(),
            entries: HashMap::new(),
            inbound: HashMap::new(),
            classes: HashMap::new(),
            served: HashMap::new(),
            sets: HashMap::new(),
            version: 0,
        }
    }

    /// One that knows what this one knows, to be turned to a state that is only thought of: what is equal there need not be
    /// made again.
    pub(crate) fn fork(&self) -> Self {
        Self {
            state: self.state.clone(),
            filters: self.filters.clone(),
            views: self.views.clone(),
            made: self.made.clone(),
            entries: self.entries.clone(),
            inbound: self.inbound.clone(),
            version: self.version,
            ..Self::new(Arc::clone(&self.schema))
        }
    }

    /// What `node` gets under `state`. Two calls under one state return the same `Arc` for nodes of one class.
    ///
    /// # Errors
    /// Only if a resource is made that Envoy's API does not know: a fault of this crate.
    pub fn snapshot(&mut self, state: &Arc<State>, node: &Node) -> Result<Arc<Snapshot>, Mismatch> {
        self.turn_to(state);
        let asker = self.asker(state, node);
        let group = self.group(&asker)?;
        let served = state.served_by(node);
        let own: BTreeSet<String> = node.ips.iter().map(ToString::to_string).collect();
        let class = Class {
            group: address(&group),
            headless: own.iter().filter(|ip| state.is_headless(ip)).cloned().collect(),
            served: served.iter().map(|one| (one.number, one.port, address(&one.service))).collect(),
            modes: state.modes(&node.namespace, &asker.labels),
        };
        if let Some(known) = self.classes.get(&class) {
            return Ok(Arc::clone(known));
        }
        let snapshot = Arc::new(self.of_class(&asker, &group, &served, &class)?);
        self.classes.insert(class, Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// EnvoyFilters of `state` that are refused, and odd things about the others, by file and line: first the refused.
    pub fn problems(&mut self, state: &Arc<State>) -> (Vec<Problem>, Vec<Problem>) {
        self.turn_to(state);
        self.filters.problems()
    }

    /// How many classes of proxies have asked under the present state.
    pub(crate) fn kinds(&self) -> usize {
        self.classes.len()
    }

    /// What was given under the present state, once for each class of proxies that has asked.
    pub(crate) fn given(&self) -> Vec<Arc<Snapshot>> {
        self.classes.values().cloned().collect()
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The EnvoyFilters of the present state.
    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Forgets what belongs to another state.
    fn turn_to(&mut self, state: &Arc<State>) {
        if self.state.as_ref().is_some_and(|known| Arc::ptr_eq(known, state)) {
            return;
        }
        let alive: HashSet<usize> = state.services.iter().map(address).collect();
        if self.state.as_ref().is_some_and(|former| state.shapes_services_like(former)) {
            self.made.retain(|_, made| alive.contains(&address(&made.service)));
            self.entries.retain(|_, entry| entry.is_alive(&alive));
            self.inbound.retain(|_, made| made.entry.is_alive(&alive));
        } else {
            self.made.clear();
            self.entries.clear();
            self.inbound.clear();
            self.views.clear();
        }
        let former = self.filters.objects();
        self.filters = Filters::new(&self.schema, state, std::mem::take(&mut self.filters));
        if !self.filters.are(&former) {
            self.inbound.clear();
        }
        self.groups.clear();
        self.classes.clear();
        self.served.retain(|_, snapshot| Arc::strong_count(snapshot) > 1);
        self.sets.retain(|_, set| Arc::strong_count(set) > 1);
        self.version += 1;
        self.state = Some(Arc::clone(state));
    }

    fn asker<'a>(&mut self, state: &'a Arc<State>, node: &'a Node) -> Asker<'a> {
        let labels = state.labels_of(node);
        let scope = state.scope_for(&node.namespace, &labels).cloned();
        let view = self.view(View::new(state, node, scope.as_deref()));
        let near = self.near(state, node, &view);
        let info = self.filters.info(state, node, &labels);
        let typed = state.typed.chosen_for(&node.namespace, &labels);
        Asker { state, node, labels, scope, view, near, info, typed }
    }

    /// The `Arc` of an equal view, so that views can be compared by pointer.
    fn view(&mut self, view: View) -> Arc<View> {
        if let Some(known) = self.views.iter().find(|known| ***known == view) {
            return Arc::clone(known);
        }
        let view = Arc::new(view);
        self.views.push(Arc::clone(&view));
        view
    }

    /// The same view with the proxy's machine, if there is a service that asks for it.
    fn near(&mut self, state: &State, node: &Node, view: &Arc<View>) -> Arc<View> {
        if node.machine.is_empty() || !state.has_machine_local {
            return Arc::clone(view);
        }
        self.view(View { machine: node.machine.clone(), ..View::clone(view) })
    }

    fn group(&mut self, asker: &Asker) -> Result<Arc<Group>, Mismatch> {
        let key = GroupKey {
            namespace: asker.node.namespace.clone(),
            scope: asker.scope.as_ref().map_or(0, address),
            heeded: asker.state.heeded_by(&asker.labels),
            typed: asker.typed.clone(),
            view: address(&asker.view),
            near: address(&asker.near),
            filtered_by: self.filters.chosen_for(&asker.info),
        };
        if let Some(known) = self.groups.get(&key) {
            return Ok(Arc::clone(known));
        }
        let group = Arc::new(self.new_group(asker, key.filtered_by.clone())?);
        self.groups.insert(key, Arc::clone(&group));
        Ok(group)
    }

    fn new_group(&mut self, asker: &Asker, filtered_by: Chosen) -> Result<Group, Mismatch> {
        let (mut clusters, mut endpoints, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
        let mut of_endpoints = HashMap::new();
        let mut names = HashSet::new();
        for service in asker.state.seen_by(&asker.node.namespace) {
            let made = self.made(asker, service)?;
            clusters.extend(made.clusters.iter().cloned());
            endpoints.extend(made.endpoints.iter().cloned());
            for listener in &made.listeners {
                let name = listener.resource.name();
                // The first service has a contested address.
                if names.insert(name.to_owned()) {
                    of_endpoints.extend(listener.of_endpoint.clone().map(|address| (name.to_owned(), address)));
                    listeners.push(Arc::clone(&listener.resource));
                }
            }
        }
        listeners.sort_by(|a, b| a.name().cmp(b.name()));
        let view = &asker.view;
        clusters.push(self.resource(Kind::Cluster, &generate::black_hole(view))?);
        clusters.push(self.resource(Kind::Cluster, &generate::passthrough(view))?);
        listeners.push(self.resource(Kind::Listener, &generate::virtual_outbound(view))?);
        let (clusters, listeners, report) =
            self.filters.apply(&self.schema, Side::Outbound, &asker.info, clusters, listeners);
        Ok(Group {
            filtered_by,
            cluster_set: self.shared(Kind::Cluster, set(&clusters)),
            clusters: Arc::new(clusters),
            endpoint_set: self.shared(Kind::Endpoints, set(&endpoints)),
            endpoints: Arc::new(endpoints),
            listener_set: self.shared(Kind::Listener, set(&listeners)),
            listeners: Arc::new(listeners),
            of_endpoints,
            report: Arc::new(report),
        })
    }

    fn of_class(
        &mut self,
        asker: &Asker,
        group: &Group,
        served: &[Served],
        class: &Class,
    ) -> Result<Snapshot, Mismatch> {
        let inbound = self.inbound(asker, group, served, class)?;
        let (mut listeners, mut listener_set) = (Arc::clone(&group.listeners), Arc::clone(&group.listener_set));
        if !class.headless.is_empty() {
            let is_own = |listener: &&Arc<Resource>| {
                let of = group.of_endpoints.get(listener.name());
                of.is_some_and(|address| class.headless.contains(address))
            };
            listeners = Arc::new(listeners.iter().filter(|one| !is_own(one)).cloned().collect());
            listener_set = Arc::new(set(&listeners));
        }
        let clusters = self.shared(Kind::Cluster, group.cluster_set.with(wires(&inbound.clusters)));
        let listener_set = self.shared(Kind::Listener, listener_set.with(wires(&inbound.listeners)));
        let served = self.serve(clusters, &group.endpoint_set, listener_set);
        let (outbound, refused) = (Arc::clone(&group.report), Arc::clone(&self.filters.refused));
        Ok(Snapshot {
            clusters: Layered { shared: Arc::clone(&group.clusters), own: Arc::clone(&inbound.clusters) },
            endpoints: Arc::clone(&group.endpoints),
            listeners: Layered { shared: listeners, own: Arc::clone(&inbound.listeners) },
            served,
            reports: Reports { outbound, inbound: Arc::clone(&inbound.report), refused },
        })
    }

    /// The same set of an earlier state, if somebody still holds it.
    fn shared(&mut self, kind: Kind, set: ResourceSet) -> Arc<ResourceSet> {
        Arc::clone(self.sets.entry((kind, set.digest())).or_insert_with(|| Arc::new(set)))
    }

    /// The sets as they are served: those of an earlier state if they are the same.
    fn serve(
        &mut self,
        clusters: Arc<ResourceSet>,
        endpoints: &Arc<ResourceSet>,
        listeners: Arc<ResourceSet>,
    ) -> Arc<xds::server::Snapshot> {
        let digests = [clusters.digest(), endpoints.digest(), listeners.digest()];
        let new = || {
            let sets = xds::server::Snapshot::new(self.version.to_string())
                .with(Kind::Cluster, clusters)
                .with(Kind::Endpoints, Arc::clone(endpoints))
                .with(Kind::Listener, listeners);
            Arc::new(sets)
        };
        Arc::clone(self.served.entry(digests).or_insert_with(new))
    }

    fn made(&mut self, asker: &Asker, service: &Arc<Service>) -> Result<Arc<Made>, Mismatch> {
        let (state, namespace, scope) = (asker.state, &asker.node.namespace, &asker.scope);
        let view = if service.machine_local { &asker.near } else { &asker.view };
        let rule = state.rule_for(service, namespace, &asker.labels);
        let bounds = state.typed.of(service, &asker.typed);
        let key = MadeKey {
            bounds: bounds.iter().map(address).collect(),
            service: address(service),
            rule: rule.map_or(0, address),
            scope: scope.as_ref().map_or(0, address),
            view: address(view),
        };
        if let Some(made) = self.made.get(&key) {
            return Ok(Arc::clone(made));
        }
        let seen = |number: u16| scope.as_ref().is_none_or(|scope| scope.shows(service, number, namespace));
        let held = rule.map(AsRef::as_ref);
        let clusters = generate::clusters(service, held, &bounds, view, state, seen);
        let asking: HashSet<&str> =
            clusters.iter().filter(|one| one["type"] == "EDS").filter_map(|one| one["name"].as_str()).collect();
        let endpoints = generate::assignments(service, held, view, state, seen, |name| asking.contains(name));
        let listeners = generate::listeners(service, held, &bounds, view, seen);
        let all = |kind, values: &[Value]| -> Result<Resources, Mismatch> {
            values.iter().map(|value| self.resource(kind, value)).collect()
        };
        let made = Arc::new(Made {
            clusters: all(Kind::Cluster, &clusters)?,
            endpoints: all(Kind::Endpoints, &endpoints)?,
            listeners: listeners.into_iter().map(|listener| self.listener(listener)).collect::<Result<_, _>>()?,
            service: Arc::clone(service),
            _rule: rule.cloned(),
            _scope: scope.clone(),
            _bounds: bounds,
        });
        self.made.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn listener(&self, listener: generate::Listener) -> Result<MadeListener, Mismatch> {
        let resource = self.resource(Kind::Listener, &listener.json)?;
        Ok(MadeListener { of_endpoint: listener.of_endpoint, resource })
    }

    fn resource(&self, kind: Kind, value: &Value) -> Result<Arc<Resource>, Mismatch> {
        let name = kind.url().rsplit('/').next().unwrap_or_default();
        Ok(Arc::new(Resource::new(kind, self.schema.message_from_json(name, value)?, value)))
    }
}

fn address<T>(arc: &Arc<T>) -> usize {
    Arc::as_ptr(arc).cast::<()>() as usize
}
