//! TLS, with secrets from the agent beside the proxy (`sds-grpc`) as istiod names them.

use super::cluster::Wish;
use super::names::{extension, sni};
use crate::registry::service::Service;
use crate::registry::{Protocol, State};
use crate::written::istio::MtlsMode;
use crate::written::rule::{Tls, TlsMode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the ALPN of a connection by Istio's mutual TLS says. istiod adds `istio-peer-exchange` where its metadata
/// exchange is on; the filter for that is no part of Envoy.
const ISTIO: &str = "istio";

/// The ciphers that Istio's mutual TLS allows below TLS 1.3.
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// What kind of cluster is to be secured.
pub(super) struct Wanted {
    /// Whether its endpoints carry no metadata, so that all are spoken to in one way.
    pub(super) is_original: bool,
}

/// Whether clients speak Istio's mutual TLS to those endpoints of `service` that can, without being told to.
pub(super) fn is_automatic(service: &Service, state: &State) -> bool {
    let mode = || state.modes(&service.namespace, &crate::object::Labels::new()).elsewhere();
    state.mesh.enable_auto_mtls && !service.external && mode() != MtlsMode::Disable
}

/// Adds the transport sockets of a cluster.
pub(super) fn secure(wish: &Wish, wanted: &Wanted, cluster: &mut Value) {
    match &wish.policy.tls {
        Some(tls) => match tls.mode {
            TlsMode::Disable => {}
            TlsMode::IstioMutual => cluster["transport_socket"] = upstream(&mutual(wish, tls)),
            TlsMode::Simple | TlsMode::Mutual => {
                let is_typed = wish.bound.is_some_and(|bound| bound.upstream.has_own_tls());
                let is_read = is_typed && !wish.view.has_agent;
                cluster["transport_socket"] = upstream(&if is_read { read_by_proxy(tls) } else { by_agent(tls) });
                // So that Istio's filter for HTTP leaves the ALPN as it is.
                cluster["metadata"]["filter_metadata"]["istio"]["alpn_override"] = "false".into();
            }
        },
        // Nobody can be asked for a certificate that he cannot have.
        None if wish.auto_mtls && wish.view.has_agent => automatic(wish, wanted, cluster),
        None => {}
    }
}

fn automatic(wish: &Wish, wanted: &Wanted, cluster: &mut Value) {
    let socket = || upstream(&mutual(wish, &Tls::default()));
    let endpoints = &wish.service.endpoints;
    if !wanted.is_original {
        let raw = json!({
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": extension("transport_sockets.raw_buffer.v3.RawBuffer")},
        });
        cluster["transport_socket_matches"] = json!([
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket()},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": raw},
        ]);
    } else if !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.speaks_mtls) {
        cluster["transport_socket"] = socket();
    }
}

fn upstream(context: &Value) -> Value {
    let mut typed = context.clone();
    typed["@type"] = extension("transport_sockets.tls.v3.UpstreamTlsContext").into();
    json!({"name": "envoy.transport_sockets.tls", "typed_config": typed})
}

/// Istio's mutual TLS: certificates of the mesh, the other end's identity checked.
fn mutual(wish: &Wish, tls: &Tls) -> Value {
    let names = if tls.subject_alt_names.is_empty() { identities(wish) } else { tls.subject_alt_names.clone() };
    let alpns: &[&str] = if wish.port.protocol == Protocol::Http2 { &[ISTIO, "h2"] } else { &[ISTIO] };
    let own = sni(wish.port.number, wish.subset_name(), &wish.service.host);
    json!({
        "common_tls_context": {
            "tls_params": versions(),
            "tls_certificate_sds_secret_configs": [agent_secret("default")],
            "combined_validation_context": {
                "default_validation_context": exactly(&names),
                "validation_context_sds_secret_config": agent_secret("ROOTCA"),
            },
            "alpn_protocols": alpns,
        },
        "sni": if tls.sni.is_empty() { &own } else { &tls.sni },
    })
}

