//! What is counted about TLS: `listener.<address>.ssl.` and `cluster.<name>.ssl.`

stats! {
    /// One worker's statistics of TLS on one listener or towards one cluster (Envoy: `ssl.` below either).
    pub struct TlsStats {
        /// Handshakes that succeeded.
        handshake: Counter = "ssl.handshake",
        /// Of those, the ones that took up an earlier session.
        session_reused: Counter = "ssl.session_reused",
        /// Of those, the ones in which the other side showed no certificate.
        no_certificate: Counter = "ssl.no_certificate",
        /// Handshakes that failed for another reason than a certificate.
        connection_error: Counter = "ssl.connection_error",
        /// Certificates that lead to no trusted authority, or not now.
        fail_verify_error: Counter = "ssl.fail_verify_error",
        /// Certificates that have none of the accepted names.
        fail_verify_san: Counter = "ssl.fail_verify_san",
        /// Handshakes that failed because a certificate was required and none was shown.
        fail_verify_no_cert: Counter = "ssl.fail_verify_no_cert",
    }
}
