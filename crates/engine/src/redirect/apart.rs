//! TRYAGAIN of a request by key, while its slot moves: some keys are on the one node, some on the other. Each key alone
//! has a node that answers it (ASK leads there), so the request is cut once more, into its keys.

use crate::engine::{Engine, UpstreamId};
use crate::forward::Errand;
use crate::upstream::{InFlight, Kind};
use command::Split;
use resp::Request;
use resp::request::{Scan, Step};

impl Engine {
    /// Sends each key of a fragment alone. Not, if it has one key only, or if nobody waits for it any more.
    pub(super) fn cut_apart(&mut self, id: UpstreamId, entry: &InFlight) -> bool {
        let row = command::get(entry.command);
        let step = match row.split {
            Split::PerKey => 1,
            Split::PerPair => 2,
            _ => return false,
        };
        let bytes = self.upstreams[id.0 as usize].window.data()[..entry.len as usize].to_vec();
        let mut scan = Scan::default();
        let Ok(Step::Whole { request, .. }) = scan.next(&bytes, &self.limits.frames) else { return false };
        let keys = (request.len() - 1) / step;
        if keys < 2 || entry.kind == Kind::Mirror {
            return false;
        }
        let Some(first) = self.part_anew(entry.ticket, row.join, keys) else { return false };
        let upstream = &mut self.upstreams[id.0 as usize];
        upstream.answered(entry.len);
        let errand = entry.errand(upstream.cluster);
        self.count_reply(id, entry, false);
        self.clusters[errand.cluster.index()].stats.retried.inc();
        self.send_each(errand, first, &request, step);
        true
    }

    fn send_each(&mut self, errand: Errand, first: u32, request: &Request<'_>, step: usize) {
        let mut bytes = self.pool.take();
        for (part, key) in (first..).zip((1..request.len()).step_by(step)) {
            bytes.clear();
            resp::write::array(&mut bytes, 1 + step);
            for argument in std::iter::once(0).chain(key..key + step) {
                resp::write::bulk(&mut bytes, request.get(argument).unwrap_or_default());
            }
            self.dispatch(Errand { ticket: errand.ticket.for_part(part), ..errand }, &bytes);
        }
        self.pool.give(bytes);
    }
}
