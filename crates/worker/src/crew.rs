//! All workers and the thread that accepts for them.

use crate::accept::{Acceptor, Listening};
use crate::mail::{Address, Door, Mail};
use crate::pass;
use crate::reach::Reach;
use crate::turn::{BELL, Reports, SCRATCH, Worker};
use engine::{ClusterId, Engine, FilterId, Limits, Report};
use meant::{Filter, Listener, Proxy};
use mio::net::TcpListener;
use mio::{Poll, Waker};
use observe::Registry;
use slab::Slab;
use slots::View;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// Who hears reports: the place of the cluster in the configuration, the report, how often it happened this turn.
pub type Told = Arc<dyn Fn(usize, &Report, u32) + Send + Sync>;

/// What a crew is to run.
#[derive(Clone)]
pub struct Plan {
    /// The configuration.
    pub proxy: Arc<Proxy>,
    /// How many threads work; at least one.
    pub workers: usize,
    /// Where they count.
    pub registry: Arc<Registry>,
    /// The bounds of each worker.
    pub limits: Limits,
    /// Decides every random choice; each worker derives its own from it.
    pub seed: u64,
    /// Hears what concerns a cluster's topology: the cluster's place in `proxy.clusters`, the report, how often. Called
    /// from the worker threads at the end of a turn; must not block.
    pub reports: Told,
}

/// Why a crew could not start. The configuration's or the system's fault; nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener's address cannot be had.
    #[error("cannot listen on {address} (listener '{listener}'): {source}")]
    Listen {
        /// The listener's name.
        listener: String,
        /// Its address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// A thread or an epoll instance cannot be had.
    #[error("cannot start a worker: {0}")]
    Start(#[from] io::Error),
}

/// Running workers. Dropping it leaves them running; end them with [`Crew::stop`] or [`Crew::drain`].
#[derive(Debug)]
pub struct Crew {
    workers: Vec<(Address, JoinHandle<()>)>,
    acceptor: Acceptor,
    listeners: Vec<(String, SocketAddr)>,
}

impl Crew {
    /// Opens the listeners, then starts the threads. The listeners are open at once, whatever the clusters' state.
    pub fn start(plan: &Plan) -> Result<Self, Error> {
        let mut listening = Vec::new();
        for listener in &plan.proxy.listeners {
            let socket = TcpListener::bind(listener.address).map_err(|source| Error::Listen {
                listener: listener.name.clone(),
                address: listener.address,
                source,
            })?;
            listening.push((listener, socket));
        }
        let listeners = listening
            .iter()
            .map(|(listener, socket)| Ok((listener.name.clone(), socket.local_addr()?)))
            .collect::<io::Result<Vec<_>>>()?;
        let workers = (0..plan.workers.max(1)).map(|i| hire(plan, i, &listeners)).collect::<io::Result<Vec<_>>>()?;
        let doors = doors(&plan.proxy);
        let open = |((listener, socket), door): ((&Arc<Listener>, TcpListener), Door)| Listening {
            socket,
            door,
            name: listener.name.clone(),
        };
        let listening = listening.into_iter().zip(doors).map(open).collect();
        let acceptor = Acceptor::start(listening, workers.iter().map(|(address, _)| address.clone()).collect())?;
        Ok(Self { workers, acceptor, listeners })
    }

    /// The listeners' names and the addresses they got, in the order of the configuration.
    pub fn listeners(&self) -> &[(String, SocketAddr)] {
        &self.listeners
    }

    /// Something that tells all workers the members of a cluster (its place in the configuration).
    pub fn publisher(&self) -> impl Fn(usize, &View) + Clone + Send + Sync + 'static {
        let addresses: Vec<Address> = self.workers.iter().map(|(address, _)| address.clone()).collect();
        move |cluster, view| {
            for address in &addresses {
                address.post(Mail::View(ClusterId(cluster as u32), view.clone()));
            }
        }
    }

    /// Accepts no more clients, lets requests under way finish, and ends when all have, or after `patience`.
    pub fn drain(self, patience: Duration) {
        self.end(&Mail::drain, patience);
    }

    /// Ends now: requests under way are lost.
    pub fn stop(self) {
        self.end(&|| Mail::Stop, Duration::ZERO);
    }

    fn end(self, farewell: &dyn Fn() -> Mail, patience: Duration) {
        self.acceptor.stop();
        let until = Instant::now() + patience;
        self.workers.iter().for_each(|(address, _)| address.post(farewell()));
        while Instant::now() < until && self.workers.iter().any(|(_, thread)| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(5));
        }
        for (address, thread) in self.workers {
            address.post(Mail::Stop);
            if thread.join().is_err() {
                tracing::error!("a worker had failed");
            }
        }
    }
}

