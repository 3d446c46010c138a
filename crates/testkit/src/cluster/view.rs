//! What one node says about the cluster (CLUSTER NODES).

use crate::error::{Result, failed};
use crate::reply::Reply;
use crate::server::Server;
use std::collections::BTreeSet;

/// One line of CLUSTER NODES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Forty hexadecimal digits.
    pub id: String,
    /// Where it listens; empty if it does not know that of itself.
    pub host: String,
    /// The client port.
    pub port: u16,
    /// The flags: `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`, `noaddr`.
    pub flags: Vec<String>,
    /// The id of its primary, if it is a replica.
    pub primary: Option<String>,
    /// Its slots as inclusive ranges, in order; marks of slots on their way are left out.
    pub slots: Vec<(u16, u16)>,
}

impl NodeView {
    /// Whether it has the flag.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Whether the cluster has agreed that it is dead.
    pub fn failed(&self) -> bool {
        self.has("fail") || self.has("noaddr")
    }

    /// Whether it is a primary that is not dead.
    pub fn serves(&self) -> bool {
        self.has("master") && !self.failed()
    }

    /// Whether it owns `slot`.
    pub fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

/// CLUSTER NODES of `server`.
pub(super) fn of(server: &Server) -> Result<Vec<NodeView>> {
    server.ask("CLUSTER NODES")?.text().lines().map(parse).collect()
}

/// The living nodes in the order of their ports: port, id of the primary, slots.
pub(super) type Picture = Vec<(u16, Option<String>, Vec<(u16, u16)>)>;

/// The part of a view on which all nodes must agree: who lives, under whom, with which slots. `None` while
/// somebody is still shaking hands or under suspicion.
pub(super) fn picture(view: &[NodeView]) -> Option<Picture> {
    if view.iter().any(|node| node.has("handshake") || node.has("fail?")) {
        return None;
    }
    let living = view.iter().filter(|node| !node.failed());
    let mut picture: Vec<_> = living.map(|node| (node.port, node.primary.clone(), node.slots.clone())).collect();
    picture.sort();
    Some(picture)
}

/// The ids of the nodes that serve slots: primaries that own some, and their replicas.
pub(super) fn serving(view: &[NodeView]) -> BTreeSet<String> {
    let owners: Vec<&NodeView> = view.iter().filter(|node| node.serves() && !node.slots.is_empty()).collect();
    let replicates = |node: &NodeView| owners.iter().any(|owner| Some(&owner.id) == node.primary.as_ref());
    let replicas = view.iter().filter(|node| !node.failed() && replicates(node));
    owners.iter().copied().chain(replicas).map(|node| node.id.clone()).collect()
}

/// The ids that `server` names in CLUSTER SLOTS: without replicas that have not replicated anything yet.
pub(super) fn told(server: &Server) -> Result<BTreeSet<String>> {
    let reply = server.ask("CLUSTER SLOTS")?;
    let members = reply.items().iter().flat_map(|range| range.items().iter().skip(2));
    Ok(members.filter_map(|member| member.items().get(2).map(Reply::text)).collect())
}

fn parse(line: &str) -> Result<NodeView> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [id, address, flags, primary, _, _, _, _, slots @ ..] = fields.as_slice() else {
        return Err(failed(format!("not a line of CLUSTER NODES: {line}")));
    };
    let (host, port) = address.split('@').next().and_then(|address| address.rsplit_once(':')).unwrap_or_default();
    let port = port.parse().map_err(|_| failed(format!("no port: {line}")))?;
    Ok(NodeView {
        id: (*id).to_owned(),
        host: host.to_owned(),
        port,
        flags: flags.split(',').map(str::to_owned).collect(),
        primary: (*primary != "-").then(|| (*primary).to_owned()),
        slots: slots.iter().filter_map(|range| parse_range(range)).collect(),
    })
}

/// `7`, `0-5460`; `[7->-id]` and `[7-<-id]` are marks, not slots.
fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let node = parse("07c3 127.0.0.1:30004@31004,host slave,fail? e7d1 0 1426238317239 4 connected").unwrap();
        assert_eq!((node.port, node.primary.as_deref(), node.failed()), (30004, Some("e7d1"), false));
        let node = parse("e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 7000 [93-<-292f]").unwrap();
        assert_eq!(node.slots, [(0, 5460), (7000, 7000)]);
        assert!(node.serves() && node.owns(5460) && !node.owns(5461));
        assert!(parse("nonsense").is_err());
    }
}
