//! Nothing is left behind, however the process ends.
//!
//! `Drop` runs neither for a `static` cluster that several tests share, nor when a test run is interrupted or
//! killed. So one small shell per process, the reaper, reads the ids of everything started here from a pipe. When
//! the pipe closes, and the kernel closes it whatever happened to its writer, the shell kills what is still
//! registered and removes the folders. It ignores the signals of a terminal and has its own process group.
//!
//! Starting and registering happen under one lock, so that [`sweep`] misses nothing that is being started.

use crate::error::{Result, failed};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// Lines are `add PID`, `drop PID`, `folder PATH`. Each process leads a group of its own, which is killed whole.
const SCRIPT: &str = r#"trap '' INT TERM HUP
pids=' '
set --
while read -r verb what; do
  case $verb in
    add) pids="$pids$what " ;;
    drop) pids="${pids%% $what *} ${pids#* $what }" ;;
    folder) set -- "$@" "$what" ;;
  esac
done
for pid in $pids; do kill -s KILL -- "-$pid"; done 2>/dev/null
[ $# -eq 0 ] || rm -rf -- "$@" || { sleep 0.2; rm -rf -- "$@"; }
"#;

/// The reaper as its owner sees it.
enum Reaper {
    /// Nothing has been started yet.
    Idle,
    /// The shell and the pipe to it.
    Watching(Child, ChildStdin),
    /// Everything has been swept away; nothing may be started any more.
    Swept,
}

static REAPER: Mutex<Reaper> = Mutex::new(Reaper::Idle);
static SWEPT: AtomicBool = AtomicBool::new(false);

/// Starts `command` in a process group of its own and registers it.
pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    let mut reaper = watching()?;
    let mut child = command
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("cannot start {:?}: {error}", command.get_program())))?;
    if let Err(error) = tell(&mut reaper, &format!("add {}\n", child.id())) {
        child.kill()?;
        child.wait()?;
        return Err(error);
    }
    Ok(child)
}

/// Forgets a process that has been killed but not yet waited for: until then its id cannot be given away again.
pub(crate) fn forget(pid: u32) {
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    // After a sweep there is nobody left to tell.
    let _ = tell(&mut reaper, &format!("drop {pid}\n"));
}

/// A new temporary folder that is gone when its owner is, however that ends.
pub fn folder() -> Result<TempDir> {
    let mut reaper = watching()?;
    let folder = tempfile::Builder::new().prefix("slotmesh-").tempdir()?;
    tell(&mut reaper, &format!("folder {}\n", folder.path().display()))?;
    Ok(folder)
}

/// Ends everything started here, removes every folder, and lets nothing start any more. Returns when it is done.
pub fn sweep() {
    SWEPT.store(true, Ordering::SeqCst);
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Reaper::Watching(mut shell, pipe) = std::mem::replace(&mut *reaper, Reaper::Swept) {
        drop(pipe);
        let _ = shell.wait();
    }
}

/// Whether [`sweep`] has been called.
pub fn swept() -> bool {
    SWEPT.load(Ordering::SeqCst)
}

fn watching() -> Result<MutexGuard<'static, Reaper>> {
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*reaper, Reaper::Swept) {
        return Err(failed("interrupted: everything has been ended"));
    }
    if matches!(*reaper, Reaper::Idle) {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = shell.stdin.take().ok_or_else(|| failed("the reaper has no pipe"))?;
        *reaper = Reaper::Watching(shell, pipe);
    }
    Ok(reaper)
}

fn tell(reaper: &mut Reaper, line: &str) -> Result<()> {
    match reaper {
        Reaper::Watching(_, pipe) => Ok(pipe.write_all(line.as_bytes())?),
        Reaper::Idle | Reaper::Swept => Err(failed("nothing is being watched")),
    }
}
