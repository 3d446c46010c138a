use super::{Wire, fault};
use meant::{ClientTls, Identity, Roots, Secret, ServerTls, Tls, Trust};
use mio::net::TcpStream;
use rcgen::{CertificateParams, KeyPair};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};
use tls::{Fault, Secrets};

/// Both settings: a certificate that signed itself, which the client trusts if it is to.
fn settings(trusted: bool, strict: bool) -> (tls::Client, tls::Server) {
    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::new(vec!["redis".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let identity = Identity::Written { chain: pem.clone().into(), key: Secret::new(key.serialize_pem()) };
    let trust = |pem: &str| Trust { roots: Roots::Written(pem.into()), names: Vec::new() };
    let other = CertificateParams::new(Vec::new()).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let shared = Tls { trust: trust(if trusted { &pem } else { &other }), ..Tls::default() };
    let client = tls::client(&ClientTls { sni: "redis".into(), shared }, &Secrets::default()).unwrap();
    let trust = if strict { trust(&pem) } else { Trust::default() };
    let shared = Tls { identity: Some(identity), trust, ..Tls::default() };
    let server = ServerTls { requires_client_certificate: strict, shared };
    (client, tls::server(&server, &Secrets::default()).unwrap())
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    for socket in [&here, &there] {
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    (TcpStream::from_std(here), TcpStream::from_std(there))
}

fn pair(trusted: bool, strict: bool) -> (Wire, Wire) {
    let (client, server) = settings(trusted, strict);
    let (here, there) = sockets();
    let node = here.peer_addr().unwrap();
    (Wire::client(here, &client, node).unwrap(), Wire::plain(there).secure(server))
}

/// Tries until something other than `WouldBlock` comes.
fn until<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        assert!(start.elapsed() < Duration::from_secs(10), "nothing happened");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn shake(one: &mut Wire, other: &mut Wire) -> (io::Result<()>, io::Result<()>) {
    let (mut first, mut second) = (None, None);
    until(|| {
        let step = |wire: &mut Wire, done: &mut Option<io::Result<()>>| {
            if done.is_none() {
                match wire.handshake() {
                    Ok(false) => {}
                    ended => *done = Some(ended.map(drop)),
                }
            }
            done.is_some()
        };
        let both = step(one, &mut first) & step(other, &mut second);
        if both { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    })
    .unwrap();
    (first.unwrap(), second.unwrap())
}

fn talking() -> (Wire, Wire) {
    let (mut client, mut server) = pair(true, false);
    let (one, other) = shake(&mut client, &mut server);
    one.and(other).unwrap();
    (client, server)
}

/// Sends all of `bytes` one way, in writes and reads of these sizes.
fn send(from: &mut Wire, to: &mut Wire, bytes: &[u8], writes: usize, reads: usize) {
    let (mut sent, mut came, mut buffer) = (0, Vec::new(), vec![0; reads]);
    until(|| {
        from.flush()?;
        while sent < bytes.len() {
            match from.write(&bytes[sent..bytes.len().min(sent + writes)]) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        loop {
            let n = to.read(&mut buffer)?;
            assert!(n > 0, "ended after {} of {}", came.len(), bytes.len());
            came.extend_from_slice(&buffer[..n]);
            if came.len() == bytes.len() {
                return Ok(());
            }
        }
    })
    .unwrap();
    assert!(came == bytes, "what came is not what was sent");
}

#[test]
fn bytes_pass_both_ways_in_any_pieces() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| ((i * 31) >> 3) as u8).collect();
    let (mut client, mut server) = talking();
    for (some, writes, reads) in
        [(&bytes[..], 1 << 20, 64 << 10), (&bytes[..200_000], 1000, 777), (&bytes[..500], 1, 1)]
    {
        send(&mut client, &mut server, some, writes, reads);
        send(&mut server, &mut client, some, writes, reads);
    }
    assert!(client.is_flushed() && server.is_flushed());
    let secured = server.secured().unwrap();
    assert!(!secured.has_certificate() && !secured.is_resumed());
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    let (mut client, mut server) = talking();
    let chunk = [7; 64 << 10];
    let mut sent = 0;
    while let Ok(n) = client.write(&chunk) {
        sent += n;
        assert!(sent < 64 << 20, "it is not bounded");
    }
    assert!(!client.is_flushed());
    let (mut came, mut buffer) = (0, [0; 64 << 10]);
    until(|| {
        client.flush()?;
        came += server.read(&mut buffer)?;
        if came == sent { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    })
    .unwrap();
    assert!(client.is_flushed());
}

/// Passes bytes between two raw sockets one at a time.
fn dribble(mut one: &std::net::TcpStream, mut other: &std::net::TcpStream) {
    let mut byte = [0];
    for _ in 0..64 {
        if matches!(one.read(&mut byte), Ok(1)) {
            other.write_all(&byte).unwrap();
        }
        if matches!(other.read(&mut byte), Ok(1)) {
            one.write_all(&byte).unwrap();
        }
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let (client_tls, server_tls) = settings(true, false);
    let ((here, near), (far, there)) = (sockets(), sockets());
    let node = here.peer_addr().unwrap();
    let (mut client, mut server) =
        (Wire::client(here, &client_tls, node).unwrap(), Wire::plain(there).secure(server_tls));
    let (near, far) = (std::net::TcpStream::from(near), std::net::TcpStream::from(far));
    let both = until(|| {
        dribble(&near, &far);
        if client.handshake()? & server.handshake()? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    });
    both.unwrap();
    client.write(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let mut buffer = [0; 64];
    let n = until(|| {
        dribble(&near, &far);
        server.read(&mut buffer)
    });
    assert_eq!(&buffer[..n.unwrap()], b"*1\r\n$4\r\nPING\r\n");
}

#[test]
fn what_is_distrusted_is_told_to_both_sides() {
    let (mut client, mut server) = pair(false, false);
    let (one, other) = shake(&mut client, &mut server);
    let (one, other) = (one.unwrap_err(), other.unwrap_err());
    assert_eq!((fault(&one), fault(&other)), (Fault::Untrusted, Fault::Connection));
    assert!(other.to_string().contains("alert"), "{other}");

    // TLS 1.3: the client is done before the server has seen that there is no certificate, and hears of it later.
    let (mut client, mut server) = pair(true, true);
    let (one, other) = shake(&mut client, &mut server);
    assert_eq!(fault(&other.unwrap_err()), Fault::NoCertificate);
    one.unwrap();
    assert!(until(|| client.read(&mut [0; 10])).unwrap_err().to_string().contains("alert"));
}

#[test]
fn a_half_closed_connection_still_carries_the_other_half() {
    let (mut client, mut server) = talking();
    client.write(b"last words").unwrap();
    client.shutdown().unwrap();
    let mut buffer = [0; 100];
    let n = until(|| server.read(&mut buffer)).unwrap();
    assert_eq!(&buffer[..n], b"last words");
    assert_eq!(until(|| server.read(&mut buffer)).unwrap(), 0);
    send(&mut server, &mut client, &[9; 100_000], 5000, 5000);
    server.shutdown().unwrap();
    assert_eq!(until(|| client.read(&mut buffer)).unwrap(), 0);
    assert!(client.drained(&mut buffer, 4));
}

#[test]
fn the_end_comes_after_what_waited() {
    let (mut client, mut server) = talking();
    let chunk = [7; 64 << 10];
    let mut sent = 0;
    while let Ok(n) = client.write(&chunk) {
        sent += n;
    }
    client.shutdown().unwrap();
    let (mut came, mut buffer) = (0, [0; 64 << 10]);
    until(|| {
        client.flush()?;
        loop {
            match server.read(&mut buffer)? {
                0 => return Ok(()),
                n => came += n,
            }
        }
    })
    .unwrap();
    assert_eq!(came, sent);
}

#[test]
fn data_and_an_end_in_one_read_are_both_seen() {
    for announced in [true, false] {
        let (mut client, mut server) = talking();
        client.write(b"bye").unwrap();
        if announced {
            client.shutdown().unwrap();
        } else {
            client.stream().shutdown(Shutdown::Both).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        let mut buffer = [0; 100];
        assert_eq!(server.read(&mut buffer).unwrap(), 3);
        assert!(server.has_more(3, 100), "no event will tell of the end");
        assert_eq!(server.read(&mut buffer).unwrap(), 0);
    }
}

#[test]
fn a_connection_that_ends_early_or_is_no_tls_fails() {
    let (client, mut server) = pair(true, false);
    drop(client);
    let error = until(|| server.handshake()).unwrap_err();
    assert_eq!((error.kind(), fault(&error)), (io::ErrorKind::UnexpectedEof, Fault::Connection));

    let (_, server_tls) = settings(true, false);
    let (mut here, there) = sockets();
    let mut server = Wire::plain(there).secure(server_tls);
    here.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let error = until(|| if server.handshake()? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let mut alert = [0; 16];
    assert_eq!(until(|| here.read(&mut alert)).unwrap(), 7, "it was told: an alert");
}

#[test]
fn plain_tcp_has_no_handshake_and_nothing_waits() {
    let (here, there) = sockets();
    let (mut one, mut other) = (Wire::plain(here), Wire::plain(there));
    assert!(one.handshake().unwrap() && one.secured().is_none());
    send(&mut one, &mut other, &[1; 300_000], 1 << 20, 64 << 10);
    assert!(one.is_flushed() && one.has_more(5, 5) && !one.has_more(4, 5));
    one.shutdown().unwrap();
    assert_eq!(until(|| other.read(&mut [0; 5])).unwrap(), 0);
    assert!(std::mem::size_of::<Wire>() <= 16, "no more than a pointer and a tag");
}
