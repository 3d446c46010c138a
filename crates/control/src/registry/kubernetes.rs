//! Kubernetes services.

use super::Protocol;
use super::endpoints::Sources;
use super::service::{Export, Origin, Port, Resolution, Service};
use crate::object::{Meta, Object};
use crate::written::kubernetes::{Service as Spec, ServicePort};
use crate::written::mesh::Mesh;
use crate::written::value::{Cidr, ClusterIp, Target};

/// The annotation that stands for `exportTo`.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// The service that `object` declares; `None` for another name of something outside (`ExternalName`), for which a
/// sidecar does nothing.
pub(super) fn service(object: &Object, spec: &Spec, mesh: &Mesh, sources: &Sources) -> Option<Service> {
    if spec.kind == "ExternalName" {
        return None;
    }
    let meta = &object.meta;
    let headless = spec.cluster_ip == ClusterIp::Headless || spec.cluster_ips.contains(&ClusterIp::Headless);
    let mut service = Service {
        host: format!("{}.{}.svc.{}", meta.name, meta.namespace, mesh.domain_suffix),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        origin: Origin::Kubernetes,
        created: meta.creation_timestamp.clone(),
        addresses: addresses(spec),
        ports: spec.ports.iter().map(port).collect(),
        resolution: if headless { Resolution::Headless } else { Resolution::Endpoints },
        external: false,
        export: export(meta, mesh),
        selector: Some(spec.selector.clone()).filter(|selector| !selector.is_empty()),
        endpoints: Vec::new(),
        machine_local: spec.internal_traffic_policy == "Local",
    };
    service.endpoints = sources.of(&service, spec.publish_not_ready_addresses);
    Some(service)
}

fn addresses(spec: &Spec) -> Vec<Cidr> {
    let all = std::iter::once(&spec.cluster_ip).chain(&spec.cluster_ips);
    let mut found: Vec<Cidr> = Vec::new();
    for address in all {
        if let ClusterIp::Ip(ip) = address
            && !found.contains(&(*ip).into())
        {
            found.push((*ip).into());
        }
    }
    found
}

fn port(port: &ServicePort) -> Port {
    let protocol = Protocol::of_service_port(&port.protocol, &port.name, port.app_protocol.as_deref(), port.port);
    // The API server fills the target in where the user leaves it out (or writes 0).
    let given = port.target_port.clone().filter(|target| *target != Target::Number(0));
    let target = given.unwrap_or(Target::Number(port.port));
    Port { name: port.name.clone(), number: port.port, target, protocol }
}

fn export(meta: &Meta, mesh: &Mesh) -> Export {
    match meta.annotations.get(EXPORT_TO).filter(|words| !words.trim().is_empty()) {
        Some(words) => Export::new(words.split(','), &meta.namespace),
        None => Export::new(mesh.default_service_export_to.iter().map(String::as_str), &meta.namespace),
    }
}
