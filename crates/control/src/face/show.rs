//! What the pages show.

use super::pages::Asked;
use super::{Face, numbers, reply};
use crate::findings::Blame;
use crate::object::Object;
use crate::registry::service::Service;
use axum::http::StatusCode;
use axum::response::Response;
use config::Problem;
use serde_json::{Value, json};
use std::sync::Arc;
use xds::server::ProxyStatus;

pub(super) fn ready(face: &Face, _: &Asked) -> Response {
    let troubles = [face.kube.as_ref().and_then(|kube| kube.trouble()), face.board.trouble()];
    let troubles: Vec<String> = troubles.into_iter().flatten().collect();
    let trouble = (!troubles.is_empty()).then(|| troubles.join("\n"));
    match (face.plane.published().0, trouble) {
        (Some(_), None) => reply::text(StatusCode::OK, "ready\n".to_owned()),
        (Some(_), Some(trouble)) => reply::text(StatusCode::OK, format!("ready, by the last state:\n{trouble}\n")),
        (None, None) => reply::text(StatusCode::SERVICE_UNAVAILABLE, "the files have not been read yet\n".to_owned()),
        (None, Some(trouble)) => reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready:\n{trouble}\n")),
    }
}

pub(super) fn metrics(face: &Face, _: &Asked) -> Response {
    let (state, remarks) = face.plane.published();
    let of_filters = numbers::write(state.as_deref(), &remarks, &face.plane.findings());
    let of_kube = face.kube.as_ref().map(|kube| kube.prometheus()).unwrap_or_default();
    let written = if face.kube.is_some() { face.board.prometheus() } else { String::new() };
    reply::text(StatusCode::OK, face.server.prometheus() + &of_filters + &of_kube + &written)
}

/// istiod's page, with the patches that are to blame for a refusal: `lastErrorPatches`, beside `lastErrorResources`.
pub(super) fn syncz(face: &Face, _: &Asked) -> Response {
    let refused = face.plane.refused();
    let row = |proxy: &ProxyStatus| {
        let mut row = proxy.syncz();
        for lane in &proxy.lanes {
            let Some(nack) = &lane.nack else { continue };
            let is_it = |blame: &&Blame| blame.proxy == proxy.node.short() && blame.nonce == nack.nonce;
            if let Some(blame) = refused.iter().find(is_it) {
                row["resources"][lane.kind.url()]["lastErrorPatches"] = json!(blame.patches);
            }
        }
        row
    };
    reply::json(&face.server.proxies().iter().map(row).collect())
}

/// What became of every EnvoyFilter: on all proxies, or on the one that is asked for.
pub(super) fn envoyfilters(face: &Face, asked: &Asked) -> Response {
    let Some(name) = asked.get("proxy") else { return reply::json(&json!(*face.plane.findings())) };
    let proxies = face.server.proxies();
    let Some(proxy) = proxies.iter().find(|proxy| proxy.node.short() == name || proxy.node.id == *name) else {
        return reply::text(StatusCode::NOT_FOUND, format!("no proxy named {name} is connected; see /debug/syncz\n"));
    };
    match face.plane.given(&proxy.node) {
        Ok(given) => reply::json(&json!(given.report())),
        Err(error) => reply::text(StatusCode::NOT_FOUND, format!("{error}\n")),
    }
}

/// What `status.conditions` has on an API server, of resources in files too.
pub(super) fn resources(face: &Face, _: &Asked) -> Response {
    reply::json(&face.board.json())
}

pub(super) fn configz(face: &Face, _: &Asked) -> Response {
    let (state, remarks) = face.plane.published();
    let services = state.iter().flat_map(|state| &state.services).map(service);
    let filters = state.iter().flat_map(|state| &state.envoy_filters).map(object);
    reply::json(&json!({
        "services": services.collect::<Vec<Value>>(),
        "envoy_filters": filters.collect::<Vec<Value>>(),
        "root_namespace": state.as_ref().map(|state| state.mesh.root_namespace.as_str()),
        "problems": lines(&remarks.problems),
        "refused": lines(&remarks.refused),
        "notes": lines(remarks.odd.iter().chain(&remarks.notes)),
    }))
}

fn lines<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> Vec<String> {
    problems.into_iter().map(ToString::to_string).collect()
}

fn object(object: &Arc<Object>) -> Value {
    let (meta, file, line) = (&object.meta, &*object.file, object.line);
    json!({"namespace": meta.namespace, "name": meta.name, "file": file, "line": line})
}

fn service(service: &Arc<Service>) -> Value {
    json!({
        "host": service.host,
        "namespace": service.namespace,
        "addresses": service.ips().map(|ip| ip.to_string()).collect::<Vec<_>>(),
        "ports": service.ports.iter().map(|port| json!({"name": port.name, "number": port.number})).collect::<Vec<_>>(),
        "endpoints": service.endpoints.len(),
    })
}
