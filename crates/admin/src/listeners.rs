//! `/listeners`: Envoy's lines and JSON (`envoy.admin.v3.Listeners`).

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::pages::Asked;
use crate::{House, ListenerStatus, reply};

pub(crate) fn listeners(house: &dyn House, asked: &Asked) -> Response {
    match asked.get("format").map(String::as_str) {
        None | Some("text") => reply::text(StatusCode::OK, house.listeners().iter().map(text).collect::<String>()),
        Some("json") => {
            reply::json(&json!({"listener_statuses": house.listeners().iter().map(json).collect::<Vec<_>>()}))
        }
        Some(_) => reply::text(StatusCode::BAD_REQUEST, "usage: /listeners?format=(text|json)\n"),
    }
}

fn text(ListenerStatus { name, address }: &ListenerStatus) -> String {
    format!("{name}::{address}\n")
}

fn json(ListenerStatus { name, address }: &ListenerStatus) -> Value {
    json!({"name": name, "local_address": socket_address(*address)})
}

/// `envoy.config.core.v3.Address`.
pub(crate) fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
