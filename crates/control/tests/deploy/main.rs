//! `deploy/`: whole, consistent with itself and with the program, and as the published schemas want it.

#![cfg(test)]

mod crds;
mod manifests;
mod schemas;

use config::text::documents;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// The folder.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// The resources of one of its files.
fn read(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    documents(&text, false).unwrap().iter().map(config::dynamic::json).filter(|one| !one.is_null()).collect()
}

/// The one of a kind in a file.
fn one(name: &str, kind: &str) -> Value {
    let all: Vec<Value> = read(name).into_iter().filter(|one| one["kind"] == kind).collect();
    assert_eq!(all.len(), 1, "{kind} in {name}");
    all[0].clone()
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}
