//! Whether the other side has the key of the certificate that it shows.
//!
//! The library's own functions refuse certificates of X.509 version 1, which `openssl x509 -req` makes when it is not
//! told of extensions: many a Redis has one. Where certificates are not verified such a one must do, so the key is taken
//! out of the certificate here and the signature is checked with the same algorithms.

use crate::judge::bad_signature;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Version;

type Verdict = Result<HandshakeSignatureValid, Error>;

/// For TLS 1.2.
pub(crate) fn tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Verdict {
    let Some(old) = version_1(certificate)? else {
        return crypto::verify_tls12_signature(message, certificate, signed, algorithms);
    };
    let (_, candidates) =
        algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme).ok_or_else(bad_signature)?;
    let key = &old.public_key().subject_public_key.data;
    let valid = candidates.iter().any(|algorithm| algorithm.verify_signature(key, message, signed.signature()).is_ok());
    if valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(bad_signature()) }
}

/// For TLS 1.3.
pub(crate) fn tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Verdict {
    let Some(old) = version_1(certificate)? else {
        return crypto::verify_tls13_signature(message, certificate, signed, algorithms);
    };
    let key = SubjectPublicKeyInfoDer::from(old.public_key().raw);
    crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

fn version_1<'a>(certificate: &'a CertificateDer<'_>) -> Result<Option<X509Certificate<'a>>, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok((parsed.version() == X509Version::V1).then_some(parsed))
}
