//! The real istiod, recorded: 90 `EnvoyFilter`s, each applied alone to a cluster with the tutorial's services, and what
//! the real Envoy said to the result.

use crate::recorded::{besides, expected, of_pool, recording, sorted};
use crate::set_up::{applied, filters, name, resources, shown};
use config::Schema;
use patch::{ProxyInfo, Refused, Report, Resources};
use prost_reflect::DynamicMessage;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeSet, HashMap};

/// Where ours differs on purpose: the recording and the reason.
const DIFFERENT: [(&str, &str); 3] = [
    (
        "45-filter-chain-merge-and-replace-list",
        "istiod shares one list between the chains of two ports, so that its patch also changed the other port's chain \
         and stayed after it was deleted",
    ),
    ("51-listener-filter-merge", "istiod merges into every listener filter and panics at the first of another type"),
    (
        "85-bad-match-kind",
        "recorded without istiod's validation, which refuses this EnvoyFilter; here nothing is applied without it",
    ),
];

/// What Envoy refused and we cannot know: the recording and the reason.
const UNFORESEEN: [(&str, &str); 0] = [];

const PROXIES: [&str; 2] = ["client", "redis-cluster-0"];
const KINDS: [(&str, &str); 3] = [("lds", "listeners"), ("cds", "clusters"), ("rds", "routes")];

struct World {
    schema: Schema,
    recording: Json,
    bases: HashMap<&'static str, Resources>,
}

impl World {
    fn new() -> Self {
        let schema = Schema::load_mesh().unwrap();
        let recording = recording(include_bytes!("../recordings/live.json.gz"));
        let base = |proxy: &str| {
            let of = |kind: &str| json!(of_pool(&recording, &recording["base"][proxy][kind]));
            let all: Map<String, Json> = KINDS.iter().map(|(kind, key)| ((*key).to_owned(), of(kind))).collect();
            resources(&schema, &json!(all))
        };
        let bases = PROXIES.iter().map(|proxy| (*proxy, base(proxy))).collect();
        Self { schema, recording, bases }
    }

    fn applied(&self, probe: &Json, proxy: &str, refused: Refused) -> (Resources, Report) {
        let filters = filters(&self.schema, probe["envoy_filters"].as_str().unwrap());
        let info = ProxyInfo::of_node(&self.recording["base"][proxy]["node"], "istio-system");
        applied(&self.schema, self.bases[proxy].clone(), &filters, &info, refused)
    }

    fn difference(&self, probe: &Json, proxy: &str) -> Vec<String> {
        let (after, _) = self.applied(probe, proxy, Refused::Kept);
        let mut told = Vec::new();
        for (kind, key) in KINDS {
            let effect = &probe["effect"][proxy][kind];
            let found = shown(&self.schema, of_kind(&after, kind));
            let of_base = of_pool(&self.recording, &self.recording["base"][proxy][kind]);
            let wanted = resources(&self.schema, &json!({key: expected(&self.recording, of_base, effect)}));
            let wanted = shown(&self.schema, of_kind(&wanted, kind));
            let twice: Vec<&str> =
                effect["names_twice"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            if !twice.is_empty() {
                let is_twice =
                    |wanted: &&str| of_kind(&after, kind).iter().filter(|one| name(one) == **wanted).count() == 2;
                told.extend((!twice.iter().all(is_twice)).then(|| format!("{proxy}: {twice:?} are not there twice")));
            } else if sorted(found.clone()) != sorted(wanted.clone()) {
                let (ours, istiods) = (besides(&found, &wanted), besides(&wanted, &found));
                told.push(format!("{proxy} {kind}:\n  ours   {ours:?}\n  istiod {istiods:?}"));
            }
            if let Some(order) = effect["names_after_in_order"].as_array() {
                let names: Vec<Json> = of_kind(&after, kind).iter().map(|one| Json::from(name(one))).collect();
                told.extend((names != *order).then(|| format!("{proxy}: {names:?}, not {order:?}")));
            }
        }
        told
    }

    fn verdicts(&self, probe: &Json) -> Vec<String> {
        let mut told = Vec::new();
        for (said, ours) in probe["said"]
            .as_array()
            .unwrap()
            .iter()
            .zip(filters(&self.schema, probe["envoy_filters"].as_str().unwrap()))
        {
            let texts: Vec<&str> = said["said"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
            let ours = match ours {
                Ok(filter) => filter.warnings,
                Err(refused) => refused.reasons,
            };
            for text in texts {
                let text = text.rsplit("configuration is invalid: ").next().unwrap().trim_start_matches("Warning: ");
                if !ours.iter().any(|ours| ours.contains(text.trim())) {
                    told.push(format!("istiod says {text:?}, we say {ours:?}"));
                }
            }
        }
        told
    }
}

fn of_kind<'a>(resources: &'a Resources, kind: &str) -> &'a [DynamicMessage] {
    match kind {
        "lds" => &resources.listeners,
        "cds" => &resources.clusters,
        _ => &resources.routes,
    }
}

#[test]
fn every_recording_of_the_real_istiod() {
    let world = World::new();
    let probes = world.recording["probes"].as_array().unwrap();
    let (mut equal, mut complaints) = (0, Vec::new());
    for probe in probes {
        let name = probe["name"].as_str().unwrap();
        let mut told = world.verdicts(probe);
        told.extend(PROXIES.iter().flat_map(|proxy| world.difference(probe, proxy)));
        equal += usize::from(told.is_empty());
        let is_known = DIFFERENT.iter().any(|(known, _)| *known == name);
        if told.is_empty() == is_known {
            complaints.push(format!("{name}: {}", if is_known { "equal now".to_owned() } else { told.join("\n") }));
        }
    }
    println!("equal to the real istiod: {equal} of {}", probes.len());
    assert!(complaints.is_empty(), "{equal} of {} equal\n{}", probes.len(), complaints.join("\n"));
}

#[test]
fn what_the_real_envoy_refuses_is_held_back() {
    let world = World::new();
    let mut complaints = Vec::new();
    let mut refused_by_envoy = 0;
    for probe in world.recording["probes"].as_array().unwrap() {
        for proxy in PROXIES {
            let name = probe["name"].as_str().unwrap();
            let nacks: BTreeSet<&str> =
                probe["envoy"][proxy].as_object().into_iter().flatten().filter_map(|(_, nack)| nack.as_str()).collect();
            let (after, report) = world.applied(probe, proxy, Refused::HeldBack);
            refused_by_envoy += usize::from(!nacks.is_empty());
            let is_known = UNFORESEEN.iter().any(|(known, _)| *known == name);
            if nacks.is_empty() == report.refusals.is_empty() && !is_known {
                if !nacks.is_empty() && after != world.bases[proxy] && report.refusals.iter().all(|one| !one.held_back)
                {
                    complaints.push(format!("{name} {proxy}: not held back"));
                }
                continue;
            }
            complaints.push(format!("{name} {proxy}: Envoy says {nacks:?}, we {:?}", report.refusals));
        }
    }
    println!("refused by the real Envoy: {refused_by_envoy}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
