//! Whether the other side's certificate is accepted.

use crate::fault::WrongName;
use crate::{names, signature};
use meant::NameMatch;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

/// What certificates must lead to.
#[derive(Debug)]
pub(crate) struct Anchors {
    pub(crate) store: Arc<RootCertStore>,
    /// The same, as they were written.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

impl Anchors {
    /// Whether a certificate is trusted itself and in its time: one that signed itself and is its own authority is
    /// refused by the library for being an authority, and is what many a small installation has.
    fn holds(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let in_time = || {
            let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
            let now = ASN1Time::from_timestamp(i64::try_from(now.as_secs()).ok()?).ok()?;
            Some(certificate.validity().is_valid_at(now))
        };
        self.certificates.contains(certificate) && in_time() == Some(true)
    }
}

/// Decides about certificates: nodes' for a client, clients' (through [`Gate`]) for a server.
#[derive(Debug)]
pub(crate) struct Judge {
    /// `None` verifies nothing but that the other side has the key of the certificate that it shows.
    pub(crate) anchors: Option<Anchors>,
    pub(crate) names: Vec<NameMatch>,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

impl Judge {
    fn names(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        names::accepted(certificate, &self.names).map_err(WrongName::error)
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(anchors) = &self.anchors
            && !anchors.holds(end_entity, now)
        {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &anchors.store, intermediates, now, algorithms)?;
        }
        self.names(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::tls12(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::tls13(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Decides about clients' certificates.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) judge: Judge,
    /// Verifies chains; `None` accepts any certificate.
    pub(crate) chains: Option<Arc<dyn ClientCertVerifier>>,
    pub(crate) mandatory: bool,
}

impl ClientCertVerifier for Gate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.as_ref().map_or(&[], |chains| chains.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let trusted = self.judge.anchors.as_ref().is_some_and(|anchors| anchors.holds(end_entity, now));
        if let Some(chains) = &self.chains
            && !trusted
        {
            chains.verify_client_cert(end_entity, intermediates, now)?;
        }
        self.judge.names(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// A signature that is none.
pub(crate) fn bad_signature() -> Error {
    CertificateError::BadSignature.into()
}