impl Mail {
    fn drain() -> Self {
        Self::Drain
    }
}

/// What each listener does, in order. Filters are numbered as [`furnish`] adds them.
fn doors(proxy: &Proxy) -> Vec<Door> {
    let (mut redis, mut tcp) = (0, 0);
    let door = |(listener, entry): (usize, &Arc<Listener>)| match entry.chains[0].filter {
        Filter::Redis(_) => {
            redis += 1;
            Door::Redis { filter: FilterId(redis - 1), listener }
        }
        Filter::Tcp(_) => {
            tcp += 1;
            Door::Tcp { filter: tcp - 1, listener }
        }
    };
    proxy.listeners.iter().enumerate().map(door).collect()
}

/// Starts one worker.
fn hire(plan: &Plan, index: usize, listeners: &[(String, SocketAddr)]) -> io::Result<(Address, JoinHandle<()>)> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), BELL)?);
    let (sender, mail) = mpsc::channel();
    let address = Address { sender, waker, clients: Arc::new(AtomicUsize::new(0)) };
    let listener_stats = listeners.iter().map(|(_, at)| plan.registry.listener(index, &at.to_string())).collect();
    let told = Arc::clone(&plan.reports);
    let reports: Reports =
        Arc::new(move |cluster: ClusterId, report: &Report, count| told(cluster.0 as usize, report, count));
    let (engine, tcp_filters) = furnish(plan, index);
    let clusters = &plan.proxy.clusters;
    let worker = Worker {
        poll,
        mail,
        engine,
        clients: Vec::new(),
        upstreams: Vec::new(),
        passes: Slab::new(),
        tcp_filters,
        reaches: reaches(plan, index),
        views: clusters.iter().map(|_| None).collect(),
        next_member: index,
        listener_stats,
        clients_count: Arc::clone(&address.clients),
        reports,
        scratch: vec![0; SCRATCH],
        read_again: Vec::new(),
        read_on: Vec::new(),
        lingering: Vec::new(),
        start: Instant::now(),
        pending: Vec::new(),
        draining: false,
        stopped: false,
    };
    let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run())?;
    Ok((address, thread))
}

/// How the nodes of each cluster are reached.
fn reaches(plan: &Plan, index: usize) -> Vec<Reach> {
    let reach = |cluster: &Arc<meant::Cluster>| {
        let stats = || plan.registry.cluster_tls(index, &cluster.name);
        Reach::new(cluster, &tls::Secrets::default()).counted(stats)
    };
    plan.proxy.clusters.iter().map(reach).collect()
}

/// An engine with the configuration's clusters and Redis filters, and the filters that pass bytes through.
fn furnish(plan: &Plan, index: usize) -> (Engine, Vec<pass::Filter>) {
    let mut engine = Engine::new(plan.limits.clone(), plan.seed.wrapping_add(index as u64));
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    engine.set_wall_clock(since_1970.as_micros() as u64);
    for cluster in &plan.proxy.clusters {
        engine.add_cluster(Arc::clone(cluster), plan.registry.cluster(index, &cluster.name));
    }
    let mut tcp = Vec::new();
    for listener in &plan.proxy.listeners {
        match &listener.chains[0].filter {
            Filter::Redis(redis) => {
                let stats = plan.registry.filter(index, &redis.stat_prefix, redis.latency_in_micros);
                engine.add_filter(redis, listener.buffer_limit, stats);
            }
            Filter::Tcp(filter) => {
                let meant::Way::Clusters(names) = &filter.to else { continue };
                let place = plan.proxy.clusters.iter().position(|cluster| cluster.name == names[0].0);
                let timeout = place.map(|place| plan.proxy.clusters[place].connect_timeout);
                tcp.push(pass::Filter {
                    cluster: place.map(|place| ClusterId(place as u32)),
                    connect_timeout: timeout.unwrap_or(Duration::from_secs(5)),
                    idle_timeout: filter.idle_timeout,
                    attempts: filter.max_connect_attempts,
                    stats: plan.registry.tcp(index, &filter.stat_prefix),
                });
            }
        }
    }
    (engine, tcp)
}
