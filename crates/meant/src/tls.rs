//! TLS towards clients and towards nodes, and the secrets it needs.

use crate::{ConfigSource, Secret};

/// `envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`: TLS towards a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The name that is asked for (`sni`); empty asks for none.
    pub sni: String,
    /// What both sides of TLS have.
    pub shared: Tls,
}

/// `envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`: TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// A client without a valid certificate is refused (`require_client_certificate`).
    pub requires_client_certificate: bool,
    /// What both sides of TLS have.
    pub shared: Tls,
}

/// `envoy.extensions.transport_sockets.tls.v3.CommonTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The lowest protocol version allowed; `None` is TLS 1.2.
    pub lowest: Option<TlsVersion>,
    /// The highest protocol version allowed; `None` is TLS 1.3.
    pub highest: Option<TlsVersion>,
    /// `cipher_suites` in OpenSSL's names; empty leaves the choice to the library.
    pub cipher_suites: Vec<String>,
    /// This side's certificate, if any.
    pub identity: Option<Identity>,
    /// What the other side's certificate is held against.
    pub trust: Trust,
    /// `alpn_protocols`, the most wanted first.
    pub alpn: Vec<String>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// A certificate chain and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Read when the configuration was (`tls_certificates`).
    Written {
        /// The chain, PEM.
        chain: Vec<u8>,
        /// The key, PEM.
        key: Secret,
    },
    /// Delivered as a secret (`tls_certificate_sds_secret_configs`).
    Delivered(Delivery),
}

/// `CertificateValidationContext`, written or delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// What a certificate must lead to.
    pub roots: Roots,
    /// `match_typed_subject_alt_names` (or `match_subject_alt_names`): any of these; none accepts every name.
    pub names: Vec<NameMatch>,
}

/// The authorities that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// As in Envoy without `trusted_ca`: no certificate is verified.
    #[default]
    Unverified,
    /// Certificates in PEM.
    Written(Vec<u8>),
    /// Delivered as a secret; its names, if it has any, are matched too.
    Delivered(Delivery),
}

/// A secret by name and where it comes from (`SdsSecretConfig`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The secret's name.
    pub name: String,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// One accepted subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMatch {
    /// Which kind of name; `None` is any.
    pub kind: Option<NameKind>,
    /// What the name must be.
    pub text: TextMatch,
}

/// `SubjectAltNameMatcher.SanType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A DNS name.
    Dns,
    /// A URI, as SPIFFE identities are.
    Uri,
    /// An IP address.
    Ip,
    /// An e-mail address.
    Email,
}

/// `envoy.type.matcher.v3.StringMatcher` without regular expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// This text.
    Exact(String),
    /// A text that begins so.
    Prefix(String),
    /// A text that ends so.
    Suffix(String),
    /// A text that has this in it.
    Contains(String),
}

impl TextMatch {
    /// Whether `text` is matched; upper and lower case differ.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => text == wanted,
            Self::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Self::Contains(wanted) => text.contains(wanted.as_str()),
        }
    }
}

/// `envoy.extensions.transport_sockets.tls.v3.Secret`, as delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// `tls_certificate`.
    Identity {
        /// The chain, PEM.
        chain: Vec<u8>,
        /// The key, PEM.
        key: Secret,
    },
    /// `validation_context`.
    Trust(Trust),
}
