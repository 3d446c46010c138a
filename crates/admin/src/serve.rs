//! Connections to the face: few, short and bounded, so that no client can take it away from the others.
//!
//! A connection carries one request. Probes and scrapers come every few seconds and lose nothing by connecting again,
//! and without idle connections there is nothing to close under somebody's feet. A client has [`Limits::head`] to send
//! its request and [`Limits::whole`] until it has read the reply; when [`Limits::connections`] are open, the oldest
//! gives way to the newest, so that a crowd of slow clients delays a probe by nothing.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::{House, pages};

/// The longest request line and headers together, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long to wait after a failed accept (no file descriptor left, usually) before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The bounds on clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections open at once.
    pub connections: usize,
    /// From accepting a connection to having its request line and headers.
    pub head: Duration,
    /// From accepting a connection to having sent the reply.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 128, head: Duration::from_secs(5), whole: Duration::from_secs(30) }
    }
}

/// Answers HTTP/1.1 requests until the task is dropped; an error means that the listener itself is of no use.
pub async fn serve(listener: TcpListener, house: Arc<dyn House>) -> io::Result<()> {
    serve_within(listener, house, Limits::default()).await
}

pub(crate) async fn serve_within(listener: TcpListener, house: Arc<dyn House>, limits: Limits) -> io::Result<()> {
    let router = pages::router(house);
    let mut open = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(&mut open, stream, router.clone(), limits),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the admin face could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Starts a connection; the oldest ends if there are too many.
fn admit(open: &mut VecDeque<AbortHandle>, stream: TcpStream, router: Router, limits: Limits) {
    open.retain(|connection| !connection.is_finished());
    if open.len() >= limits.connections
        && let Some(oldest) = open.pop_front()
    {
        oldest.abort();
    }
    open.push_back(tokio::spawn(converse(stream, router, limits)).abort_handle());
}

/// One request and its reply.
async fn converse(stream: TcpStream, router: Router, limits: Limits) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(limits.whole, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the admin face failed"),
        Err(_) => tracing::debug!("a connection to the admin face took too long"),
    }
}
