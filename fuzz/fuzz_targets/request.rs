//! Any bytes as requests: no panic, no length beyond the input, and the same in pieces as at once.
//!
//! The first byte of the input is the length of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{
    Limits, Malformed,
    request::{Scan, Step},
    write,
};

/// Small enough for random bytes to meet them.
const TIGHT: Limits = Limits { inline: 64, arguments: 16, bulk: 100, request: 300, ..Limits::DEFAULT };

/// All requests in bytes that come in pieces, as arrays, and the error that ended them.
fn read(bytes: &[u8], piece: usize, limits: &Limits) -> (Vec<Vec<u8>>, usize, Option<Malformed>) {
    let (mut scan, mut all, mut taken, mut here) = (Scan::default(), Vec::new(), 0, 0);
    while here < bytes.len() {
        here = (here + piece).min(bytes.len());
        loop {
            let held = &bytes[taken..here];
            let consumed = match scan.next(held, limits) {
                Ok(Step::Whole { request, consumed, .. }) => {
                    let arguments: Vec<&[u8]> =
                        (0..request.len()).map(|i| request.get(i).expect("an argument")).collect();
                    let mut encoded = Vec::new();
                    write::command(&mut encoded, &arguments);
                    assert_eq!(request.bytes, encoded);
                    all.push(encoded);
                    consumed
                }
                Ok(Step::Skip { consumed }) => consumed,
                Ok(Step::Partial { needed }) => {
                    assert!(needed > held.len());
                    break;
                }
                Err(malformed) => return (all, taken, Some(malformed)),
            };
            assert!(consumed > 0 && consumed <= held.len() && scan.is_fresh());
            taken += consumed;
        }
    }
    (all, taken, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    for limits in [Limits::DEFAULT, TIGHT] {
        let at_once = read(bytes, bytes.len().max(1), &limits);
        assert_eq!(read(bytes, usize::from(*piece).max(1), &limits), at_once);
        assert_eq!(read(bytes, 1, &limits), at_once);
    }
});
