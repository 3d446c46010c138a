//! `slotmesh control --webhook`: under which name the API server finds it.

use crate::cli::{ControlArgs, ServiceName};
use ::control::webhook::Settings;
use std::fs;

/// Where a pod finds the namespace that it runs in.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// As in `deploy/`.
const SERVICE: &str = "slotmesh-control";
const NAMESPACE: &str = "slotmesh-system";

/// What the flags say, or the pod's surroundings, or the manifests.
pub fn settings(args: &ControlArgs) -> Settings {
    let ServiceName { name, namespace } = args.webhook_service.clone().unwrap_or_else(|| {
        let own = fs::read_to_string(OWN_NAMESPACE).ok().map(|text| text.trim().to_owned());
        let namespace = own.filter(|name| !name.is_empty()).unwrap_or_else(|| NAMESPACE.to_owned());
        ServiceName { name: SERVICE.to_owned(), namespace }
    });
    Settings::of_service(&name, &namespace, &args.webhook_configuration)
}
