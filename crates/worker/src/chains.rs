//! Which of a listener's chains a connection goes to.
//!
//! Envoy's order of criteria, each time to the chains that fit most specifically, and never back: where a chain names
//! the destination's port, chains without a port are out, even if that chain then fails for another reason. (What is
//! left is then the default chain's.)

use crate::sniff::Sniffed;
use meant::{ChainMatch, Listener, Network, Ports, SourceType};
use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

/// A listener's chains as a connection meets them.
#[derive(Clone, Debug)]
pub(crate) struct Chains {
    matches: Vec<ChainMatch>,
    tls: Option<Ports>,
    http: Option<Ports>,
}

/// What a connection's first bytes have to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) tls: bool,
    pub(crate) http: bool,
}

impl Chains {
    pub(crate) fn new(listener: &Listener) -> Self {
        let matches = listener.chains.iter().map(|chain| chain.matches.clone()).collect();
        Self { matches, tls: listener.sniffing.tls.clone(), http: listener.sniffing.http.clone() }
    }

    /// Whether there is nothing to choose: one chain for all, or none.
    pub(crate) fn takes_all(&self) -> bool {
        self.matches.iter().all(|only| *only == ChainMatch::default()) && self.matches.len() <= 1
    }

    /// What must be known of the first bytes before the chain is chosen.
    pub(crate) fn needs(&self, destination: SocketAddr) -> Needs {
        let left = self.for_destination(destination);
        let any = |wants: fn(&ChainMatch) -> bool| left.iter().any(|i| wants(&self.matches[*i]));
        let protocols = any(|chain| !chain.application_protocols.is_empty());
        let transport = any(|chain| !chain.transport_protocol.is_empty() || !chain.server_names.is_empty());
        let port = destination.port();
        let on = |filter: &Option<Ports>| {
            filter.as_ref().is_some_and(|off| !off.iter().any(|(start, end)| (*start..*end).contains(&port)))
        };
        Needs { tls: (transport || protocols) && on(&self.tls), http: protocols && on(&self.http) }
    }

    /// The place of the chain; `None` is the default chain's case.
    pub(crate) fn choose(&self, destination: SocketAddr, source: SocketAddr, sniffed: &Sniffed) -> Option<usize> {
        let mut left = self.for_destination(destination);
        let ip = source.ip();
        let local = ip.is_loopback() || ip == destination.ip();
        self.narrow(&mut left, |chain| of_name(&chain.server_names, &sniffed.server_name));
        self.narrow(&mut left, |chain| of_text(&chain.transport_protocol, sniffed.transport()));
        self.narrow(&mut left, |chain| of_protocols(&chain.application_protocols, &sniffed.protocols));
        // Nothing tells of another source than the direct one (the PROXY protocol would).
        self.narrow(&mut left, |chain| of_networks(&chain.direct_sources, ip));
        self.narrow(&mut left, |chain| match chain.source_type {
            SourceType::Any => Some(0),
            SourceType::Local => local.then_some(1),
            SourceType::External => (!local).then_some(1),
        });
        self.narrow(&mut left, |chain| of_networks(&chain.sources, ip));
        self.narrow(&mut left, |chain| of_ports(&chain.source_ports, source.port()));
        left.first().copied()
    }

    fn for_destination(&self, destination: SocketAddr) -> Vec<usize> {
        let mut left = (0..self.matches.len()).collect();
        self.narrow(&mut left, |chain| match chain.destination_port {
            Some(port) => (port == destination.port()).then_some(1),
            None => Some(0),
        });
        self.narrow(&mut left, |chain| of_networks(&chain.destinations, destination.ip()));
        left
    }

    /// Leaves those that one criterion fits best; of those that it does not fit at all, none.
    fn narrow<R: Ord>(&self, left: &mut Vec<usize>, rank: impl Fn(&ChainMatch) -> Option<R>) {
        if let Some(best) = left.iter().filter_map(|i| rank(&self.matches[*i])).max() {
            left.retain(|i| rank(&self.matches[*i]).as_ref() == Some(&best));
        } else {
            left.clear();
        }
    }
}

/// The longest prefix.
fn of_networks(networks: &[Network], ip: IpAddr) -> Option<u8> {
    if networks.is_empty() {
        return Some(0);
    }
    networks.iter().filter(|network| network.holds(ip)).map(|network| network.bits).max()
}

/// The name itself before any wildcard, a longer wildcard before a shorter one.
fn of_name(names: &[String], wanted: &str) -> Option<usize> {
    if names.is_empty() {
        return Some(0);
    }
    let rank = |name: &String| match name.strip_prefix('*') {
        Some(domain) => (wanted.len() > domain.len() && wanted.ends_with(domain)).then_some(domain.len()),
        None => (name == wanted).then_some(usize::MAX),
    };
    names.iter().filter_map(rank).max()
}

fn of_text(text: &str, wanted: &str) -> Option<u8> {
    if text.is_empty() { Some(0) } else { (text == wanted).then_some(1) }
}

/// The protocol that the client wants most; those without a choice come last.
fn of_protocols(known: &[String], wanted: &[String]) -> Option<Reverse<usize>> {
    if known.is_empty() {
        return Some(Reverse(usize::MAX));
    }
    wanted.iter().position(|protocol| known.contains(protocol)).map(Reverse)
}

fn of_ports(ports: &[u16], port: u16) -> Option<u8> {
    if ports.is_empty() { Some(0) } else { ports.contains(&port).then_some(1) }
}

#[cfg(test)]
mod tests;
