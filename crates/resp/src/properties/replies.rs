use proptest::{collection::vec, prelude::*};

use super::{cuts, payload, replies, same_however_cut};
use crate::{Limits, value, value::Value, write};

/// A reply of any type, owned.
#[derive(Clone, Debug)]
enum Reply {
    /// One of the types that are a line: type byte and text.
    Line(u8, String),
    Integer(i64),
    /// One of the types that are counted bytes: type byte and bytes.
    Bulk(u8, Vec<u8>),
    /// One of the three nulls.
    Null(&'static str),
    Boolean(bool),
    /// One of the aggregates that are a list: type byte and elements.
    Many(u8, Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// A reply with attributes before it.
    Attributed(Vec<(Reply, Reply)>, Box<Reply>),
}

fn reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        (prop::sample::select(&b"+-"[..]), "[ -~]{0,20}").prop_map(|(kind, text)| Reply::Line(kind, text)),
        "[+-]?[0-9]{1,40}".prop_map(|text| Reply::Line(b'(', text)),
        "-?[0-9]{1,5}(\\.[0-9]{1,5})?|-?inf|nan".prop_map(|text| Reply::Line(b',', text)),
        any::<i64>().prop_map(Reply::Integer),
        (-200_i64..200).prop_map(Reply::Integer),
        (prop::sample::select(&b"$$$!="[..]), payload()).prop_map(|(kind, bytes)| Reply::Bulk(kind, bytes)),
        prop::sample::select(vec!["$-1\r\n", "*-1\r\n", "_\r\n"]).prop_map(Reply::Null),
        any::<bool>().prop_map(Reply::Boolean),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let pairs = || vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            (prop::sample::select(&b"***~>"[..]), vec(inner.clone(), 0..5))
                .prop_map(|(kind, all)| Reply::Many(kind, all)),
            pairs().prop_map(Reply::Map),
            (pairs(), inner.clone()).prop_map(|(pairs, reply)| Reply::Attributed(pairs, Box::new(reply))),
        ]
    })
}

impl Reply {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Line(kind, text) => out.extend_from_slice(format!("{}{text}\r\n", char::from(*kind)).as_bytes()),
            Self::Integer(number) => write::integer(out, *number),
            Self::Bulk(kind, bytes) => {
                let start = out.len();
                write::bulk(out, bytes);
                out[start] = *kind;
            }
            Self::Null(text) => out.extend_from_slice(text.as_bytes()),
            Self::Boolean(yes) => out.extend_from_slice(if *yes { b"#t\r\n" } else { b"#f\r\n" }),
            Self::Many(kind, all) => {
                let start = out.len();
                write::array(out, all.len());
                out[start] = *kind;
                all.iter().for_each(|reply| reply.encode(out));
            }
            Self::Map(pairs) => {
                write::map(out, pairs.len());
                encode_pairs(pairs, out);
            }
            Self::Attributed(pairs, reply) => {
                out.extend_from_slice(format!("|{}\r\n", pairs.len()).as_bytes());
                encode_pairs(pairs, out);
                reply.encode(out);
            }
        }
    }

    /// What [`value::parse`] should make of it.
    fn value(&self) -> Value<'_> {
        match self {
            Self::Line(b'+', text) => Value::Simple(text.as_bytes()),
            Self::Line(b'-', text) => Value::Error(text.as_bytes()),
            Self::Line(b'(', text) => Value::BigNumber(text.as_bytes()),
            Self::Line(_, text) => Value::Double(text.as_bytes()),
            Self::Integer(number) => Value::Integer(*number),
            Self::Bulk(b'!', bytes) => Value::BlobError(bytes),
            Self::Bulk(b'=', bytes) if bytes.get(3) == Some(&b':') => Value::Verbatim(&bytes[4..]),
            Self::Bulk(b'=', bytes) => Value::Verbatim(bytes),
            Self::Bulk(_, bytes) => Value::Bulk(bytes),
            Self::Null(_) => Value::Null,
            Self::Boolean(yes) => Value::Boolean(*yes),
            Self::Many(b'~', all) => Value::Set(all.iter().map(Self::value).collect()),
            Self::Many(b'>', all) => Value::Push(all.iter().map(Self::value).collect()),
            Self::Many(_, all) => Value::Array(all.iter().map(Self::value).collect()),
            Self::Map(pairs) => Value::Map(pairs.iter().map(|(key, value)| (key.value(), value.value())).collect()),
            Self::Attributed(_, reply) => reply.value(),
        }
    }
}

fn encode_pairs(pairs: &[(Reply, Reply)], out: &mut Vec<u8>) {
    for (key, value) in pairs {
        key.encode(out);
        value.encode(out);
    }
}

proptest! {
    #[test]
    fn replies_are_the_same_however_cut(all in vec(reply(), 1..5), cuts in cuts()) {
        let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
        for reply in &all {
            let start = bytes.len();
            reply.encode(&mut bytes);
            lengths.push(bytes.len() - start);
        }
        let found = same_however_cut(&bytes, &cuts, |pieces| replies(pieces, &Limits::DEFAULT));
        prop_assert_eq!(found, (lengths, None));
    }

    #[test]
    fn a_tree_is_what_was_written_and_as_long_as_the_scan_says(reply in reply()) {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let len = bytes.len();
        bytes.extend_from_slice(b":1\r\n");
        prop_assert_eq!(value::parse(&bytes, &Limits::DEFAULT), Ok(Some((reply.value(), len))));
        for at in 0..len {
            prop_assert_eq!(value::parse(&bytes[..at], &Limits::DEFAULT), Ok(None));
        }
    }
}

#[test]
fn sizes_around_a_buffer_s_end() {
    const BUFFER: usize = 16 << 10;
    for size in (BUFFER - 16..=BUFFER + 4).chain(2 * BUFFER - 16..=2 * BUFFER + 2) {
        let mut bytes = Vec::new();
        write::bulk(&mut bytes, &vec![b'v'; size]);
        let len = bytes.len();
        write::simple(&mut bytes, "OK");
        let pieces: Vec<&[u8]> = bytes.chunks(BUFFER).collect();
        assert_eq!(replies(&pieces, &Limits::DEFAULT), (vec![len, 5], None), "{size}");
    }
}
