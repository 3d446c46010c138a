//! One entry of CLUSTER SLOTS: `[first, last, primary, replica…]`, a node being `[endpoint, port, id, metadata]` of
//! which older servers leave out the last one or two.

use super::node::Told;
use crate::described::{Described, DescribedPart, Flaw, LeftOut, Missing, Whereabouts};
use crate::{Range, Slot};
use resp::value::Value;
use std::net::SocketAddr;

/// Adds one entry, or says what is missing for it.
pub(super) fn entry(entry: &Value<'_>, peer: SocketAddr, described: &mut Described) -> Result<(), (Missing, Flaw)> {
    let [first, last, nodes @ ..] = entry.as_array().unwrap_or_default() else {
        return Err((Missing::Entry, Flaw::Shape));
    };
    let slots = vec![range(first, last).ok_or((Missing::Entry, Flaw::Slots))?];
    let Some((primary, replicas)) = nodes.split_first() else {
        return Err((Missing::Primary("?:?".to_owned(), slots), Flaw::NoPrimary));
    };
    let primary = match node(primary, peer) {
        Ok(primary) => primary,
        Err((called, why)) => return Err((Missing::Primary(called, slots), why)),
    };
    let mut members = Vec::with_capacity(replicas.len());
    for replica in replicas {
        match node(replica, peer) {
            Ok(replica) => members.push(replica),
            Err((called, why)) => described.left_out.push(LeftOut { what: Missing::Replica(called), why }),
        }
    }
    described.parts.push(DescribedPart { primary, replicas: members, slots });
    Ok(())
}

fn node(node: &Value<'_>, peer: SocketAddr) -> Result<Whereabouts, (String, Flaw)> {
    let Some([endpoint, port, rest @ ..]) = node.as_array() else { return Err(("?:?".to_owned(), Flaw::Shape)) };
    let beside = |key| rest.get(1).and_then(|metadata| metadata.field(key));
    let told = Told { endpoint: Some(endpoint), ip: beside("ip"), hostname: beside("hostname"), port: Some(port) };
    told.whereabouts(peer).map_err(|why| (told.called(), why))
}

/// The range that two numbers name, if there is one.
pub(super) fn range(first: &Value<'_>, last: &Value<'_>) -> Option<Range> {
    let slot =
        |value: &Value<'_>| value.as_integer().and_then(|number| usize::try_from(number).ok()).and_then(Slot::at);
    let (first, last) = (slot(first)?, slot(last)?);
    (first <= last).then_some(Range { first, last })
}
