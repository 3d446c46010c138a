//! Several nodes may have to be asked until one is believed. The next one is asked as soon as one fails, or beside it when
//! it does not answer soon: an address that swallows packets costs a fraction of a second instead of a time-out.

use crate::ask::{Asker, Silence};
use crate::decision::{Candidate, Candidates, Judge, Opinion, Verdict};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a node is waited for before another one is asked beside it.
const SOON: Duration = Duration::from_millis(200);
/// How many are asked at once.
const AT_ONCE: usize = 4;
/// How many nodes are asked in one read: with all of them silent it still ends within eight time-outs.
const ASKED: usize = 32;

/// One step of a read.
pub(super) enum Step {
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
pub(super) struct Reading<'a> {
    asker: &'a Arc<Asker>,
    pub(super) candidates: &'a mut Candidates,
    judge: Judge<'a>,
    /// Who did not help, and why.
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

impl<'a> Reading<'a> {
    /// A read while `present` is in use.
    pub(super) fn new(asker: &'a Arc<Asker>, candidates: &'a mut Candidates, present: Option<&'a Opinion>) -> Self {
        let nodes = present.into_iter().flat_map(|present| present.map.nodes());
        Self {
            asker,
            candidates,
            judge: Judge::new(present),
            problems: Vec::new(),
            asked: BTreeSet::new(),
            held_back: BTreeSet::new(),
            known: Arc::new(nodes.map(|node| node.address.ip()).collect()),
            empty: false,
        }
    }

    /// The steps that begin at the seeds.
    pub(super) fn seeds(&self) -> Vec<Step> {
        let endpoints = self.asker.cluster.endpoints.iter();
        endpoints.map(|endpoint| Step::Resolve(endpoint.host.clone(), endpoint.port)).collect()
    }

    /// From now on these are not asked, and those before them are again.
    pub(super) fn hold_back(&mut self, nodes: &[Candidate]) {
        self.held_back = nodes.iter().map(|node| node.address).collect();
    }

    /// Nobody else can be asked: what is found all the same, else the problems, and whether a seed has no address.
    pub(super) fn close(self, found: Option<Opinion>) -> (Option<Opinion>, Vec<String>, bool) {
        (found.or_else(|| self.judge.closed()), self.problems, self.empty)
    }

    /// Takes the steps in turn, the next one as soon as one fails or is late, until somebody is believed.
    pub(super) async fn ask_each(&mut self, steps: impl IntoIterator<Item = Step>) -> Option<Opinion> {
        let mut steps: VecDeque<_> = steps.into_iter().collect();
        let mut asking = JoinSet::new();
        loop {
            if asking.len() < AT_ONCE
                && let Some(step) = steps.pop_front()
            {
                self.begin(step, &mut asking);
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
                Some(Err(broken)) => self.problems.push(broken.to_string()),
                Some(Ok(Outcome::Resolved(host, port, addresses))) => {
                    self.resolved((host, port), addresses, &mut steps);
                }
                Some(Ok(Outcome::Said(node, said))) => {
                    if let Some(opinion) = self.weigh(&node, said) {
                        return Some(opinion);
                    }
                }
            }
        }
    }

    fn begin(&mut self, step: Step, asking: &mut JoinSet<Outcome>) {
        let asker = Arc::clone(self.asker);
        match step {
            Step::Ask(node) => {
                if !self.may_ask(node.address) {
                    return;
                }
                let known = Arc::clone(&self.known);
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
                self.empty = true;
                "the name has no address".to_owned()
            }
            Err(error) => format!("the name does not resolve: {error}"),
        };
        self.problems.push(format!("{host}:{port}: {problem}"));
    }

    /// Whether `node` may be asked now; it will not be a second time.
    fn may_ask(&mut self, node: SocketAddr) -> bool {
        self.asked.len() < ASKED && !self.held_back.contains(&node) && self.asked.insert(node)
    }

    /// What one node said: either believed, or a problem.
    fn weigh(&mut self, node: &Candidate, said: Result<Opinion, Silence>) -> Option<Opinion> {
        let problem = match said {
            Ok(opinion) => {
                self.candidates.answered(node.address);
                match self.judge.hear(opinion) {
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
        self.problems.push(format!("{}{name}: {problem}", node.address));
        None
    }
}
