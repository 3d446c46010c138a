//! slotmesh-bench: measures slotmesh beside its peers. `make bench` calls it.

use bench::results::{self, Origin, Results};
use bench::run::{Bench, Measured, Timing};
use bench::world::{self, Programs, World};
use bench::{Error, Result, chart, report};
use clap::{Args, Parser, Subcommand};
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Measures slotmesh beside its peers.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs every contender on every workload, round by round
    Run(Run),
    /// Prints the tables of a file of results
    Show {
        /// For instance bench/results/full.json
        file: PathBuf,
    },
    /// Draws the charts of a file of results
    Charts {
        /// For instance bench/results/full.json
        file: PathBuf,
        /// Where the SVG files go
        folder: PathBuf,
    },
}

#[derive(Args, Debug)]
struct Run {
    /// The slotmesh binary
    #[arg(long)]
    slotmesh: PathBuf,
    /// The real Envoy 1.40.0
    #[arg(long)]
    envoy: Option<PathBuf>,
    /// The measuring stick: a program `floor PORT PRIMARY PRIMARY PRIMARY`
    #[arg(long)]
    floor: Option<PathBuf>,
    /// The bars only, in under three minutes
    #[arg(long)]
    quick: bool,
    /// Only workloads whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Rounds [default: 5; 3 when quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// Milliseconds of a closed loop that count [default: 1000; 500 when quick]
    #[arg(long)]
    milliseconds: Option<u64>,
    /// The folder for results and charts
    #[arg(long, default_value = "bench")]
    out: PathBuf,
    /// The command to name beside the numbers
    #[arg(long, default_value = "slotmesh-bench")]
    command: String,
}

impl Run {
    fn timing(&self) -> Timing {
        let (rounds, memory_rounds, milliseconds) = if self.quick { (3, 1, 500) } else { (5, 3, 1000) };
        let closed = Duration::from_millis(self.milliseconds.unwrap_or(milliseconds));
        Timing {
            rounds: self.rounds.unwrap_or(rounds).max(1),
            memory_rounds,
            warm_up: (closed / 4).min(Duration::from_millis(200)),
            closed,
            open: closed * 2,
        }
    }

    fn programs(&self) -> Programs {
        Programs {
            slotmesh: self.slotmesh.clone(),
            envoy: self.envoy.clone(),
            nutcracker: installed("nutcracker"),
            haproxy: installed("haproxy"),
            floor: self.floor.clone(),
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Show { file } => Results::load(&file).and_then(|results| print(&report::all(&results))),
        Command::Charts { file, folder } => Results::load(&file).and_then(|results| chart::draw_all(&results, &folder)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With nowhere left to write to, the exit status has to say it alone.
            let _ = writeln!(stderr(), "slotmesh-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints, saves and draws.
fn run(args: &Run) -> Result<()> {
    let origin = Origin::here(args.command.clone());
    let rows = world::chosen(args.quick, args.only.as_deref());
    if rows.is_empty() {
        return Err(Error::Failed("no workload has such a name".into()));
    }
    let busy: Vec<String> = results::busy().into_iter().collect();
    let begin = Instant::now();
    let mut progress = |text: &str| drop(writeln!(stderr(), "{:>4} s  {text}", begin.elapsed().as_secs()));
    progress("starting a cluster of six nodes");
    let world = World::start(args.programs(), &rows)?;
    let measured = Measured { notes: busy, ..Measured::default() };
    let mut bench = Bench { world: &world, timing: args.timing(), progress: &mut progress, measured };
    bench.all(&rows)?;
    let measured: Measured = std::mem::take(&mut bench.measured);
    let failed = measured.failed;
    let results = Results::new(origin, measured);
    keep(&results, args)?;
    print(&report::all(&results))?;
    if failed { Err(Error::Failed("runs of slotmesh itself have failed: see the notes".into())) } else { Ok(()) }
}

/// Files of the quick form, and of a part, do not take the place of a whole measurement's.
fn keep(results: &Results, args: &Run) -> Result<()> {
    let name = match (args.quick, &args.only) {
        (_, Some(_)) => "part",
        (true, None) => "quick",
        (false, None) => "full",
    };
    results.save(&args.out.join(format!("results/{name}.json")))?;
    let charts = args.out.join("charts");
    chart::draw_all(results, &if name == "full" { charts } else { charts.join(name) })
}

fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Debian keeps daemons in `/usr/sbin`, which is not on everybody's path.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| Path::is_file(file))
}
