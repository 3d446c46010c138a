//! Where configuration comes from: `envoy.config.core.v3.ConfigSource`.

use super::reader::Reader;
use meant::{ConfigSource, ControlPlane};
use std::path::PathBuf;

/// What the source means; `None` if it is wrong, which has been told.
pub(super) fn source(reader: &Reader<'_>) -> Option<ConfigSource> {
    // Nothing here waits for the first answer.
    reader.without_effect(&["initial_fetch_timeout"]);
    if reader.choice("resource_api_version") == "V2" {
        reader.wrong("resource_api_version", "Envoy's v2 API is gone: use V3");
    }
    if reader.has("ads") {
        reader.without_effect(&["ads"]);
        return ads(reader, "ads");
    }
    if let Some(own) = reader.one("self") {
        // Only what was delivered can say so, and it came over the one stream that there is.
        own.covered();
        if reader.subject().is_none() {
            reader.unsupported("self", "not supported yet: use ads");
        }
        return ads(reader, "self");
    }
    if let Some(api) = reader.one("api_config_source") {
        let kind = api.choice("api_type");
        if kind.starts_with("AGGREGATED") {
            api.covered();
            return ads(reader, "api_config_source");
        }
        return server(&api).map(ConfigSource::Server);
    }
    file(reader).map(ConfigSource::File)
}

/// The one stream of `ads_config`.
fn ads(reader: &Reader<'_>, name: &str) -> Option<ConfigSource> {
    if !reader.sources().has_ads() {
        reader.wrong(name, "needs dynamic_resources.ads_config: it says where the control plane is");
        return None;
    }
    Some(ConfigSource::Ads)
}

/// A path is relative to the working directory, as in Envoy.
fn file(reader: &Reader<'_>) -> Option<PathBuf> {
    if let Some(file) = reader.one("path_config_source") {
        // Any change of the file is seen.
        file.without_effect(&["watched_directory", "poll_interval"]);
        return Some(file.text("path").into());
    }
    let path = reader.text("path");
    (!path.is_empty()).then(|| path.into())
}

/// What an `ApiConfigSource` means: a server, by one of the bootstrap's clusters.
pub(super) fn server(api: &Reader<'_>) -> Option<ControlPlane> {
    let kind = api.choice("api_type");
    if !kind.contains("GRPC") {
        api.covered();
        api.report().unsupported(&api.at("api_type"), format!("{kind} is not supported: use GRPC or DELTA_GRPC"));
        return None;
    }
    if api.choice("transport_api_version") == "V2" {
        api.wrong("transport_api_version", "Envoy's v2 API is gone: use V3");
    }
    api.without_effect(&["set_node_on_first_message_only"]);
    let mut services = api.all("grpc_services").into_iter();
    let Some(service) = services.next() else {
        api.wrong("grpc_services", "is required: name the cluster of the server under envoy_grpc");
        return None;
    };
    services.for_each(|other| other.unsupported_whole("more than one server is not supported yet: remove it"));
    let server = grpc(&service)?;
    Some(ControlPlane { delta: kind.contains("DELTA"), ..server })
}

fn grpc(service: &Reader<'_>) -> Option<ControlPlane> {
    service.guard("google_grpc", "not supported: use envoy_grpc, with a cluster that leads to the server");
    let metadata = metadata(service);
    let envoy = service.one("envoy_grpc")?;
    let authority = Some(envoy.text("authority")).filter(|authority| !authority.is_empty());
    let name = envoy.text("cluster_name");
    match envoy.sources().server(&name) {
        Some(Ok(server)) => Some(ControlPlane { metadata, authority, ..server.clone() }),
        Some(Err(why)) => {
            envoy.wrong("cluster_name", format!("the cluster `{name}` leads to no server of configuration: {why}"));
            None
        }
        None => {
            let text = format!("there is no cluster `{name}` under static_resources.clusters of the bootstrap: add it");
            envoy.wrong("cluster_name", text);
            None
        }
    }
}

fn metadata(service: &Reader<'_>) -> Vec<(String, String)> {
    let pair = |header: &Reader<'_>| {
        header.refuse("raw_value", "not supported yet: use value");
        (header.text("key"), header.text("value"))
    };
    service.all("initial_metadata").iter().map(pair).collect()
}
