//! The engine's picture of a cluster: its nodes, its shards, who owns what, and which connections there are.
//!
//! A view from the control side replaces shards and owners whole; MOVED mends a single owner at once. Nodes keep their
//! place (and their connections) across views, by address.

use crate::forward::Errand;
use crate::random::Random;
use crate::session::NONE;
use crate::time::Time;
use crate::upstream::Spot;
use meant::{Balance, Discovery, ReadPolicy};
use observe::{ClusterStats, NodeStats};
use rustc_hash::FxHashMap;
use slots::maglev::Maglev;
use slots::ring::Ring;
use slots::{Host, Slot, Topology, View};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// One cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) meant: Arc<meant::Cluster>,
    /// It is a Redis Cluster, with slots and replicas.
    slotted: bool,
    pub(crate) stats: Arc<ClusterStats>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) by_address: FxHashMap<SocketAddr, u16>,
    pub(crate) shards: Vec<Shard>,
    placement: Placement,
    /// Requests that wait for the first view.
    pub(crate) parked: VecDeque<(Errand, Vec<u8>)>,
    pub(crate) parked_bytes: usize,
    /// It has left the configuration; what is under way ends.
    pub(crate) gone: bool,
    turn: usize,
}

/// One server process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) names: Vec<String>,
    /// In the latest view; else only a redirect named it.
    pub(crate) listed: bool,
    /// The shared connection of each role, or [`NONE`].
    pub(crate) upstreams: [u32; 2],
    pub(crate) failures: u32,
    /// Left alone until then.
    pub(crate) retry_at: Time,
    /// What the last failure was, for the client who asks meanwhile.
    pub(crate) problem: String,
    /// Connections that may be opened now (`connection_rate_limit`), and when that was counted.
    pub(crate) allowance: f64,
    pub(crate) counted: Time,
    pub(crate) stats: Arc<NodeStats>,
}

/// A primary and its replicas, by index of node.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) primary: u16,
    pub(crate) replicas: Vec<u16>,
    /// Its lowest slot when the view was made: what SCAN's cursor names it by. No other shard has the same.
    pub(crate) first_slot: u16,
    /// Made by a MOVED: its replicas are not known before the next view, so its primary serves every read.
    pub(crate) provisional: bool,
}

/// How a spot finds its shard.
#[derive(Debug)]
enum Placement {
    /// No view yet.
    Unknown,
    /// Owner by slot; [`NOBODY`] where there is none.
    Slots(Box<[u16]>),
    Ring(Ring),
    Maglev(Maglev),
    RoundRobin,
    Random,
}

const NOBODY: u16 = u16::MAX;

impl Node {
    pub(crate) fn healthy(&self, now: Time) -> bool {
        self.retry_at <= now
    }
}

impl Cluster {
    pub(crate) fn new(meant: Arc<meant::Cluster>, stats: Arc<ClusterStats>) -> Self {
        Self {
            slotted: matches!(meant.discovery, Discovery::Redis(_)),
            meant,
            stats,
            nodes: Vec::new(),
            by_address: FxHashMap::default(),
            shards: Vec::new(),
            placement: Placement::Unknown,
            parked: VecDeque::new(),
            parked_bytes: 0,
            gone: false,
            turn: 0,
        }
    }

