//! What control planes and files have delivered: judged resource by resource, and joined with the bootstrap to one
//! configuration.

use config::Schema;
use config::delivered::{self, Reading, Sources};
use meant::{Assignment, Cluster, ConfigSource, Delivery, Discovery, Identity, Listener, Proxy, Roots, Tls};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;
use tls::Secrets;
use xds::client::{Refused, Update};
use xds::{Kind, Resource};

/// A resource that was accepted.
#[derive(Clone, Debug)]
pub struct Item<T> {
    pub meant: T,
    pub resource: Arc<Resource>,
    pub since: SystemTime,
}

/// Accepted resources of a kind, by name.
pub type Items<T> = BTreeMap<Arc<str>, Item<T>>;

/// A resource that was refused and what was said of it.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub resource: Arc<Resource>,
    pub reason: String,
    pub at: SystemTime,
}

/// All that was delivered so far.
pub struct Deliveries {
    schema: Arc<Schema>,
    sources: Sources,
    bootstrap: Arc<Proxy>,
    pub listeners: Items<Arc<Listener>>,
    pub clusters: Items<Arc<Cluster>>,
    pub endpoints: Items<Assignment>,
    pub secrets: Secrets,
    /// Names and times of the secrets, for those who look.
    pub secret_names: BTreeMap<Arc<str>, SystemTime>,
    pub refused: BTreeMap<(Kind, Arc<str>), Refusal>,
}

/// What has to be asked for by name.
pub type Wants = BTreeMap<(Kind, String), (ConfigSource, BTreeSet<Arc<str>>)>;

