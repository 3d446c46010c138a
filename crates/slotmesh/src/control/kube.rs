//! `slotmesh control --kube`: who listens to the API server, and who writes to it.

use crate::cli::ControlArgs;
use ::control::kube::{Access, Client, Manners, Mirror, Patience, follow, write};
use ::control::status::Board;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// An API server that is listened to.
pub struct Listening {
    pub client: Client,
    pub mirror: Arc<Mirror>,
}

impl Listening {
    /// Begins to write what became of resources, if that is asked for.
    pub fn write(self, args: &ControlArgs, board: Arc<Board>) {
        let manners = Manners { status: !args.no_status, events: !args.no_events, ..Manners::default() };
        if manners.status || manners.events {
            tokio::spawn(write(self.client, self.mirror, board, manners));
        }
    }
}

/// Begins to listen, if that is asked for. A server that is away is no failure; a kubeconfig that cannot be used is.
pub fn start(args: &ControlArgs, runtime: &Runtime) -> anyhow::Result<Option<Listening>> {
    if !args.kube {
        return Ok(None);
    }
    let access = Access { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let mirror = Arc::new(Mirror::new(&args.namespace, args.secrets));
    // Programs that hand out credentials are run by a thread of the runtime.
    let client = runtime.block_on(access.client())?;
    tracing::info!(namespaces = args.namespace.join(", "), "listening to the API server");
    runtime.spawn(follow(client.clone(), Arc::clone(&mirror), Patience::default()));
    Ok(Some(Listening { client, mirror }))
}
