//! The driver: keeps a stream open and carries its messages to [`Talk`], updates to the user, verdicts back.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use prost::Message;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Streaming;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use crate::kind::{Kind, PerKind};
use crate::proto::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};
use crate::server::Dialect;

use super::backoff::Backoff;
use super::cache;
use super::connect::{Address, Way, call, chain, headers};
use super::lane::Want;
use super::settings::{Settings, State};
use super::talk::{Arrival, Outcome, Request, Talk};
use super::update::{Origin, Update, Verdict};

/// Changes are written to the cache when none has come for this long.
const CACHE_QUIET: Duration = Duration::from_secs(1);

/// The longest wait before what is sent again and again is refused again. go-control-plane answers a refusal with the same
/// resources at once, as fast as the connection allows; but it also sends nothing better before it has the refusal.
const LONGEST_REPEAT: Duration = Duration::from_secs(2);

/// A handle to a running client. When the last one is dropped, or the receiver of its updates is, the client stops.
#[derive(Clone, Debug)]
pub struct Client {
    wants: mpsc::UnboundedSender<(Kind, Want)>,
    state: watch::Receiver<State>,
}

impl Client {
    /// Starts a client. It connects as soon as something is wanted. Needs a tokio runtime with time and I/O.
    pub fn start(settings: Settings) -> (Client, mpsc::Receiver<Update>) {
        let (wants, wishes) = mpsc::unbounded_channel();
        let (updates, received) = mpsc::channel(1);
        let (state, seen) = watch::channel(State::default());
        let talk = Talk::new(settings.dialect, &settings.node);
        let backoff = Backoff::new(settings.backoff, LONGEST_REPEAT, settings.seed);
        let again = PerKind::each(|_| Again { at: None, backoff: backoff.clone() });
        let driver = Driver { talk, settings, wishes, updates, state, save_at: None, again };
        tokio::spawn(driver.run());
        (Client { wants, state: seen }, received)
    }

    /// What is needed of a kind from now on. May be called while an update is being judged.
    pub fn want(&self, kind: Kind, want: Want) {
        // A client that stopped wants nothing.
        let _ = self.wants.send((kind, want));
    }

    /// How the connection is, and its changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

/// The user is gone: nobody holds a handle, or nobody reads updates.
struct Gone;

struct Driver {
    talk: Talk,
    settings: Settings,
    wishes: mpsc::UnboundedReceiver<(Kind, Want)>,
    updates: mpsc::Sender<Update>,
    state: watch::Sender<State>,
    save_at: Option<Instant>,
    again: PerKind<Again>,
}

/// When to refuse once more what a control plane sends again and again.
struct Again {
    at: Option<Instant>,
    backoff: Backoff,
}

impl Again {
    fn schedule(&mut self, now: Instant) {
        self.at = Some(now + self.backoff.wait());
    }

    fn forget(&mut self) {
        self.at = None;
        self.backoff.reset();
    }
}

/// The open stream's outgoing side, in either protocol.
enum Out {
    Sotw(mpsc::UnboundedSender<DiscoveryRequest>),
    Delta(mpsc::UnboundedSender<DeltaDiscoveryRequest>),
    Closed,
}

impl Out {
    /// What cannot be sent is lost with the stream; the next one begins with all of it.
    fn send(&self, request: Option<Request>) {
        match (self, request) {
            (Out::Sotw(out), Some(Request::Sotw(request))) => drop(out.send(request)),
            (Out::Delta(out), Some(Request::Delta(request))) => drop(out.send(request)),
            _ => {}
        }
    }
}

/// What is different between the two protocols on the way in.
trait Reply: Message + Default + 'static {
    fn heard_by(self, talk: &mut Talk) -> Outcome;
}

impl Reply for DiscoveryResponse {
    fn heard_by(self, talk: &mut Talk) -> Outcome {
        talk.hear(&self)
    }
}

impl Reply for DeltaDiscoveryResponse {
    fn heard_by(self, talk: &mut Talk) -> Outcome {
        talk.hear_delta(self)
    }
}

impl Driver {
    async fn run(mut self) {
        // Its only error is that nobody listens any more.
        let _ = self.serve().await;
        self.save().await;
    }

