//! All workers and the thread that accepts for them.

use crate::accept::Acceptor;
use crate::adopt::Clusters;
use crate::gates::Gates;
use crate::mail::{Address, Mail};
use crate::numbers::Numbers;
use crate::turn::{BELL, Reports, SCRATCH, Worker};
use engine::{ClusterId, Engine, Limits, Report};
use meant::Proxy;
use mio::{Poll, Waker};
use observe::Registry;
use slab::Slab;
use slots::View;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// Who hears reports: the number of the cluster ([`Crew::cluster`]), the report, how often it happened this turn.
pub type Told = Arc<dyn Fn(usize, &Report, u32) + Send + Sync>;

/// What a crew is made of.
#[derive(Clone)]
pub struct Plan {
    /// How many threads work; at least one.
    pub workers: usize,
    /// Where they count.
    pub registry: Arc<Registry>,
    /// The bounds of each worker.
    pub limits: Limits,
    /// Decides every random choice; each worker derives its own from it.
    pub seed: u64,
    /// Hears what concerns a cluster's topology. Called from the worker threads at the end of a turn; must not block.
    pub reports: Told,
}

/// Why a crew could not start or change. The configuration's or the system's fault.
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
    gates: Gates,
    numbers: Numbers,
}

impl Crew {
    /// Starts the threads, which have nothing to do before [`Crew::change`].
    ///
    /// # Errors
    /// The system gives no thread or epoll instance; nothing is left running.
    pub fn start(plan: &Plan) -> Result<Self, Error> {
        let workers = (0..plan.workers.max(1)).map(|i| hire(plan, i)).collect::<io::Result<Vec<_>>>()?;
        let acceptor = Acceptor::start(workers.iter().map(|(address, _)| address.clone()).collect())?;
        Ok(Self { workers, acceptor, gates: Gates::default(), numbers: Numbers::default() })
    }

    /// Runs `proxy` from now on: opens what listens anew (at once, whatever the clusters' state), tells the workers what
    /// has changed, closes what no longer listens. Listeners and clusters that are the same `Arc` as before have not
    /// changed. A client stays as long as its listener has a chain of the same name with a filter of the same kind; a
    /// request that has begun ends as it began.
    ///
    /// # Errors
    /// An address cannot be had: nothing has changed then.
    pub fn change(&mut self, proxy: &Proxy) -> Result<(), Error> {
        let plan = self.gates.plan(proxy)?;
        let orders = Arc::new(self.numbers.orders(proxy));
        self.workers.iter().for_each(|(address, _)| address.post(Mail::Change(Arc::clone(&orders))));
        self.gates.carry_out(plan, &mut self.numbers, &self.acceptor);
        Ok(())
    }

    /// Uses these secrets from now on, in place of the earlier ones: new connections do; those that are open stay.
    pub fn deliver(&mut self, secrets: &tls::Secrets) {
        let orders = self.numbers.deliver(secrets);
        if !orders.reaches.is_empty() || !orders.listeners.is_empty() {
            let orders = Arc::new(orders);
            self.workers.iter().for_each(|(address, _)| address.post(Mail::Change(Arc::clone(&orders))));
        }
    }

    /// The names of the listeners that have a socket and the addresses they got, in the order of the configuration.
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        self.gates.addresses()
    }

    /// The number of a cluster of the configuration in use: the same as long as the process lives.
    pub fn cluster(&self, name: &str) -> Option<usize> {
        self.numbers.cluster(name)
    }

    /// Something that tells all workers the members of a cluster (its number, see [`Crew::cluster`]).
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
        self.end(&|| Mail::Drain, patience);
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

/// Starts one worker.
fn hire(plan: &Plan, number: usize) -> io::Result<(Address, JoinHandle<()>)> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), BELL)?);
    let (sender, mail) = mpsc::channel();
    let address = Address { sender, waker, clients: Arc::new(AtomicUsize::new(0)) };
    let told = Arc::clone(&plan.reports);
    let reports: Reports =
        Arc::new(move |cluster: ClusterId, report: &Report, count| told(cluster.0 as usize, report, count));
    let mut engine = Engine::new(plan.limits.clone(), plan.seed.wrapping_add(number as u64));
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    engine.set_wall_clock(since_1970.as_micros() as u64);
    let worker = Worker {
        poll,
        mail,
        engine,
        clients: Vec::new(),
        upstreams: Vec::new(),
        passes: Slab::new(),
        tcp_filters: Vec::new(),
        halls: Vec::new(),
        waiting: Slab::new(),
        by_address: HashMap::new(),
        unknown: HashSet::new(),
        clusters: Clusters::default(),
        registry: Arc::clone(&plan.registry),
        number,
        next_member: number,
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
    let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || worker.run())?;
    Ok((address, thread))
}
