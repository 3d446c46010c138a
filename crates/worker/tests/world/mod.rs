//! A crew, the nodes behind it and the certificates of both.
#![allow(dead_code)] // Each test file uses a part of it.

use meant::{
    Auth, Balance, Chain, ChainMatch, ClientTls, Cluster, Discovery, DnsFamily, Filter, Identity, Listener, NameMatch,
    Proxy, ReadPolicy, RedisProxy, Roots, Route, Routes, Secret, ServerTls, Settings, Sockets, TcpProxy, Tls, Trust,
    Upstream, Way,
};
use observe::Registry;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use slots::{Host, View};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tls::Secrets;
use tls::rustls::{ClientConnection, ServerConnection, StreamOwned};
use worker::{Crew, Limits, Plan};

pub const SOON: Duration = Duration::from_secs(5);

/// A certificate authority.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// A chain and its key, for a SPIFFE identity.
    pub fn issue(&self, uri: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    pub fn identity(&self, uri: &str) -> Identity {
        let (chain, key) = self.issue(uri);
        Identity::Written { chain, key: Secret::new(key) }
    }

    pub fn trust(&self, names: Vec<NameMatch>) -> Trust {
        Trust { roots: Roots::Written(self.pem.clone().into_bytes()), names }
    }

    /// TLS of a server with an identity of this authority.
    pub fn server(&self, strict: bool) -> ServerTls {
        let trust = if strict { self.trust(Vec::new()) } else { Trust::default() };
        let identity = Some(self.identity("spiffe://t/server"));
        ServerTls { requires_client_certificate: strict, shared: Tls { identity, trust, ..Tls::default() } }
    }

    /// TLS of a client that trusts this authority.
    pub fn client(&self, sni: &str) -> ClientTls {
        let identity = Some(self.identity("spiffe://t/client"));
        ClientTls { sni: sni.into(), shared: Tls { identity, trust: self.trust(Vec::new()), ..Tls::default() } }
    }
}

pub trait Talk: Read + Write + Send {}
impl<T: Read + Write + Send> Talk for T {}

/// A server that runs `serve` for each connection in a thread of its own, by TLS or not.
pub fn node(tls: Option<&ServerTls>, serve: fn(Box<dyn Talk>, SocketAddr)) -> SocketAddr {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    node_at(any, tls, serve)
}

pub fn node_at(at: SocketAddr, tls: Option<&ServerTls>, serve: fn(Box<dyn Talk>, SocketAddr)) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = tls.map(|tls| tls::server(tls, &Secrets::default()).unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, peer) = (tls.clone(), stream.peer_addr().unwrap());
            thread::spawn(move || match tls {
                None => serve(Box::new(stream), peer),
                Some(tls) => {
                    let server = ServerConnection::new(Arc::clone(tls.config())).unwrap();
                    serve(Box::new(StreamOwned::new(server, stream)), peer);
                }
            });
        }
    });
    address
}

/// Answers every read that ends a command with one reply.
pub fn redis(mut stream: Box<dyn Talk>, _: SocketAddr) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(b"$5\r\nhello\r\n").and_then(|()| stream.flush()).is_err() {
            return;
        }
        let _ = n;
    }
}

/// Sends back what comes, first of all where the connection comes from; and ends when the other side has.
pub fn echo(mut stream: Box<dyn Talk>, peer: SocketAddr) {
    let mut buffer = vec![0; 64 << 10];
    let _ = stream.write_all(format!("{}\n", peer.ip()).as_bytes()).and_then(|()| stream.flush());
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
    let _ = stream.write_all(b"over").and_then(|()| stream.flush());
}

/// Connects to `at`, by TLS if told to.
pub fn connect(at: SocketAddr, tls: Option<&ClientTls>) -> Box<dyn Talk> {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    match tls {
        None => Box::new(stream),
        Some(tls) => {
            let tls = tls::client(tls, &Secrets::default()).unwrap();
            let client = ClientConnection::new(Arc::clone(tls.config()), tls.name(at.ip())).unwrap();
            Box::new(StreamOwned::new(client, stream))
        }
    }
}

/// Sends a request and reads one line of the answer.
pub fn ask(stream: &mut dyn Talk, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    line(stream)
}

/// Reads a line; what came before an end or an error, if one comes first.
pub fn line(stream: &mut dyn Talk) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while matches!(stream.read(&mut byte), Ok(1)) && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// Whether the other side ends the connection, without a word.
pub fn is_closed(stream: &mut dyn Talk) -> bool {
    matches!(stream.read(&mut [0]), Ok(0))
        || matches!(stream.read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset)
}

pub const GET: &str = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

