//! Versions and cipher suites.

use crate::Problem;
use meant::{Tls, TlsVersion};
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// OpenSSL's names of the suites of TLS 1.2 that there are; the names of the standard are known too.
const NAMES: [(&str, &str, CipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The versions between the bounds.
pub(crate) fn versions(tls: &Tls) -> Result<Vec<&'static SupportedProtocolVersion>, Problem> {
    let lowest = tls.lowest.unwrap_or(TlsVersion::V1_2);
    let highest = tls.highest.unwrap_or(TlsVersion::V1_3);
    let all = [(TlsVersion::V1_3, &TLS13), (TlsVersion::V1_2, &TLS12)];
    let allowed: Vec<_> =
        all.into_iter().filter(|(version, _)| (lowest..=highest).contains(version)).map(|(_, v)| v).collect();
    if allowed.is_empty() { Err(Problem::NoVersion) } else { Ok(allowed) }
}

/// The cryptography with the suites that were asked for. As in Envoy the list is about TLS 1.2: the suites of TLS 1.3 are
/// always there. Suites that are not offered here (RSA key exchange, CBC) are left out as long as one remains.
pub(crate) fn provider(tls: &Tls) -> Result<CryptoProvider, Problem> {
    let mut provider = crate::material::provider();
    if tls.cipher_suites.is_empty() {
        return Ok(provider);
    }
    // `[A|B]` means that A and B are equally good.
    let names = tls.cipher_suites.iter().flat_map(|name| name.trim_matches(['[', ']']).split('|'));
    let wanted: Vec<CipherSuite> = names.filter_map(suite).collect();
    let older =
        wanted.iter().filter_map(|id| provider.cipher_suites.iter().find(|suite| suite.suite() == *id).copied());
    let older: Vec<_> = older.collect();
    if older.is_empty() {
        return Err(Problem::NoSuite(tls.cipher_suites.join(", ")));
    }
    provider.cipher_suites.retain(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
    provider.cipher_suites.extend(older);
    Ok(provider)
}

fn suite(name: &str) -> Option<CipherSuite> {
    let name = name.trim();
    NAMES.iter().find(|(openssl, standard, _)| [*openssl, *standard].contains(&name)).map(|(_, _, suite)| *suite)
}
