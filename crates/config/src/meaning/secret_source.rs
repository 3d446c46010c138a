//! Where a secret comes from: `SdsSecretConfig`, or a secret that is written in the bootstrap.

use super::reader::Reader;
use super::{certificate, config_source, trust};
use meant::{Delivered, Delivery, Identity, Roots, Trust};

/// The certificate that the configuration names.
pub(super) fn identity(config: &Reader<'_>) -> Option<Identity> {
    if config.has("sds_config") {
        return delivery(config).map(Identity::Delivered);
    }
    match written(config)? {
        Delivered::Identity { chain, key } => Some(Identity::Written { chain, key }),
        Delivered::Trust(_) => {
            config.wrong("name", "that secret is no tls_certificate");
            None
        }
    }
}

/// The authorities and names that the configuration names.
pub(super) fn trust(config: &Reader<'_>) -> Option<Trust> {
    if config.has("sds_config") {
        return delivery(config).map(|delivery| Trust { roots: Roots::Delivered(delivery), names: Vec::new() });
    }
    match written(config)? {
        Delivered::Trust(trust) => Some(trust),
        Delivered::Identity { .. } => {
            config.wrong("name", "that secret is no validation_context");
            None
        }
    }
}

fn delivery(config: &Reader<'_>) -> Option<Delivery> {
    let name = config.text("name");
    let source = config_source::source(&config.one("sds_config")?)?;
    Some(Delivery { name, source })
}

fn written(config: &Reader<'_>) -> Option<Delivered> {
    let name = config.text("name");
    let found = config.sources().secret(&name).cloned();
    if found.is_none() {
        config.wrong("name", format!("there is no secret `{name}` under static_resources.secrets: add sds_config"));
    }
    found
}

/// What `envoy.extensions.transport_sockets.tls.v3.Secret` means; `None` if it is wrong, which has been told.
pub(super) fn secret(secret: &Reader<'_>) -> Option<(String, Delivered)> {
    let name = secret.text("name");
    secret.guard("session_ticket_keys", "not supported yet: remove it");
    secret.guard("generic_secret", "not supported yet: only tls_certificate and validation_context are");
    if let Some(certificate) = secret.one("tls_certificate") {
        return Some((name, certificate::delivered(&certificate)?));
    }
    if let Some(context) = secret.one("validation_context") {
        return Some((name, Delivered::Trust(trust::written(&context, trust::Authority::Written))));
    }
    if !secret.has("session_ticket_keys") && !secret.has("generic_secret") {
        secret.wrong("tls_certificate", "is required, or validation_context");
    }
    None
}
