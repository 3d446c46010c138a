//! A static cluster as a server of configuration: where it is, and TLS towards it.

use super::reader::Reader;
use super::{cluster, sockets};
use meant::{ControlAddress, ControlPlane, ControlTls, Identity, NameKind, NameMatch, Roots, TextMatch, Trust};
use std::sync::Arc;

/// What the cluster is to a client of xDS; what matters only to other traffic is passed over.
pub(super) fn server(cluster: &Reader<'_>) -> Option<ControlPlane> {
    cluster.covered();
    let addresses = addresses(cluster);
    if addresses.is_empty() {
        cluster.wrong("load_assignment", "needs an endpoint: its members cannot be delivered");
    }
    Some(ControlPlane {
        cluster: cluster.text("name"),
        delta: false,
        addresses,
        tls: sockets::client(cluster).and_then(|tls| own_tls(cluster, &tls)).map(Arc::new),
        metadata: Vec::new(),
        authority: None,
        connect_timeout: cluster.duration("connect_timeout").unwrap_or(cluster::CONNECT_TIMEOUT),
    })
}

fn addresses(cluster: &Reader<'_>) -> Vec<ControlAddress> {
    let mut found = Vec::new();
    for assignment in cluster.one("load_assignment").into_iter().filter(Reader::covers) {
        for group in assignment.all("endpoints").into_iter().filter(Reader::covers) {
            for member in group.all("lb_endpoints").into_iter().filter(Reader::covers) {
                let endpoint = member.one("endpoint").filter(Reader::covers);
                found.extend(endpoint.and_then(|endpoint| address(&endpoint)));
            }
        }
    }
    found
}

fn address(endpoint: &Reader<'_>) -> Option<ControlAddress> {
    let written = endpoint.one("address").filter(Reader::covers)?;
    if let Some(pipe) = written.one("pipe").filter(Reader::covers) {
        return Some(ControlAddress::Unix(pipe.text("path").into()));
    }
    let socket = written.one("socket_address").filter(Reader::covers)?;
    Some(ControlAddress::Tcp(socket.text("address"), u16::try_from(socket.number("port_value")).ok()?))
}

/// The TLS of a control plane must not depend on anything that a control plane delivers.
fn own_tls(cluster: &Reader<'_>, tls: &meant::ClientTls) -> Option<ControlTls> {
    let wrong = |text: &str| cluster.wrong("transport_socket", text);
    let Roots::Written(roots) = &tls.shared.trust.roots else {
        wrong("a server of configuration must be verified: give its authorities as trusted_ca");
        return None;
    };
    let identity = match &tls.shared.identity {
        None => None,
        Some(Identity::Written { chain, key }) => Some((chain.clone(), key.clone())),
        Some(Identity::Delivered(_)) => {
            wrong("its certificate cannot come from SDS: write it under tls_certificates, from files");
            return None;
        }
    };
    Some(ControlTls { roots: roots.clone(), server_name: server_name(cluster, &tls.sni, &tls.shared.trust), identity })
}

/// The name that is asked for is also the one that the certificate must have.
fn server_name(cluster: &Reader<'_>, sni: &str, trust: &Trust) -> Option<String> {
    let exact = |name: &NameMatch| match (name.kind, &name.text) {
        (None | Some(NameKind::Dns), TextMatch::Exact(name)) => Some(name.clone()),
        _ => None,
    };
    let asked = Some(sni.to_owned()).filter(|sni| !sni.is_empty());
    let names: Vec<Option<String>> = trust.names.iter().map(exact).collect();
    match names.as_slice() {
        [] => asked,
        names if asked.is_some() && names.contains(&asked) => asked,
        [Some(only)] if asked.is_none() => Some(only.clone()),
        _ => {
            cluster.wrong("transport_socket", "match one exact DNS name, the same as `sni`");
            None
        }
    }
}
