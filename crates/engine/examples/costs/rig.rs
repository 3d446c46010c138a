//! An engine between clients and nodes that cost next to nothing: what it does is all there is to measure.

use engine::{Decision, Engine, Limits, SessionId, Time, UpstreamId};
use meant::{Cluster, Discovery, DnsFamily, Fraction, Mirror, ReadPolicy, RedisCluster, RedisProxy};
use meant::{Route, Routes, Settings, Upstream};
use observe::{ClusterStats, FilterStats};
use slots::topology::{Node, Part, Range};
use slots::{Slot, Topology, View};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What the clients send, and how the proxy is set up.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// How it is called in the table of costs.
    pub name: &'static str,
    /// The commands of a client, again and again.
    pub commands: &'static [Sent],
    /// Requests that a client sends at once.
    pub pipeline: usize,
    /// Reads go to replicas.
    pub replicas: bool,
    /// Writes are copied to a second cluster.
    pub mirror: bool,
}

/// One command of a workload.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// GET of a key.
    Get,
    /// SET of 64 bytes.
    Set,
    /// MGET of ten keys in ten slots.
    MgetSpread,
    /// MGET of ten keys in one slot.
    MgetSlot,
}

const fn plain(name: &'static str, commands: &'static [Sent], pipeline: usize) -> Workload {
    Workload { name, commands, pipeline, replicas: false, mirror: false }
}

const MIXED: &[Sent] = &[Sent::Get, Sent::Get, Sent::Get, Sent::Set];

/// The main workloads of `make bench`.
pub const WORKLOADS: &[Workload] = &[
    plain("get-p1", &[Sent::Get], 1),
    plain("get-p16", &[Sent::Get], 16),
    plain("get-p64", &[Sent::Get], 64),
    plain("set-p1", &[Sent::Set], 1),
    plain("set-p16", &[Sent::Set], 16),
    plain("set-p64", &[Sent::Set], 64),
    plain("mixed-p16", MIXED, 16),
    plain("mget10-slot-p1", &[Sent::MgetSlot], 1),
    plain("mget10-spread-p1", &[Sent::MgetSpread], 1),
    Workload { replicas: true, ..plain("get-p16-replicas", &[Sent::Get], 16) },
    Workload { mirror: true, ..plain("set-p16-mirror", &[Sent::Set], 16) },
];

const CLIENTS: usize = 50;
/// Different batches of a client, sent in turn.
const BATCHES: usize = 4;
/// What a worker reads at once.
const READ: usize = 64 << 10;

/// The engine, its clients and its nodes.
pub struct Rig {
    engine: Engine,
    pipeline: usize,
    clients: Vec<(SessionId, [Vec<u8>; BATCHES])>,
    /// One reply for every number of arguments.
    replies: Vec<Vec<u8>>,
    /// If all requests that nodes get are alike: how long one is, how long its reply, and very many replies.
    alike: Option<(usize, usize, Vec<u8>)>,
    turns: u64,
    upstreams: Vec<UpstreamId>,
    sessions: Vec<SessionId>,
    spoken: Vec<(UpstreamId, usize, Vec<u8>)>,
    /// Bytes that clients have got.
    pub received: usize,
}

