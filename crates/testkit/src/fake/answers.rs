//! What an orderly node says: greetings and topology.

use super::{Act, Request};
use std::fmt::Write;
use std::net::SocketAddr;

/// The first and the last slot of a shard, and its members: the primary first.
pub type Range = (u16, u16, Vec<SocketAddr>);

/// The usual answers to what a proxy says on a new connection; `None` for any other command.
pub fn greeting(request: &Request) -> Option<Act> {
    match request.name().as_str() {
        "PING" => Some(Act::say("+PONG\r\n")),
        "AUTH" | "ASKING" | "CLIENT" | "READONLY" | "READWRITE" | "SELECT" => Some(Act::say("+OK\r\n")),
        _ => None,
    }
}

/// CLUSTER SLOTS and CLUSTER SHARDS for `layout`; `None` for any other command.
pub(super) fn topology(request: &Request, layout: &[Range]) -> Option<Act> {
    let second = request.args.get(1).map(|arg| arg.to_ascii_uppercase());
    match (request.name().as_str(), second.as_deref()) {
        ("CLUSTER", Some(b"SLOTS")) => Some(Act::say(&slots_reply(layout))),
        ("CLUSTER", Some(b"SHARDS")) => Some(Act::say(&shards_reply(layout))),
        _ => None,
    }
}

/// A reply to CLUSTER SLOTS.
pub fn slots_reply(layout: &[Range]) -> String {
    let mut reply = format!("*{}\r\n", layout.len());
    for (first, last, members) in layout {
        let _ = write!(reply, "*{}\r\n:{first}\r\n:{last}\r\n", 2 + members.len());
        for member in members {
            let _ = write!(reply, "*4\r\n{}:{}\r\n{}*0\r\n", bulk(&ip(*member)), member.port(), bulk(&id(*member)));
        }
    }
    reply
}

/// A reply to CLUSTER SHARDS.
pub fn shards_reply(layout: &[Range]) -> String {
    let mut reply = format!("*{}\r\n", layout.len());
    for (first, last, members) in layout {
        let _ = write!(
            reply,
            "*4\r\n{}*2\r\n:{first}\r\n:{last}\r\n{}*{}\r\n",
            bulk("slots"),
            bulk("nodes"),
            members.len()
        );
        for (i, member) in members.iter().enumerate() {
            let role = if i == 0 { "master" } else { "replica" };
            reply.push_str("*14\r\n");
            for (name, value) in [("id", bulk(&id(*member))), ("port", format!(":{}\r\n", member.port()))] {
                reply.push_str(&(bulk(name) + &value));
            }
            for (name, value) in [("ip", ip(*member)), ("endpoint", ip(*member)), ("role", role.to_owned())] {
                reply.push_str(&(bulk(name) + &bulk(&value)));
            }
            reply.push_str(&(bulk("replication-offset") + ":0\r\n" + &bulk("health") + &bulk("online")));
        }
    }
    reply
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn ip(member: SocketAddr) -> String {
    member.ip().to_string()
}

/// Forty digits that differ from node to node.
fn id(member: SocketAddr) -> String {
    format!("{:040x}", member.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Reply;

    #[test]
    fn topology_replies_are_well_formed() {
        let layout: Vec<Range> = vec![
            (0, 99, vec![SocketAddr::from(([127, 0, 0, 1], 7000)), SocketAddr::from(([127, 0, 0, 1], 7001))]),
            (100, 16_383, vec![SocketAddr::from(([127, 0, 0, 1], 7002))]),
        ];
        for wire in [slots_reply(&layout), shards_reply(&layout)] {
            let (reply, length) = Reply::parse(wire.as_bytes()).unwrap().unwrap();
            assert_eq!((reply.items().len(), length), (2, wire.len()), "{reply:?}");
        }
    }
}
