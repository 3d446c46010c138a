//! What a real Envoy said to the results of EnvoyFilters, and what is said here.

use crate::recorded::Reader;
use flate2::read::GzDecoder;
use serde_json::Value;

#[test]
fn what_envoy_refused_is_refused_and_what_it_took_is_taken() {
    let bytes = include_bytes!("../files/verdicts.json.gz");
    let verdicts: Value = serde_json::from_reader(GzDecoder::new(bytes.as_slice())).unwrap();
    let reader = Reader::shared();
    let mut wrong = Vec::new();
    let mut seen = [0; 2];
    for verdict in verdicts.as_array().unwrap() {
        let resource = &verdict["resource"];
        let told = match verdict["kind"].as_str().unwrap() {
            "lds" => reader.listener(resource).map(|reading| reading.notes),
            "cds" => reader.cluster(resource).map(|reading| reading.notes),
            "eds" => reader.endpoints(resource).map(|reading| reading.notes),
            _ => continue,
        };
        seen[usize::from(!verdict["refused"].is_null())] += 1;
        if told.is_err() == verdict["refused"].is_null() {
            wrong.push(format!("{}: Envoy {} / {told:?}", verdict["probe"], verdict["refused"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, [96, 10]);
}
