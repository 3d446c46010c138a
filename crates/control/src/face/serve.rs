//! Connections to the face: few, short and bounded, as those to a proxy's admin face.

use super::{Face, pages};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Bytes of a request's line and headers.
const HEAD_BYTES: usize = 16 * 1024;
/// Connections open at once; one more, and the oldest ends.
const CONNECTIONS: usize = 128;
/// From accepting a connection to having its request.
const HEAD: Duration = Duration::from_secs(5);
/// From accepting a connection to having sent the reply.
const WHOLE: Duration = Duration::from_secs(30);
/// How long to wait after a failed accept (no file descriptor left, usually) before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers HTTP/1.1 requests until the task is dropped.
///
/// # Errors
/// The listener itself is of no use.
pub async fn serve(listener: TcpListener, face: Face) -> io::Result<()> {
    let router = pages::router(face);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() >= CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tokio::spawn(converse(stream, router.clone())).abort_handle());
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the HTTP face could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request and its reply.
async fn converse(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(WHOLE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the HTTP face failed"),
        Err(_) => tracing::debug!("a connection to the HTTP face took too long"),
    }
}
