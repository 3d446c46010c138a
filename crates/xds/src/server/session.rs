//! The driver of one stream: carries requests, new snapshots and time to [`Stream`], and its responses out.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream as Requests, StreamExt};
use tonic::Status;

use crate::kind::Kind;
use crate::node::Node;
use crate::proto::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};

use super::serve::{Hub, Push};
use super::source::Refusal;
use super::status::ProxyStatus;
use super::stream::{Dialect, Heard, Moment, Response, Stream};

/// The requests of one of the two protocols.
pub(super) trait Speech: Send + 'static {
    type Response: Message + 'static;
    const DIALECT: Dialect;

    fn node(&self) -> Option<&proto::Node>;
    fn heard_by(&self, stream: &mut Stream, now: Moment) -> Heard;
    /// The response, and how many resources it holds; none for one of the other protocol.
    fn unpack(response: Response) -> Option<(Self::Response, usize)>;
}

impl Speech for DiscoveryRequest {
    type Response = DiscoveryResponse;
    const DIALECT: Dialect = Dialect::Sotw;

    fn node(&self) -> Option<&proto::Node> {
        self.node.as_ref()
    }

    fn heard_by(&self, stream: &mut Stream, now: Moment) -> Heard {
        stream.hear(self, now)
    }

    fn unpack(response: Response) -> Option<(DiscoveryResponse, usize)> {
        let Response::Sotw(response) = response else { return None };
        let count = response.resources.len();
        Some((response, count))
    }
}

impl Speech for DeltaDiscoveryRequest {
    type Response = DeltaDiscoveryResponse;
    const DIALECT: Dialect = Dialect::Delta;

    fn node(&self) -> Option<&proto::Node> {
        self.node.as_ref()
    }

    fn heard_by(&self, stream: &mut Stream, now: Moment) -> Heard {
        stream.hear_delta(self, now)
    }

    fn unpack(response: Response) -> Option<(DeltaDiscoveryResponse, usize)> {
        let Response::Delta(response) = response else { return None };
        let count = response.resources.len();
        Some((response, count))
    }
}

/// A request as it comes in, or the end of the stream.
type Incoming<S> = Option<Result<S, Status>>;
/// Where responses go.
type Outgoing<S> = mpsc::Sender<Result<<S as Speech>::Response, Status>>;

/// Responses that wait for a slow connection; more wait in the stream, as one.
const QUEUED: usize = 2;

/// Starts to serve a stream.
pub(super) fn open<S: Speech>(
    hub: Arc<Hub>,
    requests: impl Requests<Item = Result<S, Status>> + Send + Unpin + 'static,
) -> ReceiverStream<Result<S::Response, Status>> {
    let (responses, outgoing) = mpsc::channel(QUEUED);
    tokio::spawn(run(hub, requests, responses));
    ReceiverStream::new(outgoing)
}

/// One stream from its first request to its end.
async fn run<S: Speech>(
    hub: Arc<Hub>,
    mut requests: impl Requests<Item = Result<S, Status>> + Unpin,
    responses: Outgoing<S>,
) {
    let Some(Ok(first)) = requests.next().await else { return };
    match Session::open(hub, &first) {
        Ok(mut session) => {
            let ended = session.serve(first, requests, &responses).await;
            if let Err(status) = ended {
                let _ = responses.send(Err(status)).await;
            }
        }
        Err(status) => drop(responses.send(Err(status)).await),
    }
}

struct Session {
    hub: Arc<Hub>,
    id: u64,
    node: Arc<Node>,
    connected: SystemTime,
    stream: Stream,
    pushes: watch::Receiver<Push>,
    /// When the change came that the proxy is still being brought up to.
    behind: Option<Instant>,
}

impl Session {
    fn open<S: Speech>(hub: Arc<Hub>, first: &S) -> Result<Session, Status> {
        let node = first.node().ok_or_else(|| Status::invalid_argument("missing node information"))?;
        let node = Arc::new(Node::read(node));
        // Before the snapshot is asked for, so that no change falls between the two.
        let pushes = hub.pushes();
        let target = hub.source.snapshot(&node).map_err(|refusal| status(&refusal))?;
        let stream = Stream::new(S::DIALECT, target, hub.settings.patience);
        let id = hub.admit();
        tracing::info!(node = node.short(), stream = id, dialect = ?S::DIALECT, "proxy connected");
        Ok(Session { hub, id, node, connected: SystemTime::now(), stream, pushes, behind: None })
    }

