//! `envoy.config.core.v3.TransportSocket`: plain TCP or TLS.

use super::reader::Reader;
use crate::schema::names;

/// What a `transport_socket` is.
pub(super) enum Socket<'a> {
    /// Plain TCP.
    Plain,
    /// A TLS context of the type that was asked for.
    Tls(Reader<'a>),
    /// Anything else, by its type or name.
    Unknown(String),
    /// It cannot be read, which has been told.
    Wrong,
}

/// The `transport_socket` of `reader`, where `wanted` is the type of its TLS context.
pub(super) fn socket<'a>(reader: &Reader<'a>, wanted: &str) -> Socket<'a> {
    let Some(socket) = reader.one("transport_socket") else { return Socket::Plain };
    let name = socket.text("name");
    match socket.type_held("typed_config") {
        None if name == "envoy.transport_sockets.raw_buffer" => Socket::Plain,
        None => Socket::Unknown(name),
        Some(kind) if kind == names::RAW_BUFFER => Socket::Plain,
        Some(kind) if kind == wanted => {
            socket.held("typed_config").map_or(Socket::Wrong, |held| Socket::Tls(held.fields))
        }
        Some(kind) => Socket::Unknown(kind),
    }
}
