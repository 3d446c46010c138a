//! TLS towards nodes.

use crate::judge::Judge;
use crate::{Problem, Secrets, material, suites};
use meant::{ClientTls, Identity, Roots, Tls};
use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;

/// What connections to the nodes of one cluster are made with. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    unverified: bool,
}

impl Client {
    /// The library's settings.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The name asked for; without one, the node's address, which is not sent.
    pub fn name(&self, node: IpAddr) -> ServerName<'static> {
        self.name.clone().unwrap_or_else(|| ServerName::IpAddress(node.into()))
    }

    /// Whether any certificate is accepted, which the operator should be told once.
    pub fn is_unverified(&self) -> bool {
        self.unverified
    }
}

/// The settings of `UpstreamTlsContext`.
///
/// # Errors
/// [`Problem::NotDelivered`] until the secrets are there; the others until the configuration changes.
pub fn client(tls: &ClientTls, secrets: &Secrets) -> Result<Client, Problem> {
    let name = server_name(tls)?;
    let shared = &tls.shared;
    let provider = Arc::new(suites::provider(shared)?);
    let judge = judge(shared, secrets)?;
    let identity = identity(shared, secrets)?;
    let unverified = judge.anchors.is_none();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&suites::versions(shared)?)
        .map_err(|error| Problem::Library(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)) as Arc<dyn ResolvesClientCert>)
        }
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = name.is_some();
    config.alpn_protocols = alpn(shared);
    Ok(Client { config: Arc::new(config), name, unverified })
}

/// Finds what is wrong whatever secrets are still to come.
///
/// # Errors
/// What [`client`] would say, except [`Problem::NotDelivered`].
pub fn check_client(tls: &ClientTls) -> Result<(), Problem> {
    server_name(tls)?;
    check(&tls.shared)
}

pub(crate) fn check(tls: &Tls) -> Result<(), Problem> {
    suites::versions(tls)?;
    suites::provider(tls)?;
    if let Some(Identity::Written { chain, key }) = &tls.identity {
        material::identity(chain, key)?;
    }
    match &tls.trust.roots {
        Roots::Delivered(_) => Ok(()),
        Roots::Written(_) | Roots::Unverified => judge(tls, &Secrets::default()).map(drop),
    }
}

fn server_name(tls: &ClientTls) -> Result<Option<ServerName<'static>>, Problem> {
    if tls.sni.is_empty() {
        return Ok(None);
    }
    let name = ServerName::try_from(tls.sni.clone()).map_err(|_| Problem::ServerName(tls.sni.clone()))?;
    Ok(matches!(name, ServerName::DnsName(_)).then_some(name))
}

/// What decides about the other side's certificates.
pub(crate) fn judge(tls: &Tls, secrets: &Secrets) -> Result<Judge, Problem> {
    let found = secrets.trust(&tls.trust)?;
    if found.roots.is_none() && !found.names.is_empty() {
        return Err(Problem::NamesWithoutRoots);
    }
    let anchors = found.roots.map(material::anchors).transpose()?;
    Ok(Judge { anchors, names: found.names, algorithms: material::provider().signature_verification_algorithms })
}

/// This side's certificate, if it has one.
pub(crate) fn identity(tls: &Tls, secrets: &Secrets) -> Result<Option<CertifiedKey>, Problem> {
    let Some(identity) = &tls.identity else { return Ok(None) };
    let (chain, key) = secrets.identity(identity)?;
    material::identity(chain, key).map(Some)
}

pub(crate) fn alpn(tls: &Tls) -> Vec<Vec<u8>> {
    tls.alpn.iter().map(|name| name.clone().into_bytes()).collect()
}
