//! istiod's engine, recorded: 196 `EnvoyFilter`s against a small world, for two sidecars.

use crate::set_up::{applied, filters, name, resources, shown};
use config::Schema;
use patch::{ProxyInfo, Refused, Resources};
use prost_reflect::DynamicMessage;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::io::Read;

/// Where ours differs on purpose: the recording and the reason.
const DIFFERENT: [(&str, &str); 0] = [];

/// A recording, unpacked.
pub fn recording(gz: &[u8]) -> Json {
    let mut text = String::new();
    flate2::read::GzDecoder::new(gz).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The resources whose places in the pool are listed.
pub fn of_pool(recording: &Json, places: &Json) -> Vec<Json> {
    let places = places.as_array().into_iter().flatten();
    places.map(|place| recording["resources"][place.as_u64().unwrap() as usize].clone()).collect()
}

/// The base with what was added, changed and removed.
pub fn expected(recording: &Json, base: Vec<Json>, effect: &Json) -> Vec<Json> {
    let changed = of_pool(recording, &effect["changed"]);
    let removed: Vec<&str> = effect["removed"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let mut list: Vec<Json> = base
        .into_iter()
        .filter(|one| !removed.contains(&one["name"].as_str().unwrap()))
        .map(|one| changed.iter().find(|changed| changed["name"] == one["name"]).cloned().unwrap_or(one))
        .collect();
    list.extend(of_pool(recording, &effect["added"]));
    list
}

/// Both in one order and spelling, to be compared.
pub fn sorted(mut list: Vec<Json>) -> Vec<Json> {
    list.sort_by_key(ToString::to_string);
    list
}

/// A recording whose resources were read once.
struct World<'a> {
    schema: &'a Schema,
    recording: &'a Json,
    /// By proxy: its base.
    bases: HashMap<&'static str, Resources>,
}

const KINDS: [&str; 3] = ["listeners", "clusters", "routes"];
const PROXIES: [&str; 2] = ["redis-client", "redis-cluster-0"];

impl<'a> World<'a> {
    fn new(schema: &'a Schema, recording: &'a Json) -> Self {
        let base = |proxy: &str| {
            let of = |kind: &str| json!(of_pool(recording, &recording["base"][proxy][kind]));
            let all: Map<String, Json> = KINDS.iter().map(|kind| ((*kind).to_owned(), of(kind))).collect();
            resources(schema, &json!(all))
        };
        Self { schema, recording, bases: PROXIES.iter().map(|proxy| (*proxy, base(proxy))).collect() }
    }

    fn difference(&self, probe: &Json, proxy: &str) -> Vec<String> {
        let node = &self.recording["base"][proxy]["node"];
        let filters = filters(self.schema, probe["envoy_filters"].as_str().unwrap());
        let info = ProxyInfo::of_node(node, "istio-system");
        let base = &self.bases[proxy];
        let (after, _) = applied(self.schema, base.clone(), &filters, &info, Refused::Kept);
        let mut told = Vec::new();
        for kind in KINDS {
            let effect = &probe["effect"][proxy][kind];
            if effect.is_null() && of_kind(&after, kind) == of_kind(base, kind) {
                continue;
            }
            let found = shown(self.schema, of_kind(&after, kind));
            let of_base = of_pool(self.recording, &self.recording["base"][proxy][kind]);
            let wanted = resources(self.schema, &json!({kind: expected(self.recording, of_base, effect)}));
            let wanted = shown(self.schema, of_kind(&wanted, kind));
            if sorted(found.clone()) != sorted(wanted.clone()) {
                let (ours, istiods) = (besides(&found, &wanted), besides(&wanted, &found));
                told.push(format!("{proxy} {kind}:\n  ours   {ours:?}\n  istiod {istiods:?}"));
            }
        }
        if let Some(order) = probe["effect"][proxy]["cluster_order"].as_array() {
            let names = after.clusters.iter().map(|cluster| Json::from(name(cluster)));
            let names: Vec<Json> = names.filter(|name| !name.as_str().unwrap().starts_with("inbound|")).collect();
            if names != *order {
                told.push(format!("{proxy}: clusters in order {names:?}, not {order:?}"));
            }
        }
        told
    }
}

/// What is in the one and not in the other.
pub fn besides(one: &[Json], other: &[Json]) -> Vec<String> {
    one.iter().filter(|one| !other.contains(one)).map(ToString::to_string).collect()
}

fn of_kind<'a>(resources: &'a Resources, kind: &str) -> &'a [DynamicMessage] {
    match kind {
        "listeners" => &resources.listeners,
        "clusters" => &resources.clusters,
        _ => &resources.routes,
    }
}

/// istiod's refusals against ours.
fn verdict(schema: &Schema, probe: &Json) -> Option<String> {
    let said: Vec<&str> = probe["istiod_says"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    let refused = filters(schema, probe["envoy_filters"].as_str().unwrap()).into_iter().filter_map(Result::err);
    let ours: Vec<String> = refused
        .flat_map(|refused| refused.reasons)
        .map(|reason| match reason.starts_with("cannot parse") {
            true => format!("refused: {reason}"),
            false => format!("refused by validation: {reason}"),
        })
        .collect();
    (ours != said).then(|| format!("we say {ours:?}, istiod {said:?}"))
}

#[test]
fn every_recording_of_the_engine() {
    let schema = Schema::load_mesh().unwrap();
    let recording = recording(include_bytes!("../recordings/engine.json.gz"));
    let probes = recording["probes"].as_array().unwrap();
    let world = World::new(&schema, &recording);
    let (mut equal, mut complaints) = (0, Vec::new());
    for probe in probes {
        let name = probe["name"].as_str().unwrap();
        let mut told: Vec<String> = verdict(&schema, probe).into_iter().collect();
        told.extend(PROXIES.iter().flat_map(|proxy| world.difference(probe, proxy)));
        equal += usize::from(told.is_empty());
        let is_known = DIFFERENT.iter().any(|(known, _)| *known == name);
        if told.is_empty() == is_known {
            complaints.push(format!("{name}: {}", if is_known { "equal now".to_owned() } else { told.join("\n") }));
        }
    }
    println!("equal to istiod: {equal} of {}", probes.len());
    assert!(complaints.is_empty(), "{} of {} equal\n{}", equal, probes.len(), complaints.join("\n"));
    assert_eq!((probes.len(), equal), (196, 196 - DIFFERENT.len()));
}
