//! What happened, as one number: two runs of a seed are the same run if their numbers are.

use std::fmt::Arguments;
use std::sync::LazyLock;

static SHOWN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("SLOTMESH_TRACE").is_some());

/// FNV-1a over all that the engine did and was told; shown as well if `SLOTMESH_TRACE` is set.
pub struct Trace(u64);

impl Trace {
    pub fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    pub fn note(&mut self, now: u64, what: &str, who: usize, bytes: &[u8]) {
        if *SHOWN {
            show(format_args!("{now:>9} {what} {who} {}", bytes.escape_ascii()));
        }
        let words = [now.to_le_bytes(), (who as u64).to_le_bytes()];
        for byte in words.as_flattened().iter().chain(what.as_bytes()).chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    pub fn sum(&self) -> u64 {
        self.0
    }
}

fn show(line: Arguments<'_>) {
    eprintln!("{line}");
}
