//! What a proxy has, from a file: its `/config_dump` (Envoy's or ours), or the plain `{node, listeners, clusters,
//! routes}`; and the same file again with other resources in it.
//!
//! Of a dump the dynamic resources are patched, since what stands in the bootstrap is no control plane's to change. A
//! proxy that has none was started from a file, and then its static resources are.

use crate::field::name;
use crate::resources::{CLUSTER, Kind, LISTENER, ROUTES, Resources};
use config::Schema;
use config::dynamic::{Reader, to_json};
use prost_reflect::DynamicMessage;
use serde_json::{Map, Value as Json};

/// A file that tells what a proxy has.
#[derive(Clone, Debug)]
pub struct Base {
    /// The proxy's `node`, null if the file does not tell it.
    pub node: Json,
    /// Its resources.
    pub resources: Resources,
    /// What of the file was not understood and is left out.
    pub warnings: Vec<String>,
    whole: Json,
    places: Vec<Place>,
}

/// A file that tells nothing of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotABase {
    /// Of no known shape.
    #[error("holds neither a `/config_dump` (`configs`) nor `listeners` or `clusters`")]
    Shape,
    /// A resource that cannot be read.
    #[error("{0}: {1}")]
    Resource(String, String),
}

/// A list of resources in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    kind: Kind,
    /// Where the list is (RFC 6901).
    list: String,
    /// The ways from an element of the list to its resource; the first that is there counts.
    inner: &'static [&'static str],
}

const PLAIN: &[&str] = &[""];
const OF_LISTENER: &[&str] = &["/active_state/listener", "/warming_state/listener"];
const OF_CLUSTER: &[&str] = &["/cluster"];
const OF_ROUTES: &[&str] = &["/route_config"];

impl Base {
    /// What `json` tells.
    ///
    /// # Errors
    /// A file of another shape, or a resource that is not of its type.
    pub fn read(schema: &Schema, json: Json) -> Result<Self, NotABase> {
        let (node, places) = match json.get("configs").and_then(Json::as_array) {
            Some(configs) => (node_of(configs), of_dump(configs)),
            None => (json.get("node").cloned().unwrap_or(Json::Null), plain()),
        };
        if !places.iter().any(|place| json.pointer(&place.list).is_some()) {
            return Err(NotABase::Shape);
        }
        let mut base = Self { node, resources: Resources::default(), warnings: Vec::new(), whole: json, places };
        base.fill(schema)?;
        Ok(base)
    }

    fn fill(&mut self, schema: &Schema) -> Result<(), NotABase> {
        let reader = Reader { schema, carries_unknown_types: true };
        for place in &self.places {
            let list = self.whole.pointer(&place.list).and_then(Json::as_array);
            for (index, element) in list.into_iter().flatten().enumerate() {
                let here = format!("{}/{index}", place.list);
                let Some(resource) = place.inner.iter().find_map(|way| element.pointer(way)) else { continue };
                let of = type_of(place.kind);
                let descriptor =
                    schema.message(of).ok_or_else(|| NotABase::Resource(here.clone(), format!("{of} is unknown")))?;
                let read = reader.read(&descriptor, &without_type(resource));
                let read = read.map_err(|error| NotABase::Resource(here.clone(), error.to_string()))?;
                let unknown = read.unknown.iter();
                self.warnings
                    .extend(unknown.map(|unknown| format!("{here}: unknown field {} is left out", unknown.path)));
                list_of(&mut self.resources, place.kind).push(read.message);
            }
        }
        Ok(())
    }

    /// The file with `resources` in place of those that were read, and `report` beside them.
    pub fn write(&self, schema: &Schema, resources: &Resources, report: Json) -> Json {
        let mut whole = self.whole.clone();
        for kind in [Kind::Listener, Kind::Cluster, Kind::RouteConfiguration] {
            let places: Vec<&Place> = self.places.iter().filter(|place| place.kind == kind).collect();
            let mut wrappers: Vec<Json> = Vec::new();
            for place in &places {
                let list = whole.pointer_mut(&place.list).and_then(Json::as_array_mut);
                wrappers.extend(list.map(std::mem::take).into_iter().flatten());
            }
            let Some(first) = places.first() else { continue };
            let messages = crate::refusal::of_kind(resources, kind);
            let elements: Vec<Json> = messages.iter().map(|one| wrapped(schema, one, first, &mut wrappers)).collect();
            put(&mut whole, &first.list, elements);
        }
        if let Some(object) = whole.as_object_mut() {
            object.insert("report".to_owned(), report);
        }
        whole
    }
}

