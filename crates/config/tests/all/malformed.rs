//! Text that is no YAML, no JSON, or no file.

use crate::told::problems;
use config::{load_file, load_text};
use std::path::Path;

#[test]
fn text_that_is_no_yaml() {
    let whole = |text: &str| {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{problems}");
        problems.iter().map(ToString::to_string).collect::<String>()
    };
    assert_eq!(whole("node: {id: a}\nnode: {id: b}\n"), "t.yaml:2: `node` is given twice, first on line 1");
    assert_eq!(
        whole("node: {id: a}\n---\nnode: {id: b}\n"),
        "t.yaml:2: a second document begins here: only one is allowed in a file"
    );
    assert!(whole("").contains("the file is empty"));
    assert!(whole("# nothing\n").contains("the file is empty"));
    assert!(whole("node: {id: a\n").contains("not valid YAML"));
    assert!(whole("node:\n  id: a\n id: b\n").starts_with("t.yaml:3: not valid YAML"));
    assert!(whole("node: &a {id: *a}").contains("refers to a value that contains it"));
    assert!(whole("node: &a {id: x}\nadmin: {<<: *a}").contains("merge keys (`<<`) are unknown to Envoy"));
    assert!(whole("node: {id: !!str 5}").contains("remove the tag `!!str`"));
    assert!(whole("node: {[a]: b}").contains("a key must be plain text"));
    assert!(whole("just text").contains("expected a mapping with fields of Bootstrap, found `just text`"));
    assert!(whole("- a").contains("found a list"));
    assert!(whole(&format!("node: {}", "[".repeat(150))).contains("nested deeper than 100 levels"));
    for deep in [format!("node: {}", "[".repeat(200_000)), format!("{{\"node\": {}", "[".repeat(200_000))] {
        assert!(whole(&deep).contains("not valid YAML"));
    }
    let bomb: String = (1..40).map(|i| format!("x{i}: &a{i} [*a{}, *a{}]\n", i - 1, i - 1)).collect();
    assert!(whole(&format!("x0: &a0 [1]\n{bomb}")).contains("more than 1000000 values"));
}

#[test]
fn text_that_is_no_json() {
    let told = |text: &str| load_text(text, "t.json").map(|_| ()).unwrap_err().to_string();
    assert!(
        told("{\"node\": {\"id\": \"a\"},\n \"node\": {}}")
            .starts_with("t.json:2: not valid JSON: `node` is given twice")
    );
    assert!(told("{\"node\": {\n\"id\": a}}").starts_with("t.json:2: not valid JSON: `a` is not a JSON value"));
    for text in [
        "",
        "{",
        "{\"a\"",
        "{\"a\" 1}",
        "{\"a\": 1,}",
        "[1",
        "{\"a\": \"",
        "{} x",
        "{\"a\": \"\\x\"}",
        "{a: b}",
        "node: {}",
    ] {
        assert!(told(text).contains("not valid JSON"), "{text}: {}", told(text));
    }
    let field = told("{\n\"node\": {\n\"id\": true}}");
    assert!(field.starts_with("t.json:3: node.id: expected text"), "{field}");
}

#[test]
fn files_that_cannot_be_read() {
    let missing = load_file(Path::new("tests/files/missing.yaml")).map(|_| ()).unwrap_err().to_string();
    assert!(missing.starts_with("tests/files/missing.yaml: cannot be read: "), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.yaml");
    std::fs::write(&path, b"node: {id: \xe9}").unwrap();
    assert!(load_file(&path).map(|_| ()).unwrap_err().to_string().contains("is not UTF-8 text"));
}
