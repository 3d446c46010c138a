//! What a request costs the engine, in instructions: the same on every machine, so that a regression shows without noise.
//!
//! `costs check FILE` counts them with `valgrind --tool=callgrind`, compares them with the file and fails if a workload
//! has become dearer by more than a twentieth; `costs update FILE` writes the file; `costs run WORKLOAD ROUNDS` only
//! plays, for whoever wants to look closer.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program's face")]

mod rig;

use rig::{Rig, WORKLOADS, Workload};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::thread;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
/// Instructions per request by workload.
type Costs = BTreeMap<String, f64>;

/// Two runs of so many rounds: their difference is free of the start.
const ROUNDS: [usize; 2] = [10, 40];
/// How much dearer a workload may become: compilers differ a little.
const TOLERANCE: f64 = 0.05;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", workload, rounds] => run(workload, rounds),
        ["check", file] => check(file),
        ["update", file] => update(file),
        _ => Err("say `check FILE`, `update FILE` or `run WORKLOAD ROUNDS`".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("costs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, rounds: &str) -> Outcome<()> {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).ok_or("there is no such workload")?;
    let mut rig = Rig::new(workload);
    let requests: usize = (0..rounds.parse()?).map(|_| rig.round()).sum();
    println!("{requests} requests");
    Ok(())
}

fn update(file: &str) -> Outcome<()> {
    let mut text = String::from("# Instructions per request of the engine: `make costs UPDATE=1`.\n");
    measure()?.iter().for_each(|(name, cost)| text.push_str(&format!("{name} {cost:.0}\n")));
    std::fs::write(file, &text)?;
    print!("{text}");
    Ok(())
}

fn check(file: &str) -> Outcome<()> {
    let text = std::fs::read_to_string(file)?;
    let known: Costs = text.lines().filter_map(|line| line.split_once(' ')).filter_map(cost).collect();
    let now = measure()?;
    let mut dearer = Vec::new();
    for (name, cost) in &now {
        let before = *known.get(name).ok_or_else(|| format!("{file} knows nothing of {name}: make costs UPDATE=1"))?;
        let change = cost / before - 1.0;
        println!("{name:18} {cost:6.0} instructions a request, {:+.1} %", change * 100.0);
        if change > TOLERANCE {
            dearer.push(name.as_str());
        }
    }
    if dearer.is_empty() { Ok(()) } else { Err(format!("dearer than {file} allows: {}", dearer.join(", ")).into()) }
}

fn cost((name, cost): (&str, &str)) -> Option<(String, f64)> {
    Some((name.to_owned(), cost.trim().parse().ok()?))
}

/// All workloads, two at a time.
fn measure() -> Outcome<Costs> {
    let (even, odd): (Vec<_>, Vec<_>) = WORKLOADS.iter().enumerate().partition(|(i, _)| i % 2 == 0);
    thread::scope(|scope| {
        let halves =
            [even, odd].map(|half| scope.spawn(move || half.into_iter().map(|(_, w)| per_request(w)).collect()));
        let mut costs = Costs::new();
        for half in halves {
            let half: Outcome<Vec<(String, f64)>> = half.join().map_err(|_| "a thread has fallen")?;
            costs.extend(half?);
        }
        Ok(costs)
    })
}

fn per_request(workload: &Workload) -> Outcome<(String, f64)> {
    let [few, many] = ROUNDS.map(|rounds| instructions(workload.name, rounds));
    let requests = (ROUNDS[1] - ROUNDS[0]) * Rig::new(workload).round();
    Ok((workload.name.to_owned(), (many? - few?) / requests as f64))
}

fn instructions(workload: &str, rounds: usize) -> Outcome<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    let output = valgrind.args(["run", workload, &rounds.to_string()]).output();
    let output = output.map_err(|error| format!("valgrind: {error} (scripts/install.sh test installs it)"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said.lines().find_map(|line| line.split_once("Collected : "));
    Ok(counted.ok_or_else(|| format!("valgrind counted nothing: {said}"))?.1.trim().parse()?)
}
