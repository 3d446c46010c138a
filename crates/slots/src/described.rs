//! What a topology reply said, host names not resolved yet, and what had to be left out of it.

use crate::{Node, Part, Range, Topology};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The content of one topology reply; [`Described::resolve`] makes a map of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    pub(crate) parts: Vec<DescribedPart>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A [`Part`] whose members are not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DescribedPart {
    pub primary: Whereabouts,
    pub replicas: Vec<Whereabouts>,
    pub slots: Vec<Range>,
}

/// Where a node is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub host: HostTold,
    pub port: u16,
    /// Every host name told, the one in `host` too.
    pub names: Vec<String>,
}

/// The host of a node, as told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostTold {
    /// An address.
    Ip(IpAddr),
    /// A name, and an address told beside it, for a name that does not resolve.
    Name(String, Option<IpAddr>),
    /// None, which stands for the address of the node that was asked.
    Peer(IpAddr),
}

/// A member or a piece of a reply that the map does without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What is missing from the map for it.
    pub what: Missing,
    /// Why it was left out.
    pub why: Flaw,
}

/// What a map does without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// One replica; reads do not reach it.
    Replica(String),
    /// A primary, by whatever named it; the slots are unassigned.
    Primary(String, Vec<Range>),
    /// Something that named neither a node nor a slot.
    Entry,
}

/// Why something was left out of a map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No address, and the peer's own belongs to another node.
    #[error("no address was told")]
    NoAddress,
    /// The port is missing or none.
    #[error("no valid port was told")]
    NoPort,
    /// A host name that has no address.
    #[error("its host name has no address")]
    Unresolved,
    /// The node reports itself `fail` or `loading`, as CLUSTER SHARDS words it.
    #[error("its health is {0:?}")]
    Health(String),
    /// A shard without a member that takes writes.
    #[error("no primary was told")]
    NoPrimary,
    /// One more member of a shard that says it takes writes: it does not serve this shard's reads.
    #[error("its shard has another primary")]
    SecondPrimary,
    /// A range of slots that there is not.
    #[error("its range of slots is not valid")]
    Slots,
    /// Not of the shape that the reply should have.
    #[error("it is not of a known shape")]
    Shape,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Missing::Replica(node) => write!(f, "replica {node}: {}", self.why),
            Missing::Primary(node, slots) => write!(f, "primary {node} of slots {}: {}", Listed(slots), self.why),
            Missing::Entry => write!(f, "an entry of the reply: {}", self.why),
        }
    }
}

/// A few ranges and how many more there are.
struct Listed<'a>(&'a [Range]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (i, range) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{range}", if i == 0 { "" } else { "," })?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, " and {more} more ranges"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostTold::Ip(ip) | HostTold::Peer(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            HostTold::Name(name, _) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Described {
    /// The host names that [`Described::resolve`] will ask for, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        let members = self.parts.iter().flat_map(DescribedPart::members);
        members
            .filter_map(|member| match &member.host {
                HostTold::Name(name, _) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// What the reader of the reply has left out already.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The map, and everything that was left out of it. `find` knows the address of a host name.
    ///
    /// A node without an address is taken to be the one that answered, unless another node of the reply is told to be
    /// there: then nobody knows where it is.
    pub fn resolve(self, mut find: impl FnMut(&str) -> Option<IpAddr>) -> (Topology, Vec<LeftOut>) {
        let mut found = BTreeMap::new();
        for name in self.names() {
            found.insert(name.to_owned(), find(name));
        }
        let mut resolver = Resolver { taken: BTreeSet::new(), found, left_out: self.left_out };
        let told = self.parts.iter().flat_map(DescribedPart::members);
        let told = told.filter(|member| !matches!(member.host, HostTold::Peer(_)));
        let taken = told.filter_map(|member| resolver.address(member).ok()).collect();
        resolver.taken = taken;
        let parts: Vec<_> = self.parts.into_iter().filter_map(|part| resolver.part(part)).collect();
        (Topology::build(parts), resolver.left_out)
    }
}

impl DescribedPart {
    fn members(&self) -> impl Iterator<Item = &Whereabouts> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }
}

/// Makes nodes of whereabouts.
struct Resolver {
    /// Addresses told in so many words.
    taken: BTreeSet<SocketAddr>,
    found: BTreeMap<String, Option<IpAddr>>,
    left_out: Vec<LeftOut>,
}

impl Resolver {
    fn part(&mut self, part: DescribedPart) -> Option<Part> {
        let replicas = part.replicas.into_iter().filter_map(|replica| {
            let name = replica.to_string();
            self.node(replica).map_err(|why| self.left_out.push(LeftOut { what: Missing::Replica(name), why })).ok()
        });
        let replicas = replicas.collect();
        let name = part.primary.to_string();
        match self.node(part.primary) {
            Ok(primary) => Some(Part { primary, replicas, slots: part.slots }),
            Err(why) => {
                self.left_out.push(LeftOut { what: Missing::Primary(name, part.slots), why });
                None
            }
        }
    }

    fn node(&self, told: Whereabouts) -> Result<Node, Flaw> {
        let address = self.address(&told)?;
        Ok(Node { address, names: told.names })
    }

    fn address(&self, told: &Whereabouts) -> Result<SocketAddr, Flaw> {
        let at = |ip: IpAddr| SocketAddr::new(ip.to_canonical(), told.port);
        match &told.host {
            HostTold::Ip(ip) => Ok(at(*ip)),
            HostTold::Peer(ip) => Some(at(*ip)).filter(|address| !self.taken.contains(address)).ok_or(Flaw::NoAddress),
            HostTold::Name(name, beside) => {
                let ip = self.found.get(name).copied().flatten().or(*beside);
                ip.map(at).ok_or(Flaw::Unresolved)
            }
        }
    }
}
