//! slotmesh-load: sends requests to a Redis, at a constant rate or as fast as they are answered.

use bench::load::{Mode, Outcome, Plan, run};
use bench::traffic;
use bench::workload::{Action, Scope};
use bench::{Error, Result};
use clap::{Parser, ValueEnum};
use std::io::{Write, stderr, stdout};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// Sends requests to a Redis and says how long they took. Keys that are read must exist: --fill writes them first.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Where the Redis or the proxy listens
    #[arg(default_value = "127.0.0.1:6379")]
    address: String,
    /// What to send
    #[arg(long, value_enum, default_value = "get")]
    action: Wanted,
    /// Requests a second (open loop: latency counts from the intended start); without it, a closed loop
    #[arg(long)]
    rate: Option<u64>,
    /// Connections
    #[arg(long, short = 'c', default_value_t = 50)]
    connections: usize,
    /// Closed loop: requests a connection sends at once
    #[arg(long, short = 'P', default_value_t = 1)]
    pipeline: usize,
    /// Bytes of a value
    #[arg(long, short = 'd', default_value_t = 64)]
    value: usize,
    /// Seconds that count
    #[arg(long, short = 's', default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before anything counts
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Writes every key before the run
    #[arg(long)]
    fill: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    Get,
    Set,
    /// Three GET, one SET
    Mixed,
    /// MGET of ten keys
    Mget,
    /// MSET of ten keys
    Mset,
}

impl From<Wanted> for Action {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Get => Self::Get,
            Wanted::Set => Self::Set,
            Wanted::Mixed => Self::Mixed,
            Wanted::Mget => Self::Mget(Scope::Spread),
            Wanted::Mset => Self::Mset(Scope::Spread),
        }
    }
}

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With nowhere left to write to, the exit status has to say it alone.
            let _ = writeln!(stderr(), "slotmesh-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> Result<()> {
    let address = cli.address.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| Error::Failed(format!("{} is no address", cli.address)))?;
    if cli.fill {
        fill(address, cli.value)?;
    }
    let requests = traffic::requests(cli.action.into(), cli.value, cli.pipeline, None)?;
    let outcome = run(
        &Plan {
            address,
            requests: &requests,
            connections: cli.connections.max(1),
            mode: cli.rate.map_or(Mode::Closed { pipeline: cli.pipeline }, |rate| Mode::Open { rate }),
            warm_up: seconds(cli.warm_up)?,
            duration: seconds(cli.seconds)?,
        },
        &mut |_| {},
    )?;
    Ok(stdout().lock().write_all(told(&outcome).as_bytes())?)
}

fn seconds(number: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(|error| Error::Failed(format!("{number} seconds: {error}")))
}

fn fill(address: SocketAddr, bytes: usize) -> Result<()> {
    let mut client = testkit::Client::connect(address)?;
    let value = traffic::value(bytes);
    for key in traffic::keys(bytes).all() {
        client.must(&[b"SET", key.as_bytes(), &value])?;
    }
    Ok(())
}

fn told(outcome: &Outcome) -> String {
    let percentile = |percentile: f64| format!("  p{percentile:<6} {:>10.0} µs\n", outcome.latency_us(percentile));
    let latencies: String = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0].into_iter().map(percentile).collect();
    let lag = if outcome.lag.is_empty() {
        String::new()
    } else {
        format!("the generator itself was late by (p99): {} µs\n", outcome.lag.value_at_percentile(99.0) / 1000)
    };
    format!("{} requests, {:.0} a second\n{latencies}{lag}", outcome.requests, outcome.throughput())
}
