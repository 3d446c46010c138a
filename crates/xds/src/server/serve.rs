//! The server: listens, and pushes after each batch of changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::Status;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::names::{Names, Pool};
use crate::proto::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};

use super::debounce::Debounce;
use super::metrics::Metrics;
use super::service::Ads;
use super::session;
use super::source::Source;
use super::status::{Board, ProxyStatus};

/// How a server behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Changes are pushed when none has come for this long. Default 100 ms, as istiod's.
    pub quiet: Duration,
    /// And at the latest this long after the first. Default 1 s (istiod: 10 s, because a push costs it more).
    pub longest: Duration,
    /// How long an unanswered response holds back the next of its kind, and clusters that are not acknowledged hold
    /// back listeners. Default 1 s.
    pub patience: Duration,
    /// A connection without traffic is asked for a sign of life this often. Default 30 s.
    pub keepalive: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        let (quiet, second) = (Duration::from_millis(100), Duration::from_secs(1));
        Settings { quiet, longest: second, patience: second, keepalive: Duration::from_secs(30) }
    }
}

/// Certificates in PEM.
#[derive(Clone)]
pub struct ServerTls {
    /// The server's chain, leaf first.
    pub certificates: Vec<u8>,
    /// The leaf's key.
    pub key: Vec<u8>,
    /// Set: proxies must present a certificate that leads to one of these.
    pub client_roots: Option<Vec<u8>>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("asks_for_client", &self.client_roots.is_some()).finish_non_exhaustive()
    }
}

/// Why a listener is not served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificates or the key are of no use.
    #[error("TLS of the xDS server: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// The listener failed.
    #[error("xDS server: {0}")]
    Listen(#[source] tonic::transport::Error),
}

/// What all streams share.
pub(super) struct Hub {
    pub(super) source: Arc<dyn Source>,
    pub(super) settings: Settings,
    pub(super) board: Board,
    names: Mutex<Pool>,
    metrics: Mutex<Metrics>,
    push: watch::Receiver<Push>,
    streams: AtomicU64,
}

/// A batch of changes that goes out now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Push {
    /// When its first change came; none before the first batch.
    pub(super) since: Option<Instant>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn pushes(&self) -> watch::Receiver<Push> {
        let mut pushes = self.push.clone();
        pushes.mark_unchanged();
        pushes
    }

    pub(super) fn admit(&self) -> u64 {
        self.count(|metrics| metrics.streams += 1);
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Most proxies ask for the same endpoints: their list is kept once.
    pub(super) fn share(&self, names: &Names) -> Names {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).share(names)
    }

    /// A thread that died while it counted left at worst one count out.
    pub(super) fn count<T>(&self, act: impl FnOnce(&mut Metrics) -> T) -> T {
        act(&mut self.metrics.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An xDS server. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Server {
    hub: Arc<Hub>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Starts to follow the source. Needs a tokio runtime with time; nothing is served before [`Server::serve`].
    pub fn start(source: Arc<dyn Source>, settings: Settings) -> Server {
        let (pusher, push) = watch::channel(Push::default());
        let (board, names, metrics, streams) =
            (Board::default(), Mutex::default(), Mutex::default(), AtomicU64::new(1));
        let hub = Arc::new(Hub { source, settings, board, names, metrics, push, streams });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(follow(hub.clone(), pusher, stopped));
        Server { hub, stop }
    }

    /// Serves a listener until [`Server::stop`]: plain, or with TLS.
    pub async fn serve(&self, listener: TcpListener, tls: Option<ServerTls>) -> Result<(), StartError> {
        let mut builder = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(self.hub.settings.keepalive))
            .http2_keepalive_timeout(Some(self.hub.settings.keepalive));
        if let Some(tls) = tls {
            let mut config = ServerTlsConfig::new().identity(Identity::from_pem(tls.certificates, tls.key));
            if let Some(roots) = tls.client_roots {
                config = config.client_ca_root(Certificate::from_pem(roots));
            }
            builder = builder.tls_config(config).map_err(StartError::Tls)?;
        }
        let mut stopped = self.stop.subscribe();
        let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let incoming = TcpListenerStream::new(listener);
        builder.serve_with_incoming_shutdown(Ads(self.hub.clone()), incoming, stop).await.map_err(StartError::Listen)
    }

    /// One stream of the state-of-the-world protocol without a connection under it.
    pub fn sotw(
        &self,
        requests: impl Stream<Item = Result<DiscoveryRequest, Status>> + Send + Unpin + 'static,
    ) -> ReceiverStream<Result<DiscoveryResponse, Status>> {
        session::open(self.hub.clone(), requests)
    }

    /// One stream of the incremental protocol without a connection under it.
    pub fn delta(
        &self,
        requests: impl Stream<Item = Result<DeltaDiscoveryRequest, Status>> + Send + Unpin + 'static,
    ) -> ReceiverStream<Result<DeltaDiscoveryResponse, Status>> {
        session::open(self.hub.clone(), requests)
    }

    /// Ends all streams and all [`Server::serve`].
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The proxies connected now, by name.
    pub fn proxies(&self) -> Vec<ProxyStatus> {
        self.hub.board.read()
    }

    /// What was done since the start.
    pub fn metrics(&self) -> Metrics {
        self.hub.count(|metrics| metrics.clone())
    }

    /// [`Server::metrics`] in the text format of Prometheus, with the proxies connected now.
    pub fn prometheus(&self) -> String {
        let mut connected: BTreeMap<String, u64> = BTreeMap::new();
        for proxy in self.proxies() {
            let version = proxy.node.text("ISTIO_VERSION").unwrap_or(&proxy.node.user_agent).to_owned();
            *connected.entry(version).or_default() += 1;
        }
        self.metrics().prometheus(connected.iter().map(|(version, count)| (version.as_str(), *count)))
    }
}

/// Turns the source's changes into pushes. Its end, which drops `pusher`, ends all streams.
async fn follow(hub: Arc<Hub>, pusher: watch::Sender<Push>, mut stopped: watch::Receiver<bool>) {
    let mut changes = hub.source.changes();
    let mut debounce = Debounce::new(hub.settings.quiet, hub.settings.longest);
    let mut may_change = true;
    loop {
        let due = debounce.due();
        tokio::select! {
            changed = changes.changed(), if may_change => {
                may_change = changed.is_ok();
                if !may_change {
                    continue;
                }
                hub.count(|metrics| metrics.changes += 1);
                debounce.note(Instant::now());
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                if let Some(batch) = debounce.take(Instant::now()) {
                    hub.count(|metrics| metrics.batches += 1);
                    pusher.send_replace(Push { since: Some(batch.first) });
                }
            }
            stopping = stopped.wait_for(|stopped| *stopped) => {
                drop(stopping);
                return;
            }
        }
    }
}
