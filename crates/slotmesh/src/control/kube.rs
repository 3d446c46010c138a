//! `slotmesh control --kube`: who listens to the API server.

use crate::cli::ControlArgs;
use ::control::kube::{Access, Client, Mirror, Patience, follow};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Begins to listen, if that is asked for. A server that is away is no failure; a kubeconfig that cannot be used is.
pub fn start(args: &ControlArgs, runtime: &Runtime) -> anyhow::Result<Option<(Arc<Mirror>, Client)>> {
    if !args.kube {
        return Ok(None);
    }
    let access = Access { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let mirror = Arc::new(Mirror::new(&args.namespace, args.secrets));
    // Programs that hand out credentials are run by a thread of the runtime.
    let client = runtime.block_on(access.client())?;
    tracing::info!(namespaces = args.namespace.join(", "), "listening to the API server");
    runtime.spawn(follow(client.clone(), Arc::clone(&mirror), Patience::default()));
    Ok(Some((mirror, client)))
}
