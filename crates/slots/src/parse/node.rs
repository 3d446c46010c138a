//! Where one node of a reply is: the order of preference in the head of [`super`].

use crate::described::{Flaw, HostTold, Whereabouts};
use resp::value::Value;
use std::net::{IpAddr, SocketAddr};

/// What a reply tells about a node's place.
pub(super) struct Told<'v, 'a> {
    /// The preferred endpoint.
    pub endpoint: Option<&'v Value<'a>>,
    /// `ip`, told beside it.
    pub ip: Option<&'v Value<'a>>,
    /// `hostname`, told beside it.
    pub hostname: Option<&'v Value<'a>>,
    /// The port.
    pub port: Option<&'v Value<'a>>,
}

impl Told<'_, '_> {
    /// Where to connect, for one who was told so by `peer`.
    pub(super) fn whereabouts(&self, peer: SocketAddr) -> Result<Whereabouts, Flaw> {
        let port =
            self.port.and_then(Value::as_integer).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let port = port.ok_or(Flaw::NoPort)?;
        let host = self.host(peer);
        let mut names: Vec<String> = self.hostname().map(str::to_owned).into_iter().collect();
        if let HostTold::Name(name, _) = &host {
            names.push(name.clone());
        }
        names.sort_unstable();
        names.dedup();
        Ok(Whereabouts { host, port, names })
    }

    fn host(&self, peer: SocketAddr) -> HostTold {
        let beside = self.ip.and_then(text).and_then(address);
        let asked = HostTold::Peer(peer.ip());
        match self.endpoint.map(|value| text(value).unwrap_or("")) {
            Some("") => asked,
            None | Some("?") => match (beside, self.hostname()) {
                (Some(ip), _) => HostTold::Ip(ip),
                (None, Some(name)) => HostTold::Name(name.to_owned(), None),
                (None, None) => asked,
            },
            Some(host) => address(host).map_or_else(|| HostTold::Name(host.to_owned(), beside), HostTold::Ip),
        }
    }

    /// The host name, if it is one.
    fn hostname(&self) -> Option<&str> {
        self.hostname.and_then(text).filter(|name| !name.is_empty() && *name != "?" && address(name).is_none())
    }

    /// What to call the node in a message.
    pub(super) fn called(&self) -> String {
        let mut hosts = [self.endpoint, self.ip, self.hostname].into_iter().flatten().filter_map(text);
        let host = hosts.find(|host| !host.is_empty()).unwrap_or("?");
        let port = self.port.and_then(Value::as_integer).map_or_else(|| "?".to_owned(), |port| port.to_string());
        format!("{host}:{port}")
    }
}

/// An IP address; IPv6 also in brackets.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// A text, if it is UTF-8.
pub(super) fn text<'a>(value: &Value<'a>) -> Option<&'a str> {
    value.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
}
