//! Station 4, second half: requests that concern more than one shard are cut into fragments.
//!
//! Redis Cluster refuses a command whose keys lie in different slots even where one node owns them all (CROSSSLOT). So a
//! fragment is the keys of one slot, and all fragments for a node leave in one write. Where there are no slots, a
//! fragment is all the keys of a node.

use crate::cluster::Cluster;
use crate::engine::{ClusterId, Engine, FilterId, SessionId};
use crate::failure::Failure;
use crate::filter::Route;
use crate::forward::Errand;
use crate::join::{Gather, Part, Way};
use crate::places::Ticket;
use crate::random::Random;
use crate::route::Leg;
use crate::upstream::Spot;
use command::join::cursor;
use command::{Effect, Join, Split};
use resp::Request;
use resp::request::Step;
use slots::Slot;

/// One key of a request that is being cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    /// Index of the route, or [`NO_ROUTE`].
    pub(crate) route: usize,
    pub(crate) spot: Spot,
    /// Index of the key's argument.
    pub(crate) argument: u32,
}

/// Room for the cutting of one request, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Cutting {
    pieces: Vec<Piece>,
}

const NO_ROUTE: usize = usize::MAX;
/// Room for so many keys is kept.
const KEEP: usize = 4096;

impl Engine {
    /// A request whose arguments are keys (`step` 1) or keys and values (`step` 2): one fragment per slot.
    pub(crate) fn route_by_key(&mut self, id: SessionId, command: command::Id, request: &Request<'_>, step: usize) {
        if !(request.len() - 1).is_multiple_of(step) {
            return self.wrong_arity(id, command::get(command).name);
        }
        let filter = self.sessions[id.0 as usize].filter;
        let mut cutting = std::mem::take(&mut self.cutting);
        cutting.pieces.clear();
        let read = command::get(command).effect == Effect::Read;
        for argument in (1..request.len()).step_by(step) {
            let key = request.get(argument).unwrap_or_default();
            let route = self.filters[filter.index()].find(key).unwrap_or(NO_ROUTE);
            let spot = self.spot_on_route(filter, route, read, key);
            cutting.pieces.push(Piece { route, spot, argument: argument as u32 });
        }
        if let Some(ticket) = self.admit(id, command) {
            let deadline = self.deadline(filter);
            let leg = Leg { ticket, filter, route: cutting.pieces[0].route, command, read, deadline };
            self.send_pieces(leg, request, step, &mut cutting.pieces);
            self.mirror_pieces(leg, request, step, &mut cutting.pieces);
        }
        cutting.pieces.shrink_to(KEEP);
        self.cutting = cutting;
    }

    fn spot_on_route(&mut self, filter: FilterId, route: usize, read: bool, key: &[u8]) -> Spot {
        if route == NO_ROUTE {
            return Spot::Any;
        }
        match self.filters[filter.index()].routes[route].leads_to(read) {
            Some(cluster) => self.spot_as(filter, cluster, route, key),
            None => Spot::Any,
        }
    }

    /// The spot in a cluster of what a route makes of a key.
    pub(crate) fn spot_as(&mut self, filter: FilterId, cluster: ClusterId, route: usize, key: &[u8]) -> Spot {
        let compiled = &self.filters[filter.index()].routes[route];
        if !compiled.rewrites() {
            return self.settled_spot(filter, cluster, key);
        }
        let mut renamed = self.pool.take();
        self.filters[filter.index()].routes[route].rewrite(key, &mut renamed);
        let spot = self.settled_spot(filter, cluster, &renamed);
        self.pool.give(renamed);
        spot
    }

    /// A key's spot; where there are no slots, the member it falls to, so that all keys of a member make one fragment.
    fn settled_spot(&mut self, filter: FilterId, cluster: ClusterId, key: &[u8]) -> Spot {
        match self.spot(filter, cluster, Some(key)) {
            spot @ Spot::Hash(_) => {
                let shard = self.clusters[cluster.index()].shard_of(spot, &mut self.random);
                shard.map_or(spot, Spot::Shard)
            }
            spot => spot,
        }
    }