pub fn cluster(name: &str) -> Cluster {
    Cluster {
        name: name.into(),
        connect_timeout: Duration::from_secs(2),
        discovery: Discovery::Static(Balance::RoundRobin),
        endpoints: Vec::new(),
        dns_family: DnsFamily::Auto,
        dns_refresh_rate: Duration::from_secs(5),
        upstream: Upstream::default(),
        keepalive: None,
        source: None,
        sockets: Sockets::default(),
    }
}

pub fn to_redis(cluster: &str) -> Filter {
    let settings = Settings {
        op_timeout: Duration::from_secs(2),
        enable_hashtagging: false,
        enable_redirection: false,
        max_buffer_size_before_flush: 0,
        buffer_flush_timeout: Duration::from_millis(3),
        max_upstream_unknown_connections: 100,
        read_policy: ReadPolicy::Primary,
        enable_command_stats: false,
        connection_rate_limit: None,
    };
    let routes = Routes { catch_all: Some(Route { cluster: cluster.into(), ..Route::default() }), ..Routes::default() };
    Filter::Redis(Arc::new(RedisProxy {
        stat_prefix: "r".into(),
        settings,
        latency_in_micros: false,
        routes,
        auth: Auth::default(),
        faults: Vec::new(),
    }))
}

pub fn to_tcp(to: Way) -> Filter {
    Filter::Tcp(TcpProxy { stat_prefix: "t".into(), to, idle_timeout: None, max_connect_attempts: 2 })
}

pub fn to_cluster(cluster: &str) -> Filter {
    to_tcp(Way::Clusters(vec![(cluster.into(), 1)]))
}

pub fn chain(name: &str, matches: ChainMatch, tls: Option<ServerTls>, filter: Filter) -> Arc<Chain> {
    Arc::new(Chain { name: name.into(), matches, tls: tls.map(Arc::new), tls_timeout: None, filter })
}

pub fn listener(chains: Vec<Arc<Chain>>) -> Listener {
    let one = Listener::with_one_filter("l", (Ipv4Addr::LOCALHOST, 0).into(), to_cluster("none"));
    Listener { chains, ..one }
}

/// A running crew.
pub struct World {
    pub crew: Option<Crew>,
    pub registry: Arc<Registry>,
}

impl World {
    /// Runs `listeners` and `clusters`, each of these with the members given.
    pub fn start(listeners: Vec<Listener>, clusters: Vec<(Cluster, Vec<SocketAddr>)>) -> Self {
        let registry = Registry::new(1);
        let reports = Arc::new(|_: usize, _: &worker::Report, _: u32| {});
        let plan = Plan { workers: 1, registry: Arc::clone(&registry), limits: Limits::default(), seed: 1, reports };
        let mut crew = Crew::start(&plan).unwrap();
        let (clusters, members): (Vec<_>, Vec<_>) = clusters.into_iter().unzip();
        let proxy = Proxy {
            listeners: listeners.into_iter().map(Arc::new).collect(),
            clusters: clusters.into_iter().map(Arc::new).collect(),
            ..Proxy::default()
        };
        crew.change(&proxy).unwrap();
        let publish = crew.publisher();
        for (cluster, members) in proxy.clusters.iter().zip(members) {
            let host = |address: SocketAddr| Host { address, name: None, weight: 1, socket: 0 };
            let hosts: Arc<[Host]> = members.into_iter().map(host).collect();
            publish(crew.cluster(&cluster.name).unwrap(), &View::Hosts(hosts));
        }
        Self { crew: Some(crew), registry }
    }

    pub fn crew(&mut self) -> &mut Crew {
        self.crew.as_mut().unwrap()
    }

    /// Where the listener of this name listens.
    pub fn at(&self, name: &str) -> SocketAddr {
        let listeners = self.crew.as_ref().unwrap().listeners();
        listeners.into_iter().find(|(known, _)| known == name).unwrap().1
    }

    /// The sum of the statistics whose name ends so.
    pub fn stat(&self, end: &str) -> u64 {
        let totals = self.registry.totals();
        totals
            .samples()
            .filter(|sample| sample.scope.dotted(&sample.name).ends_with(end))
            .map(|sample| sample.value)
            .sum()
    }

    /// Waits until a statistic has this value.
    pub fn wait_for(&self, end: &str, value: u64) {
        let start = Instant::now();
        while self.stat(end) != value {
            assert!(start.elapsed() < SOON, "{end} is {} and not {value}", self.stat(end));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(crew) = self.crew.take() {
            crew.stop();
        }
    }
}

/// Ends this side of a raw connection.
pub fn finish(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}
