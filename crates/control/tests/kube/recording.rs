//! What a real API server said.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The text of a recording.
pub fn text(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kube/recorded").join(format!("{name}.gz"));
    let mut text = String::new();
    GzDecoder::new(File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// A recorded list.
pub fn list(name: &str) -> Value {
    serde_json::from_str(&text(&format!("list-{name}.json"))).unwrap()
}

/// The events of a recorded watch: type and object.
pub fn events(name: &str) -> Vec<(String, Value)> {
    let text = text(&format!("{name}.jsonl"));
    let event = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        (event["type"].as_str().unwrap().to_owned(), event["object"].take())
    };
    text.lines().map(event).collect()
}

/// `metadata.resourceVersion`.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// All that was recorded of objects that came and went, over all kinds, in the order in which it happened: kind in
/// plural, type, object.
pub fn history() -> Vec<(&'static str, String, Value)> {
    let kinds = ["namespaces", "services", "endpointslices", "pods", "envoyfilters"];
    let of_kind = |kind: &'static str| {
        let events = events(&format!("watch-{kind}"));
        events.into_iter().filter(|(event, _)| event != "BOOKMARK").map(move |(event, object)| (kind, event, object))
    };
    let mut all: Vec<_> = kinds.into_iter().flat_map(of_kind).collect();
    all.sort_by_key(|(_, _, object)| version(object));
    all
}