    /// All keys at one spot of one route: the request goes as it came. Else one fragment a spot.
    fn send_pieces(&mut self, leg: Leg, request: &Request<'_>, step: usize, pieces: &mut [Piece]) {
        let first = pieces[0];
        let together = pieces.iter().all(|piece| (piece.route, piece.spot) == (first.route, first.spot));
        if together && first.route == NO_ROUTE {
            return self.fail(leg.ticket, &Failure::NoRoute);
        }
        if together && !self.filters[leg.filter.index()].routes[first.route].rewrites() {
            return self.take_to(leg, first.spot, request.bytes);
        }
        pieces.sort_unstable();
        let row = command::get(leg.command);
        let mut gather = self.new_gather(row.join, Way::Keys);
        gather.order.resize((request.len() - 1) / step, 0);
        for (part, group) in groups(pieces).enumerate() {
            gather.parts.push(Part::of(group.len()));
            for piece in group {
                gather.order[(piece.argument as usize - 1) / step] = part as u32;
            }
        }
        self.attach(leg.ticket, gather);
        let cut = Cut::of(request, step);
        for (part, group) in groups(pieces).enumerate() {
            let leg = Leg { ticket: leg.ticket.for_part(part as u32), route: group[0].route, ..leg };
            if leg.route == NO_ROUTE {
                self.fail(leg.ticket, &Failure::NoRoute);
            } else if !self.plain_fragment(leg, &cut, group) {
                let mut bytes = self.pool.take();
                write_fragment(&self.filters[leg.filter.index()].routes[leg.route], &cut, group, &mut bytes);
                self.take_to(leg, group[0].spot, &bytes);
                self.pool.give(bytes);
            }
        }
    }

    /// Like `take`, where the spot is known already.
    fn take_to(&mut self, leg: Leg, spot: Spot, bytes: &[u8]) {
        if let Some(cluster) = self.cluster_of(leg) {
            self.send(leg, cluster, spot, bytes);
        }
    }

    /// Lets the parts of a request meet again at its place.
    pub(crate) fn attach(&mut self, ticket: Ticket, mut gather: Gather) {
        gather.missing = gather.parts.len();
        let index = self.gathers.insert(gather) as u32;
        match self.places.holder(ticket) {
            Some((_, place)) => place.gather = index,
            None => drop(self.gathers.remove(index as usize)),
        }
    }

    /// A request without a key goes along the route of the empty key; its leg and cluster.
    fn keyless(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) -> Option<(Leg, ClusterId)> {
        let filter = self.sessions[id.0 as usize].filter;
        let ticket = self.admit(id, command)?;
        let Some(route) = self.filters[filter.index()].find(b"") else {
            self.fail(ticket, &Failure::NoRoute);
            return None;
        };
        let read = command::effect_of(command, request) == Effect::Read;
        let leg = Leg { ticket, filter, route, command, read, deadline: self.deadline(filter) };
        let cluster = self.cluster_of(leg)?;
        Some((leg, cluster))
    }

    /// A request that one shard gets, whichever.
    pub(crate) fn route_anywhere(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        let Some((leg, cluster)) = self.keyless(id, command, request) else { return };
        self.send(leg, cluster, Spot::Any, request.bytes);
        self.mirror(leg, None, request.bytes);
    }

    /// A request that every shard gets.
    pub(crate) fn route_everywhere(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        if command::join_of(command, request).is_none() {
            return self.answer(id, b"-ERR unsupported cluster scope command or invalid arguments\r\n");
        }
        self.route_spread(id, command, request);
    }

    /// `INFO.SHARD n [section]`: INFO of the n-th shard.
    pub(crate) fn route_named(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        if number::<usize>(request).is_none() {
            return self.answer(id, b"-ERR invalid shard_id - must be a numeric shard index\r\n");
        }
        self.route_spread(id, command, request);
    }

