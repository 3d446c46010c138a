use std::time::{Duration, Instant};

use crate::{Limits, reply, request, write};

/// Elements of the giants below.
const MANY: usize = 1 << 20;

/// What a reader takes from a socket at a time.
const PIECE: usize = 16 << 10;

/// How long it takes to show `step` more and more of the bytes.
fn timed(len: usize, piece: usize, mut step: impl FnMut(usize)) -> Duration {
    let start = Instant::now();
    for end in (piece..len).step_by(piece).chain([len]) {
        step(end);
    }
    start.elapsed()
}

/// Pieces may cost more than the whole, but not by a factor that grows with their number: looking at everything again
/// with each of the hundreds of pieces would cost hundreds of times as much.
fn assert_linear(pieces: Duration, at_once: Duration) {
    assert!(pieces < at_once * 20 + Duration::from_millis(100), "{pieces:?} in pieces, {at_once:?} at once");
}

#[test]
fn a_request_of_a_million_arguments() {
    let mut bytes = Vec::new();
    write::command(&mut bytes, &vec![&b"v"[..]; MANY]);
    let run = |piece| {
        let (mut scan, mut found) = (request::Scan::default(), 0);
        let took = timed(bytes.len(), piece, |end| match scan.next(&bytes[..end], &Limits::DEFAULT) {
            Ok(request::Step::Whole { request, consumed, .. }) => {
                assert_eq!((request.len(), consumed), (MANY, bytes.len()));
                found += 1;
            }
            Ok(request::Step::Partial { .. }) => assert!(end < bytes.len()),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, 1);
        took
    };
    assert_linear(run(PIECE), run(bytes.len()));
}

#[test]
fn a_reply_of_a_million_elements() {
    let mut bytes = Vec::new();
    write::command(&mut bytes, &vec![&b"v"[..]; MANY]);
    let run = |piece| {
        let (mut scan, mut found) = (reply::Scan::default(), 0);
        let took = timed(bytes.len(), piece, |end| {
            found += usize::from(scan.next(&bytes[..end], &Limits::DEFAULT) == Ok(Some(bytes.len())));
        });
        assert_eq!(found, 1);
        took
    };
    assert_linear(run(PIECE), run(bytes.len()));
}

#[test]
fn a_long_line_byte_by_byte() {
    let limits = Limits { inline: 2 << 20, line: 2 << 20, ..Limits::DEFAULT };
    let mut bytes = vec![b'+'; 1 << 20];
    bytes.extend_from_slice(b"\r\n");
    let (mut asked, mut told) = (request::Scan::default(), reply::Scan::default());
    let took = timed(bytes.len(), 1, |end| {
        let whole = end == bytes.len();
        assert_eq!(matches!(asked.next(&bytes[..end], &limits), Ok(request::Step::Whole { .. })), whole);
        assert_eq!(told.next(&bytes[..end], &limits).unwrap().is_some(), whole);
    });
    // Searching from the start each time would look at 2^40 bytes, which takes a minute on the fastest of machines.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
