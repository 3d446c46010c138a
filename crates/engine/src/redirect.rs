//! Station 8: what a node says instead of an answer, and what is done about it: one `match`.
//!
//! A redirect is followed a bounded number of times; MOVED mends the slot map at once. What cannot be followed goes to the
//! client as the node said it.

mod apart;

use crate::cluster::Cluster;
use crate::engine::{ClusterId, Decision, Engine, Report, UpstreamId};
use crate::failure::{Closed, Failure};
use crate::forward::Errand;
use crate::session::NONE;
use crate::shard::Target;
use crate::time::Time;
use crate::timer::Timer;
use crate::upstream::{InFlight, Kind, Role, Spot};
use slots::Slot;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long to wait before asking again, after TRYAGAIN: a slot with half of its keys moved settles soon.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// What an error reply means for the proxy (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).
#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    /// Nothing: it is for the client.
    Pass,
    /// The slot lives at this node from now on.
    Moved(Slot, &'a [u8]),
    /// This one request is for this node.
    Ask(&'a [u8]),
    /// The keys are on two nodes at the moment.
    TryAgain,
    /// This member cannot serve it now, another may.
    Elsewhere,
    /// The node is not the primary that the map says it is.
    Demoted,
    /// The cluster is down, as this node sees it.
    Down,
}

fn judge(reply: &[u8]) -> Verdict<'_> {
    let line = reply.strip_prefix(b"-").unwrap_or(reply).strip_suffix(b"\r\n").unwrap_or(reply);
    let mut words = line.split(|byte| *byte == b' ');
    let (code, first, second, end) = (words.next().unwrap_or(b""), words.next(), words.next(), words.next());
    match (code, first, second, end) {
        (b"MOVED", Some(slot), Some(to), None) => slot_of(slot).map_or(Verdict::Pass, |slot| Verdict::Moved(slot, to)),
        (b"ASK", Some(_), Some(to), None) => Verdict::Ask(to),
        (b"TRYAGAIN", ..) => Verdict::TryAgain,
        (b"LOADING" | b"MASTERDOWN", ..) => Verdict::Elsewhere,
        (b"READONLY", ..) => Verdict::Demoted,
        (b"CLUSTERDOWN", ..) => Verdict::Down,
        _ => Verdict::Pass,
    }
}

fn slot_of(digits: &[u8]) -> Option<Slot> {
    std::str::from_utf8(digits).ok()?.parse().ok().and_then(Slot::new)
}

impl Engine {
    /// Whether an error reply was not for the client, and has been dealt with. The entry has left the line; its bytes
    /// are still at the front of the window, and are taken out of it if so.
    pub(crate) fn turned_away(&mut self, id: UpstreamId, entry: &InFlight, reply: &[u8]) -> bool {
        match entry.kind {
            Kind::Request | Kind::Mirror | Kind::Question => self.redirected(id, entry, reply),
            Kind::Body => self.body_redirected(id, entry, reply),
            Kind::Auth => self.auth_refused(id, entry, reply),
            Kind::Notice => false,
        }
    }

    /// Credentials that a node refuses end the connection: what follows on it would be refused one by one. A node that
    /// wants no password is no problem.
    fn auth_refused(&mut self, id: UpstreamId, entry: &InFlight, reply: &[u8]) -> bool {
        let text = String::from_utf8_lossy(reply.strip_prefix(b"-").unwrap_or(reply)).trim_end().to_string();
        // The second is how Redis said it up to version 5.
        if text.contains("without any password configured") || text.contains("but no password is set") {
            return false;
        }
        // What follows may have been carried out all the same: the default user may need no password.
        self.upstreams[id.0 as usize].answered(entry.len);
        self.lose(id, &Closed::Unauthorized(text));
        true
    }

    /// A redirect of what cannot be sent again: its client reads so.
    fn body_redirected(&mut self, id: UpstreamId, entry: &InFlight, reply: &[u8]) -> bool {
        let cluster = self.upstreams[id.0 as usize].cluster;
        if !matches!(judge(reply), Verdict::Moved(..) | Verdict::Ask(_) | Verdict::TryAgain) {
            return false;
        }
        self.upstreams[id.0 as usize].answered(entry.len);
        self.count_reply(id, entry, false);
        self.not_followed(cluster);
        self.fail(entry.ticket, &Failure::Said("TRYAGAIN the slot moved while a large value was sent; send it again"));
        true
    }

