//! The listener and the clusters that every sidecar has.

use super::listener::{elsewhere, tcp_proxy};
use super::names::{BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH, extension};
use super::policy::{downstream, limits};
use super::view::View;
use crate::written::rule::TrafficPolicy;
use serde_json::{Map, Value, json};

/// Where captured outbound connections arrive: they are handed to the listener of the address that they were going to,
/// and what has none is let through or closed.
pub(crate) fn virtual_outbound(view: &View) -> Value {
    let port = view.mesh.proxy_listen_port;
    let mut listener = json!({
        "name": "virtualOutbound",
        "address": {"socket_address": {"address": view.any(), "port_value": port}},
        "filter_chains": [
            // A connection to this very port would go round in circles.
            {
                "name": "virtualOutbound-blackhole",
                "filter_chain_match": {"destination_port": port},
                "filters": [tcp_proxy(BLACK_HOLE, Map::new())],
            },
            {
                "name": "virtualOutbound-catchall-tcp",
                "filters": [tcp_proxy(elsewhere(view.outbound), Map::new())],
            },
        ],
        "use_original_dst": true,
        "traffic_direction": "OUTBOUND",
        "max_connections_to_accept_per_socket_event": 1,
    });
    if view.transparent {
        listener["transparent"] = true.into();
    }
    listener
}

/// The cluster that has no endpoint.
pub(crate) fn black_hole(view: &View) -> Value {
    json!({
        "name": BLACK_HOLE,
        "alt_stat_name": format!("{BLACK_HOLE};"),
        "type": "STATIC",
        "connect_timeout": view.mesh.connect_timeout.to_string(),
    })
}

/// The cluster of connections to addresses that no service has.
pub(crate) fn passthrough(view: &View) -> Value {
    through(PASSTHROUGH, view)
}

/// The cluster of connections to ports of the workload that no service has.
pub(crate) fn inbound_passthrough(view: &View) -> Value {
    let mut cluster = through(INBOUND_PASSTHROUGH, view);
    cluster["upstream_bind_config"] = source(view);
    cluster
}

fn through(name: &str, view: &View) -> Value {
    json!({
        "name": name,
        "alt_stat_name": format!("{PASSTHROUGH};"),
        "type": "ORIGINAL_DST",
        "connect_timeout": view.mesh.connect_timeout.to_string(),
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": limits(&TrafficPolicy::default()),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": extension("upstreams.http.v3.HttpProtocolOptions"),
                "common_http_protocol_options": {"idle_timeout": "300s"},
                "use_downstream_protocol_config": downstream(),
            },
        },
    })
}

/// Connections to the workload come from an address that the capture rules let pass.
pub(super) fn source(view: &View) -> Value {
    let address = if view.v4 { "127.0.0.6" } else { "::6" };
    json!({"source_address": {"address": address, "port_value": 0}})
}
