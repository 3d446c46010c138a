//! A certificate chain and its key: `TlsCertificate`.

use super::reader::Reader;
use super::source;
use meant::{Delivered, Identity, Secret};

/// What the certificate means.
pub(super) fn identity(certificate: &Reader<'_>) -> Option<Identity> {
    let (chain, key) = parts(certificate)?;
    Some(Identity::Written { chain, key })
}

/// What the certificate means, where it is delivered as a secret.
pub(super) fn delivered(certificate: &Reader<'_>) -> Option<Delivered> {
    let (chain, key) = parts(certificate)?;
    Some(Delivered::Identity { chain, key })
}

fn parts(certificate: &Reader<'_>) -> Option<(Vec<u8>, Secret)> {
    certificate.guard("pkcs12", "not supported yet: use certificate_chain and private_key in PEM");
    certificate.guard("private_key_provider", "not supported yet: use private_key");
    certificate.guard("password", "keys with a password are not supported yet: decrypt the key");
    // Only how Envoy watches the files; an OCSP answer and timestamps are extras that nobody may rely on.
    certificate.without_effect(&["watched_directory", "ocsp_staple", "signed_certificate_timestamp"]);
    let chain = source::bytes(certificate, "certificate_chain");
    let key = source::secret(certificate, "private_key");
    for (name, found) in [("certificate_chain", chain.is_some()), ("private_key", key.is_some())] {
        if !found {
            certificate.wrong(name, "is required: give it in PEM");
        }
    }
    Some((chain?, key?))
}
