use super::*;
use crate::write;

/// A step without its borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Whole(Vec<Vec<u8>>),
    Skip,
    Malformed(Malformed),
}

/// What a scan makes of bytes that come in pieces, how many of them it took, and whether it was left fresh.
fn read(pieces: &[&[u8]], limits: &Limits) -> (Vec<Seen>, usize, bool) {
    let (mut scan, mut held, mut taken, mut all) = (Scan::default(), Vec::new(), 0, Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let fresh = scan.is_fresh();
            match scan.next(&held, limits) {
                Ok(Step::Whole { request, consumed, .. }) => {
                    all.push(Seen::Whole((0..request.len()).map(|i| request.get(i).unwrap().to_vec()).collect()));
                    assert!(!request.is_empty());
                    assert_encoded(&request);
                    taken += consumed;
                    held.drain(..consumed);
                    assert!(scan.is_fresh());
                }
                Ok(Step::Skip { consumed }) => {
                    all.push(Seen::Skip);
                    taken += consumed;
                    held.drain(..consumed);
                    assert!(scan.is_fresh());
                }
                Ok(Step::Partial { needed }) => {
                    assert!(needed > held.len());
                    assert!(!held.is_empty() || fresh);
                    break;
                }
                Err(malformed) => {
                    assert!(scan.is_fresh());
                    all.push(Seen::Malformed(malformed));
                    return (all, taken, true);
                }
            }
        }
    }
    (all, taken, scan.is_fresh())
}

/// A request's bytes are its arguments written as an array, whether they came so or not.
fn assert_encoded(request: &Request<'_>) {
    let arguments: Vec<&[u8]> = (0..request.len()).map(|i| request.get(i).unwrap()).collect();
    let mut encoded = Vec::new();
    write::command(&mut encoded, &arguments);
    assert_eq!(request.bytes, encoded);
}

fn whole(words: &[&str]) -> Seen {
    Seen::Whole(words.iter().map(|word| word.as_bytes().to_vec()).collect())
}

/// What becomes of bytes that come at once, which is also what becomes of them byte by byte.
fn at_once(bytes: &[u8], limits: &Limits) -> Vec<Seen> {
    let (seen, ..) = read(&[bytes], limits);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single, limits).0, seen, "byte by byte: {}", bytes.escape_ascii());
    seen
}

fn ask(bytes: &[u8]) -> Vec<Seen> {
    at_once(bytes, &Limits::DEFAULT)
}

