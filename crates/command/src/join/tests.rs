use super::*;
use crate::row::Join;

fn joined(how: Join, parts: &[&str]) -> String {
    written(parts, |parts, out| assert!(shards(how, parts, out)))
}

fn written(parts: &[&str], join: impl Fn(&[&[u8]], &mut Vec<u8>)) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    // What is in the buffer already, earlier replies, stays.
    let mut out = b"+BEFORE\r\n".to_vec();
    join(&parts, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("+BEFORE\r\n").unwrap().to_owned()
}

const MOVED: &str = "-MOVED 1 127.0.0.1:1\r\n";
const OOM: &str = "-OOM command not allowed\r\n";

#[test]
fn sums() {
    assert_eq!(joined(Join::Sum, &[":1\r\n", ":0\r\n", ":41\r\n"]), ":42\r\n");
    assert_eq!(joined(Join::Sum, &[":1\r\n", OOM, MOVED]), OOM);
    assert_eq!(joined(Join::Sum, &[":1\r\n", "+OK\r\n"]), "-non-integer response received from shard\r\n");
    assert_eq!(joined(Join::Sum, &[":9223372036854775807\r\n", ":1\r\n"]), ":9223372036854775807\r\n");
}

#[test]
fn the_same_everywhere_or_an_error() {
    assert_eq!(joined(Join::Same, &["+OK\r\n", "+OK\r\n"]), "+OK\r\n");
    assert_eq!(joined(Join::Same, &["$1\r\na\r\n", "$1\r\nb\r\n"]), "-all responses not same\r\n");
    assert_eq!(joined(Join::Same, &["+OK\r\n", OOM, MOVED]), OOM);
}

#[test]
fn failed_keys_are_counted_in_the_words_of_envoy() {
    assert_eq!(written(&[], |_, out| finished_with_errors(2, out)), "-finished with 2 error(s)\r\n");
}

#[test]
fn arrays_are_chained() {
    let keys = ["*2\r\n$1\r\na\r\n$0\r\n\r\n", "*0\r\n", "*-1\r\n", "*1\r\n$4\r\n\r\n*9\r\n"];
    assert_eq!(joined(Join::Concat, &keys), "*3\r\n$1\r\na\r\n$0\r\n\r\n$4\r\n\r\n*9\r\n");
    let nested = ["*1\r\n*2\r\n:1\r\n*1\r\n$1\r\na\r\n", "*1\r\n*1\r\n$-1\r\n"];
    assert_eq!(joined(Join::Concat, &nested), "*2\r\n*2\r\n:1\r\n*1\r\n$1\r\na\r\n*1\r\n$-1\r\n");
    assert_eq!(joined(Join::Concat, &["*0\r\n", MOVED]), MOVED);
    assert_eq!(joined(Join::Concat, &["*0\r\n", ":1\r\n"]), "-non-array response received from shard\r\n");
    assert_eq!(joined(Join::Concat, &["*2\r\n:1\r\n"]), "-non-array response received from shard\r\n");
}

#[test]
fn roles_are_nested() {
    let roles = ["*3\r\n$6\r\nmaster\r\n:5\r\n*0\r\n", "*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n"];
    assert_eq!(joined(Join::Nest, &roles), format!("*2\r\n{}{}", roles[0], roles[1]));
    assert_eq!(joined(Join::Nest, &[roles[0], OOM]), OOM);
}

#[test]
fn a_setting_is_told_once() {
    let one = "*4\r\n$9\r\nmaxmemory\r\n$1\r\n1\r\n$2\r\nhz\r\n$2\r\n10\r\n";
    let two = "*4\r\n$9\r\nmaxmemory\r\n$1\r\n2\r\n$4\r\nport\r\n$1\r\n7\r\n";
    let all = "*6\r\n$9\r\nmaxmemory\r\n$1\r\n1\r\n$2\r\nhz\r\n$2\r\n10\r\n$4\r\nport\r\n$1\r\n7\r\n";
    assert_eq!(joined(Join::Pairs, &[one, two]), all);
    assert_eq!(joined(Join::Pairs, &["*0\r\n", "*0\r\n"]), "*0\r\n");
}

