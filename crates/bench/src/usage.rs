//! What a process has used, from `/proc`: all its threads together.
//!
//! Processor time comes from `schedstat`, which counts nanoseconds; `stat` counts hundredths of a second, which is a
//! tenth of a run of 100 ms. A thread that is running right now may be up to one tick behind, so the look is taken
//! while nothing is sent.

use std::fs;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// Hundredths of a second are what `stat` counts in on every Linux.
const TICK: u64 = 10_000_000;

/// What one or several processes have used since their start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds of processor time, user and system.
    pub cpu: u64,
    /// Context switches, voluntary and not.
    pub switches: u64,
}

impl Usage {
    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), switches: self.switches.saturating_sub(earlier.switches) }
    }
}

/// What all threads of all `pids` have used.
///
/// # Errors
/// One of the processes has ended.
pub fn of(pids: &[u32]) -> Result<Usage> {
    let mut total = Usage::default();
    for pid in pids {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.path();
            // A thread may end between the listing and the look.
            total.cpu += cpu(&thread).unwrap_or(0);
            total.switches += switches(&thread).unwrap_or(0);
        }
    }
    Ok(total)
}

/// Resident memory in bytes.
///
/// # Errors
/// The process has ended.
pub fn memory(pid: u32) -> Result<u64> {
    field(&process(pid), "VmRSS:").map(|kibibytes| kibibytes * 1024)
}

/// The highest resident memory in bytes since the start or [`forget_peak`].
///
/// # Errors
/// The process has ended.
pub fn peak(pid: u32) -> Result<u64> {
    field(&process(pid), "VmHWM:").map(|kibibytes| kibibytes * 1024)
}

/// Lets [`peak`] begin anew. Some containers forbid it; the peak is then that of the whole life.
pub fn forget_peak(pid: u32) {
    let _ = fs::write(process(pid).join("clear_refs"), "5");
}

/// How a child has ended that nobody has waited for yet: `exit code 1`, `signal 6`. `None` while it runs.
pub fn exit_status(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(process(pid).join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let status: u32 = fields.last()?.parse().ok()?;
    let told = || match status & 0x7f {
        0 => format!("exit code {}", status >> 8),
        signal => format!("signal {signal}"),
    };
    (*fields.first()? == "Z").then(told)
}

fn process(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

fn cpu(thread: &Path) -> Result<u64> {
    let exact = fs::read_to_string(thread.join("schedstat")).ok().and_then(|text| on_cpu(&text));
    match exact {
        Some(nanoseconds) if nanoseconds > 0 => Ok(nanoseconds),
        // A kernel without schedstat says 0, or has no such file.
        _ => Ok(ticks(&fs::read_to_string(thread.join("stat"))?) * TICK),
    }
}

/// The first of three numbers: nanoseconds on a processor, nanoseconds waiting for one, time slices.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// The fields 14 and 15. The second one, the name, is in parentheses and may hold spaces.
fn ticks(stat: &str) -> u64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn switches(thread: &Path) -> Result<u64> {
    Ok(field(thread, "voluntary_ctxt_switches:")? + field(thread, "nonvoluntary_ctxt_switches:")?)
}

/// A number of `status`.
fn field(folder: &Path, name: &str) -> Result<u64> {
    let status = fs::read_to_string(folder.join("status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Error::other(format!("{}/status has no {name}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_fields_are_found() {
        assert_eq!(on_cpu("123456 789 12\n"), Some(123_456));
        assert_eq!(ticks("12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 31 11 12 13"), 42);
    }

    #[test]
    fn work_is_seen_and_memory_is_there() {
        // A process of one thread: the threads of the tests beside this one end, and take their times with them.
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let before = of(&[child.id()]).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let worked = || of(&[child.id()]).unwrap().since(before).cpu > 1_000_000;
        while !worked() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (worked, peak, memory) = (worked(), peak(child.id()).unwrap(), memory(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(worked, "ten seconds of work were not seen");
        assert!(peak >= memory / 2);
    }

    #[test]
    fn how_a_child_has_ended_is_told_before_anybody_waited_for_it() {
        let mut child = std::process::Command::new("sh").args(["-c", "kill -9 $$"]).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let told = loop {
            let told = exit_status(child.id());
            if told.is_some() || Instant::now() > end {
                break told;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(told.as_deref(), Some("signal 9"));
        assert_eq!(exit_status(std::process::id()), None);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(of(&[u32::MAX - 1]).is_err());
    }
}