impl Rig {
    /// Clients are connected, the clusters are known.
    pub fn new(workload: &Workload) -> Self {
        let mut engine = Engine::new(Limits::default(), 7);
        engine.begin_turn(Time(1));
        let main = engine.add_cluster(Arc::new(cluster("main")), Arc::new(ClusterStats::default()));
        let mirror = engine.add_cluster(Arc::new(cluster("mirror")), Arc::new(ClusterStats::default()));
        engine.apply_view(main, &view(7000));
        engine.apply_view(mirror, &view(8000));
        let filter = engine.add_filter(proxy(workload).into(), 1 << 20, Arc::new(FilterStats::default()));
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 6379));
        let clients = (0..CLIENTS).map(|client| (engine.client_opened(filter, local), batches(workload, client)));
        let clients = clients.collect();
        engine.end_turn();
        Self {
            engine,
            pipeline: workload.pipeline,
            clients,
            replies: replies(workload),
            alike: alike(workload),
            turns: 0,
            upstreams: Vec::new(),
            sessions: Vec::new(),
            spoken: Vec::new(),
            received: 0,
        }
    }

    /// Every client sends a batch and gets its replies: two turns. How many requests that was.
    pub fn round(&mut self) -> usize {
        self.turns += 1;
        self.engine.begin_turn(Time(self.turns * 200));
        for (id, batches) in &self.clients {
            self.engine.client_bytes(*id, &batches[self.turns as usize % BATCHES]);
        }
        self.settle();
        self.engine.begin_turn(Time(self.turns * 200 + 100));
        for (id, count, replies) in &mut self.spoken {
            let said = match &self.alike {
                Some((_, len, many)) => &many[..std::mem::take(count) * len],
                None => replies,
            };
            said.chunks(READ).for_each(|chunk| self.engine.upstream_bytes(*id, chunk));
            replies.clear();
        }
        self.settle();
        self.clients.len() * self.pipeline
    }

    /// What a worker does at the end of a turn.
    fn settle(&mut self) {
        loop {
            self.engine.take_dirty(&mut self.upstreams, &mut self.sessions);
            for id in &self.upstreams {
                let place = self.spoken.iter().position(|(known, ..)| known == id).unwrap_or_else(|| {
                    self.spoken.push((*id, 0, Vec::new()));
                    self.spoken.len() - 1
                });
                let (_, count, said) = &mut self.spoken[place];
                let output = self.engine.upstream_output(*id);
                let written = output.len();
                match &self.alike {
                    Some((len, ..)) => *count += written / len,
                    None => speak(output, &self.replies, said),
                }
                self.engine.upstream_wrote(*id, written);
            }
            for id in &self.sessions {
                let len = self.engine.client_output(*id).len();
                self.received += len;
                self.engine.client_wrote(*id, len);
            }
            let mut opened: [Option<UpstreamId>; 16] = [None; 16];
            let connects = self.engine.decisions().filter_map(|decision| match decision {
                Decision::Connect { upstream, .. } => Some(upstream),
                _ => None,
            });
            connects.zip(&mut opened).for_each(|(upstream, place)| *place = Some(upstream));
            opened.iter().flatten().for_each(|upstream| self.engine.upstream_opened(*upstream));
            if opened[0].is_none() && self.upstreams.is_empty() && self.sessions.is_empty() {
                break;
            }
        }
        self.engine.end_turn();
    }
}