impl Deliveries {
    pub fn new(schema: Arc<Schema>, sources: Sources, bootstrap: Arc<Proxy>) -> Self {
        Self {
            schema,
            sources,
            bootstrap,
            listeners: Items::new(),
            clusters: Items::new(),
            endpoints: Items::new(),
            secrets: Secrets::default(),
            secret_names: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Takes an update in, except for what cannot be used, which stays as it was before. The refusals.
    pub fn take(&mut self, update: &Update, source: &ConfigSource) -> Vec<Refused> {
        let mut refused = Vec::new();
        for resource in &update.changed {
            let key = (update.kind, Arc::clone(&resource.name));
            match self.accept(update.kind, resource, source) {
                Ok(notes) => {
                    self.refused.remove(&key);
                    notes.iter().for_each(|note| tracing::info!("{note}"));
                }
                Err(reason) => {
                    self.refuse(update.kind, resource, &reason);
                    refused.push(Refused { name: Arc::clone(&resource.name), reason });
                }
            }
        }
        update.removed.iter().for_each(|name| self.remove(update.kind, name, source));
        refused
    }

    /// Remembers that a resource was refused, and says so, once as long as the reason stays the same.
    pub fn refuse(&mut self, kind: Kind, resource: &Arc<Resource>, reason: &str) {
        let refusal = Refusal { resource: Arc::clone(resource), reason: reason.to_owned(), at: SystemTime::now() };
        let before = self.refused.insert((kind, Arc::clone(&resource.name)), refusal);
        if before.is_none_or(|before| before.reason != reason) {
            tracing::warn!(%kind, name = %resource.name, reason, "refused; what was there before stays");
        }
    }

    /// Members of services that no cluster has any more are forgotten; should one come back, they are asked for anew.
    pub fn keep_members(&mut self, wants: &Wants) {
        let named = |service: &Arc<str>| {
            wants.iter().any(|((kind, _), (_, names))| *kind == Kind::Endpoints && names.contains(service))
        };
        self.endpoints.retain(|service, _| named(service));
    }

    fn accept(&mut self, kind: Kind, resource: &Arc<Resource>, source: &ConfigSource) -> Result<Vec<String>, String> {
        let (schema, message, text) =
            (&self.schema, resource.message(), |problems: config::Problems| one_line(&problems));
        let name = Arc::clone(&resource.name);
        match kind {
            Kind::Listener => {
                let Reading { meant, notes } = delivered::listener(schema, &self.sources, &message).map_err(text)?;
                check_listener(&meant)?;
                self.listeners.insert(name, item(meant, resource));
                Ok(notes)
            }
            Kind::Cluster => {
                let Reading { meant, notes } = delivered::cluster(schema, &self.sources, &message).map_err(text)?;
                check_cluster(&meant)?;
                self.clusters.insert(name, item(meant, resource));
                Ok(notes)
            }
            Kind::Endpoints => {
                let Reading { meant, notes } = delivered::endpoints(schema, &message).map_err(text)?;
                self.endpoints.insert(name, item(meant, resource));
                Ok(notes)
            }
            Kind::Secret => {
                let Reading { meant: (_, secret), notes } = delivered::secret(schema, &message).map_err(text)?;
                self.secrets.insert(Delivery { name: name.to_string(), source: source.clone() }, secret);
                self.secret_names.insert(name, SystemTime::now());
                Ok(notes)
            }
            // Routes are for HTTP, and nothing here asks for extensions: neither is wanted, so neither comes.
            Kind::Routes | Kind::Extension => Ok(Vec::new()),
        }
    }

    fn remove(&mut self, kind: Kind, name: &Arc<str>, source: &ConfigSource) {
        self.refused.remove(&(kind, Arc::clone(name)));
        match kind {
            Kind::Listener => drop(self.listeners.remove(name)),
            Kind::Cluster => drop(self.clusters.remove(name)),
            Kind::Endpoints => drop(self.endpoints.remove(name)),
            Kind::Secret => {
                self.secrets.remove(&Delivery { name: name.to_string(), source: source.clone() });
                self.secret_names.remove(name);
            }
            Kind::Routes | Kind::Extension => {}
        }
    }

    /// The whole configuration: the bootstrap's listeners and clusters, and those delivered. As in Envoy, what the
    /// bootstrap has under a name is not replaced.
    pub fn proxy(&self) -> Arc<Proxy> {
        let mut proxy = Proxy::clone(&self.bootstrap);
        let fixed: BTreeSet<&str> = self.bootstrap.listeners.iter().map(|listener| listener.name.as_str()).collect();
        let more = self.listeners.values().map(|item| &item.meant).filter(|listener| !fixed.contains(&*listener.name));
        proxy.listeners.extend(more.cloned());
        let fixed: BTreeSet<&str> = self.bootstrap.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        let more = self.clusters.values().map(|item| &item.meant).filter(|cluster| !fixed.contains(&*cluster.name));
        proxy.clusters.extend(more.cloned());
        proxy.into()
    }

    /// The clusters of `proxy` whose members were delivered, and the members.
    pub fn members<'a>(&'a self, proxy: &'a Proxy) -> impl Iterator<Item = (&'a Arc<Cluster>, &'a Item<Assignment>)> {
        proxy.clusters.iter().filter_map(|cluster| match &cluster.discovery {
            Discovery::Delivered { service, .. } => Some((cluster, self.endpoints.get(service.as_str())?)),
            _ => None,
        })
    }

    /// What the listeners and clusters of `proxy` need besides themselves.
    pub fn wants(proxy: &Proxy) -> Wants {
        let mut wants = Wants::new();
        for cluster in &proxy.clusters {
            if let Discovery::Delivered { service, source, .. } = &cluster.discovery {
                want(&mut wants, Kind::Endpoints, source, service);
            }
            let sockets = cluster.sockets.default.iter();
            let sockets = sockets.chain(cluster.sockets.matches.iter().filter_map(|entry| entry.socket.as_ref()));
            sockets.for_each(|tls| want_secrets(&mut wants, &tls.shared));
        }
        let chains = proxy.listeners.iter().flat_map(|listener| listener.all_chains());
        chains.filter_map(|chain| chain.tls.as_ref()).for_each(|tls| want_secrets(&mut wants, &tls.shared));
        wants
    }
}

fn item<T>(meant: T, resource: &Arc<Resource>) -> Item<T> {
    Item { meant, resource: Arc::clone(resource), since: SystemTime::now() }
}

/// What TLS settings would never do, whatever secrets come.
fn check_listener(listener: &Listener) -> Result<(), String> {
    let mut servers = listener.all_chains().filter_map(|chain| chain.tls.as_ref());
    servers.try_for_each(|server| tls::check_server(server)).map_err(|problem| problem.to_string())
}

fn check_cluster(cluster: &Cluster) -> Result<(), String> {
    let sockets = cluster.sockets.default.iter();
    let mut sockets = sockets.chain(cluster.sockets.matches.iter().filter_map(|entry| entry.socket.as_ref()));
    sockets.try_for_each(|client| tls::check_client(client)).map_err(|problem| problem.to_string())
}

fn want(wants: &mut Wants, kind: Kind, source: &ConfigSource, name: &str) {
    let key = (kind, super::couriers::label(source));
    wants.entry(key).or_insert_with(|| (source.clone(), BTreeSet::new())).1.insert(name.into());
}

fn want_secrets(wants: &mut Wants, tls: &Tls) {
    let identity = match &tls.identity {
        Some(Identity::Delivered(delivery)) => Some(delivery),
        _ => None,
    };
    let roots = match &tls.trust.roots {
        Roots::Delivered(delivery) => Some(delivery),
        _ => None,
    };
    for delivery in identity.into_iter().chain(roots) {
        want(wants, Kind::Secret, &delivery.source, &delivery.name);
    }
}

/// All problems of a resource, for the one line of a refusal.
fn one_line(problems: &config::Problems) -> String {
    problems.to_string().lines().collect::<Vec<_>>().join("; ")
}
