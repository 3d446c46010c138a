//! The load generator: one thread, requests rendered beforehand, replies counted and not kept.
//!
//! It runs on the same machine as what it measures, so it has to be cheap itself: a batch is one slice of one large
//! block of bytes and one `write`, and of a reply only its end is looked for.
//!
//! - **Closed loop**: every connection sends `pipeline` requests, waits for all their replies, and sends again. It
//!   finds the highest throughput and the cost of a request. Its latencies hide queueing: while the other side is
//!   slow, nothing is sent.
//! - **Open loop**: requests leave at a constant rate, whether or not earlier ones were answered, and latency counts
//!   from the moment at which the request *should* have left.

/// Replies counted as they stream in.
pub mod replies;

/// Requests rendered beforehand.
pub mod requests;

/// When the requests of an open loop are due.
pub mod schedule;

/// One connection of the generator.
mod connection;

/// As fast as the other side allows.
mod closed;

/// At a constant rate.
mod open;

use crate::{Error, Result};
use connection::Connections;
use hdrhistogram::Histogram;
use replies::Counted;
use requests::Requests;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A run is given up when nothing came back for so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Latencies beyond a minute are counted as a minute, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// How requests follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each connection sends so many requests at once and waits for all their replies.
    Closed {
        /// At least 1.
        pipeline: usize,
    },
    /// So many requests a second over all connections, whatever comes back.
    Open {
        /// Requests a second, at least 1.
        rate: u64,
    },
}

/// One run of the generator.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Who is asked.
    pub address: SocketAddr,
    /// What is asked, over and over.
    pub requests: &'a Requests,
    /// How many connections share the work.
    pub connections: usize,
    /// How requests follow one another.
    pub mode: Mode,
    /// How long to run before anything counts.
    pub warm_up: Duration,
    /// How long to count.
    pub duration: Duration,
}

/// The two ends of the time that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It begins.
    Begin,
    /// It is over.
    End,
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// How long it counted.
    pub elapsed: Duration,
    /// Requests answered in that time.
    pub requests: u64,
    /// Nanoseconds from sending (closed loop) or from the intended start (open loop) to the reply.
    pub latency: Histogram<u64>,
    /// Open loop: nanoseconds by which the generator itself was late. It is part of the latency, too.
    pub lag: Histogram<u64>,
}

impl Outcome {
    /// Requests a second.
    pub fn throughput(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// A percentile of the latency in microseconds (`99.9`).
    pub fn latency_us(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1000.0
    }
}

/// What a loop collects while it runs.
struct Tally {
    counted: Counted,
    counting: bool,
    requests: u64,
    latency: Histogram<u64>,
    lag: Histogram<u64>,
    last_reply: Instant,
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            counted: Counted::default(),
            counting: false,
            requests: 0,
            latency: histogram()?,
            lag: histogram()?,
            last_reply: Instant::now(),
        })
    }

    fn record(&mut self, nanoseconds: u64, count: u64) {
        if self.counting {
            self.requests += count;
            self.latency.saturating_record_n(nanoseconds.max(1), count);
        }
    }

    /// An error after five silent seconds.
    fn check(&self, now: Instant) -> Result<()> {
        let silent = now.saturating_duration_since(self.last_reply);
        if silent > PATIENCE { Err(Error::Stalled(PATIENCE)) } else { Ok(()) }
    }

    fn finish(self, elapsed: Duration) -> Result<Outcome> {
        let Counted { errors, misses, first_error, .. } = self.counted;
        if errors + misses > 0 {
            return Err(Error::Wrong { errors, misses, first: first_error.unwrap_or_else(|| "none".into()) });
        }
        Ok(Outcome { elapsed, requests: self.requests, latency: self.latency, lag: self.lag })
    }
}

/// Three significant digits are more than a loop on a shared machine can promise.
fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST, 3).map_err(|error| Error::Failed(error.to_string()))
}

/// Runs `plan`. `edge` is called when the time that counts begins and when it is over; meanwhile nothing is sent, so
/// that what a process has used by then belongs to the requests before.
///
/// # Errors
/// A refused or closed connection, five seconds of silence, bytes that are not RESP, and any error reply or null:
/// a run that measures errors is not a measurement.
pub fn run(plan: &Plan<'_>, edge: &mut dyn FnMut(Edge)) -> Result<Outcome> {
    let mut connections = Connections::open(plan.address, plan.connections, plan.requests)?;
    match plan.mode {
        Mode::Closed { pipeline } => closed::run(plan, pipeline.max(1), &mut connections, edge),
        Mode::Open { rate } => open::run(plan, rate.max(1), &mut connections, edge),
    }
}