    /// SCAN: one shard after the other. The cursor carries the node's own and the name of the shard, a slot.
    pub(crate) fn route_cursor(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        if number::<u64>(request).is_none() {
            return self.answer(id, b"-ERR invalid cursor\r\n");
        }
        self.route_spread(id, command, request);
    }

    /// A request that cannot be sent before the shards are known waits for them as it came.
    fn route_spread(&mut self, id: SessionId, command: command::Id, request: &Request<'_>) {
        let Some((leg, cluster)) = self.keyless(id, command, request) else { return };
        match self.clusters[cluster.index()].is_unknown() {
            true => self.send(leg, cluster, Spot::Later, request.bytes),
            false => self.spread(leg, cluster, request),
        }
    }

    /// Goes on with a request that waited for the shards.
    pub(crate) fn spread_parked(&mut self, errand: &Errand, bytes: &[u8]) {
        let Errand { ticket, filter, cluster, command, read, deadline, .. } = *errand;
        let route = self.filters[filter.index()].find(b"").unwrap_or(NO_ROUTE);
        let mut scan = self.scan.take().unwrap_or_default();
        if let Ok(Step::Whole { request, .. }) = scan.next(bytes, &self.limits.frames) {
            self.spread(Leg { ticket, filter, route, command, read, deadline }, cluster, &request);
        }
        self.scan = Some(scan);
    }

    fn spread(&mut self, leg: Leg, cluster: ClusterId, request: &Request<'_>) {
        let shards = self.clusters[cluster.index()].owning_shards();
        if shards.is_empty() {
            return self.send(leg, cluster, Spot::Any, request.bytes);
        }
        match command::get(leg.command).split {
            Split::NamedShard => self.send_to_named(leg, cluster, request, &shards),
            Split::Cursor => self.send_at_cursor(leg, cluster, request, &shards),
            _ => self.send_to_all(leg, cluster, request, &shards),
        }
    }

    fn send_to_all(&mut self, leg: Leg, cluster: ClusterId, request: &Request<'_>, shards: &[Owning]) {
        let join = command::join_of(leg.command, request).unwrap_or(Join::Only);
        let mut gather = self.new_gather(join, Way::Shards);
        gather.parts.resize_with(shards.len(), Part::default);
        self.attach(leg.ticket, gather);
        // Settings, scripts and slow logs are the servers' own: they are asked for where they are changed.
        let read = leg.read && command::get(leg.command).join != Join::BySubcommand;
        for (part, shard) in shards.iter().enumerate() {
            let leg = Leg { ticket: leg.ticket.for_part(part as u32), read, ..leg };
            self.send(leg, cluster, shard.spot, request.bytes);
        }
        self.mirror_everywhere(leg, request.bytes);
    }

    fn send_to_named(&mut self, leg: Leg, cluster: ClusterId, request: &Request<'_>, shards: &[Owning]) {
        let number = number::<usize>(request).unwrap_or_default();
        let Some(shard) = shards.get(number) else {
            let text = format!("ERR shard_id {number} out of range (0-{})", shards.len() - 1);
            return self.fail(leg.ticket, &Failure::Said(&text));
        };
        let mut words: Vec<&[u8]> = vec![b"INFO"];
        words.extend((2..request.len()).filter_map(|i| request.get(i)));
        let mut bytes = self.pool.take();
        resp::write::command(&mut bytes, &words);
        self.send(leg, cluster, shard.spot, &bytes);
        self.pool.give(bytes);
    }

