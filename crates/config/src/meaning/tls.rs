//! TLS towards clients and nodes. What guards is honoured or refused, in any manner of reading.

use super::reader::Reader;
use super::trust::{self, Authority};
use super::{certificate, secret_source};
use meant::{ClientTls, Identity, NameKind, NameMatch, Roots, ServerTls, TextMatch, Tls, TlsVersion, Trust};

/// The protocol by which Istio's proxies tell each other of themselves, in a prelude before the bytes of a connection.
/// It is not spoken here, so it must not be agreed upon.
const PEER_EXCHANGE: &str = "istio-peer-exchange";

/// What `DownstreamTlsContext` means.
pub(super) fn server(context: &Reader<'_>) -> ServerTls {
    if context.wrapped_bool("require_sni") == Some(true) {
        let text = "not supported yet: match server_names in the filter_chain_match instead";
        context.report().unsupported(&context.at("require_sni"), text);
    }
    let required = context.wrapped_bool("require_client_certificate").unwrap_or(false);
    let shared = shared(context);
    let provided = context.one("common_tls_context").is_some_and(|common| common.covers() && has_identity(&common));
    if !provided {
        context.wrong("common_tls_context", "a server needs a certificate: give tls_certificates, or an SDS secret");
    }
    ServerTls { requires_client_certificate: required, shared }
}

/// What `UpstreamTlsContext` means.
pub(super) fn client(context: &Reader<'_>) -> ClientTls {
    let sni = context.text("sni");
    let mut shared = shared(context);
    if context.flag("auto_sni_san_validation") {
        if sni.is_empty() {
            let text = "not supported yet without `sni`: name it, or match_typed_subject_alt_names";
            context.report().unsupported(&context.at("auto_sni_san_validation"), text);
        }
        if shared.trust.roots == Roots::Unverified {
            context.wrong("auto_sni_san_validation", "needs authorities to verify by: add trusted_ca");
        }
        shared.trust.names = vec![NameMatch { kind: Some(NameKind::Dns), text: TextMatch::Exact(sni.clone()) }];
    }
    ClientTls { sni, shared }
}

fn has_identity(common: &Reader<'_>) -> bool {
    ["tls_certificates", "tls_certificate_sds_secret_configs", "tls_certificate_provider_instance"]
        .iter()
        .chain(&["tls_certificate_certificate_provider", "tls_certificate_certificate_provider_instance"])
        .chain(&["custom_tls_certificate_selector"])
        .any(|name| common.has(name))
}

/// What `common_tls_context` means.
fn shared(context: &Reader<'_>) -> Tls {
    let Some(common) = context.one("common_tls_context") else { return Tls::default() };
    refuse(&common);
    let (lowest, highest) = versions(&common);
    Tls {
        lowest,
        highest,
        cipher_suites: common.one("tls_params").map(|params| cipher_suites(&params)).unwrap_or_default(),
        identity: identity(&common),
        trust: trust(&common),
        alpn: common.texts("alpn_protocols").into_iter().filter(|name| name != PEER_EXCHANGE).collect(),
    }
}

/// Without these the other side would be held against something else than was written, or be shown something else.
fn refuse(common: &Reader<'_>) {
    let text = "not supported yet: use tls_certificates, or SDS";
    common.guard("tls_certificate_provider_instance", text);
    common.guard("tls_certificate_certificate_provider", text);
    common.guard("tls_certificate_certificate_provider_instance", text);
    common.guard("custom_tls_certificate_selector", text);
    let text = "not supported yet: use validation_context, or SDS";
    common.guard("validation_context_certificate_provider", text);
    common.guard("validation_context_certificate_provider_instance", text);
    common.guard("custom_handshaker", "not supported yet: remove it");
}

fn versions(common: &Reader<'_>) -> (Option<TlsVersion>, Option<TlsVersion>) {
    let Some(params) = common.one("tls_params") else { return (None, None) };
    params.covered();
    let of = |name: &str| match params.choice(name).as_str() {
        "TLSv1_2" => Some(TlsVersion::V1_2),
        "TLSv1_3" => Some(TlsVersion::V1_3),
        _ => None,
    };
    (of("tls_minimum_protocol_version"), of("tls_maximum_protocol_version"))
}

/// The cipher suites; names in brackets with `|` between them are as good as each other to Envoy, and in order here.
fn cipher_suites(params: &Reader<'_>) -> Vec<String> {
    let name = "tls_minimum_protocol_version";
    let lowest = params.choice(name);
    if matches!(lowest.as_str(), "TLSv1_0" | "TLSv1_1") {
        params.unsupported(name, format!("{lowest} is broken and not offered: use TLSv1_2"));
    }
    let name = "tls_maximum_protocol_version";
    let highest = params.choice(name);
    if matches!(highest.as_str(), "TLSv1_0" | "TLSv1_1") {
        params.report().unsupported(&params.at(name), format!("{highest} is broken and not offered: use TLSv1_2"));
    }
    let written = params.texts("cipher_suites");
    let each = written.iter().flat_map(|suite| suite.trim_matches(['[', ']']).split('|'));
    each.map(str::to_owned).collect()
}

fn identity(common: &Reader<'_>) -> Option<Identity> {
    let mut written = common.all("tls_certificates").into_iter();
    let mut delivered = common.all("tls_certificate_sds_secret_configs").into_iter();
    let first = written.next().map(|first| certificate::identity(&first));
    let first = first.or_else(|| delivered.next().map(|first| secret_source::identity(&first)));
    for other in written.chain(delivered) {
        other.unsupported_whole("more than one certificate is not supported yet: remove it");
    }
    first.flatten()
}

fn trust(common: &Reader<'_>) -> Trust {
    if let Some(context) = common.one("validation_context") {
        return trust::written(&context, Authority::Written);
    }
    if let Some(secret) = common.one("validation_context_sds_secret_config") {
        return secret_source::trust(&secret).unwrap_or_default();
    }
    let Some(combined) = common.one("combined_validation_context") else { return Trust::default() };
    combined.guard("validation_context_certificate_provider", "not supported yet: use SDS");
    combined.guard("validation_context_certificate_provider_instance", "not supported yet: use SDS");
    let default = combined.one("default_validation_context");
    let default = default.map(|context| trust::written(&context, Authority::Delivered)).unwrap_or_default();
    let secret = combined.one("validation_context_sds_secret_config");
    let secret = secret.and_then(|secret| secret_source::trust(&secret)).unwrap_or_default();
    let roots = if secret.roots == Roots::Unverified { default.roots } else { secret.roots };
    Trust { roots, names: [default.names, secret.names].concat() }
}