    async fn serve(&mut self) -> Result<(), Gone> {
        while !self.talk.wants_something() {
            self.wish(&Out::Closed).await?;
        }
        self.restore().await?;
        let mut backoff = Backoff::new(self.settings.backoff, self.settings.longest_backoff, self.settings.seed);
        for turn in 0.. {
            let address = self.settings.addresses.get(turn % self.settings.addresses.len().max(1)).cloned();
            let error = match address {
                Some(address) => self.visit(&address, &mut backoff).await?,
                None => "no address of a control plane is configured".to_owned(),
            };
            self.state.send_modify(|state| (state.connected, state.last_error) = (None, Some(error.clone())));
            let wait = backoff.wait();
            tracing::warn!(%error, ?wait, "no stream to the control plane; what it sent last stays in use");
            self.pause(wait).await?;
        }
        Ok(())
    }

    /// One stream to one address, from its opening to its end, whose cause is returned.
    async fn visit(&mut self, address: &Address, backoff: &mut Backoff) -> Result<String, Gone> {
        let settings = self.settings.clone();
        let way = Way {
            address,
            tls: settings.tls.as_ref().filter(|_| matches!(address, Address::Tcp(..))),
            authority: settings.authority.as_deref(),
            timeout: settings.connect_timeout,
            keepalive: settings.keepalive,
        };
        let metadata = match headers(&settings.metadata) {
            Ok(metadata) => metadata,
            Err(wrong) => return Ok(format!("initial_metadata: {wrong} cannot be sent")),
        };
        let channel = match self.meanwhile(&Out::Closed, way.connect()).await? {
            Ok(channel) => channel,
            Err(error) => return Ok(format!("{address}: {error}")),
        };
        let error = match settings.dialect {
            Dialect::Sotw => {
                let (out, requests) = mpsc::unbounded_channel();
                let call = call::<_, DiscoveryResponse>(channel, settings.method.sotw, metadata, requests);
                self.converse(call, Out::Sotw(out), address, backoff).await?
            }
            Dialect::Delta => self.delta(channel, metadata, address, backoff).await?,
        };
        self.talk.disconnected();
        Ok(format!("{address}: {error}"))
    }

    async fn delta(
        &mut self,
        channel: Channel,
        metadata: MetadataMap,
        address: &Address,
        backoff: &mut Backoff,
    ) -> Result<String, Gone> {
        let (out, requests) = mpsc::unbounded_channel();
        let call = call::<_, DeltaDiscoveryResponse>(channel, self.settings.method.delta, metadata, requests);
        self.converse(call, Out::Delta(out), address, backoff).await
    }

    async fn converse<R: Reply>(
        &mut self,
        call: impl Future<Output = Result<Streaming<R>, tonic::Status>>,
        out: Out,
        address: &Address,
        backoff: &mut Backoff,
    ) -> Result<String, Gone> {
        for request in self.talk.connected() {
            out.send(Some(request));
        }
        // A server may send its headers with its first response only.
        let mut responses = match self.meanwhile(&out, call).await? {
            Ok(responses) => responses,
            Err(status) => return Ok(reason(&status)),
        };
        self.state.send_modify(|state| {
            state.connected = Some(address.to_string());
            state.streams += 1;
        });
        tracing::info!(%address, "stream to the control plane");
        loop {
            let again_at = self.again.iter().filter_map(|(_, again)| again.at).min();
            let next = async {
                tokio::select! {
                    response = responses.message() => Some(response),
                    () = until(again_at) => None,
                }
            };
            match self.meanwhile(&out, next).await? {
                Some(Ok(Some(response))) => {
                    backoff.reset();
                    self.receive(response, &out).await?;
                }
                Some(Ok(None)) => return Ok("the control plane ended the stream".to_owned()),
                Some(Err(status)) => return Ok(reason(&status)),
                None => self.reconsider(&out).await?,
            }
        }
    }

    async fn receive<R: Reply>(&mut self, response: R, out: &Out) -> Result<(), Gone> {
        self.state.send_modify(|state| state.responses += 1);
        match response.heard_by(&mut self.talk) {
            Outcome::Judge(arrival) => {
                self.again[arrival.kind].forget();
                self.deliver(&arrival, Origin::Server, out).await
            }
            Outcome::Say(acknowledgement) => {
                self.state.send_modify(|state| state.unchanged += 1);
                out.send(Some(*acknowledgement));
                Ok(())
            }
            Outcome::Repeat(kind) => {
                self.state.send_modify(|state| state.refused += 1);
                self.again[kind].schedule(Instant::now());
                Ok(())
            }
            Outcome::Ignore => Ok(()),
        }
    }