    fn send_at_cursor(&mut self, leg: Leg, cluster: ClusterId, request: &Request<'_>, shards: &[Owning]) {
        let (node_cursor, slot) = cursor::unpack(number(request).unwrap_or_default());
        // Where no shard has that name any more, its successor begins anew: another node's cursor would skip keys.
        let (shard, node_cursor) = match shards.iter().find(|shard| shard.name == slot) {
            Some(shard) => (shard, node_cursor),
            None => (self.clusters[cluster.index()].successor(slot, shards), 0),
        };
        let mut gather = self.new_gather(Join::Cursor, Way::Scan { cluster, name: shard.name });
        gather.parts.push(Part::default());
        self.attach(leg.ticket, gather);
        let digits = node_cursor.to_string();
        let words: Vec<&[u8]> =
            (0..request.len()).filter_map(|i| if i == 1 { Some(digits.as_bytes()) } else { request.get(i) }).collect();
        let mut bytes = self.pool.take();
        resp::write::command(&mut bytes, &words);
        self.send(Leg { ticket: leg.ticket.for_part(0), ..leg }, cluster, shard.spot, &bytes);
        self.pool.give(bytes);
    }
}

/// A request that is being cut up.
pub(crate) struct Cut<'a> {
    pub(crate) request: &'a Request<'a>,
    /// 1 where each argument is a key, 2 where each key has a value.
    step: usize,
    /// The command's name as it stands in the request.
    name: &'a [u8],
}

impl<'a> Cut<'a> {
    pub(crate) fn of(request: &'a Request<'a>, step: usize) -> Self {
        Self { request, step, name: request.raw(0).unwrap_or_default() }
    }
}

/// The request with the keys of `group` alone, as their route changes them.
pub(crate) fn write_fragment(route: &Route, cut: &Cut<'_>, group: &[Piece], out: &mut Vec<u8>) {
    let raw = |i: usize| cut.request.raw(i).unwrap_or_default();
    resp::write::array(out, 1 + group.len() * cut.step);
    out.extend_from_slice(cut.name);
    for piece in group {
        let at = piece.argument as usize;
        if route.rewrites() {
            let mut renamed = Vec::new();
            route.rewrite(cut.request.get(at).unwrap_or_default(), &mut renamed);
            resp::write::bulk(out, &renamed);
        } else {
            out.extend_from_slice(raw(at));
        }
        (at + 1..at + cut.step).for_each(|value| out.extend_from_slice(raw(value)));
    }
}

/// The first argument as a number.
fn number<T: std::str::FromStr>(request: &Request<'_>) -> Option<T> {
    request.get(1).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
}

/// Runs of pieces with the same route and spot.
pub(crate) fn groups(pieces: &[Piece]) -> impl Iterator<Item = &[Piece]> {
    pieces.chunk_by(|a, b| (a.route, a.spot) == (b.route, b.spot))
}

/// A shard that has something to say for all keys of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owning {
    /// See [`crate::cluster::Shard::first_slot`].
    pub(crate) name: u16,
    /// Leads to it also when the shards are numbered anew.
    pub(crate) spot: Spot,
}

impl Cluster {
    /// The shards that own slots (all members, where there are no slots), ordered by name.
    pub(crate) fn owning_shards(&self) -> Vec<Owning> {
        let owning = |(shard, spot): (u16, Spot)| Owning { name: self.shards[usize::from(shard)].first_slot, spot };
        let mut shards: Vec<Owning> = self.spots().into_iter().map(owning).collect();
        shards.sort_unstable_by_key(|shard| shard.name);
        shards
    }

    /// The shard that SCAN goes on with where no shard is named `slot`: the owner of that slot, or the next by name.
    fn successor<'a>(&mut self, slot: u16, shards: &'a [Owning]) -> &'a Owning {
        let owner = Slot::new(slot).and_then(|slot| self.shard_of(Spot::Slot(slot), &mut Random::new(0)));
        let name = owner.map(|owner| self.shards[usize::from(owner)].first_slot);
        let owner = name.and_then(|name| shards.iter().find(|shard| shard.name == name));
        owner.or_else(|| shards.iter().find(|shard| shard.name > slot)).unwrap_or(&shards[0])
    }

    /// The next name in SCAN's order.
    pub(crate) fn name_after(&self, name: u16) -> Option<u16> {
        self.owning_shards().into_iter().map(|shard| shard.name).find(|next| *next > name)
    }
}