/// The identities of all endpoints.
fn identities(wish: &Wish) -> Vec<String> {
    let known: BTreeSet<&str> =
        wish.service.endpoints.iter().map(|endpoint| endpoint.identity.as_str()).filter(|id| !id.is_empty()).collect();
    let domain = &wish.view.mesh.trust_domain;
    let spelt = |id: &str| id.split_once('/').map(|(ns, account)| format!("spiffe://{domain}/ns/{ns}/sa/{account}"));
    known.into_iter().filter_map(spelt).collect()
}

/// TLS to something outside, with certificates that an agent beside the proxy reads from files.
fn by_agent(tls: &Tls) -> Value {
    let mut common = json!({"tls_params": versions()});
    if tls.mode == TlsMode::Mutual {
        let name = format!("file-cert:{}~{}", tls.client_certificate, tls.private_key);
        common["tls_certificate_sds_secret_configs"] = json!([file_secret(&name)]);
    }
    if tls.insecure_skip_verify {
        common["validation_context"] = json!({});
    } else {
        let authority = if tls.ca_certificates.is_empty() { "system" } else { &tls.ca_certificates };
        common["combined_validation_context"] = json!({
            "default_validation_context": exactly(&tls.subject_alt_names),
            "validation_context_sds_secret_config": file_secret(&format!("file-root:{authority}")),
        });
    }
    named(common, tls)
}

/// The same where the proxy reads the files itself, since no agent is beside it. Not for the Envoys of Istio: Envoy 1.40 ends
/// with a segmentation fault when a cluster of the type `envoy.clusters.redis` names a file that is not there.
fn read_by_proxy(tls: &Tls) -> Value {
    let mut common = json!({"tls_params": versions()});
    if tls.mode == TlsMode::Mutual {
        common["tls_certificates"] = json!([{
            "certificate_chain": {"filename": tls.client_certificate},
            "private_key": {"filename": tls.private_key},
        }]);
    }
    if tls.insecure_skip_verify {
        common["validation_context"] = json!({});
    } else {
        let mut trust = exactly(&tls.subject_alt_names);
        match tls.ca_certificates.as_str() {
            "" => trust["system_root_certs"] = json!({}),
            file => trust["trusted_ca"] = json!({"filename": file}),
        }
        common["validation_context"] = trust;
    }
    named(common, tls)
}

/// With the name that the other side is asked for.
fn named(common: Value, tls: &Tls) -> Value {
    let mut context = json!({"common_tls_context": common});
    if !tls.sni.is_empty() {
        context["sni"] = tls.sni.as_str().into();
    }
    context
}

/// What a sidecar asks of its clients: a certificate of the mesh.
pub(super) fn downstream(trust_domain: &str) -> Value {
    let mut params = versions();
    params["cipher_suites"] = json!(CIPHERS);
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": extension("transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "tls_params": params,
                "tls_certificate_sds_secret_configs": [agent_secret("default")],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_subject_alt_names": [{"prefix": format!("spiffe://{trust_domain}/")}],
                    },
                    "validation_context_sds_secret_config": agent_secret("ROOTCA"),
                },
                "alpn_protocols": ["h2", "http/1.1"],
            },
            "require_client_certificate": true,
        },
    })
}

fn versions() -> Value {
    json!({"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"})
}

fn exactly(names: &[String]) -> Value {
    if names.is_empty() {
        return json!({});
    }
    json!({"match_subject_alt_names": names.iter().map(|name| json!({"exact": name})).collect::<Vec<_>>()})
}

fn agent_secret(name: &str) -> Value {
    let mut secret = file_secret(name);
    secret["sds_config"]["initial_fetch_timeout"] = "0s".into();
    secret
}

fn file_secret(name: &str) -> Value {
    json!({
        "name": name,
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
                "set_node_on_first_message_only": true,
            },
            "resource_api_version": "V3",
        },
    })
}
