use super::*;

fn whole(bytes: &[u8]) -> Value<'_> {
    let (value, len) = parse(bytes, &Limits::DEFAULT).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    value
}

#[test]
fn each_type() {
    let cases: [(&[u8], Value<'_>); 19] = [
        (b"+OK\r\n", Value::Simple(b"OK")),
        (b"-ERR no\r\n", Value::Error(b"ERR no")),
        (b":-7\r\n", Value::Integer(-7)),
        (b":+7\r\n", Value::Integer(7)),
        (b"$2\r\n\r\n\r\n", Value::Bulk(b"\r\n")),
        (b"$0\r\n\r\n", Value::Bulk(b"")),
        (b"$-1\r\n", Value::Null),
        (b"*-1\r\n", Value::Null),
        (b"_\r\n", Value::Null),
        (b"*2\r\n:1\r\n*0\r\n", Value::Array(vec![Value::Integer(1), Value::Array(vec![])])),
        (b"%1\r\n+a\r\n#t\r\n", Value::Map(vec![(Value::Simple(b"a"), Value::Boolean(true))])),
        (b"~1\r\n#f\r\n", Value::Set(vec![Value::Boolean(false)])),
        (b">1\r\n+a\r\n", Value::Push(vec![Value::Simple(b"a")])),
        (b",1e3\r\n", Value::Double(b"1e3")),
        (b"(123\r\n", Value::BigNumber(b"123")),
        (b"=6\r\ntxt:ab\r\n", Value::Verbatim(b"ab")),
        (b"=2\r\nab\r\n", Value::Verbatim(b"ab")),
        (b"!3\r\nERR\r\n", Value::BlobError(b"ERR")),
        (b"|1\r\n+ttl\r\n*1\r\n:1\r\n*1\r\n|0\r\n:2\r\n", Value::Array(vec![Value::Integer(2)])),
    ];
    for (bytes, value) in cases {
        assert_eq!(whole(bytes), value, "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_follows_is_left_alone() {
    assert_eq!(parse(b":1\r\n+next", &Limits::DEFAULT), Ok(Some((Value::Integer(1), 4))));
    assert_eq!(parse(b"*2\r\n:1\r\n", &Limits::DEFAULT), Ok(None));
    assert_eq!(parse(b"*1\r\nx", &Limits::DEFAULT), Err(Malformed::ReplyType(b'x')));
}

#[test]
fn a_deep_tree_is_refused_whatever_the_limit() {
    let limits = Limits { depth: usize::MAX, ..Limits::DEFAULT };
    let deep = |levels: usize| [&b"*1\r\n".repeat(levels)[..], b":1\r\n"].concat();
    assert!(matches!(parse(&deep(DEEPEST), &limits), Ok(Some(_))));
    assert_eq!(parse(&deep(DEEPEST + 1), &limits), Err(Malformed::ReplyDepth));
}

#[test]
fn fields_are_found_in_maps_and_in_flat_pairs() {
    for bytes in [&b"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n:2\r\n"[..], b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n"] {
        let value = whole(bytes);
        assert_eq!(value.field("b").and_then(Value::as_integer), Some(2));
        assert_eq!(value.field("c"), None);
    }
    assert_eq!(whole(b"*3\r\n+a\r\n+b\r\n+c\r\n").field("b"), None, "a value is no key");
    assert_eq!(whole(b"+a\r\n").field("a"), None);
}

#[test]
fn accessors_answer_for_their_types_only() {
    assert_eq!(whole(b"$2\r\n42\r\n").as_integer(), Some(42));
    assert_eq!(whole(b"$2\r\n4x\r\n").as_integer(), None);
    assert_eq!(whole(b"=6\r\ntxt:ab\r\n").as_bytes(), Some(&b"ab"[..]));
    assert_eq!(whole(b"-ERR\r\n").as_bytes(), None);
    assert_eq!(whole(b"-ERR\r\n").as_error(), Some(&b"ERR"[..]));
    assert_eq!(whole(b"+OK\r\n").as_error(), None);
    assert_eq!(whole(b"~1\r\n:1\r\n").as_array(), Some(&[Value::Integer(1)][..]));
    assert_eq!(whole(b"%0\r\n").as_array(), None);
}
