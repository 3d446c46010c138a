//! Station 7: a copy for the mirrors, off the path. Nobody waits for it, and it is dropped rather than let anything grow.

use crate::engine::{ClusterId, Engine};
use crate::forward::Errand;
use crate::places::Ticket;
use crate::route::Leg;
use crate::split::{Cut, Piece, groups, write_fragment};
use crate::upstream::{Kind, Spot};
use resp::Request;

impl Engine {
    /// Copies a request to the mirrors of its route; `key` is what is hashed.
    pub(crate) fn mirror(&mut self, leg: Leg, key: Option<&[u8]>, bytes: &[u8]) {
        for i in 0..self.filters[leg.filter.index()].routes[leg.route].mirrors.len() {
            if let Some(cluster) = self.mirrored(leg, i) {
                let spot = self.spot(leg.filter, cluster, key);
                self.copy(leg, cluster, spot, bytes);
            }
        }
    }

    /// Copies a request whose arguments are keys to the mirrors of every route that its keys take, cut as each mirror
    /// needs it: what one node takes whole here may belong to three there.
    pub(crate) fn mirror_pieces(&mut self, leg: Leg, request: &Request<'_>, step: usize, pieces: &mut [Piece]) {
        let keys = pieces.len();
        for pieces in pieces.chunk_by_mut(|a, b| a.route == b.route) {
            let leg = Leg { route: pieces[0].route, ..leg };
            let Some(route) = self.filters[leg.filter.index()].routes.get(leg.route) else { continue };
            if route.leads_to(leg.read).is_none() {
                continue;
            }
            let whole = pieces.len() == keys && !route.rewrites();
            for i in 0..route.mirrors.len() {
                if let Some(cluster) = self.mirrored(leg, i) {
                    self.copy_pieces(leg, cluster, request, step, pieces, whole);
                }
            }
        }
    }

    fn copy_pieces(
        &mut self,
        leg: Leg,
        cluster: ClusterId,
        request: &Request<'_>,
        step: usize,
        pieces: &mut [Piece],
        whole: bool,
    ) {
        for piece in pieces.iter_mut() {
            let key = request.get(piece.argument as usize).unwrap_or_default();
            piece.spot = self.spot_as(leg.filter, cluster, leg.route, key);
        }
        if whole && pieces.iter().all(|piece| piece.spot == pieces[0].spot) {
            return self.copy(leg, cluster, pieces[0].spot, request.bytes);
        }
        pieces.sort_unstable();
        let cut = Cut::of(request, step);
        let mut bytes = self.pool.take();
        for group in groups(pieces) {
            bytes.clear();
            write_fragment(&self.filters[leg.filter.index()].routes[leg.route], &cut, group, &mut bytes);
            self.copy(leg, cluster, group[0].spot, &bytes);
        }
        self.pool.give(bytes);
    }

    /// Copies a request to every shard of the mirrors of its route.
    pub(crate) fn mirror_everywhere(&mut self, leg: Leg, bytes: &[u8]) {
        for i in 0..self.filters[leg.filter.index()].routes[leg.route].mirrors.len() {
            let Some(cluster) = self.mirrored(leg, i) else { continue };
            for (_, spot) in self.clusters[cluster.index()].spots() {
                self.copy(leg, cluster, spot, bytes);
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
        let errand = Errand {
            ticket: Ticket::NOBODY,
            filter: leg.filter,
            cluster,
            command: leg.command,
            spot,
            kind: Kind::Mirror,
            read: leg.read,
            hops: 0,
            deadline: leg.deadline,
            avoid: None,
        };
        self.dispatch(errand, bytes);
    }
}
