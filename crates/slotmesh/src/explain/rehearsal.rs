//! A command, played through the engine that serves clients, against nodes that only take notes.
//!
//! Explaining a command with rules of its own would sooner or later explain something else than what happens. So the
//! engine itself is asked: it knows no socket and no clock, and whatever it sends says where a command goes. To see which
//! route a request took, each cluster that a route names is entered anew for that route, under a name that says whose it
//! is. Chance is played often enough that everybody who may be chosen is.

use super::meaning::{Meant, Members};
use engine::{Closed, ClusterId, Decision, Engine, FilterId, Limits, SessionId, Time, UpstreamId};
use meant::{Fraction, RedisProxy};
use observe::{ClusterStats, FilterStats};
use resp::request::{Scan, Step};
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Draws for each node of the largest cluster: of nodes that are equally likely, one is missed once in 20,000 times.
const DRAWS: usize = 10;

/// At least and at most so many: a client that waits for more replies is read no more.
const FEWEST: usize = 100;
const MOST: usize = 4000;

/// For what a route names a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// `cluster`.
    Serve,
    /// `read_command_policy.cluster`.
    Read,
    /// The mirror of that number.
    Mirror(usize),
}

/// Whose a cluster is: the route's place in the order of [`Meant::routes`], and for what.
pub type Whose = (usize, Errand);

/// What a node was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// Along which route, for what.
    pub whose: Whose,
    /// To whom.
    pub node: SocketAddr,
    /// The words.
    pub words: Vec<Vec<u8>>,
}

/// What came of a command.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// What was sent, each once, in order.
    pub sent: BTreeSet<Sent>,
    /// What the client reads before any node has answered: a refusal, or the proxy's own answer.
    pub reply: Option<Vec<u8>>,
    /// Which route's cluster that is about, where it names one.
    pub about: Option<Whose>,
}

/// Plays a command; with `draws` often enough for everybody who may be chosen.
pub fn play(meant: &Meant, words: &[Vec<u8>], draws: bool) -> Played {
    let mut stage = Stage::new(meant);
    let mut request = Vec::new();
    resp::write::command(&mut request, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut played = Played::default();
    for _ in 0..if draws { enough(meant) } else { 1 } {
        stage.begin();
        stage.engine.client_bytes(stage.client, &request);
        stage.settle(&mut played);
    }
    played
}

/// How often a command is played for everybody to have a turn.
fn enough(meant: &Meant) -> usize {
    let largest = meant.clusters.values().map(|cluster| cluster.members.count()).max().unwrap_or_default();
    (largest * DRAWS).clamp(FEWEST, MOST)
}

struct Stage<'m> {
    meant: &'m Meant,
    engine: Engine,
    client: SessionId,
    whose: HashMap<ClusterId, Whose>,
    /// The clusters' names here, and there.
    names: Vec<(String, String, Whose)>,
    nodes: HashMap<UpstreamId, (ClusterId, SocketAddr)>,
    now: u64,
}

impl<'m> Stage<'m> {
    fn new(meant: &'m Meant) -> Self {
        let mut engine = Engine::new(Limits::default(), 1);
        engine.begin_turn(Time(1));
        let mut proxy = RedisProxy::clone(&meant.filter);
        proxy.faults.clear();
        proxy.settings.connection_rate_limit = None;
        proxy.settings.max_buffer_size_before_flush = 0;
        let (mut whose, mut names) = (HashMap::new(), Vec::new());
        let in_order = meant.order.iter().enumerate();
        for (place, written) in in_order {
            let Some(route) = route_at(&mut proxy, *written) else { continue };
            let mut enter = |name: &mut String, errand: Errand| {
                let own = format!("{place} {errand:?} {name}");
                if let Some(id) = add(&mut engine, meant, name, &own) {
                    whose.insert(id, (place, errand));
                }
                names.push((own.clone(), std::mem::replace(name, own), (place, errand)));
            };
            enter(&mut route.cluster, Errand::Serve);
            route.read_cluster.iter_mut().for_each(|name| enter(name, Errand::Read));
            for (number, mirror) in route.mirrors.iter_mut().enumerate() {
                mirror.fraction = Fraction::ALL;
                enter(&mut mirror.cluster, Errand::Mirror(number));
            }
        }
        let filter = engine.add_filter(Arc::new(proxy), 1 << 20, Arc::new(FilterStats::default()));
        let client = authorized(&mut engine, filter, meant);
        engine.end_turn();
        Self { meant, engine, client, whose, names, nodes: HashMap::new(), now: 1 }
    }

