//! A Redis Cluster: its map is asked for again and again, from one node at a time.
//!
//! One read, in this order, until somebody gives a map that can be believed: nodes known (primaries first, drawn at random,
//! without those that failed of late), then the seeds, resolved again, then those that failed of late. The next
//! one is asked as soon as one fails, or beside it when it does not answer soon: an address that swallows packets costs
//! a fraction of a second instead of a time-out.

use crate::Report;
use crate::ask::{Asker, Silence};
use crate::decision::{Candidate, Candidates, Judge, Opinion, Random, Schedule, Verdict};
use crate::names::Names;
use crate::task::Publisher;
use meant::{Cluster, RedisCluster};
use slots::{Topology, View};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

/// How long a node is waited for before another one is asked beside it.
const SOON: Duration = Duration::from_millis(200);
/// How many are asked at once.
const AT_ONCE: usize = 4;
/// How many nodes are asked in one read: with all of them silent it still ends within eight time-outs.
const ASKED: usize = 32;
/// How many problems of one read are told.
const TOLD: usize = 8;

/// The discovery of one Redis Cluster.
pub(crate) struct Redis {
    asker: Arc<Asker>,
    publisher: Publisher,
    schedule: Schedule,
    candidates: Candidates,
    random: Random,
    /// The opinion in use.
    present: Option<Opinion>,
}

/// One step of a read.
enum Step {
    /// Ask a node.
    Ask(Candidate),
    /// Resolve a seed, then ask under the addresses it has.
    Resolve(String, u16),
}

/// What a step has come to.
enum Outcome {
    Said(Candidate, Result<Opinion, Silence>),
    Resolved(String, u16, io::Result<Vec<IpAddr>>),
}

/// One read in progress.
struct Reading<'a> {
    judge: Judge<'a>,
    problems: Vec<String>,
    /// Nobody is asked twice.
    asked: BTreeSet<SocketAddr>,
    /// Nodes whose turn comes last, also where a seed leads to them.
    held_back: BTreeSet<SocketAddr>,
    /// The addresses in use.
    known: Arc<BTreeSet<IpAddr>>,
    /// Whether a seed has no address.
    empty: bool,
}

