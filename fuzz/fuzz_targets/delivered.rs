//! Any bytes as what a control plane sends: a meaning or problems, but no panic; and what is accepted can be shown.
#![no_main]

use config::delivered::{self, Sources};
use config::{Loaded, Schema};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load().expect("the schema is whole"));

/// With a server of secrets that resources may name.
static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let bootstrap = include_str!("../../crates/config/tests/files/sidecar.json");
    config::load_text_with_dump(bootstrap, "sidecar.json").map(|Loaded { sources, .. }| sources).expect("it loads")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let (name, accepted) = match kind % 4 {
        0 => ("envoy.config.listener.v3.Listener", delivered::listener(&SCHEMA, &SOURCES, bytes).is_ok()),
        1 => ("envoy.config.cluster.v3.Cluster", delivered::cluster(&SCHEMA, &SOURCES, bytes).is_ok()),
        2 => ("envoy.config.endpoint.v3.ClusterLoadAssignment", delivered::endpoints(&SCHEMA, bytes).is_ok()),
        _ => ("envoy.extensions.transport_sockets.tls.v3.Secret", delivered::secret(&SCHEMA, bytes).is_ok()),
    };
    if accepted {
        assert!(delivered::dump(&SCHEMA, name, bytes).is_ok());
    }
});
