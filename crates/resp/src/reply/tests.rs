use super::*;

/// The lengths of the replies in bytes that come in pieces, and the error that ended them.
fn read(pieces: &[&[u8]], limits: &Limits) -> (Vec<usize>, Option<Malformed>) {
    let (mut scan, mut held, mut all) = (Scan::default(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match scan.next(&held, limits) {
                Ok(Some(len)) => {
                    all.push(len);
                    held.drain(..len);
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

/// The same for bytes that come at once; which is also what becomes of them byte by byte.
fn at_once(bytes: &[u8], limits: &Limits) -> (Vec<usize>, Option<Malformed>) {
    let seen = read(&[bytes], limits);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single, limits), seen, "byte by byte: {}", bytes.escape_ascii());
    seen
}

/// Whether these bytes are one whole reply, with whatever may follow.
fn is_one(bytes: &[u8]) {
    let followed = [bytes, b"+next\r\n"].concat();
    assert_eq!(at_once(&followed, &Limits::DEFAULT), (vec![bytes.len(), 7], None), "{}", bytes.escape_ascii());
    assert_eq!(at_once(&bytes[..bytes.len() - 1], &Limits::DEFAULT), (vec![], None), "{}", bytes.escape_ascii());
}

fn refused(bytes: &[u8]) -> Malformed {
    at_once(bytes, &Limits::DEFAULT).1.unwrap_or_else(|| panic!("{}", bytes.escape_ascii()))
}

#[test]
fn each_type() {
    let replies: [&[u8]; 34] = [
        b"+OK\r\n",
        b"+\r\n",
        b"+QUEUED\r\n",
        b"-ERR no\r\n",
        b":0\r\n",
        b":-1\r\n",
        b":+1\r\n",
        b":9223372036854775807\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$1\r\na\r\n",
        b"$12\r\n\r\n+-:$*\0\r\nab\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n$-1\r\n",
        b"*2\r\n*1\r\n:1\r\n*0\r\n",
        b"*1\r\n*1\r\n*1\r\n*0\r\n",
        b"_\r\n",
        b",1.5\r\n",
        b",-inf\r\n",
        b"#t\r\n",
        b"#f\r\n",
        b"!5\r\nERR x\r\n",
        b"=6\r\ntxt:ab\r\n",
        b"(-3492890328409238509324850943850943825024385\r\n",
        b"%0\r\n",
        b"%1\r\n+a\r\n*1\r\n:1\r\n",
        b"~2\r\n:1\r\n:2\r\n",
        b">2\r\n+message\r\n$1\r\na\r\n",
        b"|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n",
        b"|0\r\n+OK\r\n",
        b"|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n*1\r\n:3\r\n",
        b"*1\r\n|1\r\n+a\r\n*1\r\n:1\r\n:2\r\n",
        b"*3\r\n%1\r\n+a\r\n+b\r\n~0\r\n>1\r\n+x\r\n",
    ];
    for reply in replies {
        is_one(reply);
    }
}

#[test]
fn what_is_no_reply() {
    use Malformed::*;
    let cases: [(&[u8], Malformed); 27] = [
        (b"x", ReplyType(b'x')),
        (b"\r\n", ReplyType(b'\r')),
        (b"*1\r\n;", ReplyType(b';')),
        (b"$?\r\n", ReplyStreamed),
        (b"*?\r\n", ReplyStreamed),
        (b"%?\r\n", ReplyStreamed),
        (b"$-2\r\n", ReplyLength),
        (b"*-2\r\n", ReplyLength),
        (b"%-1\r\n", ReplyLength),
        (b"~-1\r\n", ReplyLength),
        (b"$\r\n", ReplyLength),
        (b"$1x\r\n", ReplyLength),
        (b"$01\r\n", ReplyLength),
        (b"$536870913\r\n", ReplyLength),
        (b"*99999999999999999999\r\n", ReplyLength),
        (b"+a\rb", ReplyEnd),
        (b"$1\rb", ReplyEnd),
        (b"$1\r\nabc", ReplyEnd),
        (b":\r\n", ReplyValue(b':')),
        (b":1.5\r\n", ReplyValue(b':')),
        (b":9223372036854775808\r\n", ReplyValue(b':')),
        (b"#x\r\n", ReplyValue(b'#')),
        (b"_x\r\n", ReplyValue(b'_')),
        (b",\r\n", ReplyValue(b',')),
        (b"(-\r\n", ReplyValue(b'(')),
        (b"*4194305\r\n", ReplyElements),
        (b"%9223372036854775807\r\n", ReplyElements),
    ];
    for (bytes, malformed) in cases {
        assert_eq!(refused(bytes), malformed, "{}", bytes.escape_ascii());
    }
}

#[test]
fn each_limit_is_exact() {
    let limits = Limits { bulk: 3, depth: 2, elements: 4, line: 5, ..Limits::DEFAULT };
    let good: [&[u8]; 5] = [
        b"$3\r\nabc\r\n",
        b"*1\r\n*1\r\n:1\r\n",
        b"*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n",
        b"+abcd\r\n",
        b"*1\r\n*1\r\n*0\r\n",
    ];
    for reply in good {
        assert_eq!(at_once(reply, &limits), (vec![reply.len()], None), "{}", reply.escape_ascii());
    }
    let bad: [(&[u8], Malformed); 6] = [
        (b"$4\r\n", Malformed::ReplyLength),
        (b"*1\r\n*1\r\n*1\r\n", Malformed::ReplyDepth),
        (b"*2\r\n*3\r\n", Malformed::ReplyElements),
        (b"|1\r\n:1\r\n:1\r\n|1\r\n", Malformed::ReplyElements),
        (b"+abcde\r\n", Malformed::ReplyLine),
        (b"+abcdef", Malformed::ReplyLine),
    ];
    for (bytes, malformed) in bad {
        assert_eq!(at_once(bytes, &limits), (vec![], Some(malformed)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn attributes_without_end_are_refused() {
    let limits = Limits { elements: 1000, ..Limits::DEFAULT };
    assert_eq!(at_once(&b"|0\r\n".repeat(1001), &limits), (vec![], Some(Malformed::ReplyElements)));
}

#[test]
fn no_setting_lets_an_offset_overflow() {
    let limits = Limits { bulk: usize::MAX, elements: usize::MAX, depth: usize::MAX, ..Limits::DEFAULT };
    for bytes in [format!("${}\r\nab\r\n", i64::MAX), format!("*1\r\n%{}\r\n", i64::MAX)] {
        assert_eq!(at_once(bytes.as_bytes(), &limits), (vec![], None));
    }
}

#[test]
fn needed_knows_the_length_of_a_bulk() {
    let mut scan = Scan::default();
    assert_eq!(scan.next(b"$1000\r\nab", &Limits::DEFAULT), Ok(None));
    assert_eq!(scan.needed(), 7 + 1002);
    scan.reset();
    assert_eq!(scan.next(b"*2\r\n$5\r\nab", &Limits::DEFAULT), Ok(None));
    assert_eq!(scan.needed(), 8 + 7);
    assert_eq!(scan.next(b"*2\r\n$5\r\nabcde\r\n", &Limits::DEFAULT), Ok(None));
    assert_eq!(scan.needed(), 15 + 1);
}

#[test]
fn plain_replies_take_no_memory() {
    let mut scan = Scan::default();
    for reply in [&b"*2\r\n:1\r\n$1\r\na\r\n"[..], b"$3\r\nabc\r\n", b"-ERR\r\n"] {
        assert_eq!(scan.next(reply, &Limits::DEFAULT), Ok(Some(reply.len())));
    }
    assert!(scan.outer.capacity() <= 4);
}

#[test]
fn pushes_are_known_by_their_first_byte() {
    assert!(is_push(b">1\r\n"));
    assert!(!is_push(b"*1\r\n"));
    assert!(!is_push(b""));
}
