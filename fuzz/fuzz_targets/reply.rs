//! Any bytes as replies: no panic, no length beyond the input, and the same in pieces as at once.
//!
//! The first byte of the input is the length of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{Limits, Malformed, reply::Scan};

/// Small enough for random bytes to meet them.
const TIGHT: Limits = Limits { bulk: 100, depth: 4, elements: 40, line: 64, ..Limits::DEFAULT };

/// The lengths of all replies in bytes that come in pieces, and the error that ended them.
fn read(bytes: &[u8], piece: usize, limits: &Limits) -> (Vec<usize>, Option<Malformed>) {
    let (mut scan, mut all, mut taken, mut here) = (Scan::default(), Vec::new(), 0, 0);
    while here < bytes.len() {
        here = (here + piece).min(bytes.len());
        loop {
            let held = &bytes[taken..here];
            match scan.next(held, limits) {
                Ok(Some(len)) => {
                    assert!(len > 0 && len <= held.len());
                    all.push(len);
                    taken += len;
                }
                Ok(None) => {
                    assert!(scan.needed() > held.len());
                    break;
                }
                Err(malformed) => return (all, Some(malformed)),
            }
        }
    }
    (all, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    for limits in [Limits::DEFAULT, TIGHT] {
        let at_once = read(bytes, bytes.len().max(1), &limits);
        assert_eq!(read(bytes, usize::from(*piece).max(1), &limits), at_once);
        assert_eq!(read(bytes, 1, &limits), at_once);
    }
});