    fn redirected(&mut self, id: UpstreamId, entry: &InFlight, reply: &[u8]) -> bool {
        let cluster = self.upstreams[id.0 as usize].cluster;
        let from = self.upstreams[id.0 as usize].node;
        if !self.clusters[cluster.index()].has_slots() {
            return false;
        }
        let follow = self.filters[entry.filter.index()].settings.enable_redirection;
        match judge(reply) {
            Verdict::Moved(slot, to) if follow => self.moved(id, entry, slot, to),
            Verdict::Ask(to) if follow => self.asked(id, entry, to),
            Verdict::TryAgain if follow => self.cut_apart(id, entry) || self.try_again(id, entry),
            Verdict::Elsewhere => {
                let problem = String::from_utf8_lossy(reply).trim_end().to_string();
                self.pause_node(cluster, from, format!("answered {problem}"));
                entry.read && self.elsewhere(id, entry)
            }
            Verdict::Demoted | Verdict::Down => {
                let address = self.upstreams[id.0 as usize].address;
                self.decisions.push(Decision::Report(cluster, Report::Failed(address)));
                self.decisions.push(Decision::Report(cluster, Report::Unknown));
                false
            }
            _ => false,
        }
    }

    fn moved(&mut self, id: UpstreamId, entry: &InFlight, slot: Slot, to: &[u8]) -> bool {
        let cluster = self.upstreams[id.0 as usize].cluster;
        let Some(node) = self.destination(id, entry, to) else { return self.not_followed(cluster) };
        self.clusters[cluster.index()].mend(slot, node);
        self.hand_over(cluster, Spot::Slot(slot), id);
        let target = Target { node, role: Role::Primary };
        self.follow(id, entry, |engine, errand, bytes| engine.forward(errand, &target, bytes))
    }

    fn asked(&mut self, id: UpstreamId, entry: &InFlight, to: &[u8]) -> bool {
        let Some(node) = self.destination(id, entry, to) else {
            let cluster = self.upstreams[id.0 as usize].cluster;
            return self.not_followed(cluster);
        };
        let target = Target { node, role: Role::Primary };
        self.follow(id, entry, |engine, errand, bytes| engine.forward_asking(errand, &target, bytes))
    }

    fn follow(&mut self, id: UpstreamId, entry: &InFlight, send: impl FnOnce(&mut Self, Errand, &[u8])) -> bool {
        let cluster = self.upstreams[id.0 as usize].cluster;
        if entry.hops >= self.limits.hops {
            return self.not_followed(cluster);
        }
        self.decisions.push(Decision::Report(cluster, Report::Redirected));
        let sent = self.send_again(id, entry, send);
        if sent {
            self.clusters[cluster.index()].stats.upstream_internal_redirect_succeeded_total.inc();
        }
        sent
    }

    fn not_followed(&mut self, cluster: ClusterId) -> bool {
        self.clusters[cluster.index()].stats.upstream_internal_redirect_failed_total.inc();
        self.decisions.push(Decision::Report(cluster, Report::Unknown));
        false
    }

    /// Sends a read to another member, if the read policy knows one.
    fn elsewhere(&mut self, id: UpstreamId, entry: &InFlight) -> bool {
        let upstream = &self.upstreams[id.0 as usize];
        let (cluster, from) = (upstream.cluster, upstream.node);
        let errand = Errand { avoid: Some(from), ..entry.errand(cluster) };
        match self.target(&errand) {
            Ok(target) if target.node != from => self.send_again(id, entry, |engine, errand, bytes| {
                engine.clusters[cluster.index()].stats.retried.inc();
                engine.forward(errand, &target, bytes);
            }),
            _ => false,
        }
    }

    /// Waits a moment and asks again, as long as the request's own time allows. A hop is for going somewhere else:
    /// waiting at the same door, or at the two doors of a moving slot in turn (ASK, then TRYAGAIN), is bounded by that
    /// time; only a request that has no such bound spends its hops on it.
    fn try_again(&mut self, id: UpstreamId, entry: &InFlight) -> bool {
        let due = self.now.after(TRY_AGAIN);
        if due >= entry.deadline || entry.kind == Kind::Mirror {
            return false;
        }
        let timed = entry.deadline != Time::NEVER;
        let patient = InFlight { hops: if timed { 0 } else { entry.hops }, ..entry.clone() };
        self.send_again(id, &patient, |engine, errand, bytes| {
            engine.clusters[errand.cluster.index()].stats.retried.inc();
            let hops = if timed { 0 } else { errand.hops };
            engine.timers.push(due, Timer::Again(Box::new((Errand { hops, ..errand }, bytes.to_vec()))));
        })
    }

