//! Why TLS settings cannot be made.

/// Why a TLS context cannot be used. All but [`Problem::NotDelivered`] are the configuration's (or the secret's) fault
/// and stay until it is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Wait: the control plane has not delivered it.
    #[error("the secret '{0}' has not been delivered yet")]
    NotDelivered(String),
    /// A certificate where authorities were expected, or the other way round.
    #[error("the secret '{name}' is not {wanted}; the control plane must deliver one")]
    OtherKind {
        /// The secret's name.
        name: String,
        /// What it was to be.
        wanted: &'static str,
    },
    /// The chain of this side's certificate.
    #[error("the certificate chain cannot be read: {0}")]
    Chain(String),
    /// The key of this side's certificate.
    #[error("the private key cannot be read: {0}")]
    Key(String),
    /// Key and certificate are not a pair.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// The trusted authorities.
    #[error("trusted_ca cannot be read: {0}")]
    Roots(String),
    /// Names are held against certificates that anybody can make.
    #[error("names are to be matched (match_typed_subject_alt_names) but nothing is verified: trusted_ca is missing")]
    NamesWithoutRoots,
    /// A listener without a certificate.
    #[error("a listener needs a certificate (tls_certificates)")]
    NoIdentity,
    /// No version of TLS lies between the bounds.
    #[error("the lowest version of TLS is above the highest")]
    NoVersion,
    /// None of the cipher suites can be had.
    #[error("none of the cipher_suites is known here ({0}); those with ECDHE and an AEAD are")]
    NoSuite(String),
    /// The name to ask for.
    #[error("'{0}' cannot be asked for: sni must be a host name")]
    ServerName(String),
    /// What the TLS library has against it.
    #[error("the TLS library refuses the settings: {0}")]
    Library(String),
}

impl Problem {
    /// Whether it goes away by itself, with a delivery.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::NotDelivered(_))
    }
}
