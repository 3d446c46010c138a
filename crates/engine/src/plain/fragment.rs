//! Fragments of a request by key, written straight into what is sent to their nodes.

use super::{Chance, count_sent};
use crate::engine::Engine;
use crate::route::Leg;
use crate::split::{Cut, Piece, write_fragment};
use crate::upstream::{InFlight, Kind};
use meant::ReadPolicy;

impl Engine {
    /// Sends the fragment with the keys of `group`. Not, and nothing done, if it is not plain.
    pub(crate) fn plain_fragment(&mut self, leg: Leg, cut: &Cut<'_>, group: &[Piece]) -> bool {
        let filter = &self.filters[leg.filter.index()];
        let route = &filter.routes[leg.route];
        if !self.plain || !self.handovers.is_empty() || !filter.is_plain() || route.rewrites() {
            return false;
        }
        let Some(cluster) = route.leads_to(leg.read).map(|id| &self.clusters[id.index()]) else { return false };
        let policy = if leg.read { filter.settings.read_policy } else { ReadPolicy::Primary };
        let mut chance = Chance { random: &mut self.random, limits: &self.limits, now: self.now };
        // If there is no room for the whole request, the stations find out whether there is for the fragment.
        let (spot, most) = (group[0].spot, cut.request.bytes.len());
        let Some((id, upstream)) = chance.upstream(cluster, &mut self.upstreams, spot, policy, most) else {
            return false;
        };
        let before = upstream.window.len();
        write_fragment(route, cut, group, upstream.window.end());
        upstream.enter(InFlight {
            ticket: leg.ticket,
            spot,
            filter: leg.filter,
            command: leg.command,
            kind: Kind::Request,
            read: leg.read,
            hops: 0,
            len: (upstream.window.len() - before) as u32,
            deadline: leg.deadline,
            queued: self.now,
        });
        count_sent(upstream, cluster);
        if upstream.open && !upstream.dirty {
            upstream.dirty = true;
            self.dirty_upstreams.push(id);
        }
        self.earliest = self.earliest.min(leg.deadline);
        true
    }
}
