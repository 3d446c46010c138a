//! The command line, as a person at a shell meets it: texts, exit statuses, and what `--print-config` promises.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn slotmesh(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slotmesh")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

fn file(folder: &TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn every_example_is_valid() {
    // The folders hold resources of Kubernetes, which tests/docs.rs loads.
    let files = fs::read_dir(example("")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut examples: Vec<String> = files.map(|path| path.display().to_string()).collect();
    examples.sort();
    assert!(examples.len() >= 2);
    for path in examples {
        let output = slotmesh(&["validate", "-c", &path]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let said = text(&output.stdout);
        assert!(said.starts_with(&path) && said.contains("no problems") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn every_problem_is_told_with_file_line_and_field() {
    let good = fs::read_to_string(example("tutorial.yaml")).unwrap();
    let bad = good
        .replace("op_timeout: 5s", "op_timeout: 5 apples")
        .replace("enable_redirection", "enable_redirektion")
        .replace("read_policy: REPLICA", "read_policy: REPLIKA");
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "bad.yaml", &bad);
    let output = slotmesh(&["validate", "-c", &path]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for (field, hint) in [("op_timeout", ""), ("enable_redirektion", "enable_redirection"), ("read_policy", "REPLIKA")]
    {
        let number = bad.lines().position(|line| line.trim().starts_with(field)).unwrap() + 1;
        let told = said.lines().find(|line| line.starts_with(&format!("{path}:{number}: ")) && line.contains(field));
        assert!(told.is_some_and(|line| line.contains(hint)), "line {number}, {field}: {said}");
    }
}

#[test]
fn several_files_are_checked_and_one_bad_file_fails_all() {
    let folder = TempDir::new().unwrap();
    let bad = file(&folder, "bad.yaml", "static_resources: {listeners: [{nam: x}]}\n");
    let good = example("tutorial.yaml").display().to_string();
    let output = slotmesh(&["validate", "-c", &bad, &good]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&bad) && said.contains(&format!("{good}: no problems")), "{said}");
}

#[test]
fn a_missing_file_is_a_problem_that_names_it() {
    let output = slotmesh(&["validate", "-c", "/nowhere/envoy.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("/nowhere/envoy.yaml"), "{}", text(&output.stdout));
    let output = slotmesh(&["proxy", "-c", "/nowhere/envoy.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nowhere/envoy.yaml"), "{}", text(&output.stderr));
}

/// What `--print-config` prints loads, and printing it again changes nothing.
#[test]
fn printed_configuration_is_a_configuration() {
    let flags = "proxy --listen 127.0.0.1:6379 --cluster redis-0.example:6379,[::1]:6380 --read-policy prefer-replica \
                 --mirror 127.0.0.1:6390 --mirror-writes-only --admin 127.0.0.1:9901 --print-config";
    let output = slotmesh(&flags.split_whitespace().collect::<Vec<_>>());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for word in ["PREFER_REPLICA", "exclude_read_commands", "redis-0.example", "6390", "9901", "enable_redirection"] {
        assert!(printed.contains(word), "{word} is missing: {printed}");
    }
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "printed.yaml", &printed);
    let again = slotmesh(&["proxy", "-c", &path, "--print-config"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout), printed);
}

/// The tutorial's file survives the way through our meaning of it and back.
#[test]
fn the_tutorial_printed_is_still_the_tutorial() {
    let path = example("tutorial.yaml").display().to_string();
    let first = slotmesh(&["proxy", "-c", &path, "--print-config"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let printed = text(&first.stdout);
    for word in ["redis-mirror.redis.svc.cluster.local", "REPLICA", "envoy.clusters.redis", "7005", "7100"] {
        assert!(printed.contains(word), "{word} is missing: {printed}");
    }
    let folder = TempDir::new().unwrap();
    let again = slotmesh(&["proxy", "-c", &file(&folder, "printed.yaml", &printed), "--print-config"]);
    assert_eq!(text(&again.stdout), printed, "{}", text(&again.stderr));
}

#[test]
fn bad_usage_is_told_apart_from_bad_files() {
    let wrong = [
        ("", "Usage"),
        ("proxy", "--listen"),
        ("proxy --listen 127.0.0.1:1", "--cluster"),
        ("proxy --cluster 127.0.0.1:1", "--listen"),
        ("proxy -c a.yaml --listen 127.0.0.1:1 --cluster 127.0.0.1:2", "cannot be used with"),
        ("proxy -c a.yaml --read-policy any", "--listen"),
        ("proxy --listen nonsense --cluster 127.0.0.1:2", "nonsense"),
        ("proxy --listen 127.0.0.1:1 --cluster 127.0.0.1", "port is missing"),
        ("proxy --listen 127.0.0.1:1 --cluster ::1:7000", "brackets"),
        ("proxy --listen 127.0.0.1:1 --cluster a:1 --read-policy slave", "prefer-replica"),
        ("proxy --listen 127.0.0.1:1 --cluster a:1 --mirror-writes-only", "--mirror"),
        ("proxy --listen 127.0.0.1:1 --cluster a:1 --workers 0", "1..=1024"),
        ("validate", "--config"),
        ("demo --fast", "--fast"),
    ];
    for (line, hint) in wrong {
        let output = slotmesh(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{line}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(hint), "{line}: {}", text(&output.stderr));
    }
}

#[test]
fn the_version_is_the_packages() {
    let output = slotmesh(&["--version"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout).trim(), concat!("slotmesh ", env!("CARGO_PKG_VERSION")));
}