    /// No members are known, as in the beginning. Connections are left as they are.
    pub(crate) fn forget_members(&mut self) {
        self.slotted = matches!(self.meant.discovery, Discovery::Redis(_));
        self.nodes.iter_mut().for_each(|node| node.listed = false);
        self.shards.clear();
        self.placement = Placement::Unknown;
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.placement, Placement::Unknown)
    }

    /// Whether it is a Redis Cluster, with slots and replicas.
    pub(crate) fn has_slots(&self) -> bool {
        self.slotted
    }

    /// Where `key` belongs; `tags` is whether hash tags count where there are no slots.
    #[inline]
    pub(crate) fn spot(&self, key: &[u8], tags: bool) -> Spot {
        if self.slotted { Spot::Slot(Slot::of(key)) } else { self.spot_of_host(key, tags) }
    }

    fn spot_of_host(&self, key: &[u8], tags: bool) -> Spot {
        match self.balance() {
            Balance::RingHash { .. } | Balance::Maglev { .. } if self.shards.len() != 1 => {
                Spot::Hash(slots::murmur::hash(if tags { slots::slot::tag(key) } else { key }))
            }
            _ => Spot::Any,
        }
    }

    /// The shard that a spot falls to now.
    pub(crate) fn shard_of(&mut self, spot: Spot, random: &mut Random) -> Option<u16> {
        match (spot, &self.placement) {
            (Spot::Slot(slot), Placement::Slots(owners)) => Some(owners[slot.index()]).filter(|owner| *owner != NOBODY),
            (Spot::Shard(shard), _) => (usize::from(shard) < self.shards.len()).then_some(shard),
            (Spot::Hash(hash), Placement::Ring(ring)) => ring.choose(hash).map(|i| i as u16),
            (Spot::Hash(hash), Placement::Maglev(maglev)) => maglev.choose(hash).map(|i| i as u16),
            (_, Placement::RoundRobin) => {
                self.turn = self.turn.wrapping_add(1);
                self.turn.checked_rem(self.shards.len()).map(|i| i as u16)
            }
            _ => (!self.shards.is_empty()).then(|| random.below(self.shards.len() as u32) as u16),
        }
    }

    /// The shard that a spot falls to now, where neither chance nor turn has a say in it.
    #[inline]
    pub(crate) fn sure_shard(&self, spot: Spot) -> Option<u16> {
        match (spot, &self.placement) {
            (Spot::Slot(slot), Placement::Slots(owners)) => Some(owners[slot.index()]).filter(|owner| *owner != NOBODY),
            (Spot::Hash(hash), Placement::Ring(ring)) => ring.choose(hash).map(|i| i as u16),
            (Spot::Hash(hash), Placement::Maglev(maglev)) => maglev.choose(hash).map(|i| i as u16),
            (Spot::Any, _) if self.shards.len() == 1 => Some(0),
            _ => None,
        }
    }

    /// The primary that owns a slot now.
    pub(crate) fn primary_at(&self, spot: Spot) -> Option<u16> {
        match (spot, &self.placement) {
            (Spot::Slot(slot), Placement::Slots(owners)) => {
                self.shards.get(usize::from(owners[slot.index()])).map(|shard| shard.primary)
            }
            _ => None,
        }
    }

    /// The member of `shard` that `policy` chooses, not `avoid` if there is another.
    #[inline]
    pub(crate) fn member(
        &self,
        shard: u16,
        policy: ReadPolicy,
        avoid: Option<u16>,
        now: Time,
        random: &mut Random,
    ) -> Option<u16> {
        let shard = &self.shards[usize::from(shard)];
        if policy == ReadPolicy::Primary {
            return Some(shard.primary);
        }
        self.choose(shard, policy, avoid, now, random)
    }

    fn choose(
        &self,
        shard: &Shard,
        policy: ReadPolicy,
        avoid: Option<u16>,
        now: Time,
        random: &mut Random,
    ) -> Option<u16> {
        let good = |node: u16| self.nodes[usize::from(node)].healthy(now) && avoid != Some(node);
        match policy {
            ReadPolicy::Primary => Some(shard.primary),
            ReadPolicy::PreferPrimary if good(shard.primary) => Some(shard.primary),
            ReadPolicy::PreferPrimary | ReadPolicy::Any => {
                shard.draw(true, random, good).or_else(|| shard.draw(true, random, |_| true))
            }
            ReadPolicy::Replica if shard.provisional => Some(shard.primary),
            ReadPolicy::Replica => shard.draw(false, random, good).or_else(|| shard.draw(false, random, |_| true)),
            ReadPolicy::PreferReplica => shard
                .draw(false, random, good)
                .or_else(|| shard.draw(true, random, good))
                .or_else(|| shard.draw(true, random, |_| true)),
        }
    }

    /// Takes a view in. Whether nodes were dropped from it that still have connections.
    pub(crate) fn apply(&mut self, view: &View) {
        for node in &mut self.nodes {
            node.listed = false;
        }
        match view {
            View::Slots(topology) => self.apply_slots(topology),
            View::Hosts(hosts) => self.apply_hosts(hosts),
        }
    }

    fn apply_slots(&mut self, topology: &Topology) {
        let index: Vec<u16> = topology.nodes().iter().map(|node| self.list(node.address, node.names.clone())).collect();
        let place = |node: slots::NodeIndex| index[usize::from(node.0)];
        self.shards = topology
            .shards()
            .iter()
            .map(|shard| Shard {
                primary: place(shard.primary),
                replicas: shard.replicas.iter().map(|replica| place(*replica)).collect(),
                first_slot: u16::MAX,
                provisional: false,
            })
            .collect();
        let mut owners = vec![NOBODY; Slot::COUNT].into_boxed_slice();
        for (range, owner) in topology.ranges() {
            owners[range.first.index()..=range.last.index()].fill(owner.0);
            let shard = &mut self.shards[usize::from(owner.0)];
            shard.first_slot = shard.first_slot.min(range.first.index() as u16);
        }
        self.placement = Placement::Slots(owners);
    }

    fn apply_hosts(&mut self, hosts: &[Host]) {
        let list = |(i, host): (usize, &Host)| Shard {
            primary: self.list(host.address, host.name.iter().cloned().collect()),
            replicas: Vec::new(),
            first_slot: i as u16,
            provisional: false,
        };
        self.shards = hosts.iter().enumerate().map(list).collect();
        self.placement = match self.balance() {
            Balance::RingHash { minimum, maximum, murmur, by_hostname } => {
                Placement::Ring(Ring::new(hosts, minimum, maximum, murmur, by_hostname))
            }
            Balance::Maglev { table, by_hostname } => Placement::Maglev(Maglev::new(hosts, table, by_hostname)),
            Balance::RoundRobin => Placement::RoundRobin,
            Balance::LeastRequest | Balance::Random => Placement::Random,
        };
    }

    fn balance(&self) -> Balance {
        self.meant.discovery.balance().unwrap_or(Balance::Random)
    }

    /// The index of the node at `address`, which the latest view names.
    fn list(&mut self, address: SocketAddr, names: Vec<String>) -> u16 {
        let index = self.node_at(address);
        let node = &mut self.nodes[usize::from(index)];
        node.listed = true;
        node.names = names;
        index
    }

    /// The index of the node at `address`, known or new.
    pub(crate) fn node_at(&mut self, address: SocketAddr) -> u16 {
        if let Some(index) = self.by_address.get(&address) {
            return *index;
        }
        let node = Node {
            address,
            names: Vec::new(),
            listed: false,
            upstreams: [NONE; 2],
            failures: 0,
            retry_at: Time(0),
            problem: String::new(),
            allowance: f64::INFINITY,
            counted: Time(0),
            stats: self.stats.node(address),
        };
        let idle = |node: &Node| !node.listed && node.upstreams == [NONE; 2];
        let unused = |index: usize| !self.shards.iter().any(|shard| shard.holds(index as u16));
        let vacant = (0..self.nodes.len()).find(|i| idle(&self.nodes[*i]) && unused(*i) && self.nodes.len() > 512);
        let index = vacant.unwrap_or(self.nodes.len());
        match self.nodes.get_mut(index) {
            Some(old) => {
                self.by_address.remove(&old.address);
                *old = node;
            }
            None => self.nodes.push(node),
        }
        self.by_address.insert(address, index as u16);
        index as u16
    }

    /// MOVED: `slot` belongs to the primary at `node` from now on.
    pub(crate) fn mend(&mut self, slot: Slot, node: u16) {
        let Placement::Slots(owners) = &mut self.placement else { return };
        let known = self.shards.iter().position(|shard| shard.primary == node);
        let shard = known.unwrap_or_else(|| {
            let replicas = self.shards.iter().find_map(|shard| shard.others(node)).unwrap_or_default();
            let provisional = replicas.is_empty();
            // No two shards have the same name: the next number that is free, if it has to be.
            let taken = |name: &u16| self.shards.iter().any(|shard| shard.first_slot == *name);
            let names = (0..Slot::COUNT).map(|next| ((slot.index() + next) % Slot::COUNT) as u16);
            let first_slot = names.into_iter().find(|name| !taken(name)).unwrap_or_default();
            self.shards.push(Shard { primary: node, replicas, first_slot, provisional });
            self.shards.len() - 1
        });
        owners[slot.index()] = shard as u16;
    }

    /// The shards that own something, each with a spot that leads to it: its lowest slot. Every member does, where there
    /// are no slots.
    pub(crate) fn spots(&self) -> Vec<(u16, Spot)> {
        let Placement::Slots(owners) = &self.placement else {
            return (0..self.shards.len() as u16).map(|shard| (shard, Spot::Shard(shard))).collect();
        };
        let mut seen = vec![false; self.shards.len()];
        let mut first =
            |owner: &u16| seen.get_mut(usize::from(*owner)).is_some_and(|seen| !std::mem::replace(seen, true));
        let slots = owners.iter().enumerate().filter(|(_, owner)| first(owner));
        slots.filter_map(|(slot, owner)| Some((*owner, Spot::Slot(Slot::new(slot as u16)?)))).collect()
    }

    /// Nodes that only a redirect named and that have a connection.
    pub(crate) fn unknown_connections(&self) -> usize {
        self.nodes.iter().filter(|node| !node.listed && node.upstreams != [NONE; 2]).count()
    }
}

impl Shard {
    /// The other members, if `node` is one of the replicas: what remains after it was promoted.
    fn others(&self, node: u16) -> Option<Vec<u16>> {
        let rest = || self.replicas.iter().copied().filter(|replica| *replica != node);
        self.replicas.contains(&node).then(|| rest().chain([self.primary]).collect())
    }

    fn holds(&self, node: u16) -> bool {
        self.primary == node || self.replicas.contains(&node)
    }

    /// A random one of the replicas (and the primary, where it counts) that are `good`.
    fn draw(&self, with_primary: bool, random: &mut Random, good: impl Fn(u16) -> bool) -> Option<u16> {
        let members = || with_primary.then_some(self.primary).into_iter().chain(self.replicas.iter().copied());
        let count = members().filter(|node| good(*node)).count();
        match count {
            0 => None,
            1 => members().find(|node| good(*node)),
            _ => members().filter(|node| good(*node)).nth(random.below(count as u32) as usize),
        }
    }
}
