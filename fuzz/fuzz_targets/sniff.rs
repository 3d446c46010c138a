//! Any first bytes of a connection: no panic, and what was decided of a part is decided of all that begins with it.
//!
//! The first byte of the input says what is looked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use worker::sniff::{MOST, sniff};

fuzz_target!(|input: &[u8]| {
    let Some((wanted, bytes)) = input.split_first() else { return };
    let (tls, http) = (wanted & 1 == 1, wanted & 2 == 2);
    let whole = sniff(bytes, tls, http);
    assert!(whole.is_some() || bytes.len() < MOST);
    let mut decided = None;
    for end in 0..=bytes.len().min(1024) {
        let found = sniff(&bytes[..end], tls, http);
        assert!(decided.is_none() || decided == found, "{end}: it was {decided:?} and is {found:?}");
        decided = found;
    }
    if decided.is_some() {
        assert_eq!(decided, whole);
    }
});
