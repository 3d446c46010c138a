//! Listeners and their filter chains.

use crate::field::{destination_port, name, peek, socket, text, texts};
use crate::filter::{ApplyTo, ListenerMatch, Patch};
use prost_reflect::DynamicMessage;

/// What of a listener is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerFacts {
    pub(crate) name: String,
    /// Nothing without a socket address.
    pub(crate) port: Option<u32>,
}

impl ListenerFacts {
    pub(crate) fn of(listener: &DynamicMessage) -> Self {
        Self { name: name(listener), port: socket(listener).map(|(_, port)| port) }
    }

    /// Whether it stands for many ports, so that a port is one of its chains'.
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.name.as_str(), "virtualInbound" | "virtualOutbound")
    }
}

/// Why the listener is not meant; `None` if it is.
pub(crate) fn listener_differs(patch: &Patch, listener: &ListenerFacts) -> Option<String> {
    let wanted = patch.matching.listener()?;
    if !wanted.name.is_empty() && wanted.name != listener.name {
        return Some(format!("it is not named {}", wanted.name));
    }
    let has_ports = patch.apply_to != ApplyTo::Listener && listener.is_virtual();
    if has_ports || wanted.port == 0 || listener.port == Some(wanted.port) {
        return None;
    }
    Some(match listener.port {
        Some(port) => format!("its port is {port}, not {}", wanted.port),
        None => format!("it has no port, so not {}", wanted.port),
    })
}

/// Why the chain is not meant, of a listener that is; `None` if it is.
pub(crate) fn chain_differs(patch: &Patch, listener: &ListenerFacts, chain: &DynamicMessage) -> Option<String> {
    let wanted = patch.matching.listener()?;
    let of_port = if listener.is_virtual() && wanted.port > 0 { other_port(wanted.port, chain) } else { None };
    of_port.or_else(|| of_chain(wanted, chain))
}

fn of_chain(wanted: &ListenerMatch, chain: &DynamicMessage) -> Option<String> {
    let wanted = wanted.chain.as_ref()?;
    let matching = peek(chain, "filter_chain_match");
    let list = |field: &str| matching.map(|matching| texts(matching, field)).unwrap_or_default();
    if !wanted.name.is_empty() && wanted.name != name(chain) {
        return Some(format!("it is not named {}", wanted.name));
    }
    if !wanted.sni.is_empty() && !list("server_names").contains(&wanted.sni) {
        return Some(format!("its server_names {} do not list {}", listed(&list("server_names")), wanted.sni));
    }
    let transport = matching.map(|matching| text(matching, "transport_protocol")).unwrap_or_default();
    if !wanted.transport_protocol.is_empty() && wanted.transport_protocol != transport {
        return Some(format!("its transport_protocol is {transport:?}, not {}", wanted.transport_protocol));
    }
    let protocols = list("application_protocols");
    if let Some(missing) = wanted.application_protocols.iter().find(|one| !protocols.contains(one)) {
        return Some(format!("its application_protocols {} do not list {missing:?}", listed(&protocols)));
    }
    if wanted.destination_port > 0 { other_port(wanted.destination_port, chain) } else { None }
}

fn other_port(wanted: u32, chain: &DynamicMessage) -> Option<String> {
    match destination_port(chain) {
        port if port == wanted => None,
        0 => Some(format!("it asks for no destination port, so not for {wanted}")),
        port => Some(format!("its destination port is {port}, not {wanted}")),
    }
}

fn listed(words: &[String]) -> String {
    format!("[{}]", words.join(", "))
}