    async fn serve<S: Speech>(
        &mut self,
        first: S,
        mut requests: impl Requests<Item = Result<S, Status>> + Unpin,
        responses: &Outgoing<S>,
    ) -> Result<(), Status> {
        self.hear(&first);
        loop {
            self.flush::<S>(responses).await?;
            let wake = self.stream.wake(Moment::now());
            tokio::select! {
                request = requests.next() => match self.receive(request)? {
                    Some(request) => self.hear(&request),
                    None => return Ok(()),
                },
                changed = self.pushes.changed() => {
                    changed.map_err(|_| Status::unavailable("the control plane is going away"))?;
                    self.retarget()?;
                }
                () = until(wake) => {}
                () = responses.closed() => return Ok(()),
            }
        }
    }

    /// The next request; none at the stream's end. A proxy that goes away is no error of ours.
    fn receive<S>(&self, request: Incoming<S>) -> Result<Option<S>, Status> {
        match request {
            Some(Ok(request)) => Ok(Some(request)),
            Some(Err(status)) => {
                tracing::debug!(node = self.node.short(), %status, "stream broke");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn retarget(&mut self) -> Result<(), Status> {
        let push = *self.pushes.borrow_and_update();
        let target = self.hub.source.snapshot(&self.node).map_err(|refusal| status(&refusal))?;
        self.stream.aim(target);
        self.behind = self.behind.or(push.since);
        Ok(())
    }

    fn hear<S: Speech>(&mut self, request: &S) {
        let refused: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| self.stream.nack(*kind).is_some()).collect();
        let heard = request.heard_by(&mut self.stream, Moment::now());
        if let Heard::Asked(kind) = heard {
            self.stream.share_names(kind, |names| self.hub.share(names));
        }
        self.hub.count(|metrics| match heard {
            Heard::Asked(_) => {}
            Heard::Acked(kind) => metrics.kinds[kind].acks += 1,
            Heard::Refused(kind) => metrics.kinds[kind].rejects += 1,
            Heard::Stale(kind) => metrics.kinds[kind].expired_nonces += 1,
            Heard::UnknownType => metrics.unknown_types += 1,
        });
        match heard {
            Heard::Refused(kind) => self.tell_refusal(kind),
            Heard::Acked(kind) | Heard::Asked(kind) if refused.contains(&kind) && self.stream.nack(kind).is_none() => {
                self.hub.source.judged(&self.node, kind, None);
            }
            _ => {}
        }
    }

    fn tell_refusal(&self, kind: Kind) {
        let Some(nack) = self.stream.nack(kind) else { return };
        let (node, resources) = (self.node.short(), &nack.resources);
        tracing::warn!(node, %kind, ?resources, message = nack.message, "a proxy refused what it was sent");
        self.hub.source.judged(&self.node, kind, Some(nack));
    }

    async fn flush<S: Speech>(&mut self, responses: &Outgoing<S>) -> Result<(), Status> {
        while let Some((kind, response)) = self.stream.next(Moment::now()) {
            let Some((response, resources)) = S::unpack(response) else { continue };
            self.hub.count(|metrics| metrics.pushed(kind, resources, response.encoded_len()));
            // An error means that the proxy is gone, which the requests' end will tell as well.
            let _ = responses.send(Ok(response)).await;
        }
        if self.stream.is_settled()
            && let Some(since) = self.behind.take()
        {
            self.hub.count(|metrics| metrics.convergence.observe(since.elapsed().as_secs_f64()));
        }
        self.hub.board.write(ProxyStatus {
            stream: self.id,
            node: self.node.clone(),
            connected: self.connected,
            dialect: self.stream.dialect(),
            lanes: self.stream.status(),
        });
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.board.forget(self.id);
        self.hub.source.gone(&self.node);
        tracing::info!(node = self.node.short(), stream = self.id, "proxy disconnected");
    }
}

fn status(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::NotReady => Status::unavailable(refusal.to_string()),
        Refusal::Node(_) => Status::invalid_argument(refusal.to_string()),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
