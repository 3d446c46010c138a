//! Every YAML that the documents show is a configuration that loads.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == ending)).collect()
}

/// The fenced blocks of a document that are marked as YAML, with the line they begin at.
fn yaml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim() == "```yaml" => open = Some((i + 1, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}

/// The real Envoy takes it.
fn validate(block: &str, name: &str) {
    let envoy =
        testkit::Proxy::envoy_binary().expect("the real Envoy 1.40.0, which scripts/envoy.sh installs, is needed");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("envoy.yaml");
    fs::write(&file, block).unwrap();
    let said = Command::new(envoy).args(["--mode", "validate", "-l", "error", "-c"]).arg(&file).output().unwrap();
    assert!(
        said.status.success(),
        "{name}: {}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}

/// A bootstrap, or resources of Kubernetes, of which an EnvoyFilter must say only what istiod takes without a warning.
/// A bootstrap that gets everything from a control plane is one for Envoy.
fn load(block: &str, name: &str) {
    if block.contains("\ndynamic_resources:") {
        return validate(block, name);
    }
    if !block.lines().any(|line| line.starts_with("kind: ")) {
        if let Err(problems) = config::load_text(block, name) {
            panic!("{name} does not load:\n{problems}");
        }
        return;
    }
    let schema = config::Schema::load_mesh().unwrap();
    for node in config::text::documents(block, false).unwrap_or_else(|malformed| panic!("{name}: {malformed:?}")) {
        for filter in patch::filter::read_list(&schema, &config::dynamic::json(&node)) {
            let filter = filter.unwrap_or_else(|refused| panic!("{name}: {refused}"));
            assert!(filter.warnings.is_empty(), "{name}: {:?}", filter.warnings);
        }
    }
}

#[test]
fn every_yaml_in_the_documents_loads() {
    let documents = [files(&root(), "md"), files(&root().join("docs"), "md")].concat();
    let mut loaded = 0;
    for document in documents {
        for (line, block) in yaml_blocks(&fs::read_to_string(&document).unwrap()) {
            let name = format!("{}:{line}", document.display());
            load(&block, &name);
            loaded += 1;
        }
    }
    assert!(loaded >= 1, "no YAML was found in the documents");
}

#[test]
fn every_example_loads() {
    let examples = files(&root().join("examples"), "yaml");
    assert!(!examples.is_empty());
    for example in examples {
        if let Err(problems) = config::load_file(&example) {
            panic!("{} does not load:\n{problems}", example.display());
        }
    }
}

/// A folder of resources loads with nothing to say about it: alone, or with the folder of a later step laid over it.
#[test]
fn every_folder_of_examples_loads() {
    let schema = std::sync::Arc::new(config::Schema::load_mesh().unwrap());
    let folder = |name: &str| files(&root().join("examples").join(name), "yaml");
    let (first, mirror, typed) = (folder("tutorial"), folder("tutorial-mirror"), folder("tutorial-typed"));
    let folders = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(folders.filter(|path| path.is_dir()).count(), 3, "a folder of examples that no test loads");
    let mirrored = [first.clone(), mirror].concat();
    let no_filter = |path: &&PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with("envoyfilter-");
    let bare: Vec<PathBuf> = mirrored.iter().filter(no_filter).cloned().collect();
    for (files, expected) in [(first, (2, 2)), (mirrored, (2, 3)), ([bare, typed].concat(), (0, 3))] {
        let together = tempfile::TempDir::new().unwrap();
        for file in files {
            fs::copy(&file, together.path().join(file.file_name().unwrap())).unwrap();
        }
        let plane = control::plane::Plane::new(std::sync::Arc::clone(&schema));
        let read = control::files::Files::new(together.path(), None).refresh().unwrap();
        assert_eq!((read.state.envoy_filters.len(), read.state.services.len()), expected);
        let remarks = plane.publish(read);
        for remarks in [&remarks.problems, &remarks.refused, &remarks.odd, &remarks.notes] {
            assert_eq!(remarks[..], []);
        }
    }
}

/// `ARCHITECTURE.md` shows the stations in the order in which the engine declares them.
#[test]
fn the_journey_is_told_in_the_order_of_its_stations() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let engine = fs::read_to_string(root().join("crates/engine/src/lib.rs")).unwrap();
    let journey = engine.split("// The journey.").nth(1).unwrap().split("// Off the road.").next().unwrap();
    let stations: Vec<&str> =
        journey.lines().filter_map(|line| line.split("mod ").nth(1)).map(|name| name.trim_end_matches(';')).collect();
    let told: Vec<&str> = architecture
        .split("## The journey of a request")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(".rs`").next())
        .collect();
    assert_eq!(told, stations);
}

/// The rooms that a configuration passes are where `ARCHITECTURE.md` says.
#[test]
fn the_journey_of_a_configuration_leads_through_files_that_exist() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let journey = architecture.split("## The journey of a configuration").nth(1).unwrap();
    let rows = journey.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    let mut stations = 0;
    for cell in rows.filter_map(|row| row.split(" |").next()) {
        let mut paths = cell.split('`').filter(|part| part.contains('/') || part.ends_with(".rs"));
        let first = Path::new(paths.next().unwrap());
        let beside = |path: &str| first.parent().unwrap().join(path);
        for path in std::iter::once(first.to_owned()).chain(paths.map(beside)) {
            assert!(root().join("crates").join(&path).exists(), "{}", path.display());
            stations += 1;
        }
    }
    assert!(stations >= 12, "{stations}");
}

/// `FILE::TEST`, as the page for those who come from Istio names them.
#[test]
fn every_test_that_the_documents_name_exists() {
    let page = fs::read_to_string(root().join("docs/from-istio.md")).unwrap();
    let named: Vec<(&str, &str)> = page.split('`').filter_map(|code| code.split_once(".rs::")).collect();
    assert!(named.len() > 40, "{}", named.len());
    for (file, test) in named {
        let path = root().join(format!("{file}.rs"));
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let begin = code.find(&format!("fn {test}()")).unwrap_or_else(|| panic!("{file}.rs has no {test}"));
        let before = &code[code[..begin].rfind("\n\n").unwrap_or(0)..begin];
        assert!(before.contains("test]"), "{file}.rs: {test} is no test");
    }
}
