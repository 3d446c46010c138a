//! The runs themselves, interleaved: a round gives every contender every workload once, and the next round begins
//! with another contender.

use crate::contender::{CONTENDERS, Contender, Running};
use crate::load::{self, Edge, Mode, Outcome, Plan};
use crate::sample::{Metric, Sample};
use crate::usage::{self, Usage};
use crate::workload::{Setup, Shape, Workload};
use crate::world::World;
use crate::{Error, Result, memory, ratio, traffic};
use std::time::Duration;

/// Processes and processors come to rest after the run before.
const PAUSE: Duration = Duration::from_millis(30);
/// The workload whose throughput with Envoy gives the rates of the open loops.
pub const REFERENCE: &str = "get-64-p1";
/// Whose throughput that is.
const REFERENCE_CONTENDER: &str = "envoy";

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Rounds of everything but memory.
    pub rounds: usize,
    /// Rounds of memory, which differs little from run to run.
    pub memory_rounds: usize,
    /// Before a closed loop counts.
    pub warm_up: Duration,
    /// How long a closed loop counts.
    pub closed: Duration,
    /// How long an open loop counts: longer, as the highest latencies are rare.
    pub open: Duration,
}

/// What was measured so far.
#[derive(Debug, Default)]
pub struct Measured {
    /// Every run.
    pub samples: Vec<Sample>,
    /// Who did not take part, and which runs failed.
    pub notes: Vec<String>,
    /// Whether a run of slotmesh itself failed.
    pub failed: bool,
}

/// Everything a run needs to know.
pub struct Bench<'a> {
    /// The servers.
    pub world: &'a World,
    /// How long and how often.
    pub timing: Timing,
    /// Told about every step.
    pub progress: &'a mut dyn FnMut(&str),
    /// What was measured so far.
    pub measured: Measured,
}

