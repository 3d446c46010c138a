//! Off the road: a slot changes hands while requests for it are under way.
//!
//! What a client sends in one pipeline is carried out in order, because it goes to one node on one connection. Once MOVED
//! or a view has changed the map, older requests for the slot are still on the connection to its old owner; each will be
//! sent on when its own MOVED has come. A later request of the same client would overtake them on the direct way, so it
//! waits here: a round trip in practice, and never longer than [`LONGEST`], because an old owner that says nothing must
//! not keep requests from the new one.

use crate::engine::{ClusterId, Engine, UpstreamId};
use crate::forward::Errand;
use crate::places::Ticket;
use crate::timer::Timer;
use crate::upstream::{Kind, Role, Spot};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a request waits for older ones at most.
const LONGEST: Duration = Duration::from_millis(20);
/// How many slots are watched at once: every reply looks at them, and a whole shard that changes hands must not make a
/// worker stand still. Beyond, order is lost, and nothing else.
const MOST: usize = 32;

/// One slot that has changed hands.
#[derive(Debug)]
pub(crate) struct Handover {
    cluster: ClusterId,
    spot: Spot,
    /// The connection that older requests are on.
    from: UpstreamId,
    /// Requests that wait for them, and whose they are.
    pub(crate) held: VecDeque<(u32, Errand, Vec<u8>)>,
}

impl Engine {
    /// Remembers that a slot has another owner than the one at the other end of `from`, if requests for it are there.
    pub(crate) fn hand_over(&mut self, cluster: ClusterId, spot: Spot, from: UpstreamId) {
        if self.handovers.len() >= MOST {
            return;
        }
        let known = self.handovers.iter().any(|handover| (handover.spot, handover.from) == (spot, from));
        let upstream = &mut self.upstreams[from.0 as usize];
        let awaited = upstream.line.iter().any(|entry| entry.spot == spot && entry.kind == Kind::Request);
        if known || !awaited || upstream.role != Role::Primary {
            return;
        }
        upstream.handing_over = true;
        self.timers.push(self.now.after(LONGEST), Timer::Handover(from, upstream.serial));
        self.handovers.push(Handover { cluster, spot, from, held: VecDeque::new() });
    }

    /// The same for all slots that have another owner in a new view.
    pub(crate) fn hand_over_changed(&mut self, cluster: ClusterId) {
        let picture = &self.clusters[cluster.index()];
        let moved = |spot: Spot, node: u16| matches!(spot, Spot::Slot(_)) && picture.primary_at(spot) != Some(node);
        let changed = self.under_way(cluster, moved);
        self.hand_over_all(cluster, changed);
    }

    /// The same for every request on a connection of a cluster whose connections are replaced.
    pub(crate) fn hand_over_everything(&mut self, cluster: ClusterId) {
        let all = self.under_way(cluster, |_, _| true);
        self.hand_over_all(cluster, all);
    }

    /// What requests are for that are under way in a cluster, as far as `which` says so of it and its node.
    fn under_way(&self, cluster: ClusterId, which: impl Fn(Spot, u16) -> bool) -> Vec<(Spot, UpstreamId)> {
        let mut found = Vec::new();
        for (id, upstream) in self.upstreams.iter().filter(|(_, up)| up.cluster == cluster && up.role == Role::Primary)
        {
            let spots = upstream.line.iter().map(|entry| entry.spot).filter(|spot| which(*spot, upstream.node));
            found.extend(spots.map(|spot| (spot, UpstreamId(id as u32))));
        }
        found
    }

    fn hand_over_all(&mut self, cluster: ClusterId, mut changed: Vec<(Spot, UpstreamId)>) {
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().for_each(|(spot, from)| self.hand_over(cluster, spot, from));
    }

    /// Whether a request has to wait, and does now. Past its bound it does not: then its order is lost, and nothing else.
    pub(crate) fn hold(&mut self, errand: &Errand, bytes: &[u8]) -> bool {
        let Some(session) = self.session_of(errand.ticket).filter(|_| errand.hops == 0) else { return false };
        let held: usize = self.handovers.iter().map(|handover| handover.held.len()).sum();
        for i in 0..self.handovers.len() {
            let handover = &self.handovers[i];
            let (spot, from) = (handover.spot, handover.from);
            if (handover.cluster, spot) != (errand.cluster, errand.spot) || held >= self.limits.parked_requests {
                continue;
            }
            let queued = handover.held.iter().any(|(of, ..)| *of == session);
            if queued || self.is_under_way(from, spot, session) {
                self.handovers[i].held.push_back((session, *errand, bytes.to_vec()));
                return true;
            }
        }
        false
    }

    fn session_of(&mut self, ticket: Ticket) -> Option<u32> {
        self.places.holder(ticket).map(|(_, place)| place.session)
    }

    /// Whether a client waits for a request that is on this connection.
    fn is_under_way(&mut self, from: UpstreamId, spot: Spot, session: u32) -> bool {
        let upstream = &self.upstreams[from.0 as usize];
        let mut entries = upstream.line.iter().filter(|entry| entry.spot == spot);
        entries.any(|entry| self.places.holder(entry.ticket).is_some_and(|(_, place)| place.session == session))
    }

    /// Lets go whoever need not wait any more; or everybody, when the connection has ended or time is up.
    pub(crate) fn advance_handovers(&mut self, from: UpstreamId, everybody: bool) {
        let (mine, others) =
            std::mem::take(&mut self.handovers).into_iter().partition(|handover| handover.from == from);
        self.handovers = others;
        let mut left = Vec::new();
        for mut handover in mine {
            for (session, errand, bytes) in std::mem::take(&mut handover.held) {
                if !everybody && self.is_under_way(from, handover.spot, session) {
                    handover.held.push_back((session, errand, bytes));
                } else if self.still_wanted(errand.ticket) {
                    self.dispatch(errand, &bytes);
                }
            }
            let upstream = &self.upstreams[from.0 as usize];
            if !everybody && upstream.line.iter().any(|entry| entry.spot == handover.spot) {
                left.push(handover);
            }
        }
        self.upstreams[from.0 as usize].handing_over = !left.is_empty();
        self.handovers.extend(left);
    }
}
