//! `envoy.config.core.v3.Address`: TCP only.

use super::reader::Reader;
use std::net::{IpAddr, SocketAddr};

/// A host and a port as written.
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
    /// Where the `socket_address` stands.
    pub(super) path: String,
}

/// Where the process itself listens: an IP address; port 0 takes a free one. `None` without a problem only if the
/// field `name` is not set.
pub(super) fn bound(reader: &Reader<'_>, name: &str) -> Option<SocketAddr> {
    if let Some(address) = reader.one(name) {
        address.covered();
        address.guard("pipe", "Unix sockets are not supported yet: use a socket_address");
        address.guard("envoy_internal_address", "internal listeners are not supported yet: use a socket_address");
    }
    let HostPort { host, port, path } = written(reader, name)?;
    match host.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, port)),
        Err(_) => {
            let advice = format!("`{host}` is not an IP address: listen on 127.0.0.1 or 0.0.0.0, for example");
            reader.report().wrong(&format!("{path}.address"), advice);
            None
        }
    }
}

/// Where connections come from: the `SocketAddress` in the field `name`, an IP address; port 0 takes a free one.
pub(super) fn source(reader: &Reader<'_>, name: &str) -> Option<SocketAddr> {
    let HostPort { host, port, path } = socket(&reader.one(name)?)?;
    let ip = host.parse::<IpAddr>();
    if ip.is_err() {
        reader.report().wrong(&format!("{path}.address"), format!("`{host}` is not an IP address"));
    }
    Some(SocketAddr::new(ip.ok()?, port))
}

/// Where to connect to: an IP address or a name, and a port that is not 0.
pub(super) fn remote(reader: &Reader<'_>, name: &str) -> Option<HostPort> {
    let address = written(reader, name)?;
    if address.port == 0 {
        let path = format!("{}.port_value", address.path);
        reader.report().wrong(&path, "0 is no port to connect to: a Redis server listens on 6379 by default");
        return None;
    }
    Some(address)
}

fn written(reader: &Reader<'_>, name: &str) -> Option<HostPort> {
    let address = reader.one(name)?;
    address.refuse("pipe", "Unix sockets are not supported yet: use a socket_address");
    socket(&address.one("socket_address")?)
}

fn socket(socket: &Reader<'_>) -> Option<HostPort> {
    if socket.choice("protocol") == "UDP" {
        socket.wrong("protocol", "Redis speaks TCP: remove it");
    }
    socket.refuse("named_port", "names of ports are not supported yet: use port_value");
    let host = socket.text("address");
    // A rule requires both, and has complained.
    if host.is_empty() || !socket.has("port_value") {
        return None;
    }
    // Above 65535 another rule has complained.
    let port = u16::try_from(socket.number("port_value")).unwrap_or(u16::MAX);
    Some(HostPort { host, port, path: socket.path().to_owned() })
}