impl Bench<'_> {
    /// Runs all `rows`.
    ///
    /// # Errors
    /// None of a run's own: those become notes.
    pub fn all(&mut self, rows: &[Workload]) -> Result<()> {
        for setup in [Setup::Plain, Setup::Replicas, Setup::Mirror] {
            let of = |open: bool| -> Vec<Workload> {
                let wanted = |row: &&Workload| row.setup == setup && is_open(row) == Some(open);
                rows.iter().filter(wanted).copied().collect()
            };
            let (closed, open) = (of(false), of(true));
            if closed.is_empty() && open.is_empty() {
                continue;
            }
            let running = self.start_all(setup);
            self.rounds(&closed, &running)?;
            self.rounds(&open, &running)?;
        }
        self.fresh(rows);
        Ok(())
    }

    fn start_all(&mut self, setup: Setup) -> Vec<(&'static Contender, Running)> {
        let mut running = Vec::new();
        for contender in CONTENDERS {
            match contender.start(self.world, setup) {
                Ok(Some(started)) => running.push((contender, started)),
                Ok(None) if setup == Setup::Plain => self.note(contender, "not installed, or not given: left out"),
                Ok(None) => {}
                Err(error) => self.failure(contender, &format!("does not start with {setup:?}"), &error),
            }
        }
        running
    }

    fn rounds(&mut self, rows: &[Workload], running: &[(&'static Contender, Running)]) -> Result<()> {
        for round in 0..if rows.is_empty() { 0 } else { self.timing.rounds } {
            for row in rows {
                (self.progress)(&format!("round {} of {}: {}", round + 1, self.timing.rounds, row.name()));
                for i in 0..running.len() {
                    let (contender, running) = &running[(i + round) % running.len()];
                    if contender.takes(row) {
                        let outcome = self.once(row, contender, running, round);
                        self.keep(row, contender, running, outcome);
                    }
                }
            }
        }
        Ok(())
    }

    /// Rows that need a process of their own.
    fn fresh(&mut self, rows: &[Workload]) {
        let rows: Vec<&Workload> = rows.iter().filter(|row| is_open(row).is_none()).collect();
        for round in 0..self.timing.memory_rounds {
            for row in &rows {
                (self.progress)(&format!("memory, round {}: {}", round + 1, row.name()));
                for contender in CONTENDERS.iter().filter(|contender| contender.takes(row)) {
                    match memory::once(self, row, contender, round) {
                        Ok(Some(sample)) => self.measured.samples.push(sample),
                        Ok(None) => {}
                        Err(error) => self.failure(contender, &row.name(), &error),
                    }
                }
            }
        }
    }

    fn keep(&mut self, row: &Workload, contender: &Contender, running: &Running, outcome: Result<Sample>) {
        match (outcome, running.fate()) {
            (Ok(sample), _) => self.measured.samples.push(sample),
            (Err(error), None) => self.failure(contender, &row.name(), &error),
            (Err(error), Some(fate)) => {
                self.failure(contender, &row.name(), &Error::Failed(format!("{error}; {fate}")))
            }
        }
    }

    /// One run of one contender that is already up.
    ///
    /// # Errors
    /// Whatever the load generator met.
    pub fn once(&self, row: &Workload, contender: &Contender, running: &Running, round: usize) -> Result<Sample> {
        self.world.settle()?;
        std::thread::sleep(PAUSE);
        let rate = match row.shape {
            Shape::Open(percent) => Some(self.rate(percent)?),
            _ => None,
        };
        let requests = traffic::requests(row.action, row.value, row.pipeline, contender.only_shard())?;
        let plan = Plan {
            address: running.address,
            requests: &requests,
            connections: row.clients,
            mode: rate.map_or(Mode::Closed { pipeline: row.pipeline }, |rate| Mode::Open { rate }),
            warm_up: self.timing.warm_up,
            duration: if rate.is_some() { self.timing.open } else { self.timing.closed },
        };
        let sample = Sample::new(row.name(), contender.name, round);
        let sample = watched(&plan, running.pid, &self.world.node_pids(), sample)?;
        Ok(rate.map_or(sample.clone(), |rate| sample.with(Metric::Rate, rate as f64)))
    }

    /// So many percent of what Envoy reached.
    fn rate(&self, percent: u64) -> Result<u64> {
        let samples = &self.measured.samples;
        let most = ratio::of(samples, REFERENCE, REFERENCE_CONTENDER, Metric::Throughput)
            .ok_or_else(|| Error::Failed(format!("no rate: {REFERENCE} of {REFERENCE_CONTENDER} was not measured")))?;
        Ok((most.median * percent as f64 / 100.0) as u64)
    }

    fn failure(&mut self, contender: &Contender, what: &str, error: &Error) {
        self.measured.failed |= contender.name == CONTENDERS[0].name;
        self.note(contender, &format!("{what}: {error}"));
    }

    fn note(&mut self, contender: &Contender, text: &str) {
        let note = format!("{}: {text}", contender.name);
        (self.progress)(&note);
        if !self.measured.notes.contains(&note) {
            self.measured.notes.push(note);
        }
    }
}

/// Whether the row is an open loop; `None` if it needs a process of its own.
fn is_open(row: &Workload) -> Option<bool> {
    match row.shape {
        Shape::Closed => Some(false),
        Shape::Open(_) => Some(true),
        Shape::Idle(_) | Shape::Big(_) => None,
    }
}

/// Runs `plan` with an eye on the process `pid` and on the Redis servers.
fn watched(plan: &Plan<'_>, pid: u32, nodes: &[u32], sample: Sample) -> Result<Sample> {
    usage::forget_peak(pid);
    let mut looks: Vec<(Usage, Usage)> = Vec::new();
    let outcome = load::run(plan, &mut |_: Edge| {
        // The servers first: meanwhile the proxy comes to rest, and its numbers are complete.
        let servers = usage::of(nodes).unwrap_or_default();
        looks.push((usage::of(&[pid]).unwrap_or_default(), servers));
    })?;
    let [before, after] = looks[..] else { return Err(Error::Failed("nobody looked".into())) };
    let used = (after.0.since(before.0), after.1.since(before.1));
    Ok(numbers(sample, &outcome, used.0, used.1).with(Metric::PeakMemory, usage::peak(pid)? as f64))
}

fn numbers(sample: Sample, outcome: &Outcome, used: Usage, servers: Usage) -> Sample {
    let each = |total: u64| total as f64 / outcome.requests.max(1) as f64;
    let sample = sample
        .with(Metric::Throughput, outcome.throughput())
        .with(Metric::P50, outcome.latency_us(50.0))
        .with(Metric::P99, outcome.latency_us(99.0))
        .with(Metric::P999, outcome.latency_us(99.9))
        .with(Metric::Cpu, each(used.cpu) / 1000.0)
        .with(Metric::RedisCpu, each(servers.cpu) / 1000.0)
        .with(Metric::Switches, each(used.switches));
    if outcome.lag.is_empty() {
        return sample;
    }
    sample.with(Metric::Lag, outcome.lag.value_at_percentile(99.0) as f64 / 1000.0)
}
