//! The task of one cluster, and what others hold of it.

use crate::connect::Connector;
use crate::decision::Random;
use crate::hosts::{self, Inbox, Resolving, Take};
use crate::names::Names;
use crate::redis::Redis;
use crate::status::Board;
use crate::{DiscoveryStats, Report, Reporter, Status};
use meant::{Cluster, Discovery, Endpoint};
use slots::View;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// When the nodes of a Redis Cluster are asked for the first time. Clusters of other kinds begin at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// When the discovery is started.
    AtOnce,
    /// When somebody reports: a request waits for the first map, or [`Handle::wake`]. A proxy beside a client that does
    /// not use Redis asks nobody.
    WhenUsed,
}

/// One cluster's discovery. Dropping it stops the task; what was published stays valid.
#[derive(Debug)]
pub struct Handle {
    reporter: Reporter,
    board: Board,
    task: Option<JoinHandle<()>>,
    connector: Connector,
    /// Of a cluster whose members are delivered.
    inbox: Option<Inbox>,
}

impl Handle {
    /// Where workers tell what happens to requests.
    pub fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }

    /// Begins to ask, if nobody has needed it so far.
    pub fn wake(&self) {
        self.reporter.report(Report::Unknown);
    }

    /// What has become of it so far.
    pub fn status(&self) -> Status {
        self.board.read()
    }

    /// Members that a control plane has sent for a cluster of type `EDS`; for other clusters it means nothing.
    pub fn deliver(&self, endpoints: &[Endpoint]) {
        if let Some(inbox) = &self.inbox {
            inbox.take(endpoints);
        }
    }

    /// Secrets for TLS towards the nodes that are asked, in place of the earlier ones.
    pub fn secure(&self, secrets: &tls::Secrets) {
        self.connector.secure(secrets);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Starts the discovery of `cluster` on the tokio runtime of the caller, who must be inside one (its time and I/O enabled).
/// `publish` is called with the first view and with every one that differs from the one before; for a `STATIC` cluster
/// before this function returns.
pub fn spawn(
    cluster: Arc<Cluster>,
    begin: Begin,
    stats: Arc<DiscoveryStats>,
    publish: impl Fn(View) + Send + Sync + 'static,
) -> Handle {
    let names = Names::system(cluster.dns_family);
    spawn_with(cluster, begin, stats, publish, names)
}

/// [`spawn`] with any resolver.
pub(crate) fn spawn_with(
    cluster: Arc<Cluster>,
    begin: Begin,
    stats: Arc<DiscoveryStats>,
    publish: impl Fn(View) + Send + Sync + 'static,
    names: Names,
) -> Handle {
    let (reporter, reports) = Reporter::new();
    let board = Board::default();
    let publisher =
        Publisher { cluster: cluster.name.clone(), stats, board: board.clone(), publish: Box::new(publish) };
    // Differs from task to task, which is all it is for.
    let random = Random::new(RandomState::new().hash_one(&cluster.name));
    let resolving = |take, publisher| Resolving::new(Arc::clone(&cluster), names.clone(), take, publisher);
    let connector = Connector::new(Arc::clone(&cluster));
    let mut inbox = None;
    let task = match &cluster.discovery {
        Discovery::Redis(settings) => {
            let redis = Redis::new(connector.clone(), settings, names.clone(), publisher, random);
            board.sleeps(begin == Begin::WhenUsed);
            Some(tokio::spawn(redis.run(begin, reports)))
        }
        Discovery::Static(_) => {
            publish_written(&cluster, &publisher);
            None
        }
        Discovery::StrictDns(_) => Some(tokio::spawn(resolving(Take::All, publisher).run(random))),
        Discovery::LogicalDns(_) => Some(tokio::spawn(resolving(Take::One, publisher).run(random))),
        Discovery::Delivered { .. } => {
            inbox = Some(Inbox::new(Arc::clone(&cluster), publisher));
            None
        }
        Discovery::Original => {
            publisher.publish(View::Hosts(Arc::default()), Vec::new());
            None
        }
    };
    Handle { reporter, board, task, connector, inbox }
}

fn publish_written(cluster: &Cluster, publisher: &Publisher) {
    publisher.begun();
    let (members, left_out) = hosts::written(cluster, &cluster.endpoints);
    publisher.stats.members(members.len(), true);
    publisher.publish(View::Hosts(members.into()), left_out);
}

/// Where a task leaves what it has found: the one who publishes, the statistics, the status, the log.
pub(crate) struct Publisher {
    cluster: String,
    pub(crate) stats: Arc<DiscoveryStats>,
    board: Board,
    publish: Box<dyn Fn(View) + Send + Sync>,
}

impl Publisher {
    /// A read begins.
    pub(crate) fn begun(&self) {
        self.stats.update_attempt.inc();
        self.board.begun();
    }

    /// A read has found something new.
    pub(crate) fn publish(&self, view: View, left_out: Vec<String>) {
        self.stats.update_success.inc();
        tracing::info!(cluster = self.cluster, view = describe(&view), left_out = left_out.join("; "), "new members");
        (self.publish)(view.clone());
        self.board.succeeded(Some(view), left_out);
    }

    /// A read has found what is known already.
    pub(crate) fn unchanged(&self, left_out: Vec<String>) {
        self.stats.update_success.inc();
        self.stats.update_no_rebuild.inc();
        self.board.succeeded(None, left_out);
    }

    /// A read has found nothing that can be trusted. Logged once as long as the problem stays the same.
    pub(crate) fn failed(&self, problem: String) {
        self.stats.update_failure.inc();
        if self.board.failed(problem.clone()) {
            tracing::warn!(cluster = self.cluster, problem, "members not found");
        }
    }
}

/// A view in a few words.
fn describe(view: &View) -> String {
    match view {
        View::Slots(map) => format!(
            "{} shards, {} nodes, {} of {} slots",
            map.shards().len(),
            map.nodes().len(),
            map.covered(),
            slots::Slot::COUNT
        ),
        View::Hosts(hosts) => format!("{} hosts", hosts.len()),
    }
}
