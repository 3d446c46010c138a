//! Station 4: which cluster. Single-key requests go on from here; those with more keys are cut up in `split`.

use crate::engine::{ClusterId, Engine, FilterId, SessionId};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::forward::Errand;
use crate::places::Ticket;
use crate::time::Time;
use crate::upstream::{Kind, Spot};
use command::Effect;
use resp::Request;

/// A request, or a part of one, that knows its route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    pub(crate) ticket: Ticket,
    pub(crate) filter: FilterId,
    pub(crate) route: usize,
    pub(crate) command: command::Id,
    pub(crate) read: bool,
    pub(crate) deadline: Time,
}

impl Filter {
    /// The route that takes `key`: the longest prefix that fits, else the catch-all.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        if self.takes_all { Some(0) } else { self.search(key) }
    }

    fn search(&self, key: &[u8]) -> Option<usize> {
        self.routes.iter().position(|route| {
            let prefix = &route.prefix;
            // The catch-all, mostly: not worth a comparison.
            if prefix.is_empty() {
                return true;
            }
            match self.case_insensitive {
                true => key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
                false => key.starts_with(prefix),
            }
        })
    }
}

impl Engine {
    /// A request that goes to one shard whole.
    pub(crate) fn route_whole(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        let key = command::get(command).first_key(request).and_then(|i| request.get(i));
        let filter = self.sessions[id.0 as usize].filter;
        let Some(ticket) = self.admit(id, command) else { return };
        let Some(route) = self.filters[filter.index()].find(key.unwrap_or_default()) else {
            return self.fail(ticket, &Failure::NoRoute);
        };
        let read = command::effect_of(command, request) == Effect::Read;
        let leg = Leg { ticket, filter, route, command, read, deadline: self.deadline(filter) };
        if key.is_none() || !self.filters[filter.index()].routes[route].rewrites() {
            return self.take(leg, key, request.bytes);
        }
        let (mut renamed, mut bytes) = (self.pool.take(), self.pool.take());
        self.filters[filter.index()].routes[route].rewrite(key.unwrap_or_default(), &mut renamed);
        match self.rewrite_request(leg, request, &mut bytes) {
            true => self.take(leg, Some(&renamed), &bytes),
            false => self.fail(ticket, &Failure::CrossRoute),
        }
        self.pool.give(renamed);
        self.pool.give(bytes);
    }

    /// Sends `bytes` along a leg, and their copies to its mirrors; `key` is what is hashed.
    pub(crate) fn take(&mut self, leg: Leg, key: Option<&[u8]>, bytes: &[u8]) {
        let Some(cluster) = self.cluster_of(leg) else { return };
        let spot = self.spot(leg.filter, cluster, key);
        self.send(leg, cluster, spot, bytes);
        self.mirror(leg, key, bytes);
    }

    /// The cluster that a leg leads to; its client reads why if there is none.
    pub(crate) fn cluster_of(&mut self, leg: Leg) -> Option<ClusterId> {
        let route = &self.filters[leg.filter.index()].routes[leg.route];
        let cluster = route.leads_to(leg.read);
        if cluster.is_none() {
            let name = match &route.read_cluster {
                Some((_, name)) if leg.read => name.clone(),
                _ => route.cluster_name.clone(),
            };
            self.fail(leg.ticket, &Failure::NoCluster(&name));
        }
        cluster
    }

    /// Where a key belongs in a cluster; anywhere, without a key.
    pub(crate) fn spot(&self, filter: FilterId, cluster: ClusterId, key: Option<&[u8]>) -> Spot {
        let tags = self.filters[filter.index()].settings.enable_hashtagging;
        key.map_or(Spot::Any, |key| self.clusters[cluster.index()].spot(key, tags))
    }

    pub(crate) fn send(&mut self, leg: Leg, cluster: ClusterId, spot: Spot, bytes: &[u8]) {
        let Leg { ticket, filter, command, read, deadline, .. } = leg;
        let kind = Kind::Request;
        let errand = Errand { ticket, filter, cluster, command, spot, kind, read, hops: 0, deadline, avoid: None };
        self.dispatch(errand, bytes);
    }

    /// Writes the request anew with every key changed as the route says. Not, if one of them goes along another route:
    /// it would become a key that nobody means.
    fn rewrite_request(&mut self, leg: Leg, request: &Request<'_>, out: &mut Vec<u8>) -> bool {
        let route = &self.filters[leg.filter.index()].routes[leg.route];
        let row = command::get(leg.command);
        let mut keys = Vec::new();
        // Arguments that contradict each other are for Redis to refuse; the first key is rewritten at least.
        if row.for_each_key(request, |i| keys.push(i)).is_err() {
            keys.extend(row.first_key(request));
        }
        keys.sort_unstable();
        keys.dedup();
        let filter = &self.filters[leg.filter.index()];
        if keys.iter().any(|i| filter.find(request.get(*i).unwrap_or_default()) != Some(leg.route)) {
            return false;
        }
        let mut keys = keys.into_iter().peekable();
        let mut renamed = self.pool.take();
        resp::write::array(out, request.len());
        for i in 0..request.len() {
            let argument = request.get(i).unwrap_or_default();
            if keys.next_if_eq(&i).is_some() {
                renamed.clear();
                route.rewrite(argument, &mut renamed);
                resp::write::bulk(out, &renamed);
            } else {
                resp::write::bulk(out, argument);
            }
        }
        self.pool.give(renamed);
        true
    }
}
