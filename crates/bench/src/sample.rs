//! What one run said.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Requests a second.
    Throughput,
    /// Microseconds: half of all requests were answered within.
    P50,
    /// Microseconds: 99 in 100.
    P99,
    /// Microseconds: 999 in 1000.
    P999,
    /// Microseconds of processor time a request, of the process that is measured.
    Cpu,
    /// Microseconds of processor time a request, of all six Redis servers together.
    RedisCpu,
    /// Context switches a request, of the process that is measured.
    Switches,
    /// Bytes: highest resident memory during the run.
    PeakMemory,
    /// Open loop: requests a second that were to be sent.
    Rate,
    /// Open loop, microseconds: 99 in 100 requests left the generator no later than so much after their time.
    Lag,
    /// Bytes: resident memory after start.
    StartMemory,
    /// Bytes for each client that has sent one command and stays.
    IdleMemory,
    /// Bytes: growth of resident memory while one large value was set and got.
    BigMemory,
}

impl Metric {
    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Throughput => "requests/s",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::Cpu => "CPU µs/request",
            Self::RedisCpu => "Redis CPU µs/request",
            Self::Switches => "switches/request",
            Self::PeakMemory => "peak MiB",
            Self::Rate => "rate/s",
            Self::Lag => "generator p99 lag µs",
            Self::StartMemory => "start MiB",
            Self::IdleMemory => "KiB/idle client",
            Self::BigMemory => "growth MiB",
        }
    }

    /// `value` in the unit of the heading.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Throughput | Self::Rate => format!("{value:.0}"),
            Self::P50 | Self::P99 | Self::P999 | Self::Lag => format!("{value:.0}"),
            Self::Cpu | Self::RedisCpu => format!("{value:.2}"),
            Self::Switches => format!("{value:.3}"),
            Self::IdleMemory => format!("{:.2}", value / 1024.0),
            Self::PeakMemory | Self::StartMemory | Self::BigMemory => format!("{:.1}", value / f64::from(1 << 20)),
        }
    }
}

/// One run of one contender.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sample {
    /// The name of the workload.
    pub workload: String,
    /// The name of the contender.
    pub contender: String,
    /// Runs of the same round stood side by side.
    pub round: usize,
    /// What was measured.
    pub values: BTreeMap<Metric, f64>,
}

impl Sample {
    /// One run without numbers yet.
    pub fn new(workload: String, contender: &str, round: usize) -> Self {
        Self { workload, contender: contender.to_owned(), round, values: BTreeMap::new() }
    }

    /// With one more number.
    pub fn with(mut self, metric: Metric, value: f64) -> Self {
        self.values.insert(metric, value);
        self
    }
}
