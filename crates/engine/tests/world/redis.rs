//! What is true of one cluster: its nodes, who owns which slot, and one key space that no failover loses.
//!
//! The rules by which a node turns a request away are those of `getNodeByQuery` in Redis's `cluster.c`.

use super::node::Node;
use slots::{Part, Range, Slot, Topology, View};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// A primary and its replicas, by index of node.
#[derive(Clone, Debug)]
pub struct Shard {
    pub primary: usize,
    pub replicas: Vec<usize>,
}

#[derive(Debug)]
pub struct Redis {
    /// Whether it is a Redis Cluster; else every node takes every key and has its own key space.
    pub slotted: bool,
    pub nodes: Vec<Node>,
    pub shards: Vec<Shard>,
    /// Owner of each slot, an index of `shards`.
    pub owners: Vec<Option<usize>>,
    /// Slots on their way to another shard.
    pub moving: BTreeMap<usize, usize>,
    /// Keys of such slots that are there already.
    pub moved: BTreeSet<Vec<u8>>,
    /// Key spaces: one for a cluster, else one a node.
    pub stores: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// What it was made of, as long as its map is what it was then.
    made_of: Option<(u8, usize, usize)>,
    /// How often each write was carried out, by its mark (see [`super::command`]).
    pub executed: BTreeMap<String, u32>,
}

/// What a node does with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Ruling {
    Serve,
    Refuse(String),
}

impl Redis {
    /// `shards` primaries with `replicas` replicas each, all slots in equal parts.
    pub fn cluster(net: u8, shards: usize, replicas: usize) -> Self {
        let count = shards * (1 + replicas);
        let nodes = (0..count).map(|i| Node::new(SocketAddr::from(([10, 0, 0, net], 7000 + i as u16)))).collect();
        let members = |i: usize| (0..replicas).map(|r| shards + i * replicas + r).collect();
        let owners = (0..Slot::COUNT).map(|slot| Some(slot * shards / Slot::COUNT)).collect();
        Self {
            slotted: true,
            nodes,
            shards: (0..shards).map(|i| Shard { primary: i, replicas: members(i) }).collect(),
            owners,
            moving: BTreeMap::new(),
            moved: BTreeSet::new(),
            stores: vec![BTreeMap::new()],
            made_of: Some((net, shards, replicas)),
            executed: BTreeMap::new(),
        }
    }

    /// Nodes that know nothing of each other.
    pub fn hosts(net: u8, count: usize) -> Self {
        let cluster = Self::cluster(net, count, 0);
        Self { slotted: false, stores: vec![BTreeMap::new(); count], owners: Vec::new(), ..cluster }
    }

    pub fn store(&mut self, node: usize) -> &mut BTreeMap<Vec<u8>, Vec<u8>> {
        let space = if self.slotted { 0 } else { node };
        &mut self.stores[space]
    }

    /// What the control side would tell: the map as it is.
    pub fn view(&self) -> View {
        let (Some(key), true) = (self.made_of, self.slotted) else { return self.draw_view() };
        let known = |node: &Node| node.names.is_empty();
        if self.nodes.len() != key.1 * (1 + key.2) || self.shards.len() != key.1 || !self.nodes.iter().all(known) {
            return self.draw_view();
        }
        // Most worlds begin alike, and to draw a map takes longer than to play a small one.
        thread_local!(static DRAWN: RefCell<BTreeMap<(u8, usize, usize), View>> = RefCell::default());
        DRAWN.with_borrow_mut(|drawn| drawn.entry(key).or_insert_with(|| self.draw_view()).clone())
    }

    fn draw_view(&self) -> View {
        if !self.slotted {
            let host = |node: &Node| slots::Host { address: node.address, name: None, weight: 1, socket: 0 };
            return View::Hosts(self.nodes.iter().map(host).collect());
        }
        let mut ranges = vec![Vec::new(); self.shards.len()];
        let mut first = 0;
        for run in self.owners.chunk_by(|a, b| a == b) {
            let slot = |number: usize| Slot::new(number as u16).unwrap();
            if let Some(owner) = run[0] {
                ranges[owner].push(Range { first: slot(first), last: slot(first + run.len() - 1) });
            }
            first += run.len();
        }
        let member = |i: &usize| slots::Node { address: self.nodes[*i].address, names: self.nodes[*i].names.clone() };
        let parts = self.shards.iter().zip(ranges).map(|(shard, slots)| Part {
            primary: member(&shard.primary),
            replicas: shard.replicas.iter().map(member).collect(),
            slots,
        });
        View::Slots(Arc::new(Topology::build(parts)))
    }

    fn shard_with(&self, node: usize) -> usize {
        let member = |shard: &Shard| shard.primary == node || shard.replicas.contains(&node);
        self.shards.iter().position(member).unwrap()
    }

