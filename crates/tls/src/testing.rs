//! Certificates of the moment, and handshakes in memory.

use crate::{Client, Server};
use meant::{Identity, NameMatch, Roots, Secret, Tls, Trust};
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::{ClientConnection, Error, ServerConnection};
use std::net::Ipv4Addr;

/// What `openssl x509 -req` makes: X.509 version 1, signed by itself, valid until 2126.
pub(crate) const OLD: (&str, &str) = (
    "-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUM/MkGzUmvcY+oxt/Vtd9ILTK7PUwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyNDAxNTA1NVoYDzIxMjYxMDMxMDE1MDU1WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQgpgutfhxfIMow
bMnhYToCtGxHtbZ45ccDs+6sg7Y/OD/omsI1X8APhg3RtwnQjnItaIiOrUeFgoIJ
Olu00QUBMAoGCCqGSM49BAMCA0gAMEUCIQD4860cj7A7DWYeTpTBkDuKYIxitKuC
Ety4FlfCIdGWagIgDyxktLbB/NNN0o6H0xXKUmcpbSS+RhtKSkz4566K79E=
-----END CERTIFICATE-----
",
    "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJqlyu8L7wcKoLxdU
xQeNm6PLo7zugoVLR9K8q/kv3sahRANCAAQgpgutfhxfIMowbMnhYToCtGxHtbZ4
5ccDs+6sg7Y/OD/omsI1X8APhg3RtwnQjnItaIiOrUeFgoIJOlu00QUB
-----END PRIVATE KEY-----
",
);

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// A chain and its key; a name with a scheme is a URI, one with an `@` an e-mail address.
    pub(crate) fn issue(&self, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
        self.issue_until(names, 2100)
    }

    pub(crate) fn issue_until(&self, names: &[&str], year: i32) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    /// A trust in this authority and these names.
    pub(crate) fn trust(&self, names: Vec<NameMatch>) -> Trust {
        Trust { roots: Roots::Written(self.pem.clone().into_bytes()), names }
    }
}

fn san(name: &str) -> SanType {
    let text = Ia5String::try_from(name).unwrap();
    match name {
        _ if name.contains("://") => SanType::URI(text),
        _ if name.contains('@') => SanType::Rfc822Name(text),
        _ => name.parse().map_or(SanType::DnsName(text), SanType::IpAddress),
    }
}

/// The words for a side with this certificate and trust.
pub(crate) fn side(identity: Option<(Vec<u8>, Vec<u8>)>, trust: Trust) -> Tls {
    let identity = identity.map(|(chain, key)| Identity::Written { chain, key: Secret::new(key) });
    Tls { identity, trust, ..Tls::default() }
}

/// What a handshake came to.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
}

/// Lets both talk; the first side's error, the client's first.
pub(crate) fn meet(client: &Client, server: &Server) -> Result<Met, Error> {
    let name = client.name(Ipv4Addr::LOCALHOST.into());
    let mut client = ClientConnection::new(client.config().clone(), name).unwrap();
    let mut acceptor = rustls::server::Acceptor::default();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    acceptor.read_tls(&mut hello.as_slice()).unwrap();
    let accepted = acceptor.accept().unwrap().unwrap();
    let config = server.config_for(&accepted.client_hello()).clone();
    let mut server = accepted.into_connection(config).map_err(|(error, _)| error)?;
    for _ in 0..8 {
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Met { client, server })
}
