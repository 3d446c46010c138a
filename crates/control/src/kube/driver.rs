//! Asks the API server what the courses want to know, and hands them what it says. Nothing is decided here but what
//! counts as silence.

use super::course::{Ask, Heard, Next};
use super::mirror::Mirror;
use super::wire::{self, Lines, Reading};
use ::kube::Client;
use ::kube::client::Body;
use http::header::{ACCEPT, ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How patient it is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From a request to the head of its answer, and between two pieces of a page.
    pub answer: Duration,
    /// Between two pieces of a watch; a server that has nothing to say sends a bookmark every minute.
    pub watch: Duration,
    /// How long the server is asked to let a watch last.
    pub lasting: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let of = Duration::from_secs;
        Self { answer: of(30), watch: of(150), lasting: of(290) }
    }
}

/// The most bytes of a page, and of one line of a watch: etcd holds no object that is nearly as large.
const MOST_OF_PAGE: usize = 1 << 30;
const MOST_OF_LINE: usize = 64 << 20;
/// The most bytes of an answer that is a refusal.
const MOST_OF_REFUSAL: usize = 64 << 10;

/// Keeps `mirror` at what the API server has, until it is dropped.
pub async fn follow(client: Client, mirror: Arc<Mirror>, patience: Patience) {
    let mut tasks = JoinSet::new();
    for track in 0..mirror.track_count() {
        let listener = Listener { client: client.clone(), mirror: Arc::clone(&mirror), track, patience };
        tasks.spawn(listener.run());
    }
    while tasks.join_next().await.is_some() {}
}

/// Who listens for one kind.
struct Listener {
    client: Client,
    mirror: Arc<Mirror>,
    track: usize,
    patience: Patience,
}

impl Listener {
    async fn run(self) {
        loop {
            let (pause, ask, reading, path) = self.mirror.next(self.track);
            tokio::time::sleep(pause).await;
            if let Err(last) = self.ask(&ask, reading, &path).await {
                self.hear(*last);
            }
        }
    }

    fn hear(&self, heard: Heard) -> Next {
        self.mirror.hear(self.track, heard, SystemTime::now())
    }

    /// Asks, and hands over what is heard; what is heard last is the error.
    async fn ask(&self, ask: &Ask, reading: Reading, path: &str) -> Result<(), Box<Heard>> {
        let selector = match reading.kind.selector {
            "" => String::new(),
            selector => format!("&fieldSelector={}", escaped(selector)),
        };
        let uri = format!("{path}?{}{selector}", query(ask, self.patience));
        let request = Request::get(uri).header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "identity");
        let request = request.body(Body::empty()).map_err(|error| broken(&error))?;
        let answered = timeout(self.patience.answer, self.client.send(request)).await;
        let response = answered.map_err(|_| silent(self.patience.answer))?.map_err(|error| broken(&error))?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let body = response.into_body();
        if matches!(ask, Ask::Page { .. }) {
            let bytes = self.whole(body, MOST_OF_PAGE).await?;
            let page = wire::page(reading, &bytes).map_err(|error| broken(&error))?;
            return Err(Box::new(Heard::Page(page)));
        }
        self.hear(Heard::Opened);
        let silence = if *ask == Ask::Stream { self.patience.answer } else { self.patience.watch };
        self.listen(body, reading, silence).await
    }

    async fn listen(&self, mut body: Body, reading: Reading, first: Duration) -> Result<(), Box<Heard>> {
        let mut lines = Lines::default();
        let mut silence = first;
        loop {
            let Ok(frame) = timeout(silence, body.frame()).await else {
                // Nothing for so long is no failure of a watch: the next will tell.
                return Err(if silence == self.patience.watch { Box::new(Heard::Ended) } else { silent(silence) });
            };
            let Some(frame) = frame else { return Err(Box::new(Heard::Ended)) };
            let frame = frame.map_err(|error| broken(&error))?;
            let Some(bytes) = frame.data_ref() else { continue };
            if lines.push(bytes) > MOST_OF_LINE {
                return Err(Box::new(Heard::Broken(format!("a line of more than {MOST_OF_LINE} bytes"))));
            }
            while let Some(line) = lines.next() {
                let event = wire::event(reading, &line).map_err(|error| broken(&error))?;
                let Some(event) = event else { continue };
                if matches!(event, wire::Event::Bookmark(_, true)) {
                    silence = self.patience.watch;
                }
                if self.hear(Heard::Event(event)) == Next::Ask {
                    return Ok(());
                }
            }
        }
    }

    async fn refusal(&self, response: Response<Body>) -> Box<Heard> {
        let (code, wish) = (response.status().as_u16(), wish(response.headers()));
        let body = self.whole(response.into_body(), MOST_OF_REFUSAL).await.unwrap_or_default();
        Box::new(Heard::Refused(wire::status(code, &body), wish))
    }

    async fn whole(&self, mut body: Body, most: usize) -> Result<Vec<u8>, Box<Heard>> {
        let mut bytes = Vec::new();
        loop {
            let frame = timeout(self.patience.answer, body.frame()).await.map_err(|_| silent(self.patience.answer))?;
            let Some(frame) = frame else { return Ok(bytes) };
            let frame = frame.map_err(|error| broken(&error))?;
            let more = frame.data_ref().map_or(&[][..], |data| data);
            if bytes.len() + more.len() > most {
                return Err(Box::new(Heard::Broken(format!("an answer of more than {most} bytes"))));
            }
            bytes.extend_from_slice(more);
        }
    }
}

fn query(ask: &Ask, patience: Patience) -> String {
    let watch = format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={}", patience.lasting.as_secs().max(1));
    match ask {
        Ask::Stream => format!("{watch}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        Ask::Watch { from } => format!("{watch}&resourceVersion={}", escaped(from)),
        Ask::Page { token, limit } => match (token.is_empty(), *limit) {
            (true, 0) => String::new(),
            (true, limit) => format!("limit={limit}"),
            (false, limit) => format!("limit={limit}&continue={}", escaped(token)),
        },
    }
}

/// As the value of a parameter.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn silent(after: Duration) -> Box<Heard> {
    Box::new(Heard::Broken(format!("nothing was heard for {} s", after.as_secs_f32())))
}

/// The error with its causes, of which the first alone says little.
fn broken(error: &(dyn Error + 'static)) -> Box<Heard> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    Box::new(Heard::Broken(text))
}

/// How long the server wants to be left alone.
fn wish(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