impl Redis {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        settings: &RedisCluster,
        names: Names,
        publisher: Publisher,
        random: Random,
    ) -> Self {
        Self {
            schedule: Schedule::new(settings, Instant::now()),
            asker: Arc::new(Asker::new(cluster, names, settings.refresh_timeout)),
            publisher,
            candidates: Candidates::default(),
            random,
            present: None,
        }
    }

    /// Never ends while somebody can report.
    pub(crate) async fn run(mut self, mut reports: Receiver<Report>) {
        loop {
            tokio::select! {
                // What has been reported first: it may say whom not to ask.
                biased;
                report = reports.recv() => match report {
                    Some(report) => self.heard(&report),
                    None => return,
                },
                () = sleep_until(self.schedule.due().into()) => self.read().await,
            }
        }
    }

    fn heard(&mut self, report: &Report) {
        let now = Instant::now();
        if let Report::Failed { node, .. } | Report::Degraded { node } = report {
            self.candidates.failed(*node, now);
        }
        self.schedule.heard(report, now);
    }

    /// One read, from asking to publishing.
    async fn read(&mut self) {
        self.publisher.begun();
        self.schedule.begun(Instant::now());
        let present = self.present.take();
        let mut reading = Reading::new(present.as_ref());
        let found = self.find(&mut reading, present.as_ref().map(|opinion| &*opinion.map)).await;
        let Reading { judge, problems, empty, .. } = reading;
        let found = found.or_else(|| judge.closed());
        let now = Instant::now();
        match found {
            Some(opinion) => {
                self.present = Some(self.accept(opinion, present));
                self.schedule.succeeded(now);
            }
            None => {
                self.present = present;
                if empty {
                    self.publisher.stats.update_empty.inc();
                }
                self.publisher.failed(summary(&problems));
                self.schedule.failed(now, &mut self.random);
            }
        }
    }

    /// Asks until somebody is believed.
    async fn find(&mut self, reading: &mut Reading<'_>, map: Option<&Topology>) -> Option<Opinion> {
        let now = Instant::now();
        if let Some(map) = map {
            let known = self.candidates.known(map, now, &mut self.random);
            let found = self.ask_each(reading, known.into_iter().map(Step::Ask).collect()).await;
            if found.is_some() {
                return found;
            }
        }
        // Without a map every seed is as good as another; with one, those that failed wait their turn below.
        let avoided = map.map(|map| self.candidates.avoided(map, now, &mut self.random)).unwrap_or_default();
        reading.held_back = avoided.iter().map(|node| node.address).collect();
        let found = self.ask_each(reading, self.seeds()).await;
        if found.is_some() {
            return found;
        }
        reading.held_back.clear();
        self.ask_each(reading, avoided.into_iter().map(Step::Ask).collect()).await
    }

    fn seeds(&self) -> VecDeque<Step> {
        let endpoints = self.asker.cluster.endpoints.iter();
        endpoints.map(|endpoint| Step::Resolve(endpoint.host.clone(), endpoint.port)).collect()
    }

    /// Takes the steps in turn, the next one as soon as one fails or is late, until somebody is believed.
    async fn ask_each(&mut self, reading: &mut Reading<'_>, mut steps: VecDeque<Step>) -> Option<Opinion> {
        let mut asking = JoinSet::new();
        loop {
            if asking.len() < AT_ONCE
                && let Some(step) = steps.pop_front()
            {
                self.begin(reading, step, &mut asking);
            }
            let more = !steps.is_empty() && asking.len() < AT_ONCE;
            let outcome = tokio::select! {
                outcome = asking.join_next() => outcome,
                () = sleep(SOON), if more => continue,
            };
            match outcome {
                // The last of them is in.
                None if steps.is_empty() => return None,
                None => {}
                Some(Err(broken)) => reading.problems.push(broken.to_string()),
                Some(Ok(Outcome::Resolved(host, port, addresses))) => {
                    self.resolved(reading, (host, port), addresses, &mut steps);
                }
                Some(Ok(Outcome::Said(node, said))) => {
                    if let Some(opinion) = self.weigh(reading, &node, said) {
                        return Some(opinion);
                    }
                }
            }
        }
    }

    fn begin(&self, reading: &mut Reading<'_>, step: Step, asking: &mut JoinSet<Outcome>) {
        let asker = Arc::clone(&self.asker);
        match step {
            Step::Ask(node) => {
                if !reading.may_ask(node.address) {
                    return;
                }
                let known = Arc::clone(&reading.known);
                asking.spawn(async move {
                    let said = asker.ask(&node, &known).await;
                    Outcome::Said(node, said)
                });
            }
            Step::Resolve(host, port) => {
                asking.spawn(async move {
                    let late = |_| Err(io::ErrorKind::TimedOut.into());
                    let addresses = timeout(asker.patience, asker.names.tries(&host)).await.unwrap_or_else(late);
                    Outcome::Resolved(host, port, addresses)
                });
            }
        }
    }

    /// A seed's addresses are asked before the seeds behind it.
    fn resolved(
        &mut self,
        reading: &mut Reading<'_>,
        (host, port): (String, u16),
        addresses: io::Result<Vec<IpAddr>>,
        steps: &mut VecDeque<Step>,
    ) {
        let problem = match addresses {
            Ok(addresses) if !addresses.is_empty() => {
                let names: Vec<_> = host.parse::<IpAddr>().is_err().then_some(host).into_iter().collect();
                for ip in addresses.into_iter().rev() {
                    let address = SocketAddr::new(ip, port);
                    steps.push_front(Step::Ask(Candidate { address, names: names.clone() }));
                }
                return;
            }
            Ok(_) => {
                reading.empty = true;
                "the name has no address".to_owned()
            }
            Err(error) => format!("the name does not resolve: {error}"),
        };
        reading.problems.push(format!("{host}:{port}: {problem}"));
    }

    /// What one node said: either believed, or a problem.
    fn weigh(
        &mut self,
        reading: &mut Reading<'_>,
        node: &Candidate,
        said: Result<Opinion, Silence>,
    ) -> Option<Opinion> {
        let problem = match said {
            Ok(opinion) => {
                self.candidates.answered(node.address);
                match reading.judge.hear(opinion) {
                    Verdict::Accept(opinion) => return Some(opinion),
                    Verdict::Doubt(why) => why,
                }
            }
            Err(silence) => {
                self.candidates.failed(node.address, Instant::now());
                silence.to_string()
            }
        };
        let name = node.names.first().map(|name| format!(" ({name})")).unwrap_or_default();
        reading.problems.push(format!("{}{name}: {problem}", node.address));
        None
    }

    /// Publishes an opinion, if its map is another one; gives the opinion in use from now on.
    fn accept(&self, opinion: Opinion, present: Option<Opinion>) -> Opinion {
        let left_out = opinion.left_out.clone();
        let members = |map: &Topology| map.nodes().iter().map(|node| node.address).collect::<Vec<_>>();
        let before = present.as_ref().map(|present| members(&present.map));
        if let Some(present) = present.filter(|present| present.map == opinion.map) {
            self.publisher.unchanged(left_out);
            // The map in use is shared with the workers; a node behind the others does not make it older.
            return Opinion { map: present.map, epoch: present.epoch.max(opinion.epoch), ..opinion };
        }
        let now = members(&opinion.map);
        self.publisher.stats.members(now.len(), before.as_ref() != Some(&now));
        self.publisher.publish(View::Slots(Arc::clone(&opinion.map)), left_out);
        opinion
    }
}

impl<'a> Reading<'a> {
    fn new(present: Option<&'a Opinion>) -> Self {
        let nodes = present.into_iter().flat_map(|present| present.map.nodes());
        let known = Arc::new(nodes.map(|node| node.address.ip()).collect());
        let judge = Judge::new(present);
        Self { judge, problems: Vec::new(), asked: BTreeSet::new(), held_back: BTreeSet::new(), known, empty: false }
    }

    /// Whether `node` may be asked now; it will not be a second time.
    fn may_ask(&mut self, node: SocketAddr) -> bool {
        self.asked.len() < ASKED && !self.held_back.contains(&node) && self.asked.insert(node)
    }
}

/// The problems of a read as one text.
fn summary(problems: &[String]) -> String {
    let told = problems.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    match problems.len().checked_sub(TOLD) {
        _ if problems.is_empty() => "there is no seed to ask".to_owned(),
        Some(more @ 1..) => format!("{told}; and {more} more"),
        _ => told,
    }
}

#[cfg(test)]
mod tests;
