use proptest::{collection::vec, prelude::*, sample::Index};

use super::{TIGHT, cuts, replies, requests, same_however_cut};
use crate::{Limits, reply, value};

/// Bytes that nobody should send: noise, noise made of the protocol's own letters, headers one behind the other, and
/// good frames with one byte changed.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[*$+:%~>|!=(,#_-]-?[0-9]{0,3}\r\n",
        "[*$%~>|]-?[0-9?]{1,22}\r?\n?",
        "\\$3\r\nabc\r\n",
        "[a\"' \\\\x]{0,12}\r?\n",
        "[+:,(_#-][0-9a-f]{0,20}\r\n",
    ];
    let frames = vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    let spoilt = (frames.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![
        vec(any::<u8>(), 0..80),
        vec(prop::sample::select(&b"*$+-:%~>|!=(,#_\r\r\n\n0123459?ab\"' \\x"[..]), 0..80),
        frames,
        spoilt,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn as_requests_is_the_same_however_cut(bytes in garbage(), cuts in cuts()) {
        same_however_cut(&bytes, &cuts, |pieces| requests(pieces, &TIGHT));
        requests(&[&bytes], &Limits::DEFAULT);
    }

    #[test]
    fn as_replies_is_the_same_however_cut(bytes in garbage(), cuts in cuts()) {
        same_however_cut(&bytes, &cuts, |pieces| replies(pieces, &TIGHT));
        replies(&[&bytes], &Limits::DEFAULT);
    }

    #[test]
    fn a_tree_agrees_with_the_scan(bytes in garbage()) {
        for limits in [TIGHT, Limits::DEFAULT] {
            let scanned = reply::Scan::default().next(&bytes, &limits);
            let parsed = value::parse(&bytes, &limits).map(|found| found.map(|(_, len)| len));
            prop_assert_eq!(parsed, scanned);
        }
    }
}
