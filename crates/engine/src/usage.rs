//! What is in use now: for whoever wants to show it, and for tests that look for what was forgotten.

use crate::engine::Engine;

/// What an engine holds at one moment. All zero, but for clients and connections, when nothing is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Clients that are connected.
    pub clients: usize,
    /// Connections to nodes.
    pub connections: usize,
    /// Places in the lines of clients: requests whose replies have not left.
    pub places: usize,
    /// Requests that were cut up and are not whole again.
    pub gathers: usize,
    /// Requests that wait for the members of their cluster, or for a slot to change hands.
    pub parked: usize,
    /// Replies that are owed on connections to nodes.
    pub in_flight: usize,
    /// Bytes of unfinished input, unsent output and unanswered requests.
    pub bytes: usize,
    /// Things to do later.
    pub timers: usize,
}

impl Engine {
    /// What is in use now. Looks at every client and connection: not for every turn.
    pub fn usage(&self) -> Usage {
        let sessions = || self.sessions.iter().map(|(_, session)| session);
        let upstreams = || self.upstreams.iter().map(|(_, upstream)| upstream);
        let of_clients = sessions().map(|session| session.input.len() + session.output.len() + session.held);
        let of_upstreams = upstreams().map(|upstream| upstream.input.len() + upstream.window.len());
        let held = || self.handovers.iter().flat_map(|handover| &handover.held);
        let of_clusters = self.clusters.iter().map(|cluster| cluster.parked_bytes);
        Usage {
            clients: self.sessions.len(),
            connections: self.upstreams.len(),
            places: self.places.used(),
            gathers: self.gathers.len(),
            parked: self.clusters.iter().map(|cluster| cluster.parked.len()).sum::<usize>() + held().count(),
            in_flight: upstreams().map(|upstream| upstream.line.len()).sum(),
            bytes: of_clients.chain(of_upstreams).chain(of_clusters).chain(held().map(|(.., bytes)| bytes.len())).sum(),
            timers: self.timers.len(),
        }
    }
}
