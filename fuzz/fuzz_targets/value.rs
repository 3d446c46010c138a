//! Any bytes as a tree: no panic, and the same length and the same errors as the scan that builds none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{Limits, reply, value};

fuzz_target!(|bytes: &[u8]| {
    let parsed = value::parse(bytes, &Limits::DEFAULT);
    let scanned = reply::Scan::default().next(bytes, &Limits::DEFAULT);
    assert_eq!(parsed.as_ref().map(|found| found.as_ref().map(|(_, len)| *len)), scanned.as_ref().copied());
    if let Ok(Some((value, _))) = parsed {
        let _ = (value.as_bytes(), value.as_integer(), value.as_error(), value.as_array(), value.field("a"));
    }
});
