//! A worker's turn: wait, hear, work, write, decide.

use crate::adopt::{Clusters, Hall};
use crate::clients::{Client, Lingering};
use crate::hall::Guest;
use crate::mail::Mail;
use crate::pass::{Filter, Pass};
use crate::upstreams::Upstream;
use engine::{ClusterId, Decision, Engine, Report, SessionId, Time, UpstreamId};
use mio::{Events, Interest, Poll, Token, event};
use observe::Registry;
use slab::Slab;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Bytes read at once.
pub(crate) const SCRATCH: usize = 64 << 10;
/// Events heard at once.
const EVENTS: usize = 1024;
/// How often connections that pass through, and sockets that linger, are looked after.
const CARE: Duration = Duration::from_millis(50);

/// What a token stands for; the lower three bits of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Client = 0,
    Upstream = 1,
    PassClient = 2,
    PassNode = 3,
    Hall = 4,
}

/// The token of the worker's bell.
pub(crate) const BELL: Token = Token(usize::MAX);

/// Where a worker's reports go.
pub(crate) type Reports = Arc<dyn Fn(ClusterId, &Report, u32) + Send + Sync>;

/// One worker, all that its thread owns.
pub(crate) struct Worker {
    pub(crate) poll: Poll,
    pub(crate) mail: mpsc::Receiver<Mail>,
    pub(crate) engine: Engine,
    pub(crate) clients: Vec<Option<Client>>,
    pub(crate) upstreams: Vec<Option<Upstream>>,
    pub(crate) passes: Slab<Pass>,
    /// By number, as `halls`.
    pub(crate) tcp_filters: Vec<Option<Filter>>,
    pub(crate) halls: Vec<Option<Hall>>,
    /// Clients of which it is not known yet, or not settled, which chain they go to.
    pub(crate) waiting: Slab<Guest>,
    pub(crate) by_address: HashMap<SocketAddr, usize>,
    /// Clusters that were asked for and are not there, and were told of.
    pub(crate) unknown: HashSet<String>,
    pub(crate) clusters: Clusters,
    pub(crate) registry: Arc<Registry>,
    pub(crate) number: usize,
    pub(crate) next_member: usize,
    pub(crate) clients_count: Arc<AtomicUsize>,
    pub(crate) reports: Reports,
    pub(crate) scratch: Vec<u8>,
    /// Clients with more to read than one turn allows.
    pub(crate) read_again: Vec<SessionId>,
    /// Connections to nodes that were paused, and may be read again.
    pub(crate) read_on: Vec<UpstreamId>,
    pub(crate) lingering: Vec<Lingering>,
    pub(crate) start: Instant,
    pub(crate) pending: Vec<(ClusterId, Report, u32)>,
    pub(crate) draining: bool,
    pub(crate) stopped: bool,
}

impl Worker {
    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let (mut upstreams, mut clients) = (Vec::new(), Vec::new());
        let mut due = Time::NEVER;
        while !self.stopped {
            let wait = self.patience(due);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "waiting for events failed; the worker ends");
                    return;
                }
                _ => {}
            }
            self.engine.begin_turn(Time(self.start.elapsed().as_micros() as u64));
            self.hear(&events);
            self.settle(&mut upstreams, &mut clients);
            due = self.engine.end_turn();
            self.stopped |= self.draining && self.clients_count.load(Ordering::Relaxed) == 0;
        }
    }

    /// How long to wait for events.
    fn patience(&self, due: Time) -> Option<Duration> {
        if !self.read_again.is_empty() || !self.read_on.is_empty() {
            return Some(Duration::ZERO);
        }
        let care = !(self.lingering.is_empty() && self.passes.is_empty() && self.waiting.is_empty());
        let care = care.then_some(CARE);
        let now = self.start.elapsed().as_micros() as u64;
        let until = (due != Time::NEVER).then(|| Duration::from_micros(due.0.saturating_sub(now)));
        care.into_iter().chain(until).min()
    }

    fn hear(&mut self, events: &Events) {
        for id in std::mem::take(&mut self.read_again) {
            self.read_client(id);
        }
        for id in std::mem::take(&mut self.read_on) {
            // The node's end may have been announced meanwhile, and will not be again.
            self.read_upstream(id, true);
        }
        for event in events {
            let token = event.token();
            if token == BELL {
                self.read_mail();
                continue;
            }
            let index = token.0 >> 3;
            match token.0 & 7 {
                0 => self.client_event(index, event),
                1 => self.upstream_event(index, event),
                2 => self.pass_event(index, false),
                3 => self.pass_event(index, true),
                _ => self.guest_event(index, event),
            }
        }
        if !self.lingering.is_empty() {
            self.linger();
        }
        if !self.passes.is_empty() {
            self.end_idle_passes();
        }
        if !self.waiting.is_empty() {
            self.usher();
        }
    }

    fn read_mail(&mut self) {
        while let Ok(mail) = self.mail.try_recv() {
            match mail {
                Mail::Client(stream, listener) => self.enter(stream, listener),
                Mail::View(cluster, view) => self.see(cluster, &view),
                Mail::Change(orders) => self.adopt(&orders),
                Mail::Drain => {
                    self.draining = true;
                    self.empty_hall();
                    self.engine.hang_up_all();
                }
                Mail::Stop => self.stopped = true,
            }
        }
    }

    /// Writes each touched socket once and does what the engine decided, until nothing is left.
    fn settle(&mut self, upstreams: &mut Vec<UpstreamId>, clients: &mut Vec<SessionId>) {
        loop {
            self.engine.take_dirty(upstreams, clients);
            // Clients first: what they send next is here while the nodes are still written to, and so the next turn is
            // larger and reaches each node with more requests at once (docs/performance.md has the numbers).
            for id in clients.iter() {
                self.write_client(*id);
            }
            for id in upstreams.iter() {
                self.write_upstream(*id);
            }
            let decisions: Vec<Decision> = self.engine.decisions().collect();
            if decisions.is_empty() && upstreams.is_empty() && clients.is_empty() {
                break;
            }
            for decision in decisions {
                self.carry_out(decision);
            }
        }
        for (cluster, report, count) in self.pending.drain(..) {
            (self.reports)(cluster, &report, count);
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Connect { upstream, address, cluster } => self.connect(upstream, address, cluster),
            Decision::CloseUpstream(id) => self.close_upstream(id),
            Decision::CloseClient(id) => self.close_client(id),
            Decision::Resume(id) => self.resume_client(id),
            Decision::ResumeUpstream(id) => self.resume_upstream(id),
            Decision::Report(cluster, report) => self.note(cluster, report),
        }
    }

    /// Collects a turn's reports, equal ones once with their number.
    fn note(&mut self, cluster: ClusterId, report: Report) {
        let known = self.pending.iter_mut().find(|(id, known, _)| *id == cluster && *known == report);
        match known {
            Some((_, _, count)) => *count += 1,
            None => self.pending.push((cluster, report, 1)),
        }
    }

    /// Watches a socket for both directions, edge-triggered.
    pub(crate) fn register(&self, socket: &mut impl event::Source, kind: Kind, index: usize) -> io::Result<()> {
        let token = Token(index << 3 | kind as usize);
        self.poll.registry().register(socket, token, Interest::READABLE | Interest::WRITABLE)
    }
}
