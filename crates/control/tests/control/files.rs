//! A folder that changes under its reader.
use control::files::{Files, Refreshed};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn service(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: a}}\nspec: {{clusterIP: {ip}, ports: [{{name: tcp, port: 6379}}]}}\n"
    )
}

fn hosts(read: &Refreshed) -> Vec<&str> {
    read.state.services.iter().map(|service| service.name.as_str()).collect()
}

/// Looks again until something is new: a file that was just written is left alone for a moment.
fn next(files: &mut Files) -> Refreshed {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let read = files.refresh().unwrap();
        if read.is_new {
            return read;
        }
        assert!(Instant::now() < end, "nothing is new");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn replace(folder: &Path, name: &str, text: &str) {
    let aside = folder.join(".aside");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, folder.join(name)).unwrap();
}

#[test]
fn files_come_change_and_go() {
    let folder = TempDir::new().unwrap();
    let mut files = Files::new(folder.path(), None);
    assert_eq!(hosts(&next(&mut files)), [""; 0]);
    fs::create_dir(folder.path().join("deeper")).unwrap();
    fs::write(folder.path().join("deeper/one.yml"), service("one", "10.0.0.1") + &service("two", "10.0.0.2")).unwrap();
    fs::write(folder.path().join("notes.txt"), "not YAML: [").unwrap();
    fs::create_dir(folder.path().join("..data")).unwrap();
    fs::write(folder.path().join("..data/hidden.yaml"), service("hidden", "10.0.0.3")).unwrap();
    let first = next(&mut files);
    assert_eq!(hosts(&first), ["one", "two"]);
    let again = files.refresh().unwrap();
    assert!(!again.is_new && Arc::ptr_eq(&first.state, &again.state));
    replace(folder.path(), "deeper/one.yml", &(service("one", "10.0.0.9") + &service("two", "10.0.0.2")));
    let changed = next(&mut files);
    assert_eq!(hosts(&changed), ["one", "two"]);
    assert!(!Arc::ptr_eq(&first.state.services[0], &changed.state.services[0]));
    assert!(Arc::ptr_eq(&first.state.services[1], &changed.state.services[1]), "an equal service stays the same");
    fs::remove_file(folder.path().join("deeper/one.yml")).unwrap();
    assert_eq!(hosts(&next(&mut files)), [""; 0]);
}

#[test]
fn a_rename_is_one_change() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), service("old", "10.0.0.1")).unwrap();
    let mut files = Files::new(folder.path(), None);
    assert_eq!(hosts(&next(&mut files)), ["old"]);
    replace(folder.path(), "a.yaml", &service("new", "10.0.0.1"));
    // No look sees the folder without the one or the other.
    assert_eq!(hosts(&next(&mut files)), ["new"]);
    std::thread::sleep(Duration::from_millis(100));
    assert!(!files.refresh().unwrap().is_new);
}

#[test]
fn a_bad_file_keeps_what_it_held_and_the_others_go_on() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", "10.0.0.1")).unwrap();
    fs::write(at("b.yaml"), service("b", "10.0.0.2")).unwrap();
    let mut files = Files::new(folder.path(), None);
    assert_eq!(hosts(&next(&mut files)), ["a", "b"]);
    replace(folder.path(), "a.yaml", &(service("a2", "10.0.0.1") + &service("a3", "10.0.0")));
    replace(folder.path(), "b.yaml", &service("b2", "10.0.0.2"));
    let mut bad = next(&mut files);
    while bad.problems.is_empty() || hosts(&bad) != ["a", "b2"] {
        bad = next(&mut files);
    }
    let told = bad.problems[0].to_string();
    let expected = format!("{}:10: spec.clusterIP: `10.0.0` is no IP address", at("a.yaml").display());
    assert_eq!((told, bad.problems.len()), (expected, 1));
    // It is told as long as it is so.
    assert_eq!(files.refresh().unwrap().problems, bad.problems);
    replace(folder.path(), "a.yaml", &service("a2", "10.0.0.1"));
    let mended = next(&mut files);
    assert_eq!((hosts(&mended), mended.problems.len()), (vec!["a2", "b2"], 0));
}

/// As vim does it.
#[test]
fn a_file_that_is_taken_away_and_comes_back_faulty_keeps_what_it_held() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, service("a", "10.0.0.1")).unwrap();
    let mut files = Files::new(folder.path(), None);
    assert_eq!(hosts(&next(&mut files)), ["a"]);
    fs::rename(&file, folder.path().join("a.yaml~")).unwrap();
    assert_eq!(hosts(&next(&mut files)), [""; 0]);
    fs::write(&file, service("a", "10.0.0")).unwrap();
    let bad = next(&mut files);
    assert_eq!((hosts(&bad), bad.problems.len()), (vec!["a"], 1));
}

#[test]
fn an_object_counts_once() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), service("x", "10.0.0.1")).unwrap();
    fs::write(folder.path().join("b.yaml"), service("x", "10.0.0.2")).unwrap();
    let read = Files::new(folder.path(), None).refresh().unwrap();
    assert_eq!(hosts(&read), ["x"]);
    let told = read.problems[0].to_string();
    assert!(
        told.contains("b.yaml:2: the Service a/x is declared twice: that of") && told.contains("a.yaml:2"),
        "{told}"
    );
}

#[test]
fn the_mesh_is_a_file_of_its_own() {
    let folder = TempDir::new().unwrap();
    let mesh = folder.path().join("mesh.yaml");
    fs::write(&mesh, "domainSuffix: example\n").unwrap();
    fs::write(folder.path().join("a.yaml"), service("x", "10.0.0.1")).unwrap();
    let mut files = Files::new(folder.path(), Some(&mesh));
    assert_eq!(next(&mut files).state.services[0].host, "x.a.svc.example");
    replace(folder.path(), "mesh.yaml", "domainSuffix: [1]\n");
    let bad = next(&mut files);
    assert_eq!(bad.problems[0].path, "domainSuffix");
    assert_eq!(bad.state.services[0].host, "x.a.svc.example");
    replace(folder.path(), "mesh.yaml", "domainSuffix: other\n");
    assert_eq!(next(&mut files).state.services[0].host, "x.a.svc.other");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let gone = TempDir::new().unwrap().path().join("gone");
    assert!(Files::new(&gone, None).refresh().is_err());
}