#[test]
fn a_script_exists_where_all_shards_have_it() {
    let parts = ["*3\r\n:1\r\n:1\r\n:0\r\n", "*3\r\n:1\r\n:0\r\n:0\r\n"];
    assert_eq!(joined(Join::Everywhere, &parts), "*3\r\n:1\r\n:0\r\n:0\r\n");
    assert_eq!(joined(Join::Everywhere, &["*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n"]), "-all responses not same\r\n");
    assert_eq!(joined(Join::Everywhere, &["*1\r\n:1\r\n", OOM]), OOM);
}

#[test]
fn one_killed_script_is_enough() {
    let idle = "-NOTBUSY No scripts in execution right now.\r\n";
    let stuck = "-UNKILLABLE Sorry the script already executed write commands\r\n";
    assert_eq!(joined(Join::AnyOk, &[idle, "+OK\r\n", idle]), "+OK\r\n");
    assert_eq!(joined(Join::AnyOk, &[idle, stuck]), stuck);
    assert_eq!(joined(Join::AnyOk, &[idle, idle]), idle);
}

#[test]
fn joins_that_need_more_than_replies_are_left_to_the_caller() {
    for how in [Join::ByKey, Join::Cursor, Join::BySubcommand] {
        assert!(!shards(how, &[b"+OK\r\n"], &mut Vec::new()));
    }
}

mod cursors {
    use super::super::cursor::*;
    use proptest::prelude::*;

    #[test]
    fn zero_is_the_beginning_and_the_end_only() {
        assert_eq!(unpack(0), (0, 0));
        assert_eq!(pack(0, 0), None);
        assert_eq!(pack(0, 1), Some(1));
        assert_eq!(pack(1, 0), Some(1 << 14));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(pack((1 << 50) - 1, 16383), Some(u64::MAX));
        assert_eq!(pack(1 << 50, 0), None);
        assert_eq!(pack(1, 16384), None);
    }

    #[test]
    fn a_reply_gets_another_cursor() {
        let reply = b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n";
        assert_eq!(of_reply(reply), Some(17));
        let mut out = Vec::new();
        rewrite(reply, 278_529, &mut out);
        assert_eq!(out, b"*2\r\n$6\r\n278529\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n");
    }

    #[test]
    fn an_error_stays_an_error() {
        let error = b"-ERR invalid cursor\r\n";
        let mut out = Vec::new();
        assert_eq!(of_reply(error), None);
        rewrite(error, 5, &mut out);
        assert_eq!(out, error);
    }

    #[test]
    fn digits_only() {
        assert_eq!(parse(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"+1", b"-1", b" 1", b"18446744073709551616", b"x"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn packing_is_undone(node in 0..1u64 << 50, slot in 0..16384u16) {
            if let Some(cursor) = pack(node, slot) {
                prop_assert_ne!(cursor, 0);
                prop_assert_eq!(unpack(cursor), (node, slot));
            }
        }
    }
}

mod any_bytes {
    use super::super::*;
    use crate::row::Join;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panic(parts in proptest::collection::vec("[*$:+-][0-9-]{0,3}(\r\n)?([$:][0-3]\r\n[a-z#: =,.]{0,4}(\r\n)?){0,4}", 0..4)) {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            let all = [
                Join::Only, Join::Sum, Join::Same, Join::Concat, Join::Nest, Join::Pairs, Join::Info, Join::Everywhere,
                Join::AnyOk,
            ];
            for how in all {
                shards(how, &parts, &mut Vec::new());
            }
            cursor::rewrite(parts.first().copied().unwrap_or_default(), 1, &mut Vec::new());
        }
    }
}
