//! A whole measurement as a file, with the machine it was taken on.

use crate::Result;
use crate::bars::{self, Verdict};
use crate::run::Measured;
use crate::sample::Sample;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Where and when numbers were taken: no number without it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Origin {
    /// The processor, how many, and the kernel.
    pub machine: String,
    /// UTC, as in RFC 3339.
    pub date: String,
    /// The commit of slotmesh; `+` behind it if files differed (other than results).
    pub commit: String,
    /// The command that takes them again.
    pub command: String,
}

/// A whole measurement.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Results {
    /// Where and when.
    pub origin: Origin,
    /// The bars, as they turned out.
    pub bars: Vec<Verdict>,
    /// Who did not take part, and which runs failed.
    pub notes: Vec<String>,
    /// Every run.
    pub samples: Vec<Sample>,
}

impl Results {
    /// Judges what was measured.
    pub fn new(origin: Origin, measured: Measured) -> Self {
        let bars = bars::judge_all(&measured.samples);
        Self { origin, bars, notes: measured.notes, samples: measured.samples }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// No such file, or none of results.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// Writes a file, and the folder it lies in.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

impl Origin {
    /// This machine, now.
    pub fn here(command: String) -> Self {
        let commit = said("git", &["rev-parse", "--short", "HEAD"]);
        let changed =
            if said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench"]).is_empty() {
                ""
            } else {
                "+"
            };
        Self {
            machine: machine(),
            date: said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            commit: commit + changed,
            command,
        }
    }

    /// One line for the foot of a chart.
    pub fn line(&self) -> String {
        format!("{} · {} · commit {} · {}", self.machine, self.date, self.commit, self.command)
    }
}

/// A warning if the machine has other work to do: more than a tenth of its processors for half a second.
pub fn busy() -> Option<String> {
    // Not the load average: it still remembers the build that came before.
    let before = processor_times(&fs::read_to_string("/proc/stat").ok()?)?;
    std::thread::sleep(Duration::from_millis(500));
    let after = processor_times(&fs::read_to_string("/proc/stat").ok()?)?;
    let share = 1.0 - (after.0 - before.0) / (after.1 - before.1).max(1.0);
    let note = || format!("the machine was {:.0} % busy before the measurement began: trust no number", share * 100.0);
    (share > 0.1).then(note)
}

/// Idle and total time of all processors, in ticks: the first line of `/proc/stat`.
fn processor_times(stat: &str) -> Option<(f64, f64)> {
    let times: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|time| time.parse().ok()).collect();
    // The fourth is idle, the fifth waits for a disk; the ninth and tenth are part of the first and second.
    Some((times.get(3)? + times.get(4)?, times.iter().take(8).sum()))
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} × {}, Linux {}", model.unwrap_or("unknown processor").trim(), said("uname", &["-r"]))
}

/// What a program printed, without the line break; empty if it could not be run.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Metric;

    #[test]
    fn idle_time_is_told_from_work() {
        let stat = "cpu  10 1 20 60 5 1 2 1 7 7\ncpu0 1 1 1 1\n";
        assert_eq!(processor_times(stat), Some((65.0, 100.0)));
        assert_eq!(processor_times(""), None);
    }

    #[test]
    fn a_file_says_what_was_measured() {
        let sample = Sample::new("get-64-p1".into(), "slotmesh", 0).with(Metric::Cpu, 1.5);
        let measured = Measured { samples: vec![sample], ..Measured::default() };
        let results = Results::new(Origin::here("make bench".into()), measured);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/full.json");
        results.save(&path).unwrap();
        let read = Results::load(&path).unwrap();
        assert_eq!(read.samples[0].values[&Metric::Cpu], 1.5);
        assert_eq!(read.bars.len(), crate::bars::BARS.len());
        assert!(read.origin.line().contains("make bench") && read.origin.machine.contains("Linux"));
    }
}
