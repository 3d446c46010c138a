//! What the control side tells the workers about a cluster's members.

use crate::Topology;
use std::net::SocketAddr;
use std::sync::Arc;

/// One member of a cluster that is not a Redis Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it listens.
    pub address: SocketAddr,
    /// The host name it was resolved from, if it was not an address.
    pub name: Option<String>,
    /// Its weight, at least 1.
    pub weight: u32,
    /// Which of the cluster's transport sockets it is reached by; 0 is the default.
    pub socket: u16,
}

/// The members of a cluster, as last seen. Swapped whole.
#[derive(Clone, Debug)]
pub enum View {
    /// A Redis Cluster: a slot map.
    Slots(Arc<Topology>),
    /// Anything else: hosts, in the order written; may be empty.
    Hosts(Arc<[Host]>),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Host;

    /// Nameless hosts `10.0.0.1:6379`, `10.0.0.2:6379` and so on, with these weights.
    pub(crate) fn hosts(weights: &[u32]) -> Vec<Host> {
        let host = |(weight, i): (&u32, u8)| Host {
            address: ([10, 0, 0, i], 6379).into(),
            name: None,
            weight: *weight,
            socket: 0,
        };
        weights.iter().zip(1..).map(host).collect()
    }
}