    fn begin(&mut self) {
        self.now += 1;
        self.engine.begin_turn(Time(self.now));
    }

    /// What a worker does at the end of a turn, but that nodes only take notes.
    fn settle(&mut self, played: &mut Played) {
        let (mut upstreams, mut clients) = (Vec::new(), Vec::new());
        loop {
            let decisions: Vec<Decision> = self.engine.decisions().collect();
            for decision in &decisions {
                let Decision::Connect { upstream, address, cluster } = decision else { continue };
                self.nodes.insert(*upstream, (*cluster, *address));
                if self.meant.unhealthy.contains(address) {
                    self.engine.upstream_closed(*upstream, &Closed::Refused("it is unhealthy".to_owned()));
                } else {
                    self.engine.upstream_opened(*upstream);
                }
            }
            self.engine.take_dirty(&mut upstreams, &mut clients);
            upstreams.iter().for_each(|id| self.note(*id, played));
            for id in &clients {
                let output = self.engine.client_output(*id).to_vec();
                self.engine.client_wrote(*id, output.len());
                if !output.is_empty() && played.reply.is_none() {
                    self.hear(&output, played);
                }
            }
            if decisions.is_empty() && upstreams.is_empty() && clients.is_empty() {
                break;
            }
        }
        self.engine.end_turn();
    }

    /// Takes a reply, with the clusters' own names.
    fn hear(&self, output: &[u8], played: &mut Played) {
        let mut text = output.to_vec();
        for (here, there, whose) in &self.names {
            let said = String::from_utf8_lossy(&text);
            if said.contains(here) {
                played.about = Some(*whose);
                text = said.replace(here, there).into_bytes();
            }
        }
        played.reply = Some(text);
    }

    fn note(&mut self, id: UpstreamId, played: &mut Played) {
        let bytes = self.engine.upstream_output(id).to_vec();
        self.engine.upstream_wrote(id, bytes.len());
        let Some((cluster, node)) = self.nodes.get(&id).copied() else { return };
        let Some(whose) = self.whose.get(&cluster).copied() else { return };
        for words in requests(&bytes) {
            // How the proxy greets a node that is to serve reads.
            if words != [b"READONLY"] {
                played.sent.insert(Sent { whose, node, words });
            }
        }
    }
}

/// The route at a place of the configuration; the last is the catch-all.
fn route_at(proxy: &mut RedisProxy, written: usize) -> Option<&mut meant::Route> {
    let catch_all = proxy.routes.catch_all.as_mut();
    if written < proxy.routes.routes.len() { proxy.routes.routes.get_mut(written) } else { catch_all }
}

/// Enters a cluster under another name, with the members that are known of it.
fn add(engine: &mut Engine, meant: &Meant, name: &str, own: &str) -> Option<ClusterId> {
    let cluster = meant.clusters.get(name)?;
    let mut entered = meant::Cluster::clone(&cluster.meant);
    own.clone_into(&mut entered.name);
    let id = engine.add_cluster(Arc::new(entered), Arc::new(ClusterStats::default()));
    let (Members::Known(view) | Members::Assumed(view)) = &cluster.members;
    engine.apply_view(id, view);
    Some(id)
}

/// A client that has given the password, if one is asked for.
fn authorized(engine: &mut Engine, filter: FilterId, meant: &Meant) -> SessionId {
    let client = engine.client_opened(filter, SocketAddr::from((Ipv4Addr::LOCALHOST, 6379)));
    let auth = &meant.filter.auth;
    if let Some(password) = auth.passwords.first() {
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(auth.username.as_ref().map(meant::Secret::reveal));
        words.push(password.reveal());
        let mut request = Vec::new();
        resp::write::command(&mut request, &words);
        engine.client_bytes(client, &request);
        let replied = engine.client_output(client).len();
        engine.client_wrote(client, replied);
    }
    client
}

/// The requests in what was written to a node.
pub fn requests(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut scan, mut at, mut found) = (Scan::default(), 0, Vec::new());
    while let Ok(Step::Whole { request, consumed, .. }) = scan.next(&bytes[at..], &resp::Limits::default()) {
        found.push((0..request.len()).filter_map(|i| request.get(i)).map(<[u8]>::to_vec).collect());
        at += consumed;
        if at >= bytes.len() {
            break;
        }
    }
    found
}
