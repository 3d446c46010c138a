//! Keeps the crew, the discovery of every cluster and what the admin face shows in step with one configuration.

use super::house::{Known, Shown};
use meant::{Cluster, Filter, Proxy};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tls::Secrets;
use topology::{Begin, DiscoveryStats, Reporter};
use worker::{Crew, Plan, Report};

/// What the workers report goes by the number of its cluster.
type Reporters = Arc<RwLock<Vec<Option<Reporter>>>>;

/// Runs one configuration after another. Lives on the tokio runtime, which the discoveries need.
pub struct Conductor {
    crew: Crew,
    known: HashMap<usize, Known>,
    reporters: Reporters,
    shown: Arc<Mutex<Arc<Shown>>>,
}

impl Conductor {
    /// Starts the workers, which have nothing to do yet; `plan` without its reports.
    pub fn start(plan: impl FnOnce(worker::Told) -> Plan) -> Result<Self, worker::Error> {
        let reporters = Reporters::default();
        let crew = Crew::start(&plan(told(Arc::clone(&reporters))))?;
        Ok(Self { crew, known: HashMap::new(), reporters, shown: Arc::default() })
    }

    /// Runs `proxy` from now on, with these secrets. What is the same `Arc` as before goes on as it is.
    ///
    /// # Errors
    /// A listener's address cannot be had; nothing has changed then.
    pub fn run(&mut self, proxy: &Arc<Proxy>, secrets: &Secrets) -> Result<(), worker::Error> {
        self.crew.deliver(secrets);
        self.crew.change(proxy)?;
        // What a control plane delivers may be for everybody in the mesh.
        let begin = if proxy.dynamic.is_some() { Begin::WhenUsed } else { Begin::AtOnce };
        let mirrors = mirrors(proxy);
        let mut known = HashMap::new();
        let mut order = Vec::new();
        for cluster in &proxy.clusters {
            let Some(number) = self.crew.cluster(&cluster.name) else { continue };
            let one = match self.known.remove(&number) {
                Some(one) if Arc::ptr_eq(&one.cluster, cluster) => one,
                // The old discovery ends before the new one begins, so that nothing of it is heard afterwards; its
                // figures go on.
                Some(Known { stats, handle, .. }) => {
                    let begin = if handle.status().asleep { begin } else { Begin::AtOnce };
                    drop(handle);
                    self.discover(number, cluster, begin, stats)
                }
                None => self.discover(number, cluster, begin, Arc::default()),
            };
            one.handle.secure(secrets);
            if mirrors.contains(cluster.name.as_str()) && one.handle.status().asleep {
                one.handle.wake();
            }
            order.push(one.clone());
            known.insert(number, one);
        }
        self.known = known;
        self.listen_to_reports();
        self.show(proxy, order);
        Ok(())
    }

    /// Members that were delivered for a cluster of type `EDS`.
    pub fn deliver(&self, cluster: &str, members: &[meant::Endpoint]) {
        let known = self.crew.cluster(cluster).and_then(|number| self.known.get(&number));
        if let Some(known) = known {
            known.handle.deliver(members);
        }
    }

    /// What the admin face looks at.
    pub fn shown(&self) -> Arc<Mutex<Arc<Shown>>> {
        Arc::clone(&self.shown)
    }

    /// The workers, at the end.
    pub fn into_crew(self) -> Crew {
        self.crew
    }

    fn discover(&self, number: usize, cluster: &Arc<Cluster>, begin: Begin, stats: Arc<DiscoveryStats>) -> Known {
        let publish = self.crew.publisher();
        let publish = move |view| publish(number, &view);
        let handle = topology::spawn(Arc::clone(cluster), begin, Arc::clone(&stats), publish);
        Known { cluster: Arc::clone(cluster), handle: handle.into(), stats }
    }

    fn listen_to_reports(&self) {
        let mut reporters = self.reporters.write().unwrap_or_else(PoisonError::into_inner);
        reporters.fill_with(|| None);
        for (number, known) in &self.known {
            if reporters.len() <= *number {
                reporters.resize_with(number + 1, || None);
            }
            reporters[*number] = Some(known.handle.reporter());
        }
    }

    fn show(&self, proxy: &Arc<Proxy>, clusters: Vec<Known>) {
        let shown = Shown { proxy: Arc::clone(proxy), listeners: self.crew.listeners(), clusters };
        let before = std::mem::replace(&mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner), shown.into());
        let after = self.crew.listeners();
        for (name, address) in after.iter().filter(|listener| !before.listeners.contains(listener)) {
            tracing::info!(listener = name, %address, "listening");
        }
        for (name, address) in before.listeners.iter().filter(|listener| !after.contains(listener)) {
            tracing::info!(listener = name, %address, "no longer listening");
        }
    }
}

/// The clusters that get copies. A copy does not wait for its cluster's nodes, so they are known beforehand.
fn mirrors(proxy: &Proxy) -> HashSet<&str> {
    let chains = proxy.listeners.iter().flat_map(|listener| listener.all_chains());
    let routes = chains.filter_map(|chain| match &chain.filter {
        Filter::Redis(redis) => Some(&redis.routes),
        _ => None,
    });
    let routes = routes.flat_map(|routes| routes.routes.iter().chain(&routes.catch_all));
    routes.flat_map(|route| route.mirrors.iter().map(|mirror| mirror.cluster.as_str())).collect()
}

/// Carries what workers report to the cluster's discovery.
fn told(reporters: Reporters) -> worker::Told {
    Arc::new(move |cluster, report, count| {
        let reporters = reporters.read().unwrap_or_else(PoisonError::into_inner);
        let Some(reporter) = reporters.get(cluster).and_then(Option::as_ref) else { return };
        reporter.report(match report {
            Report::Redirected => topology::Report::Redirected { count },
            Report::Failed(node) => topology::Report::Failed { node: *node, count },
            Report::Degraded(node) => topology::Report::Degraded { node: *node },
            Report::Unknown => topology::Report::Unknown,
        });
    })
}