/// The element that holds the resource: the one that held that of the same name before, if there was one.
fn wrapped(schema: &Schema, message: &DynamicMessage, place: &Place, wrappers: &mut Vec<Json>) -> Json {
    let json = to_json(schema, message);
    let way = |wrapper: &Json| place.inner.iter().copied().find(|way| wrapper.pointer(way).is_some());
    let is_same = |wrapper: &Json| {
        way(wrapper).and_then(|way| wrapper.pointer(way)).map(|inner| &inner["name"]) == Some(&json["name"])
    };
    let mut wrapper = match wrappers.iter().position(is_same) {
        Some(index) => wrappers.remove(index),
        None => new_wrapper(place, message),
    };
    let Some(inner) = way(&wrapper).and_then(|way| wrapper.pointer_mut(way)) else { return json };
    let of = inner.get("@type").cloned();
    *inner = json;
    if let (Some(of), Some(object)) = (of, inner.as_object_mut()) {
        object.insert("@type".to_owned(), of);
    }
    wrapper
}

/// What a dump puts around a resource.
fn new_wrapper(place: &Place, message: &DynamicMessage) -> Json {
    let of = serde_json::json!({"@type": format!("type.googleapis.com/{}", type_of(place.kind))});
    match place.inner.first().copied() {
        Some("/active_state/listener") => serde_json::json!({"name": name(message), "active_state": {"listener": of}}),
        Some("/listener") => serde_json::json!({"listener": of}),
        Some("/cluster") => serde_json::json!({"cluster": of}),
        Some("/route_config") => serde_json::json!({"route_config": of}),
        _ => Json::Object(Map::new()),
    }
}

/// Puts a list where it was, or where it would have been.
fn put(whole: &mut Json, list: &str, elements: Vec<Json>) {
    if let Some(there) = whole.pointer_mut(list) {
        *there = Json::Array(elements);
        return;
    }
    let (parent, key) = list.rsplit_once('/').unwrap_or(("", list));
    if let Some(object) = whole.pointer_mut(parent).and_then(Json::as_object_mut).filter(|_| !elements.is_empty()) {
        object.insert(key.to_owned(), Json::Array(elements));
    }
}

fn without_type(resource: &Json) -> Json {
    let mut plain = resource.clone();
    if let Some(object) = plain.as_object_mut() {
        object.remove("@type");
    }
    plain
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Listener => LISTENER,
        Kind::Cluster => CLUSTER,
        Kind::RouteConfiguration => ROUTES,
    }
}

fn list_of(resources: &mut Resources, kind: Kind) -> &mut Vec<DynamicMessage> {
    match kind {
        Kind::Listener => &mut resources.listeners,
        Kind::Cluster => &mut resources.clusters,
        Kind::RouteConfiguration => &mut resources.routes,
    }
}

fn plain() -> Vec<Place> {
    let place = |kind, list: &str| Place { kind, list: list.to_owned(), inner: PLAIN };
    vec![
        place(Kind::Listener, "/listeners"),
        place(Kind::Cluster, "/clusters"),
        place(Kind::RouteConfiguration, "/routes"),
    ]
}

fn node_of(configs: &[Json]) -> Json {
    configs.iter().find_map(|config| config.pointer("/bootstrap/node")).cloned().unwrap_or(Json::Null)
}

/// The lists of a dump that are a control plane's; those of its bootstrap if there are none.
fn of_dump(configs: &[Json]) -> Vec<Place> {
    let find = |wanted: &[(Kind, &str, &'static [&'static str])]| {
        let mut places = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            for (kind, key, inner) in wanted {
                if config.pointer(key).and_then(Json::as_array).is_some_and(|list| !list.is_empty()) {
                    places.push(Place { kind: *kind, list: format!("/configs/{index}{key}"), inner });
                }
            }
        }
        places
    };
    let dynamic = find(&[
        (Kind::Listener, "/dynamic_listeners", OF_LISTENER),
        (Kind::Cluster, "/dynamic_active_clusters", OF_CLUSTER),
        (Kind::Cluster, "/dynamic_warming_clusters", OF_CLUSTER),
        (Kind::RouteConfiguration, "/dynamic_route_configs", OF_ROUTES),
    ]);
    if !dynamic.is_empty() {
        return dynamic;
    }
    let fixed = find(&[
        (Kind::Listener, "/static_listeners", &["/listener"]),
        (Kind::Cluster, "/static_clusters", OF_CLUSTER),
        (Kind::RouteConfiguration, "/static_route_configs", OF_ROUTES),
    ]);
    if !fixed.is_empty() {
        return fixed;
    }
    find(&[
        (Kind::Listener, "/bootstrap/static_resources/listeners", PLAIN),
        (Kind::Cluster, "/bootstrap/static_resources/clusters", PLAIN),
    ])
}

#[cfg(test)]
mod tests;
