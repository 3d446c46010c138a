//! PEM becomes keys, chains and trust anchors.

use crate::Problem;
use crate::judge::Anchors;
use meant::Secret;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The cryptography: *ring*'s.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if all.is_empty() { Err("there is no certificate in it (PEM is expected)".into()) } else { Ok(all) }
}

/// A chain with its key, which belong together.
pub(crate) fn identity(chain: &[u8], key: &Secret) -> Result<CertifiedKey, Problem> {
    let chain = certificates(chain).map_err(Problem::Chain)?;
    let (_, first) = X509Certificate::from_der(&chain[0]).map_err(|error| Problem::Chain(error.to_string()))?;
    // The library's words never carry bytes of the key.
    let key = PrivateKeyDer::from_pem_slice(key.reveal()).map_err(|error| Problem::Key(error.to_string()))?;
    let key = provider().key_provider.load_private_key(key).map_err(|error| Problem::Key(error.to_string()))?;
    // Not by `CertifiedKey::keys_match`, which refuses X.509 version 1: what `openssl x509 -req` makes unasked.
    if key.public_key().is_some_and(|public| public.as_ref() != first.public_key().raw) {
        return Err(Problem::Mismatch);
    }
    Ok(CertifiedKey::new(chain, key))
}

/// What certificates must lead to. One that the library cannot use is left out as long as there are others: bundles of
/// whole operating systems have such.
pub(crate) fn anchors(pem: &[u8]) -> Result<Anchors, Problem> {
    let certificates = certificates(pem).map_err(Problem::Roots)?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(Problem::Roots("none of its certificates can be an authority".into()));
    }
    Ok(Anchors { store: Arc::new(store), certificates })
}