    async fn deliver(&mut self, arrival: &Arrival, origin: Origin, out: &Out) -> Result<(), Gone> {
        let (update, answer) = Update::new(arrival, origin);
        self.updates.send(update).await.map_err(|_| Gone)?;
        let verdict = self.verdict(arrival, answer, out).await?;
        let request = self.talk.judge(arrival, &verdict);
        if let Some(error) = request.as_ref().and_then(Request::error) {
            if self.state.borrow().last_refusal.as_deref() != Some(error) {
                tracing::warn!(kind = %arrival.kind, error, "what the control plane sent was refused");
            }
            self.state
                .send_modify(|state| (state.refused, state.last_refusal) = (state.refused + 1, Some(error.to_owned())));
        }
        out.send(request);
        self.save_at = Some(Instant::now() + CACHE_QUIET);
        Ok(())
    }

    async fn verdict(
        &mut self,
        arrival: &Arrival,
        answer: oneshot::Receiver<Verdict>,
        out: &Out,
    ) -> Result<Verdict, Gone> {
        let verdict = self.meanwhile(out, answer).await?;
        Ok(verdict.unwrap_or_else(|_| Verdict::refuse_all(&arrival.changed, "nobody could use it")))
    }

    /// Waits for something, and hears wishes while it lasts.
    async fn meanwhile<T>(&mut self, out: &Out, event: impl Future<Output = T>) -> Result<T, Gone> {
        tokio::pin!(event);
        loop {
            let save_at = self.save_at;
            tokio::select! {
                happened = &mut event => return Ok(happened),
                wished = self.wish(out) => wished?,
                () = until(save_at) => self.save().await,
            }
        }
    }

    /// What came again although it was refused is judged again.
    async fn reconsider(&mut self, out: &Out) -> Result<(), Gone> {
        let now = Instant::now();
        for kind in Kind::ALL {
            if self.again[kind].at.is_some_and(|at| at <= now) {
                self.again[kind].at = None;
                if let Some(arrival) = self.talk.reconsider(kind) {
                    self.deliver(&arrival, Origin::Server, out).await?;
                }
            }
        }
        Ok(())
    }

    async fn wish(&mut self, out: &Out) -> Result<(), Gone> {
        tokio::select! {
            wish = self.wishes.recv() => {
                let (kind, want) = wish.ok_or(Gone)?;
                out.send(self.talk.want(kind, want));
                Ok(())
            }
            () = self.updates.closed() => Err(Gone),
        }
    }

    async fn pause(&mut self, wait: Duration) -> Result<(), Gone> {
        self.meanwhile(&Out::Closed, tokio::time::sleep(wait)).await
    }

    /// Delivers what the cache holds, before anything else.
    async fn restore(&mut self) -> Result<(), Gone> {
        let Some(path) = self.settings.cache.clone() else { return Ok(()) };
        let kept = self.read_cache(path).await.unwrap_or_default();
        for kept in kept.into_iter().filter(|kept| !kept.resources.is_empty()) {
            let arrival = Arrival::cached(kept.kind, kept.version, kept.resources);
            self.deliver(&arrival, Origin::Cache, &Out::Closed).await?;
        }
        self.save_at = None;
        Ok(())
    }

    async fn read_cache(&self, path: PathBuf) -> Option<Vec<cache::Kept>> {
        let shown = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        match read.unwrap_or_else(|error| Err(error.into())) {
            Ok(bytes) => {
                let kept = cache::decode(&self.settings.node.id, &bytes);
                if kept.is_none() {
                    tracing::warn!(path = shown, "the cache is damaged, or another node's: it is not used");
                }
                kept
            }
            // The first start.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = shown, %error, "the cache cannot be read");
                None
            }
        }
    }

    async fn save(&mut self) {
        let Some(path) = self.settings.cache.clone().filter(|_| self.save_at.take().is_some()) else { return };
        let content = cache::encode(&self.settings.node.id, &self.talk);
        let shown = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || cache::replace(&path, &content)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(error.into())) {
            tracing::warn!(path = shown, %error, "the cache of the last good configuration was not written");
        }
    }
}

fn reason(status: &tonic::Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => format!("{:?}: {}", status.code(), chain(cause)),
        None => format!("{:?}: {}", status.code(), status.message()),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
