//! TLS towards clients.

use crate::client::{alpn, check, identity, judge};
use crate::judge::{Gate, Judge};
use crate::{Problem, Secrets, suites};
use meant::ServerTls;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use std::sync::Arc;

/// What connections of clients are accepted with. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    /// For clients that offer application protocols of which this side has none. Envoy then goes on without one; the
    /// library would end the connection.
    without_alpn: Arc<ServerConfig>,
}

impl Server {
    /// The library's settings.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The library's settings for a client that begins so.
    pub fn config_for(&self, hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        let common = hello.alpn().is_some_and(|mut offered| {
            offered.any(|name| self.config.alpn_protocols.iter().any(|known| known.as_slice() == name))
        });
        if common { &self.config } else { &self.without_alpn }
    }
}

/// The settings of `DownstreamTlsContext`. Certificates of clients are asked for where there is a trust to hold them
/// against, or one is required.
///
/// # Errors
/// [`Problem::NotDelivered`] until the secrets are there; the others until the configuration changes.
pub fn server(tls: &ServerTls, secrets: &Secrets) -> Result<Server, Problem> {
    let shared = &tls.shared;
    let provider = Arc::new(suites::provider(shared)?);
    let judge = judge(shared, secrets)?;
    let identity = identity(shared, secrets)?.ok_or(Problem::NoIdentity)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&suites::versions(shared)?)
        .map_err(|error| Problem::Library(error.to_string()))?
        .with_client_cert_verifier(gate(judge, tls.requires_client_certificate, provider)?)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    let without_alpn = Arc::new(config.clone());
    config.alpn_protocols = alpn(shared);
    Ok(Server { config: Arc::new(config), without_alpn })
}

fn gate(judge: Judge, mandatory: bool, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let chains = match &judge.anchors {
        None if !mandatory => return Ok(Arc::new(NoClientAuth)),
        None => None,
        Some(anchors) => Some(
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&anchors.store), provider)
                .build()
                .map_err(|error| Problem::Roots(error.to_string()))?,
        ),
    };
    Ok(Arc::new(Gate { judge, chains, mandatory }))
}

/// Finds what is wrong whatever secrets are still to come.
///
/// # Errors
/// What [`server`] would say, except [`Problem::NotDelivered`].
pub fn check_server(tls: &ServerTls) -> Result<(), Problem> {
    if tls.shared.identity.is_none() {
        return Err(Problem::NoIdentity);
    }
    check(&tls.shared)
}
