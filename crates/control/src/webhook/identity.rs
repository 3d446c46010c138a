//! The certificate that is served, and the authority that it leads to. Both are made together, and the authority's key is
//! dropped at once: it signs one certificate and never another.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// Clocks of API servers may be behind.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A name cannot stand in a certificate.
    #[error("a certificate for the webhook cannot be made: {0}")]
    Made(#[from] rcgen::Error),
    /// The key that was made cannot be used.
    #[error("the certificate for the webhook cannot be used: {0}")]
    Used(#[from] rustls::Error),
}

/// A certificate with its key, and who vouches for it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// The authority's certificate, as PEM.
    pub(super) authority: String,
    pub(super) certified: Arc<CertifiedKey>,
    /// From when on it is valid.
    beginning: SystemTime,
    /// From when on there should be another.
    renewal: SystemTime,
}

impl Identity {
    /// One for `names`, valid for `life` from `now` on.
    pub(super) fn new(names: &[String], life: Duration, now: SystemTime) -> Result<Self, IdentityError> {
        let when = humantime::format_rfc3339_millis(now);
        let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let mut authority = params(Vec::new(), &format!("slotmesh webhook {when}"), life, now)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let signed = authority.self_signed(&authority_key)?;
        let mut own = params(names.to_vec(), "slotmesh webhook", life, now)?;
        own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        own.use_authority_key_identifier_extension = true;
        let certificate = own.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let private = default_provider().key_provider.load_private_key(private)?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], private));
        Ok(Self { authority: signed.pem(), certified, beginning: now - SLACK, renewal: now + life / 3 * 2 })
    }

    /// Whether there should be another by now: it grows old, or the clock was ahead when it was made and was set right.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        now >= self.renewal || now < self.beginning
    }
}

fn params(
    names: Vec<String>,
    common: &str,
    life: Duration,
    now: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = (now - SLACK).into();
    params.not_after = (now + life).into();
    Ok(params)
}

/// The certificate that is served by now. A change concerns handshakes to come; connections live on.
#[derive(Debug)]
pub(super) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    pub(super) fn new(identity: &Identity) -> Self {
        Self(RwLock::new(Arc::clone(&identity.certified)))
    }

    pub(super) fn set(&self, identity: &Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&identity.certified);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;
    use std::time::{Duration, SystemTime};
    use x509_parser::pem::parse_x509_pem;
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    #[test]
    fn it_is_for_its_names_and_for_its_time_and_leads_to_its_authority() {
        let (now, day) = (SystemTime::now(), Duration::from_secs(24 * 60 * 60));
        let names = ["slotmesh-control.slotmesh-system.svc".to_owned(), "10.0.0.1".to_owned()];
        let made = Identity::new(&names, 90 * day, now).unwrap();
        assert_eq!(made.renewal.duration_since(now).unwrap(), 60 * day);
        assert!(made.is_due(now + 60 * day) && !made.is_due(now + 59 * day));
        assert!(
            made.is_due(now - day / 12) && !made.is_due(now - day / 25),
            "the clock was set back by two hours, by one"
        );
        let (_, own) = X509Certificate::from_der(&made.certified.cert[0]).unwrap();
        let (_, pem) = parse_x509_pem(made.authority.as_bytes()).unwrap();
        let authority = pem.parse_x509().unwrap();
        // That the one signed the other is seen by a client, in `tests/kube/webhook.rs`.
        assert_eq!(own.issuer(), authority.subject());
        assert!(authority.is_ca() && !own.is_ca());
        let days = |one: &X509Certificate| one.validity().not_after.timestamp() - one.validity().not_before.timestamp();
        assert_eq!((days(&own), days(&authority)), (90 * 24 * 3600 + 3600, 90 * 24 * 3600 + 3600));
        let names = &own.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert!(matches!(
            names[..],
            [GeneralName::DNSName("slotmesh-control.slotmesh-system.svc"), GeneralName::IPAddress([10, 0, 0, 1])]
        ));
        let other = Identity::new(&[], day, now).unwrap();
        assert_ne!(other.authority, made.authority);
        assert!(Identity::new(&["a b\u{e9}".to_owned()], day, now).is_err());
    }
}
