//! TLS, and where secrets come from.

use super::listener::typed;
use super::yaml::{Map, Yaml};
use super::{Secrets, origin, source};
use crate::schema::names;
use meant::{
    ClientTls, ControlTls, Delivery, Identity, NameKind, NameMatch, Roots, Secret, ServerTls, TextMatch, Tls,
    TlsVersion, Trust,
};

/// A `transport_socket` towards clients.
pub(super) fn server(tls: &ServerTls, secrets: Secrets) -> Map {
    let context = typed(names::SERVER_TLS)
        .flag("require_client_certificate", tls.requires_client_certificate)
        .put("common_tls_context", common(&tls.shared, secrets));
    transport_socket(context)
}

/// A `transport_socket` towards a node.
pub(super) fn client(tls: &ClientTls, secrets: Secrets) -> Map {
    let context = typed(names::CLIENT_TLS).text_if("sni", &tls.sni);
    transport_socket(context.put("common_tls_context", common(&tls.shared, secrets)))
}

/// A `transport_socket` towards a control plane.
pub(super) fn control(tls: &ControlTls, secrets: Secrets) -> Map {
    let identity = tls.identity.as_ref().map(|(chain, key)| certificate(chain, key, secrets));
    let trust = Map::new().put("trusted_ca", public(&tls.roots));
    let common = Map::new().list("tls_certificates", identity).put("validation_context", trust);
    let context = typed(names::CLIENT_TLS).text_if("sni", tls.server_name.as_deref().unwrap_or_default());
    transport_socket(context.put("common_tls_context", common))
}

/// Plain TCP.
pub(super) fn plain() -> Map {
    Map::new().text("name", "envoy.transport_sockets.raw_buffer").put("typed_config", typed(names::RAW_BUFFER))
}

fn transport_socket(context: Map) -> Map {
    Map::new().text("name", "envoy.transport_sockets.tls").put("typed_config", context)
}

fn common(tls: &Tls, secrets: Secrets) -> Map {
    let version = |version: Option<TlsVersion>| match version {
        None => "",
        Some(TlsVersion::V1_2) => "TLSv1_2",
        Some(TlsVersion::V1_3) => "TLSv1_3",
    };
    let params = Map::new()
        .text_if("tls_minimum_protocol_version", version(tls.lowest))
        .text_if("tls_maximum_protocol_version", version(tls.highest))
        .list("cipher_suites", tls.cipher_suites.iter().cloned().map(Yaml::Text));
    let map = Map::new().some("tls_params", (!params.is_empty()).then_some(params));
    let map = match &tls.identity {
        None => map,
        Some(Identity::Written { chain, key }) => map.list("tls_certificates", [certificate(chain, key, secrets)]),
        Some(Identity::Delivered(delivery)) => map.list("tls_certificate_sds_secret_configs", [delivered(delivery)]),
    };
    trust(map, &tls.trust).list("alpn_protocols", tls.alpn.iter().cloned().map(Yaml::Text))
}

fn certificate(chain: &[u8], key: &Secret, secrets: Secrets) -> Map {
    Map::new().put("certificate_chain", public(chain)).put("private_key", source(key, secrets))
}

fn trust(map: Map, trust: &Trust) -> Map {
    let typed = trust.names.iter().filter_map(|name| Some(typed_name(name.kind?, name)));
    let any = trust.names.iter().filter(|name| name.kind.is_none()).map(|name| text_match(&name.text));
    let names = Map::new().list("match_typed_subject_alt_names", typed).list("match_subject_alt_names", any);
    match &trust.roots {
        Roots::Unverified if names.is_empty() => map,
        Roots::Unverified => map.put("validation_context", names),
        Roots::Written(pem) => map.put("validation_context", names.put("trusted_ca", public(pem))),
        Roots::Delivered(delivery) if names.is_empty() => {
            map.put("validation_context_sds_secret_config", delivered(delivery))
        }
        Roots::Delivered(delivery) => {
            let combined = Map::new()
                .put("default_validation_context", names)
                .put("validation_context_sds_secret_config", delivered(delivery));
            map.put("combined_validation_context", combined)
        }
    }
}

fn typed_name(kind: NameKind, name: &NameMatch) -> Map {
    let kind = match kind {
        NameKind::Dns => "DNS",
        NameKind::Uri => "URI",
        NameKind::Ip => "IP_ADDRESS",
        NameKind::Email => "EMAIL",
    };
    Map::new().word("san_type", kind).put("matcher", text_match(&name.text))
}

fn text_match(text: &TextMatch) -> Map {
    let (kind, text) = match text {
        TextMatch::Exact(text) => ("exact", text),
        TextMatch::Prefix(text) => ("prefix", text),
        TextMatch::Suffix(text) => ("suffix", text),
        TextMatch::Contains(text) => ("contains", text),
    };
    Map::new().text(kind, text)
}

fn delivered(delivery: &Delivery) -> Map {
    Map::new().text("name", &delivery.name).put("sds_config", origin::config_source(&delivery.source))
}

/// A `DataSource` of what need not be hidden.
fn public(bytes: &[u8]) -> Map {
    source(&Secret::new(bytes), Secrets::Shown)
}