fn refused(bytes: &[u8]) -> String {
    match ask(bytes).last() {
        Some(Seen::Malformed(malformed)) => malformed.to_string(),
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

#[test]
fn an_array_is_taken_as_it_came() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n";
    let mut scan = Scan::default();
    let Ok(Step::Whole { request, consumed, .. }) = scan.next(bytes, &Limits::DEFAULT) else { panic!() };
    assert_eq!(consumed, 20);
    assert_eq!(request.bytes, &bytes[..20]);
    assert_eq!(request.args, [Arg { start: 8, len: 3 }, Arg { start: 17, len: 1 }]);
    assert_eq!((request.get(1), request.get(2)), (Some(&b"a"[..]), None));
}

#[test]
fn arguments_hold_any_byte_and_none() {
    assert_eq!(
        ask(b"*3\r\n$0\r\n\r\n$4\r\n\r\n\0\n\r\n$12\r\nabcdefghijkl\r\n"),
        [whole(&["", "\r\n\0\n", "abcdefghijkl"])]
    );
}

#[test]
fn nothing_is_asked_by_blank_lines_and_empty_arrays() {
    assert_eq!(
        ask(b"\r\n\n  \t\r\n*0\r\n*-1\r\n*-77\r\nPING\r\n"),
        [Seen::Skip, Seen::Skip, Seen::Skip, Seen::Skip, Seen::Skip, Seen::Skip, whole(&["PING"])]
    );
}

#[test]
fn partial_says_what_is_needed() {
    let mut scan = Scan::default();
    let mut needed = |bytes: &[u8]| match scan.next(bytes, &Limits::DEFAULT) {
        Ok(Step::Partial { needed }) => needed,
        other => panic!("{other:?}"),
    };
    assert_eq!(needed(b""), 1);
    assert_eq!(needed(b"*"), 2);
    assert_eq!(needed(b"*2\r\n$3"), 7);
    assert_eq!(needed(b"*2\r\n$3\r\nS"), 13);
    assert_eq!(needed(b"*2\r\n$3\r\nSET\r\n$1000\r\n"), 20 + 1002);
    assert!(!scan.is_fresh());
    scan.reset();
    assert!(scan.is_fresh());
    assert!(matches!(scan.next(b"PING\n", &Limits::DEFAULT), Ok(Step::Whole { consumed: 5, .. })));
}

#[test]
fn counts_are_as_strict_as_redis() {
    for count in ["", "x", "+1", "01", "-0", "1 ", " 1", "2147483648", "1048577", "9223372036854775808", "-", "1\n1"] {
        assert_eq!(refused(format!("*{count}\r\n").as_bytes()), "invalid multibulk length", "{count:?}");
    }
    assert_eq!(refused(b"*1\rx"), "invalid multibulk length");
}

#[test]
fn lengths_are_as_strict_as_redis() {
    for len in ["", "x", "+1", "01", "-0", "-1", "1 ", "536870913", "99999999999", "9223372036854775808"] {
        assert_eq!(refused(format!("*1\r\n${len}\r\n").as_bytes()), "invalid bulk length", "{len:?}");
    }
    assert_eq!(refused(b"*1\r\n$1\rx"), "invalid bulk length");
}

#[test]
fn arguments_are_bulk_strings_only() {
    assert_eq!(refused(b"*1\r\nx"), "expected '$', got 'x'");
    assert_eq!(refused(b"*2\r\n$1\r\na\r\n:1\r\n"), "expected '$', got ':'");
    assert_eq!(refused(b"*1\r\n\r\n"), "expected '$', got ' '");
    assert_eq!(refused(b"*1\r\n$3\r\nabcdef"), "expected CRLF after a bulk string");
}

#[test]
fn a_mistake_does_not_spoil_what_came_before() {
    assert_eq!(
        ask(b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\n"),
        [whole(&["PING"]), whole(&["PING"]), Seen::Malformed(Malformed::MultibulkLength)]
    );
}

#[test]
fn each_limit_is_exact() {
    let limits = Limits { inline: 8, arguments: 2, bulk: 3, request: 22, ..Limits::DEFAULT };
    let too = |malformed| vec![Seen::Malformed(malformed)];
    assert_eq!(at_once(b"12345678\n", &limits), [whole(&["12345678"])]);
    assert_eq!(at_once(b"123456789\n", &limits), too(Malformed::InlineLine));
    assert_eq!(at_once(b"123456789", &limits), too(Malformed::InlineLine));
    assert_eq!(at_once(b"*0000000000", &limits), too(Malformed::MultibulkLine));
    assert_eq!(at_once(b"*1\r\n$0000000000", &limits), too(Malformed::BulkLine));
    assert_eq!(at_once(b"*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n", &limits), [whole(&["abc", "abc"])]);
    assert_eq!(at_once(b"*3\r\n", &limits), too(Malformed::MultibulkLength));
    assert_eq!(at_once(b"a b c\n", &limits), too(Malformed::MultibulkLength));
    assert_eq!(at_once(b"*1\r\n$4\r\n", &limits), too(Malformed::BulkLength));
    let limits = Limits { request: 21, ..limits };
    assert_eq!(at_once(b"*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n", &limits), too(Malformed::TooBig));
}

#[test]
fn no_setting_lets_an_offset_overflow() {
    let limits =
        Limits { bulk: usize::MAX, request: usize::MAX, inline: usize::MAX, arguments: usize::MAX, ..Limits::DEFAULT };
    for len in [u32::MAX as u64, 1 << 33, i64::MAX as u64] {
        let bytes = format!("*1\r\n${len}\r\n");
        assert_eq!(at_once(bytes.as_bytes(), &limits), [Seen::Malformed(Malformed::TooBig)], "{len}");
    }
    let bytes = format!("*{}\r\n", i64::MAX);
    assert_eq!(at_once(bytes.as_bytes(), &limits), []);
    assert_eq!(at_once(b"PING\r\n", &limits), [whole(&["PING"])]);
}

#[test]
fn a_header_alone_takes_no_memory() {
    let mut scan = Scan::default();
    assert!(matches!(scan.next(b"*1048576\r\n$536870912\r\n", &Limits::DEFAULT), Ok(Step::Partial { .. })));
    assert_eq!(scan.args.capacity(), 0);
}

#[test]
fn a_giant_request_does_not_keep_its_memory() {
    let mut bytes = Vec::new();
    write::command(&mut bytes, &vec![&b"x"[..]; 100_000]);
    let mut scan = Scan::default();
    assert!(matches!(scan.next(&bytes, &Limits::DEFAULT), Ok(Step::Whole { .. })));
    assert!(scan.args.capacity() >= 100_000);
    assert!(matches!(scan.next(b"*1\r\n$4\r\nPING\r\n", &Limits::DEFAULT), Ok(Step::Whole { .. })));
    assert!(scan.args.capacity() <= KEEP);
}

#[test]
fn the_same_memory_serves_request_after_request() {
    let mut scan = Scan::default();
    let mut lists = Vec::new();
    for bytes in [&b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"[..], b"SET a b\r\n"].repeat(100) {
        let Ok(Step::Whole { request, .. }) = scan.next(bytes, &Limits::DEFAULT) else { panic!() };
        lists.push(request.args.as_ptr());
    }
    assert!(lists.iter().all(|list| *list == lists[0]));
}
