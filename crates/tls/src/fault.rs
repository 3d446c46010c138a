//! Why a handshake failed, as it is counted.

use rustls::{CertificateError, Error, OtherError};
use std::fmt;
use std::sync::Arc;

/// What a failed handshake is counted as (Envoy's statistics `ssl.*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `fail_verify_error`: the certificate leads to no trusted authority, or not now.
    Untrusted,
    /// `fail_verify_san`: the certificate has none of the names that are accepted.
    Name,
    /// `fail_verify_no_cert`: a certificate was required and none was shown.
    NoCertificate,
    /// `connection_error`: anything else.
    Connection,
}

/// Which of them an error is.
pub fn fault(error: &Error) -> Fault {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<WrongName>() => Fault::Name,
        Error::InvalidCertificate(_) => Fault::Untrusted,
        Error::NoCertificatesPresented => Fault::NoCertificate,
        _ => Fault::Connection,
    }
}

/// A certificate without an accepted name; the names that it has.
#[derive(Debug)]
pub(crate) struct WrongName(Vec<String>);

impl WrongName {
    pub(crate) fn error(names: Vec<String>) -> Error {
        CertificateError::Other(OtherError(Arc::new(Self(names)))).into()
    }
}

impl fmt::Display for WrongName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "none of its names is accepted: {}",
            if self.0.is_empty() { "it has none".into() } else { self.0.join(", ") }
        )
    }
}

impl std::error::Error for WrongName {}