/// A node reads what was sent to it: one reply for each request, found by its `*`, which no key or value holds.
fn speak(output: &[u8], replies: &[Vec<u8>], said: &mut Vec<u8>) {
    let mut rest = output;
    while let Some(star) = rest.iter().position(|byte| *byte == b'*') {
        rest = &rest[star + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        let count = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        said.extend_from_slice(&replies[count]);
        // No request is shorter: the next begins behind this one's name.
        rest = rest.get(13..).unwrap_or_default();
    }
}

fn alike(workload: &Workload) -> Option<(usize, usize, Vec<u8>)> {
    let [command] = workload.commands else { return None };
    let (request, arguments) = match command {
        Sent::MgetSpread => ("*2\r\n$4\r\nMGET\r\n$16\r\nkey:000000000000\r\n".len(), 2),
        Sent::MgetSlot => (request(*command, &mut 1).len(), 11),
        Sent::Get => (request(*command, &mut 1).len(), 2),
        Sent::Set => (request(*command, &mut 1).len(), 3),
    };
    let reply = &replies(workload)[arguments];
    Some((request, reply.len(), reply.repeat(CLIENTS * workload.pipeline * 10)))
}

fn replies(workload: &Workload) -> Vec<Vec<u8>> {
    let value = format!("$64\r\n{}\r\n", "v".repeat(64));
    let mut replies = vec![b"+OK\r\n".to_vec(); 12];
    let mget = matches!(workload.commands[0], Sent::MgetSlot | Sent::MgetSpread);
    replies[2] = if mget { format!("*1\r\n{value}").into_bytes() } else { value.clone().into_bytes() };
    replies[11] = format!("*10\r\n{}", value.repeat(10)).into_bytes();
    replies
}

fn batches(workload: &Workload, client: usize) -> [Vec<u8>; BATCHES] {
    let mut seed = client as u64 * 7919 + 1;
    std::array::from_fn(|_| {
        let commands = workload.commands.iter().cycle().take(workload.pipeline);
        commands.flat_map(|command| request(*command, &mut seed)).collect()
    })
}

fn request(command: Sent, seed: &mut u64) -> Vec<u8> {
    let mut key = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("key:{:012}", *seed >> 24 & 0xfffff)
    };
    let words = match command {
        Sent::Get => vec!["GET".into(), key()],
        Sent::Set => vec!["SET".into(), key(), "v".repeat(64)],
        Sent::MgetSpread => {
            let mut keys = Vec::new();
            while keys.len() < 10 {
                let next = key();
                let slot = |key: &String| Slot::of(key.as_bytes());
                if keys.iter().all(|known| slot(known) != slot(&next)) {
                    keys.push(next);
                }
            }
            std::iter::once("MGET".to_owned()).chain(keys).collect()
        }
        Sent::MgetSlot => {
            let tag = key();
            std::iter::once("MGET".to_owned()).chain((0..10).map(|i| format!("{{{tag}}}{i}"))).collect()
        }
    };
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).as_bytes()));
    bytes
}

fn view(port: u16) -> View {
    let node = |port| Node { address: (Ipv4Addr::LOCALHOST, port).into(), names: Vec::new() };
    let bounds = [0, 5461, 10923, 16384];
    let slot = |index: u16| Slot::new(index).unwrap_or(Slot::of(b""));
    let parts = (0..3u16).map(|i| Part {
        primary: node(port + i),
        replicas: vec![node(port + 10 + i)],
        slots: vec![Range { first: slot(bounds[i as usize]), last: slot(bounds[i as usize + 1] - 1) }],
    });
    View::Slots(Arc::new(Topology::build(parts)))
}

fn proxy(workload: &Workload) -> RedisProxy {
    let whole = Fraction { numerator: 1, denominator: 1 };
    let mirror = Mirror { cluster: "mirror".into(), fraction: whole, exclude_reads: true };
    let mirrors = if workload.mirror { vec![mirror] } else { Vec::new() };
    RedisProxy {
        stat_prefix: "costs".into(),
        settings: Settings {
            op_timeout: Duration::from_secs(3600),
            enable_hashtagging: true,
            enable_redirection: true,
            max_buffer_size_before_flush: 0,
            buffer_flush_timeout: Duration::from_millis(3),
            max_upstream_unknown_connections: 100,
            read_policy: if workload.replicas { ReadPolicy::Replica } else { ReadPolicy::Primary },
            enable_command_stats: true,
            connection_rate_limit: None,
        },
        latency_in_micros: true,
        routes: Routes {
            routes: Vec::new(),
            case_insensitive: false,
            catch_all: Some(Route { cluster: "main".into(), mirrors, ..Route::default() }),
        },
        auth: meant::Auth::default(),
        faults: Vec::new(),
    }
}

fn cluster(name: &str) -> Cluster {
    Cluster {
        name: name.into(),
        connect_timeout: Duration::from_secs(3600),
        discovery: Discovery::Redis(RedisCluster {
            refresh_rate: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(3),
            redirect_refresh_interval: Duration::from_secs(5),
            redirect_refresh_threshold: 5,
            failure_refresh_threshold: 0,
            host_degraded_refresh_threshold: 0,
        }),
        endpoints: Vec::new(),
        dns_family: DnsFamily::Auto,
        dns_refresh_rate: Duration::from_secs(5),
        upstream: Upstream::default(),
        keepalive: None,
        source: None,
        sockets: meant::Sockets::default(),
    }
}
