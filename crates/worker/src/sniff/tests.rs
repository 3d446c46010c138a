use super::{MOST, Sniffed, sniff};
use std::sync::Arc;

fn protocols(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A ClientHello as a real library writes it.
fn real(name: &str, alpn: &[&str]) -> Vec<u8> {
    let shared = meant::Tls { alpn: protocols(alpn), ..meant::Tls::default() };
    let tls = tls::client(&meant::ClientTls { sni: name.into(), shared }, &tls::Secrets::default()).unwrap();
    let name = tls.name([127, 0, 0, 1].into());
    let mut client = tls::rustls::ClientConnection::new(Arc::clone(tls.config()), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same message, in records of `size` bytes.
fn cut(hello: &[u8], size: usize) -> Vec<u8> {
    let record = |piece: &[u8]| [&[22, 3, 1], &(piece.len() as u16).to_be_bytes()[..], piece].concat();
    hello[5..].chunks(size).flat_map(record).collect()
}

#[test]
fn a_real_hello_tells_its_names_wherever_it_is_cut() {
    let found = Sniffed { tls: true, server_name: "redis.example.com".into(), protocols: protocols(&["istio", "h2"]) };
    let hello = real("Redis.example.com", &["istio", "h2"]);
    for bytes in [hello.clone(), cut(&hello, 1), cut(&hello, 100)] {
        for end in 0..bytes.len() {
            assert_eq!(sniff(&bytes[..end], true, true), None, "{end} of {}", bytes.len());
        }
        assert_eq!(sniff(&bytes, true, true), Some(found.clone()));
        let more = [&bytes[..], b"whatever follows"].concat();
        assert_eq!(sniff(&more, true, false), Some(found.clone()));
    }
    let nameless = Sniffed { tls: true, ..Sniffed::default() };
    assert_eq!(sniff(&real("", &[]), true, true), Some(nameless));
    assert_eq!(sniff(&hello, false, true), Some(Sniffed::default()), "nobody looks for TLS");
}

#[test]
fn a_redis_client_is_known_by_its_first_byte() {
    for byte in [b'*', b'\r', b'\n', b'$', 0, 255] {
        assert_eq!(sniff(&[byte], true, true), Some(Sniffed::default()), "{byte}");
    }
    assert_eq!(sniff(b"P", true, false), Some(Sniffed::default()));
    for line in ["GET key\r\n", "PING\r\n", "UNLINK a b\r\n", "SUBSCRIBE x\n", "get key HTTP/1.1\r\n", "POSTER x\r\n"] {
        assert_eq!(sniff(line.as_bytes(), true, true), Some(Sniffed::default()), "{line}");
    }
    assert_eq!(sniff(b"", true, true), None);
    assert_eq!(sniff(b"", false, false), Some(Sniffed::default()));
}

#[test]
fn plain_http_tells_its_version() {
    for (line, protocol) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http/1.1"),
        ("M-SEARCH * HTTP/1.0\n", "http/1.0"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "h2c"),
    ] {
        let found = Sniffed { protocols: protocols(&[protocol]), ..Sniffed::default() };
        let end = line.find('\n').map_or(0, |at| if protocol == "h2c" { line.len() } else { at + 1 });
        for cut in 0..end {
            assert_eq!(sniff(&line.as_bytes()[..cut], true, true), None, "{line} {cut}");
        }
        assert_eq!(sniff(line.as_bytes(), true, true), Some(found));
        assert_eq!(sniff(line.as_bytes(), true, false), Some(Sniffed::default()), "nobody looks for HTTP");
    }
    assert_eq!(sniff(b"GET / HTTP/3\r\n", true, true), Some(Sniffed::default()));
}

#[test]
fn what_never_shows_itself_is_neither() {
    let endless = [b"GET /".to_vec(), vec![b'a'; MOST]].concat();
    assert_eq!(sniff(&endless[..MOST - 1], true, true), None);
    assert_eq!(sniff(&endless, true, true), Some(Sniffed::default()));
    let huge = [&[22, 3, 1, 64, 0, 1, 0, 255, 255][..], &vec![0; MOST]].concat();
    assert_eq!(sniff(&huge[..100], true, true), None);
    assert_eq!(sniff(&huge, true, true), Some(Sniffed::default()));
    for no_hello in [&[22, 3, 1, 0, 0][..], &[22, 2], &[22, 3, 9], &[22, 3, 1, 0, 5, 2], &[22, 3, 1, 0, 5, 1, 1]] {
        assert_eq!(sniff(no_hello, true, true), Some(Sniffed::default()), "{no_hello:?}");
    }
}

/// What was decided of a part is decided of all that begins with it, whatever the bytes (the fuzz target's claim, on
/// damaged copies of what is real).
#[test]
fn a_decision_stands() {
    let hello = real("redis.example.com", &["h2"]);
    let seeds =
        [hello.clone(), cut(&hello, 7), b"GET / HTTP/1.1\r\nPRI * HTTP/2.0\r\n\r\n".to_vec(), super::PREFACE.into()];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for round in 0..3000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..random(4) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        let mut decided = None;
        for end in 0..=bytes.len() {
            let found = sniff(&bytes[..end], round & 8 == 0, round & 16 == 0);
            assert!(decided.is_none() || decided == found, "{end} of {bytes:?}");
            decided = found;
        }
    }
}
