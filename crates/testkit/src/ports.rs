//! Free ports that two test runs side by side never share.
//!
//! Asking the kernel for port 0 gives a port that somebody else may be given a moment later, and a cluster node
//! needs a second one, 10,000 higher, for its bus. So ports come from a range below the one the kernel hands out to
//! outgoing connections (32768 upwards), in blocks; a process owns a block while it holds the lock on the block's
//! file, which the kernel releases with the process. Each port is also tried before it is given out.

use crate::error::{Result, failed};
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::sync::{Mutex, PoisonError};

/// First port of the range.
const FIRST: u16 = 10_500;
/// Ports in a block.
const BLOCK: u16 = 50;
/// Blocks in the range: the last port is 22,499, its bus 32,499.
const BLOCKS: u16 = 240;
/// How much higher a cluster node's bus is.
pub const BUS: u16 = 10_000;

/// The blocks this process owns, and what is left of the newest.
struct Owned {
    locks: Vec<File>,
    left: std::ops::Range<u16>,
}

static OWNED: Mutex<Owned> = Mutex::new(Owned { locks: Vec::new(), left: 0..0 });

/// `count` distinct ports of 127.0.0.1 that are free, with their bus ports, and are given out only once.
pub fn free(count: usize) -> Result<Vec<u16>> {
    (0..count).map(|_| one()).collect()
}

/// One port, as [`free`].
pub fn one() -> Result<u16> {
    let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        for port in owned.left.by_ref() {
            if bindable(port) && bindable(port + BUS) {
                return Ok(port);
            }
        }
        let (lock, block) = claim()?;
        owned.locks.push(lock);
        owned.left = FIRST + block * BLOCK..FIRST + (block + 1) * BLOCK;
    }
}

fn bindable(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Locks the first block nobody owns, beginning at one that differs from process to process.
fn claim() -> Result<(File, u16)> {
    let folder = std::env::temp_dir().join("slotmesh-ports");
    if fs::create_dir(&folder).is_ok() {
        // Shared by all users, as the ports are.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777))?;
    }
    let start = (std::process::id() % u32::from(BLOCKS)) as u16;
    for block in (start..BLOCKS).chain(0..start) {
        // A file of another user may be out of reach; that block is then left to them.
        let path = folder.join(block.to_string());
        let opened = OpenOptions::new().create(true).append(true).mode(0o666).open(path);
        if let Ok(file) = opened
            && file.try_lock().is_ok()
        {
            return Ok((file, block));
        }
    }
    Err(failed(format!("every block of ports in {} is in use", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ports_are_distinct_and_leave_room_for_the_bus() {
        let ports = free(120).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 120);
        assert!(ports.iter().all(|port| (FIRST..22_500).contains(port)), "{ports:?}");
    }

    #[test]
    fn a_port_in_use_is_not_given_out() {
        let taken: Vec<u16> = {
            let owned = OWNED.lock().unwrap();
            owned.left.clone().take(3).collect()
        };
        let listeners: Vec<_> = taken.iter().filter_map(|port| TcpListener::bind(("127.0.0.1", *port)).ok()).collect();
        let held: HashSet<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(free(5).unwrap().iter().all(|port| !held.contains(port)));
    }
}
