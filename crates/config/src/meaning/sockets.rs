//! How the members of a cluster are reached: `transport_socket` and `transport_socket_matches`.

use super::endpoints::label_pairs;
use super::reader::Reader;
use super::socket::{self, Socket};
use super::tls;
use crate::schema::names;
use meant::{ClientTls, SocketMatch, Sockets};
use std::sync::Arc;

/// The sockets of a cluster.
pub(super) fn sockets(cluster: &Reader<'_>) -> Sockets {
    cluster.guard("transport_socket_matcher", "not supported yet: use transport_socket_matches");
    let matches = cluster.all("transport_socket_matches");
    Sockets { default: client(cluster), matches: matches.iter().map(socket_match).collect() }
}

fn socket_match(entry: &Reader<'_>) -> SocketMatch {
    entry.without_effect(&["name"]);
    let labels = entry.one("match").map(|structure| {
        structure.covered();
        label_pairs(structure.message())
    });
    SocketMatch { labels: labels.unwrap_or_default(), socket: client(entry) }
}

/// TLS towards a node; `None` is plain TCP. What is neither is refused in any manner: nobody must be reached in plain
/// text who was to be reached otherwise.
pub(super) fn client(reader: &Reader<'_>) -> Option<Arc<ClientTls>> {
    match socket::socket(reader, names::CLIENT_TLS) {
        Socket::Plain | Socket::Wrong => None,
        Socket::Tls(context) => Some(Arc::new(tls::client(&context))),
        Socket::Unknown(kind) => {
            let text = format!("{kind} is not supported yet: use {} or {}", names::CLIENT_TLS, names::RAW_BUFFER);
            reader.report().unsupported(&reader.at("transport_socket"), text);
            None
        }
    }
}
