//! Imports run downwards only: the table of what each room may use, held against every `Cargo.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A room, and the rooms it may import; lowest first. A room may only name rooms above it in this table.
const ROOMS: [(&str, &[&str]); 17] = [
    ("resp", &[]),
    ("slots", &["resp"]),
    ("command", &["resp", "slots"]),
    ("meant", &[]),
    ("config", &["meant"]),
    ("patch", &["config"]),
    ("tls", &["meant"]),
    ("observe", &["command"]),
    ("engine", &["resp", "slots", "command", "meant", "observe"]),
    ("worker", &["slots", "meant", "tls", "observe", "engine"]),
    ("topology", &["resp", "slots", "meant", "tls", "observe"]),
    ("xds", &[]),
    ("control", &["config", "patch", "xds"]),
    ("admin", &["slots", "meant", "config", "observe", "topology"]),
    // An independent second opinion: it may know none of the rooms it tests.
    ("testkit", &[]),
    // The binary, which boots everything; its demo watches real servers with `testkit`.
    (
        "slotmesh",
        &[
            "resp", "slots", "command", "meant", "config", "patch", "tls", "observe", "engine", "worker", "topology",
            "xds", "control", "admin", "testkit",
        ],
    ),
    // Measures the binary from outside, as it measures its peers: it may know none of its rooms.
    ("bench", &["testkit"]),
];

/// Libraries that only some rooms may use, as beginnings of names.
const GUARDED: [(&str, &[&str]); 7] = [
    // The path of a request knows no task.
    ("tokio", &["topology", "xds", "control", "admin", "slotmesh"]),
    ("axum", &["admin", "control"]),
    // Protobuf stays where configuration is read.
    ("prost", &["config", "xds", "patch", "control"]),
    ("tonic", &["xds"]),
    ("mio", &["worker", "bench"]),
    ("socket2", &["worker"]),
    // Errors have types below the binary.
    ("anyhow", &["slotmesh"]),
];

/// The names under `[dependencies]` and `[build-dependencies]`; what tests use may point anywhere.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            for kind in ["dependencies.", "build-dependencies."] {
                names.extend(section.strip_prefix(kind).map(str::to_owned));
            }
        } else if ["dependencies", "build-dependencies"].contains(&section) && !line.starts_with('#') {
            names.extend(line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    names
}

fn complaints(room: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{room} has no row in the table of rooms")];
    };
    let mut complaints = Vec::new();
    for name in dependencies(manifest) {
        if ROOMS.iter().any(|(other, _)| *other == name) && !allowed.contains(&name.as_str()) {
            complaints.push(format!("{room} may not import {name}"));
        }
        for (library, users) in GUARDED {
            if name.starts_with(library) && !users.contains(&room) {
                complaints.push(format!("{room} may not use {name}"));
            }
        }
    }
    complaints
}

#[test]
fn no_import_turns_back() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(crates).unwrap() {
        let path = entry.unwrap().path().join("Cargo.toml");
        if let Ok(manifest) = fs::read_to_string(&path) {
            let room = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
            found.extend(complaints(&room, &manifest));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_table_itself_runs_downwards() {
    for (i, (room, allowed)) in ROOMS.iter().enumerate() {
        for import in *allowed {
            let at = ROOMS.iter().position(|(name, _)| name == import);
            assert!(at.is_some_and(|at| at < i), "{room} imports {import}, which is not below it");
        }
    }
}

#[test]
fn an_import_that_turns_back_is_seen() {
    let manifest = "[dependencies]\nengine.workspace = true\ntokio = \"1\"\n[dev-dependencies]\nslotmesh = \"1\"\n";
    assert_eq!(complaints("slots", manifest), ["slots may not import engine", "slots may not use tokio"]);
    assert_eq!(complaints("attic", ""), ["attic has no row in the table of rooms"]);
    assert_eq!(complaints("resp", "[dependencies.slots]\npath = \"x\"\n"), ["resp may not import slots"]);
}
