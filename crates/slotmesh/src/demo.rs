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

use crate::cli::print;
use findings::Findings;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stage::Stage;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use testkit::reaper;

/// How long the play may take to notice that everything was swept away.
const CURTAIN: Duration = Duration::from_secs(5);

/// How the play ended: what was found, what still runs, and why it broke off, if it did.
struct Played {
    findings: Findings,
    stage: Option<Stage>,
    broke_off: Option<anyhow::Error>,
}

/// Plays the tutorial; the exit status says whether every step was as expected.
pub fn run(keep: bool) -> anyhow::Result<ExitCode> {
    let outcome = perform(keep);
    // Everything has been dropped; the reaper itself is the last to go, and is waited for.
    reaper::sweep();
    outcome
}

fn perform(keep: bool) -> anyhow::Result<ExitCode> {
    let signals = signals()?;
    let play = thread::spawn(play);
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
            Played { findings, stage: Some(stage), broke_off }
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
