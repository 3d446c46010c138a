//! One entry of CLUSTER SHARDS: `slots` (first and last in turn) and `nodes`, each a map or a flat list of `id`, `port`,
//! `tls-port`, `ip`, `endpoint`, `hostname`, `role`, `health` and more.

use super::node::{Told, text};
use super::slots::range;
use crate::Range;
use crate::described::{Described, DescribedPart, Flaw, LeftOut, Missing, Whereabouts};
use resp::value::Value;
use std::net::SocketAddr;

/// A node of a shard, as far as it could be read.
struct Member {
    called: String,
    place: Result<Whereabouts, Flaw>,
    primary: bool,
    /// What its health is called, unless that is `online` or untold.
    ailing: Option<String>,
}

/// Adds one shard, or says what is missing for it. A shard that owns no slot is no concern of the map.
pub(super) fn entry(entry: &Value<'_>, peer: SocketAddr, described: &mut Described) -> Result<(), (Missing, Flaw)> {
    let list = |key| entry.field(key).and_then(Value::as_array);
    let (Some(slots), Some(nodes)) = (list("slots"), list("nodes")) else {
        return Err((Missing::Entry, Flaw::Shape));
    };
    let slots = ranges(slots, described);
    if slots.is_empty() {
        return Ok(());
    }
    let mut members: Vec<_> = nodes.iter().map(|node| member(node, peer)).collect();
    let Some(primary) = primary(&members) else {
        return Err((Missing::Primary("?:?".to_owned(), slots), Flaw::NoPrimary));
    };
    let primary = members.remove(primary);
    let replicas = members.into_iter().filter_map(|member| replica(member, described)).collect();
    let place = primary.place.map_err(|why| (Missing::Primary(primary.called, slots.clone()), why))?;
    described.parts.push(DescribedPart { primary: place, replicas, slots });
    Ok(())
}

/// The ranges that can be read; the others are told.
fn ranges(slots: &[Value<'_>], described: &mut Described) -> Vec<Range> {
    let mut ranges = Vec::with_capacity(slots.len() / 2);
    for pair in slots.chunks(2) {
        match pair {
            [first, last] if range(first, last).is_some() => ranges.extend(range(first, last)),
            _ => described.left_out.push(LeftOut { what: Missing::Entry, why: Flaw::Slots }),
        }
    }
    ranges
}

fn member(node: &Value<'_>, peer: SocketAddr) -> Member {
    let field = |key| node.field(key);
    let port = field("port").or_else(|| field("tls-port"));
    let told = Told { endpoint: field("endpoint"), ip: field("ip"), hostname: field("hostname"), port };
    let health = field("health").and_then(text).filter(|health| *health != "online");
    Member {
        called: told.called(),
        place: told.whereabouts(peer),
        primary: matches!(field("role").and_then(text), Some("master" | "primary")),
        ailing: health.map(str::to_owned),
    }
}

/// The member that takes writes: a healthy one that says so (after a failover the former primary may still be listed
/// as a failed one), else any that says so.
fn primary(members: &[Member]) -> Option<usize> {
    let usable = |member: &Member| member.primary && member.ailing.is_none() && member.place.is_ok();
    members.iter().position(usable).or_else(|| members.iter().position(|member| member.primary))
}

/// A member that may serve reads; another is told.
fn replica(member: Member, described: &mut Described) -> Option<Whereabouts> {
    let place = match member.ailing {
        Some(health) => Err(Flaw::Health(health)),
        None if member.primary => Err(Flaw::SecondPrimary),
        None => member.place,
    };
    place.map_err(|why| described.left_out.push(LeftOut { what: Missing::Replica(member.called), why })).ok()
}
