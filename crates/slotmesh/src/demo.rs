//! `slotmesh demo`: the tutorial, played for real and proved by what the servers themselves saw.
//!
//! The play runs on a thread of its own while the main thread waits for its end or for a signal. Whatever happens,
//! nothing is left behind: servers and folders belong to values that end them when dropped; a signal sweeps
//! everything away first; and should this process be killed, a reaper of its own does it (`testkit::reaper`).

mod settings;
mod scene;
mod stage;
mod redis_cli;
mod findings;
mod acts;
mod mesh;

use crate::cli::print;
use findings::Findings;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use testkit::reaper;

/// How long the play may take to notice that everything was swept away.
const CURTAIN: Duration = Duration::from_secs(5);

/// Which play, and how.
#[derive(clap::Args, Debug, Clone)]
pub struct DemoArgs {
    /// Leaves everything running at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Plays it through both halves: a control plane on a folder of YAML files drives the proxy (as root in network
    /// namespaces, with the client's connections captured as in a pod)
    #[arg(long)]
    mesh: bool,
    /// Speaks of Redis in typed resources (RedisService, RedisRoute) instead of the tutorial's EnvoyFilters
    #[arg(long, requires = "mesh")]
    typed: bool,
    /// Stays on 127.0.0.1, as where it may not make network namespaces
    #[arg(long, requires = "mesh")]
    no_capture: bool,
    /// A real Envoy to be driven instead of slotmesh
    #[arg(long, value_name = "FILE", requires = "mesh")]
    envoy: Option<PathBuf>,
}

/// How the play ended: what was found, what still runs (as far as it is of use), and why it broke off, if it did.
struct Played {
    findings: Findings,
    stage: Option<Box<dyn Standing>>,
    broke_off: Option<anyhow::Error>,
}

/// What runs, and can be looked at.
trait Standing: Send {
    /// How to look around.
    fn invitation(&self) -> String;
}

impl Standing for Stage {
    fn invitation(&self) -> String {
        Self::invitation(self)
    }
}

impl Standing for mesh::Stage {
    fn invitation(&self) -> String {
        Self::invitation(self)
    }
}

/// Plays the tutorial; the exit status says whether every step was as expected.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let outcome = perform(args);
    // Everything has been dropped; the reaper itself is the last to go, and is waited for.
    reaper::sweep();
    outcome
}

fn perform(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let signals = signals()?;
    let (keep, args) = (args.keep, args.clone());
    let play = thread::spawn(move || if args.mesh { play_mesh(&args) } else { play() });
    while !play.is_finished() {
        match signals.recv_timeout(Duration::from_millis(20)) {
            Err(RecvTimeoutError::Timeout) => {}
            signal => return Ok(swept_away(&play, signal.unwrap_or(SIGTERM))),
        }
    }
    let played = play.join().map_err(|_| anyhow::anyhow!("the demo has panicked"))?;
    print(&played.findings.table())?;
    if let Some(error) = played.broke_off {
        return Err(error);
    }
    if let (true, Some(stage)) = (keep, &played.stage) {
        print(&stage.invitation())?;
        // Any signal, or the end of the thread that would have told of it.
        let _ = signals.recv();
    }
    Ok(if played.findings.all_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play() -> Played {
    let mut findings = Findings::default();
    match Stage::build() {
        Err(error) => Played { findings, stage: None, broke_off: Some(error) },
        Ok(mut stage) => {
            let broke_off = acts::play(&mut stage, &mut findings).err();
            Played { findings, stage: Some(Box::new(stage)), broke_off }
        }
    }
}

/// Envoy cuts the clients of a listener whose filter changes.
fn play_mesh(args: &DemoArgs) -> Played {
    let (mut findings, envoy) = (Findings::default(), args.envoy.as_deref());
    let wording = if args.typed { mesh::Wording::Typed } else { mesh::Wording::Filters };
    match mesh::Stage::build(envoy, !args.no_capture, wording) {
        Err(error) => Played { findings, stage: None, broke_off: Some(error) },
        Ok(stage) => {
            let broke_off = mesh::play(&stage, envoy.is_some(), &mut findings).err();
            Played { findings, stage: Some(Box::new(stage)), broke_off }
        }
    }
}

/// Ends everything at once. The exit status is the one a shell gives to a process that the signal has ended.
fn swept_away(play: &JoinHandle<Played>, signal: i32) -> ExitCode {
    reaper::sweep();
    let end = std::time::Instant::now() + CURTAIN;
    while !play.is_finished() && std::time::Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    // Nobody may be left to read it.
    let _ = print("\ninterrupted: everything has been ended and removed\n");
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

fn signals() -> anyhow::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (tell, told) = channel();
    thread::spawn(move || signals.forever().take_while(|signal| tell.send(*signal).is_ok()).for_each(drop));
    Ok(told)
}

/// One line of progress.
fn say(line: &str) -> anyhow::Result<()> {
    print(&format!("{line}\n"))
}
