mod garbage;
mod linear;
mod replies;
mod requests;

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{Limits, Malformed, reply, request};

/// Small limits, so that random bytes meet them.
const TIGHT: Limits = Limits { inline: 24, arguments: 5, bulk: 40, request: 120, depth: 3, elements: 12, line: 16 };

/// What a scan found: a request's arguments, or nothing for bytes that ask for nothing.
type Asked = Option<Vec<Vec<u8>>>;

/// All that a request scan finds in bytes that come in pieces, how many bytes it took, and the error that ended it.
///
/// On the way it checks what every step has to keep: no length beyond the input, `needed` beyond it.
fn requests(pieces: &[&[u8]], limits: &Limits) -> (Vec<Asked>, usize, Option<Malformed>) {
    let bytes = pieces.concat();
    let (mut scan, mut all, mut taken, mut here) = (request::Scan::default(), Vec::new(), 0, 0);
    for piece in pieces {
        here += piece.len();
        loop {
            let held = &bytes[taken..here];
            match scan.next(held, limits) {
                Ok(request::Step::Whole { request, consumed, .. }) => {
                    assert!(consumed > 0 && consumed <= held.len() && !request.is_empty());
                    all.push(Some((0..request.len()).map(|i| request.get(i).unwrap().to_vec()).collect()));
                    taken += consumed;
                    assert!(scan.is_fresh());
                }
                Ok(request::Step::Skip { consumed }) => {
                    assert!(consumed > 0 && consumed <= held.len() && scan.is_fresh());
                    all.push(None);
                    taken += consumed;
                }
                Ok(request::Step::Partial { needed }) => {
                    assert!(needed > held.len());
                    assert_idle_until(needed, &bytes[taken..], limits);
                    break;
                }
                Err(malformed) => return (all, taken, Some(malformed)),
            }
        }
    }
    (all, taken, None)
}

/// Fewer bytes than a scan said it needs are no request, nor anything that is known to be wrong.
fn assert_idle_until(needed: usize, bytes: &[u8], limits: &Limits) {
    let fewer = &bytes[..bytes.len().min(needed - 1)];
    assert!(matches!(request::Scan::default().next(fewer, limits), Ok(request::Step::Partial { .. })));
}

/// The lengths of all replies in bytes that come in pieces, and the error that ended them.
fn replies(pieces: &[&[u8]], limits: &Limits) -> (Vec<usize>, Option<Malformed>) {
    let bytes = pieces.concat();
    let (mut scan, mut all, mut taken, mut here) = (reply::Scan::default(), Vec::new(), 0, 0);
    for piece in pieces {
        here += piece.len();
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
                    let fewer = &bytes[taken..bytes.len().min(taken + scan.needed() - 1)];
                    assert_eq!(reply::Scan::default().next(fewer, limits), Ok(None));
                    break;
                }
                Err(malformed) => return (all, Some(malformed)),
            }
        }
    }
    (all, None)
}

/// Pieces of the bytes, cut at some of their offsets.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut offsets: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    offsets.extend([0, bytes.len()]);
    offsets.sort_unstable();
    offsets.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Checks that `read` finds the same in these bytes however they are cut: at every offset, byte by byte, at random.
fn same_however_cut<T: PartialEq + std::fmt::Debug>(bytes: &[u8], cuts: &[Index], read: impl Fn(&[&[u8]]) -> T) -> T {
    let at_once = read(&[bytes]);
    for at in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..at], &bytes[at..]]), at_once, "cut at {at} of {}", bytes.escape_ascii());
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), at_once, "byte by byte: {}", bytes.escape_ascii());
    assert_eq!(read(&cut(bytes, cuts)), at_once, "cut at random: {}", bytes.escape_ascii());
    at_once
}

/// Where to cut.
fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..8)
}

/// Bytes of a bulk string: any, often those that look like frames.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..24), vec(prop::sample::select(&b"\r\n$*:+-1\" '\\x"[..]), 0..12)]
}
