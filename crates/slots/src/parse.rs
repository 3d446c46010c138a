//! Reading topology replies: CLUSTER SLOTS and CLUSTER SHARDS, in every shape that servers are known to give them
//! (<https://redis.io/docs/latest/commands/cluster-slots/>, <https://redis.io/docs/latest/commands/cluster-shards/>),
//! RESP2 or RESP3.
//!
//! The rule of both readers: what is wrong spoils as little as possible. A bad replica is left out; a bad primary leaves
//! its own slots unassigned; both are told in [`Described::left_out`]. Only a reply of which nothing remains is an error.
//!
//! Where a node is, in this order:
//! 1. The endpoint told, an address or a host name (with the `ip` told beside it for a name that does not resolve).
//! 2. No endpoint or `?` (the node has no host name yet): the `ip` or else the `hostname` told beside it.
//! 3. Nothing, an empty text or null (`cluster-preferred-endpoint-type unknown-endpoint`, or a node that has met no
//!    other): the address of the node that was asked, with the port told.

mod node;
mod shards;
mod slots;

use crate::described::{Described, Flaw, LeftOut, Missing};
use resp::value::Value;
use std::net::SocketAddr;

/// Why nothing could be made of a topology reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Bytes that are no reply.
    #[error("the reply is not RESP: {0}")]
    Malformed(String),
    /// Less than a whole reply.
    #[error("the reply ends early")]
    Incomplete,
    /// The server refused.
    #[error("the server says: {0}")]
    Refused(String),
    /// Not a list at all.
    #[error("the reply is not a list")]
    NotAList,
    /// A list that assigns no slot to a primary; with what was left out of it.
    #[error("the reply assigns no slot to anyone{}", first(.0))]
    NoSlots(Vec<LeftOut>),
}

impl Unusable {
    /// Whether the server refused because it does not know the command (or the subcommand), or does not let this user
    /// send it: another command may do.
    pub fn is_unknown_command(&self) -> bool {
        let Self::Refused(text) = self else { return false };
        let text = text.to_ascii_lowercase();
        let words =
            ["unknown command", "unknown subcommand", "wrong number of arguments", "unsupported", "not supported"];
        text.starts_with("noperm") || words.iter().any(|word| text.contains(word))
    }
}

/// The first thing left out, as the tail of a sentence.
fn first(left_out: &[LeftOut]) -> String {
    left_out.first().map(|first| format!(" ({first})")).unwrap_or_default()
}

/// Reads the reply to `CLUSTER SLOTS` that the node at `peer` gave.
pub fn slots(reply: &[u8], peer: SocketAddr) -> Result<Described, Unusable> {
    read(reply, |entry, described| slots::entry(entry, peer, described))
}

/// Reads the reply to `CLUSTER SHARDS` that the node at `peer` gave.
pub fn shards(reply: &[u8], peer: SocketAddr) -> Result<Described, Unusable> {
    read(reply, |entry, described| shards::entry(entry, peer, described))
}

/// Hands every entry of the reply's list to `entry`, and keeps what it could not read.
fn read(
    reply: &[u8],
    entry: impl Fn(&Value<'_>, &mut Described) -> Result<(), (Missing, Flaw)>,
) -> Result<Described, Unusable> {
    let parsed = resp::value::parse(reply, &resp::Limits::default());
    let (value, _) = parsed.map_err(|error| Unusable::Malformed(error.to_string()))?.ok_or(Unusable::Incomplete)?;
    if let Some(text) = value.as_error() {
        return Err(Unusable::Refused(String::from_utf8_lossy(text).into_owned()));
    }
    let entries = value.as_array().ok_or(Unusable::NotAList)?;
    let mut described = Described::default();
    for value in entries {
        if let Err((what, why)) = entry(value, &mut described) {
            described.left_out.push(LeftOut { what, why });
        }
    }
    if described.parts.is_empty() { Err(Unusable::NoSlots(described.left_out)) } else { Ok(described) }
}

#[cfg(test)]
mod tests;