    /// Takes the request's bytes out of the window and sends them another way. Not if nobody waits for it any more.
    fn send_again(&mut self, id: UpstreamId, entry: &InFlight, send: impl FnOnce(&mut Self, Errand, &[u8])) -> bool {
        let wanted = entry.kind == Kind::Mirror || self.still_wanted(entry.ticket);
        if !wanted || entry.hops >= self.limits.hops {
            return false;
        }
        let mut bytes = self.pool.take();
        let upstream = &mut self.upstreams[id.0 as usize];
        bytes.extend_from_slice(&upstream.window.data()[..entry.len as usize]);
        upstream.answered(entry.len);
        let (cluster, from) = (upstream.cluster, upstream.node);
        self.count_reply(id, entry, false);
        let errand = Errand { hops: entry.hops + 1, avoid: Some(from), ..entry.errand(cluster) };
        send(self, errand, &bytes);
        self.pool.give(bytes);
        true
    }

    /// The node that a redirect names, if it may be gone to: there is a bound to connections to nodes that no view names.
    fn destination(&mut self, id: UpstreamId, entry: &InFlight, to: &[u8]) -> Option<u16> {
        let node = self.locate(id, to)?;
        let cluster = self.upstreams[id.0 as usize].cluster;
        let open = self.clusters[cluster.index()].nodes[usize::from(node)].upstreams[Role::Primary as usize] != NONE;
        (open || !self.too_many_unknown(entry.filter, cluster, node)).then_some(node)
    }

    /// The node that a redirect names: an address, a name that the view knows, or an empty host (the same host).
    fn locate(&mut self, id: UpstreamId, to: &[u8]) -> Option<u16> {
        let upstream = &self.upstreams[id.0 as usize];
        let here = upstream.address.ip();
        let cluster = &mut self.clusters[upstream.cluster.index()];
        let (host, port) = split_address(std::str::from_utf8(to).ok()?)?;
        if let Some(ip) = parse_host(host, here) {
            return Some(cluster.node_at(SocketAddr::new(ip, port)));
        }
        by_name(cluster, host, port)
    }
}

fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port))
}

fn parse_host(host: &str, here: IpAddr) -> Option<IpAddr> {
    if host.is_empty() || host == "?" { Some(here) } else { host.parse().ok() }
}

fn by_name(cluster: &Cluster, host: &str, port: u16) -> Option<u16> {
    let fits = |node: &crate::cluster::Node| {
        node.address.port() == port && node.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    };
    cluster.nodes.iter().position(fits).map(|index| index as u16)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge, parse_host, slot_of, split_address};
    use std::net::Ipv4Addr;

    #[test]
    fn judges_by_the_first_word_and_the_shape() {
        let slot = slot_of(b"3999");
        assert_eq!(judge(b"-MOVED 3999 127.0.0.1:6381\r\n"), Verdict::Moved(slot.unwrap(), b"127.0.0.1:6381"));
        assert_eq!(judge(b"-ASK 1 [::1]:7\r\n"), Verdict::Ask(b"[::1]:7"));
        assert_eq!(judge(b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"), Verdict::TryAgain);
        assert_eq!(judge(b"-LOADING Redis is loading the dataset in memory\r\n"), Verdict::Elsewhere);
        assert_eq!(judge(b"-CLUSTERDOWN The cluster is down\r\n"), Verdict::Down);
        assert_eq!(judge(b"-READONLY You can't write against a read only replica.\r\n"), Verdict::Demoted);
        for other in
            ["-MOVED 3999\r\n", "-MOVED 16384 a:1\r\n", "-MOVED x a:1\r\n", "-MOVED 1 a:1 b\r\n", "-ERR MOVED\r\n"]
        {
            assert_eq!(judge(other.as_bytes()), Verdict::Pass, "{other}");
        }
    }

    #[test]
    fn reads_every_form_of_address() {
        assert_eq!(split_address("127.0.0.1:7000"), Some(("127.0.0.1", 7000)));
        assert_eq!(split_address("[::1]:7000"), Some(("::1", 7000)));
        assert_eq!(split_address("::1:7000"), Some(("::1", 7000)));
        assert_eq!(split_address(":7000"), Some(("", 7000)));
        assert_eq!(split_address("host-1.example:7000"), Some(("host-1.example", 7000)));
        for bad in ["", "host", "host:", "host:x", "host:0", "host:65536"] {
            assert_eq!(split_address(bad), None, "{bad}");
        }
        let here = Ipv4Addr::LOCALHOST.into();
        assert_eq!(parse_host("", here), Some(here));
        assert_eq!(parse_host("host", here), None);
    }
}
