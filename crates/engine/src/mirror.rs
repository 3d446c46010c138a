//! Station 7: a copy for the mirrors, off the path. Nobody waits for it, and it is dropped rather than let anything grow.

use crate::engine::{ClusterId, Engine};
use crate::forward::Errand;
use crate::route::Leg;
use crate::session::Ticket;
use crate::upstream::{Kind, Spot};

impl Engine {
    /// Copies a request, or a part of one, to the mirrors of its route; `key` is what is hashed.
    pub(crate) fn mirror(&mut self, leg: Leg, key: Option<&[u8]>, bytes: &[u8]) {
        for i in 0..self.filters[leg.filter.index()].routes[leg.route].mirrors.len() {
            if let Some(cluster) = self.mirrored(leg, i) {
                let spot = self.spot(leg.filter, cluster, key);
                self.copy(leg, cluster, spot, bytes);
            }
        }
    }

    /// Copies a request to every shard of the mirrors of its route.
    pub(crate) fn mirror_everywhere(&mut self, leg: Leg, bytes: &[u8]) {
        for i in 0..self.filters[leg.filter.index()].routes[leg.route].mirrors.len() {
            let Some(cluster) = self.mirrored(leg, i) else { continue };
            for shard in 0..self.clusters[cluster.index()].shards.len() {
                self.copy(leg, cluster, Spot::Shard(shard as u16), bytes);
            }
        }
    }

    /// The cluster of a route's mirror, if this request is copied there.
    fn mirrored(&mut self, leg: Leg, mirror: usize) -> Option<ClusterId> {
        let mirror = &self.filters[leg.filter.index()].routes[leg.route].mirrors[mirror];
        if mirror.exclude_reads && leg.read {
            return None;
        }
        let fraction = mirror.fraction;
        let drawn =
            fraction.numerator >= fraction.denominator || self.random.below(fraction.denominator) < fraction.numerator;
        mirror.cluster.filter(|_| drawn)
    }

    fn copy(&mut self, leg: Leg, cluster: ClusterId, spot: Spot, bytes: &[u8]) {
        let deadline = self.deadline(self.filters[leg.filter.index()].settings.op_timeout);
        let errand = Errand {
            ticket: Ticket::NOBODY,
            filter: leg.filter,
            cluster,
            command: leg.command,
            spot,
            kind: Kind::Mirror,
            read: leg.read,
            hops: 0,
            deadline,
            avoid: None,
        };
        self.dispatch(errand, bytes);
    }
}
