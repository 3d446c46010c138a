//! What istiod sent, damaged: accepted or refused, and nothing else.

use crate::recorded::{Reader, encoded, named, resources};
use config::delivered;
use serde_json::Value;

/// Small, even, and the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn judged(reader: &Reader, kind: &str, bytes: &[u8]) -> bool {
    match kind {
        "lds" => delivered::listener(&reader.schema, &reader.sources, bytes).is_ok(),
        "cds" => delivered::cluster(&reader.schema, &reader.sources, bytes).is_ok(),
        _ => delivered::endpoints(&reader.schema, bytes).is_ok(),
    }
}

fn damaged(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        match dice.below(4) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.below(256) as u8,
            2 => drop(bytes.drain(at..(at + dice.below(9)).min(bytes.len()))),
            _ => bytes.insert(at, dice.below(256) as u8),
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}

#[test]
fn damaged_bytes() {
    let reader = Reader::shared();
    let mut dice = Dice(0x5eed_5107_3e54);
    let mut seen = [0; 2];
    for kind in ["lds", "cds", "eds"] {
        let sent: Vec<_> = resources("default/c/client", kind).iter().map(|one| encoded(&reader.mesh, one)).collect();
        for round in 0..400 {
            let bytes = damaged(&sent[round % sent.len()], &mut dice);
            seen[usize::from(judged(reader, kind, &bytes))] += 1;
        }
    }
    assert!(seen[0] > 100 && seen[1] > 100, "refused and accepted: {seen:?}");
}

/// The places of all values in `json`.
fn places(json: &Value, here: &str, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let path = format!("{here}/{}", key.replace('~', "~0").replace('/', "~1"));
            if !key.starts_with('@') {
                found.push(path.clone());
            }
            places(value, &path, found);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{here}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn one_field_less() {
    let reader = Reader::shared();
    let mut seen = [0; 2];
    let redis = resources("default/c/client", "lds").into_iter().find(|one| one.to_string().contains("RedisProxy"));
    for (kind, json) in [
        ("lds", named("default/a/client", "lds", "virtualInbound")),
        ("lds", redis.unwrap()),
        ("cds", named("default/c/client", "cds", "outbound|6379||redis-mirror.redis.svc.cluster.local")),
        ("cds", named("default/c/client", "cds", "custom-redis-cluster")),
        ("cds", named("default/c/redis-cluster-0", "cds", "inbound|6379||")),
        ("eds", named("default/c/client", "eds", "outbound|6379||redis-cluster.redis.svc.cluster.local")),
    ] {
        let mut found = Vec::new();
        places(json, "", &mut found);
        for place in found {
            let (around, key) = place.rsplit_once('/').unwrap();
            let mut less = json.clone();
            let inner = less.pointer_mut(around).unwrap().as_object_mut().unwrap();
            inner.remove(&key.replace("~1", "/").replace("~0", "~"));
            // Some messages cannot be without it.
            if reader.mesh.message_from_json("google.protobuf.Any", &less).is_ok() {
                seen[usize::from(judged(reader, kind, &encoded(&reader.mesh, &less)))] += 1;
            }
        }
    }
    assert!(seen[0] > 40 && seen[1] > 150, "refused and accepted: {seen:?}");
}
