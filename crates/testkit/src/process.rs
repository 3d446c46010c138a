//! A child process that ends with its owner.

use crate::error::{Result, failed};
use crate::{reaper, wait};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running (or ended) child process; killed on drop.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` with no standard input, in a process group of its own (a Ctrl-C in a terminal is for
    /// the owner, which then ends its children in order).
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = reaper::spawn(command.stdin(Stdio::null()))?;
        Ok(Self { child, ended: None })
    }

    /// Runs `command` to its end and returns what it printed, both outputs together; an error if its status is not 0.
    pub fn output(command: &mut Command, deadline: Duration) -> Result<String> {
        // A file without a name: nothing to remove, and nobody has to read while the command writes.
        let mut file = tempfile::tempfile()?;
        let mut process = Self::start(command.stdout(file.try_clone()?).stderr(file.try_clone()?))?;
        let status = process.wait(deadline);
        let mut said = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut said)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        match status {
            Ok(status) if status.success() => Ok(said),
            Ok(status) => Err(failed(format!("{:?}: {status}\n{said}", command.get_program()))),
            Err(error) => Err(error.during(&format!("{:?}", command.get_program())).with(&said)),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
            if self.ended.is_some() {
                reaper::forget(self.id());
            }
        }
        Ok(self.ended)
    }

    /// Waits for its end.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        wait::until(&format!("process {} ends", self.id()), deadline, || self.ended())
    }

    /// Sends it a signal by name, as `kill -NAME` does (`TERM`, `STOP`, `CONT`).
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status()?;
        status.success().then_some(()).ok_or_else(|| failed(format!("cannot send {name} to process {}", self.id())))
    }

    /// Ends it at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            self.child.kill()?;
            reaper::forget(self.id());
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits; kills it at the deadline.
    pub fn term(&mut self, deadline: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        self.wait(deadline)
    }

    /// Resident memory in bytes (`VmRSS` of `/proc/PID/status`).
    pub fn rss(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.map(|n| n * 1024).ok_or_else(|| failed("no VmRSS"))
    }

    /// Processor time used so far, user and system (`/proc/PID/stat`; Linux counts it in hundredths of a second).
    pub fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The second field, the name, is in parentheses and may hold spaces.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // There is nobody to tell; the reaper would have another go at the end.
        let _ = self.kill();
    }
}