    /// Whether a node may serve these keys now.
    pub fn rule(&self, node: usize, keys: &[&[u8]], write: bool, readonly: bool, asking: bool) -> Ruling {
        let shard = self.shard_with(node);
        let primary = self.shards[shard].primary == node;
        if !self.slotted {
            return Ruling::Serve;
        }
        let Some(first) = keys.first() else {
            let refused = write && !primary;
            return if refused { Ruling::Refuse(READONLY.into()) } else { Ruling::Serve };
        };
        let slot = Slot::of(first).index();
        if keys.iter().any(|key| Slot::of(key).index() != slot) {
            return Ruling::Refuse("CROSSSLOT Keys in request don't hash to the same slot".into());
        }
        let Some(owner) = self.owners[slot] else {
            return Ruling::Refuse("CLUSTERDOWN Hash slot not served".into());
        };
        let target = self.moving.get(&slot).copied();
        let here = |key: &&&[u8]| self.stores[0].contains_key(**key) && !self.moved.contains(**key);
        if owner == shard && primary {
            let Some(target) = target else { return Ruling::Serve };
            let present = keys.iter().filter(here).count();
            return match present {
                present if present == keys.len() => Ruling::Serve,
                0 => Ruling::Refuse(format!("ASK {slot} {}", self.nodes[self.shards[target].primary].address)),
                _ => Ruling::Refuse(TRYAGAIN.into()),
            };
        }
        if target == Some(shard) && primary && asking {
            let missing = keys.len() > 1 && keys.iter().any(|key| !self.moved.contains(*key));
            return if missing { Ruling::Refuse(TRYAGAIN.into()) } else { Ruling::Serve };
        }
        if owner == shard && readonly && !write {
            return Ruling::Serve;
        }
        Ruling::Refuse(format!("MOVED {slot} {}", self.nodes[self.shards[owner].primary].address))
    }

    /// Notes that a key was written at `node`, which may be the one that its slot moves to.
    pub fn wrote(&mut self, node: usize, key: &[u8]) {
        if self.slotted && self.moving.get(&Slot::of(key).index()) == Some(&self.shard_with(node)) {
            self.moved.insert(key.to_vec());
        }
    }

    /// The keys that a node would list.
    pub fn keys_of(&self, node: usize) -> Vec<Vec<u8>> {
        if !self.slotted {
            return self.stores[node].keys().cloned().collect();
        }
        let shard = self.shard_with(node);
        let here = |key: &&Vec<u8>| match self.moved.contains(*key) {
            true => self.moving.get(&Slot::of(key).index()) == Some(&shard),
            false => self.owners[Slot::of(key).index()] == Some(shard),
        };
        self.stores[0].keys().filter(here).cloned().collect()
    }

    /// A slot belongs to another shard at once.
    pub fn give_slot(&mut self, slot: usize, shard: usize) {
        self.made_of = None;
        self.owners[slot] = Some(shard);
        self.moving.remove(&slot);
        if !self.moved.is_empty() {
            self.moved.retain(|key| Slot::of(key).index() != slot);
        }
    }

    /// All slots of a shard belong to another, those that were moving too.
    pub fn give_all(&mut self, from: usize, to: usize) {
        for slot in 0..self.owners.len() {
            if self.owners[slot] == Some(from) && from != to {
                self.give_slot(slot, to);
            }
        }
    }

    /// Nobody owns a slot any more.
    pub fn lose_slot(&mut self, slot: usize) {
        self.made_of = None;
        self.owners[slot] = None;
    }

    /// A slot begins to move.
    pub fn begin_move(&mut self, slot: usize, shard: usize) {
        if self.owners[slot] != Some(shard) {
            self.moving.entry(slot).or_insert(shard);
        }
    }

    /// One more key of a moving slot is moved, if there is one.
    pub fn move_key(&mut self, slot: usize) {
        let still_here = |key: &&Vec<u8>| Slot::of(key).index() == slot && !self.moved.contains(*key);
        if self.moving.contains_key(&slot)
            && let Some(key) = self.stores[0].keys().find(still_here).cloned()
        {
            self.moved.insert(key);
        }
    }

    pub fn end_move(&mut self, slot: usize) {
        if let Some(shard) = self.moving.get(&slot).copied() {
            self.give_slot(slot, shard);
        }
    }

    /// A replica becomes the primary, the primary a replica.
    pub fn fail_over(&mut self, shard: usize, replica: usize) {
        self.made_of = None;
        let shard = &mut self.shards[shard];
        std::mem::swap(&mut shard.primary, &mut shard.replicas[replica]);
    }
}

pub const READONLY: &str = "READONLY You can't write against a read only replica.";
pub const TRYAGAIN: &str = "TRYAGAIN Multiple keys request during rehashing of slot";
