//! What goes wrong on the way to a node: whose fault it is, whether to try again, and what the client reads.
//!
//! The first words are Envoy's (`upstream failure`, `no upstream host`), since dashboards and clients look for them; the
//! reason follows after a colon.

use std::fmt;
use std::net::SocketAddr;

/// Why an upstream came to its end. The node's or the network's fault, except [`Closed::Oversized`],
/// [`Closed::Idle`], [`Closed::Abandoned`] and [`Closed::Retired`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It could not be opened; the system's words. Nothing was sent: to try again is safe.
    Refused(String),
    /// It was not open within the cluster's `connect_timeout`. Nothing was sent: to try again is safe.
    ConnectTimeout,
    /// The node closed it. What was sent may have been executed.
    ByPeer,
    /// The system reported an error; its words. What was sent may have been executed.
    Broken(String),
    /// The node sent bytes that are no reply. What was sent may have been executed.
    Malformed(String),
    /// The node sent a reply of more bytes than [`crate::Limits::reply`] allows. What was sent may have been executed.
    /// Not the node's fault but its client's, who has asked for it.
    Oversized(usize),
    /// It gave no sign of life while requests waited for three times their timeout.
    Silent,
    /// The node refused the configured credentials; its words.
    Unauthorized(String),
    /// It was closed or broke while nothing was owed on it: no fault, the next request opens another.
    Idle,
    /// The proxy closed it: a client did not send the rest of a large value.
    Abandoned,
    /// The proxy closed it: its node left the cluster, or its cluster left the configuration.
    Retired,
}

impl Closed {
    /// Whether it was opened at all.
    pub(crate) fn before_open(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::ConnectTimeout)
    }

    /// Whether the node is to be left alone for a while.
    pub(crate) fn is_fault(&self) -> bool {
        !matches!(self, Self::Retired | Self::Idle | Self::Oversized(_) | Self::Abandoned)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "cannot connect ({why})"),
            Self::ConnectTimeout => f.write_str("not connected within connect_timeout"),
            Self::ByPeer => f.write_str("closed the connection before it replied"),
            Self::Broken(why) => write!(f, "the connection broke ({why})"),
            Self::Malformed(why) => write!(f, "sent bytes that are no reply ({why})"),
            Self::Oversized(limit) => write!(f, "sent a reply of more than {limit} bytes"),
            Self::Silent => f.write_str("gave no sign of life"),
            Self::Unauthorized(why) => write!(f, "refused the configured credentials ({why})"),
            Self::Abandoned => f.write_str("was not sent the whole request"),
            Self::Idle => f.write_str("closed the idle connection"),
            Self::Retired => f.write_str("left the cluster"),
        }
    }
}

/// Why a request gets no reply from a node.
#[derive(Clone, Debug)]
pub(crate) enum Failure<'a> {
    /// No route takes the key.
    NoRoute,
    /// The keys of a request that cannot be cut go along different routes.
    CrossRoute,
    /// The route's cluster is not in the configuration.
    NoCluster(&'a str),
    /// The cluster's members are not known.
    NoMembers(&'a str),
    /// The shard has no member that the read policy allows.
    NoMember(&'a str),
    /// Nobody owns the slot: the configuration of the Redis Cluster is incomplete.
    NoOwner(u16),
    /// `connection_rate_limit` is used up.
    RateLimited(SocketAddr),
    /// A bound on what may wait is reached.
    Overflow(&'a str),
    /// The node failed.
    Node(SocketAddr, &'a str),
    /// `op_timeout` ran out.
    Timeout,
    /// Words that were found elsewhere.
    Said(&'a str),
}

impl Failure<'_> {
    /// The text after `-`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::NoRoute => "no upstream host: no route takes this key, and there is no catch_all_route".into(),
            Self::CrossRoute => "CROSSSLOT Keys in request go along different routes".into(),
            Self::NoCluster(name) => format!("no upstream host: cluster '{name}' is not in the configuration"),
            Self::NoMembers(name) => format!("no upstream host: no node of cluster '{name}' has been found yet"),
            Self::NoMember(name) => {
                format!("no upstream host: cluster '{name}' has no node that the read policy allows here")
            }
            Self::NoOwner(slot) => format!("CLUSTERDOWN Hash slot not served: no node owns slot {slot}"),
            Self::RateLimited(node) => format!("no upstream host: connection_rate_limit is used up for {node}"),
            Self::Overflow(name) => format!("upstream failure: too much waits for cluster '{name}' already"),
            Self::Node(node, why) => format!("upstream failure: {node} {why}"),
            Self::Timeout => "upstream failure: no reply within op_timeout".into(),
            Self::Said(text) => (*text).into(),
        }
    }
}
