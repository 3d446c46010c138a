//! The HTTPS face: HTTP/1.1, which is what API servers speak to webhooks, with connections that are kept.

use super::identity::IdentityError;
use super::keeper::Keeper;
use super::review::{self, BadReview, Request};
use super::verdict::Verdict;
use super::{PATH, Settings};
use crate::plane::Plane;
use ::kube::Client;
use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Bytes of a review: an API server takes 3 MiB, and a review of an update carries the object twice.
const MOST_BYTES: usize = 7 << 20;
/// A body that is no larger is read at once; for the others there is so much room, in such pieces.
const PIECE_BYTES: usize = 64 * 1024;
const PIECES: usize = 512;
/// Bytes of a request's line and headers.
const HEAD_BYTES: usize = 16 * 1024;
/// Connections open at once; one more, and the oldest ends. An API server keeps few.
const CONNECTIONS: usize = 128;
/// Verdicts that are thought about at once.
const AT_ONCE: usize = 2;
/// From accepting a connection to its being secured.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Between two requests: longer than the 90 s after which API servers close what is idle, so that it is they who do.
const IDLE: Duration = Duration::from_secs(120);
/// From the head of a request to the answer: less than the time-out of the manifest, so that the answer says why.
const WHOLE: Duration = Duration::from_secs(4);
/// How long to wait after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why the webhook cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No certificate can be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The listener is of no use.
    #[error("the webhook cannot accept connections: {0}")]
    Listener(#[from] io::Error),
    /// TLS cannot be set up.
    #[error("the webhook's TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What answers.
#[derive(Clone)]
struct Judge {
    plane: Arc<Plane>,
    permits: Arc<Semaphore>,
    /// For large bodies.
    room: Arc<Semaphore>,
}

/// Answers reviews of what `plane` would make of objects, and keeps the cluster's trust in the certificate that it makes
/// for itself, until the task is dropped.
///
/// # Errors
/// The names are no names, or the listener is of no use.
pub async fn serve(
    listener: TcpListener,
    plane: Arc<Plane>,
    client: Client,
    settings: Settings,
) -> Result<(), WebhookError> {
    let keeper = Keeper::new(settings, client)?;
    let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(keeper.shown());
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let judge = Judge { plane, permits: Arc::new(Semaphore::new(AT_ONCE)), room: Arc::new(Semaphore::new(PIECES)) };
    let router = Router::new().route(PATH, post(validate)).fallback(unknown).with_state(judge);
    tokio::select! {
        ended = accept(listener, TlsAcceptor::from(Arc::new(tls)), router) => Ok(ended?),
        ended = keeper.run() => Ok(ended?),
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, router: Router) -> io::Result<()> {
    let mut open: VecDeque<Open> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.0.is_finished());
                if open.len() >= CONNECTIONS {
                    open.pop_front();
                }
                open.push_back(Open(tokio::spawn(converse(stream, tls.clone(), router.clone())).abort_handle()));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the webhook could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection, which ends with the value.
struct Open(AbortHandle);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn converse(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    let stream = match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection to the webhook was not secured"),
        Err(_) => return tracing::debug!("a connection to the webhook was not secured in time"),
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD_BYTES.max(8192))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the webhook failed");
    }
}

async fn validate(State(judge): State<Judge>, body: Body) -> Response {
    timeout(WHOLE, judge.answer(body)).await.unwrap_or_else(|_| {
        let text = format!("no verdict within {} s\n", WHOLE.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    })
}

async fn unknown() -> Response {
    (StatusCode::NOT_FOUND, format!("there is only {PATH}, for AdmissionReviews\n")).into_response()
}

impl Judge {
    async fn answer(self, body: Body) -> Response {
        let bad = || {
            let text = format!("the body cannot be read, or is larger than {MOST_BYTES} bytes\n");
            (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
        };
        // Whoever does not say how much will come may send all that is allowed.
        let hint = body.size_hint();
        let Ok(length) = usize::try_from(hint.upper().unwrap_or(MOST_BYTES as u64)) else { return bad() };
        if length > MOST_BYTES {
            return bad();
        }
        let pieces = if length > PIECE_BYTES { length.div_ceil(PIECE_BYTES) } else { 0 };
        let Ok(_room) = self.room.acquire_many_owned(u32::try_from(pieces).unwrap_or(u32::MAX)).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let Ok(body) = to_bytes(body, MOST_BYTES).await else { return bad() };
        let Ok(permit) = self.permits.acquire_owned().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let plane = self.plane;
        let judged = spawn_blocking(move || {
            let _permit = permit;
            if let Some(uid) = review::too_large(&body)? {
                return Ok(review::answer(&uid, &unread()));
            }
            let request = review::read(&body)?;
            Ok::<_, BadReview>(review::answer(&request.uid, &judge(&plane, &request)))
        });
        match judged.await {
            Ok(Ok(answer)) => ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
            Ok(Err(bad)) => {
                tracing::warn!(%bad, "the webhook was asked what it does not answer");
                (StatusCode::BAD_REQUEST, format!("{bad}\n")).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "a verdict could not be reached");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Nobody is kept from applying what is not read.
fn unread() -> Verdict {
    let text =
        format!("slotmesh has not judged it: with what goes along it has more than {} values", review::MOST_VALUES);
    Verdict { refused: Vec::new(), warnings: vec![text] }
}

fn judge(plane: &Plane, request: &Request) -> Verdict {
    let verdict = Verdict::of(plane, request);
    let name = request.object["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = request.namespace.as_deref().unwrap_or_default();
    if !verdict.refused.is_empty() {
        let why = verdict.refused.join("; ");
        tracing::info!(kind = request.kind.kind, namespace, name, why, "refused at admission");
    }
    verdict
}
