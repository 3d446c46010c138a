//! Where a connection that passes through goes: to a member of a cluster, or to where it was meant to go.

use crate::reach::Reach;
use crate::turn::{Kind, Worker};
use crate::wire::Wire;
use engine::ClusterId;
use meant::{Discovery, Way};
use slots::View;
use std::io;
use std::net::{SocketAddr, UdpSocket};

impl Worker {
    /// The cluster that a new connection goes to; `None` is wherever it was meant to go.
    pub(crate) fn destination(&mut self, filter: usize) -> io::Result<Option<ClusterId>> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let filter = self.tcp_filters[filter].as_mut().ok_or_else(gone)?;
        let Way::Clusters(clusters) = &filter.meant.to else { return Ok(None) };
        filter.turn = filter.turn.wrapping_add(1);
        let name = weighted(clusters, filter.turn).ok_or_else(gone)?;
        if let Some(cluster) = self.clusters.named(name) {
            return Ok(Some(cluster));
        }
        if self.unknown.insert(name.to_owned()) {
            let filter = &filter.meant.stat_prefix;
            tracing::warn!(
                cluster = name,
                filter,
                "there is no such cluster: connections to it are closed until it comes"
            );
        }
        Err(io::Error::new(io::ErrorKind::NotConnected, format!("there is no cluster '{name}'")))
    }

    /// Whether connections go wherever they were meant to go.
    pub(crate) fn is_original(&self, cluster: Option<ClusterId>) -> bool {
        let Some(cluster) = cluster else { return true };
        self.clusters.get(cluster).is_some_and(|known| known.meant.discovery == Discovery::Original)
    }

    /// Whether the proxy listens there: what is sent there comes back.
    pub(crate) fn is_ours(&self, destination: SocketAddr) -> bool {
        let here = |at: SocketAddr| at == destination || at.ip().is_unspecified() && at.port() == destination.port();
        let listens = |number: &usize| {
            self.halls
                .get(*number)
                .and_then(Option::as_ref)
                .and_then(|hall| hall.entrance.as_ref())
                .is_some_and(|entrance| entrance.listener.binds)
        };
        let taken = self.by_address.iter().any(|(address, number)| here(*address) && listens(number));
        // An address of this machine is one that a socket may have.
        taken && UdpSocket::bind((destination.ip(), 0)).is_ok()
    }

    /// Connects to the next member of a cluster, or to the destination.
    pub(crate) fn dial(
        &mut self,
        cluster: Option<ClusterId>,
        destination: SocketAddr,
        index: usize,
    ) -> io::Result<Wire> {
        let nowhere = || io::Error::new(io::ErrorKind::NotConnected, "the cluster has no member");
        self.next_member = self.next_member.wrapping_add(1);
        let mut wire = match cluster {
            None => Reach::plain().dial(destination, 0)?,
            Some(cluster) => {
                let known = self.clusters.get(cluster).ok_or_else(nowhere)?;
                let (address, socket) = match known.meant.discovery {
                    Discovery::Original => (destination, 0),
                    _ => known.view.as_ref().and_then(|view| member(view, self.next_member)).ok_or_else(nowhere)?,
                };
                known.reach.dial(address, socket)?
            }
        };
        self.register(&mut wire, Kind::PassNode, index)?;
        Ok(wire)
    }
}

/// One of the clusters, each as often as its weight says.
fn weighted(clusters: &[(String, u32)], turn: u64) -> Option<&str> {
    let total: u64 = clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
    // Steps that are spread evenly over a whole round (the golden ratio's), so that short runs are fair too.
    let spread = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut at = ((u128::from(spread) * u128::from(total)) >> 64) as u64;
    clusters.iter().find_map(|(name, weight)| match at.checked_sub(u64::from(*weight)) {
        Some(rest) => {
            at = rest;
            None
        }
        None => Some(name.as_str()),
    })
}

/// A member of a cluster, each in turn, and by which socket it is reached; of a Redis Cluster, any primary.
fn member(view: &View, turn: usize) -> Option<(SocketAddr, u16)> {
    match view {
        View::Hosts(hosts) => turn.checked_rem(hosts.len()).map(|i| (hosts[i].address, hosts[i].socket)),
        View::Slots(topology) => {
            let shard = turn.checked_rem(topology.shards().len())?;
            Some((topology.node(topology.shards()[shard].primary).address, 0))
        }
    }
}
