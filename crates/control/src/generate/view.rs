//! What a proxy's resources depend on besides services and rules. Proxies that agree in it share resources.

use crate::node::Node;
use crate::registry::{Scope, State};
use crate::written::mesh::{Mesh, OutboundMode};
use std::sync::Arc;

/// What a proxy's outbound resources depend on besides services and rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) mesh: Arc<Mesh>,
    /// Whether the proxy has addresses of these families.
    pub(crate) v4: bool,
    pub(crate) v6: bool,
    /// Whether connections come to it by TPROXY.
    pub(crate) transparent: bool,
    /// Whether an agent beside the proxy reads certificates for it.
    pub(crate) has_agent: bool,
    /// How long an idle TCP connection lives, where the proxy says so itself.
    pub(crate) idle_timeout: Option<String>,
    /// What happens to connections to addresses that no service has.
    pub(crate) outbound: OutboundMode,
    /// The machine that the proxy runs on; empty if it does not say or does not matter.
    pub(crate) machine: String,
}

impl View {
    pub(crate) fn new(state: &State, node: &Node, scope: Option<&Scope>) -> Self {
        Self {
            mesh: Arc::clone(&state.mesh),
            v4: node.speaks_v4(),
            v6: node.speaks_v6(),
            transparent: node.transparent,
            has_agent: node.has_agent,
            idle_timeout: node.idle_timeout.clone(),
            outbound: scope.and_then(|scope| scope.outbound).unwrap_or(state.mesh.outbound_traffic_policy.mode),
            machine: String::new(),
        }
    }

    /// The address that stands for all addresses.
    pub(super) fn any(&self) -> &'static str {
        if self.v4 { "0.0.0.0" } else { "::" }
    }

    /// The same in a listener's or chain's name.
    pub(super) fn any_in_names(&self) -> &'static str {
        if self.v4 { "0.0.0.0" } else { "[::]" }
    }
}
