//! The CRDs in `deploy/crds` are those of the types, structural, and their examples are accepted.

use crate::Mesh;
use crate::full;
use crate::mesh::resource;
use config::text::{documents, to_yaml};
use control::typed::crds;
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn the_files_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), crds().len());
    for (name, crd) in crds() {
        let written = fs::read_to_string(folder.join(&name)).unwrap();
        assert!(written == to_yaml(&crd), "{name} is old: cargo run -p control --example crds");
        assert_eq!(config::dynamic::json(&documents(&written, false).unwrap()[0]), crd);
    }
}

/// What the API server asks of a structural schema.
fn check(schema: &Value, path: &str) {
    let kind = schema["type"].as_str();
    assert!(kind.is_some(), "{path} has no type: {schema}");
    for word in ["$ref", "anyOf", "oneOf", "allOf", "not", "default", "nullable", "const", "definitions"] {
        assert!(schema.get(word).is_none(), "{path} has {word}");
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        check(inner, &format!("{path}.{name}"));
        let is_meta = path.is_empty() || path.starts_with(".status");
        assert!(is_meta || inner["description"].is_string(), "{path}.{name} is not described");
    }
    if kind == Some("array") {
        check(&schema["items"], &format!("{path}[]"));
    }
}

#[test]
fn the_schemas_are_structural_and_the_examples_are_accepted() {
    for (_, crd) in crds() {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check(schema, "");
        let example = schema["example"].to_string();
        let secret =
            "{apiVersion: v1, kind: Secret, metadata: {name: redis-auth, namespace: redis}, data: {password: cHc=}}";
        assert_eq!(Mesh::tutorial().with("a.json", &example).with("b.yaml", secret).told(), [""; 0]);
    }
}

#[test]
fn a_misspelt_field_is_told_with_its_line_and_the_one_that_is_meant() {
    let text = "apiVersion: slotmesh.io/v1alpha1\nkind: RedisService\nmetadata: {name: a, namespace: redis}\nspec:\n  host: redis-cluster\n  settings:\n    redPolicy: REPLICA\n";
    let told = "a.yaml:7: spec.settings.redPolicy: is no field of RedisService; did you mean readPolicy?";
    assert_eq!(Mesh::tutorial().with("a.yaml", text).told(), [told]);
}

#[test]
fn every_field_of_the_full_resources_is_in_the_schema_and_the_reverse() {
    for ((_, crd), full) in crds().into_iter().zip([full::service(), full::route()]) {
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let (mut known, mut used) = (Vec::new(), Vec::new());
        names(spec, &mut known);
        keys(&full, &mut used);
        let unused: Vec<&String> = known.iter().filter(|name| !used.contains(name)).collect();
        let others = ["clusterName", "clientCertificate", "privateKey", "insecureSkipVerify", "file"];
        assert!(unused.iter().all(|name| others.contains(&name.as_str())), "{unused:?}");
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        assert!(
            Mesh::tutorial().with("k.yaml", full::SECRET).with("a.json", &resource(kind, "a", &full)).told().is_empty()
        );
    }
}

fn names(schema: &Value, found: &mut Vec<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.push(name.clone());
        names(inner, found);
        names(&inner["items"], found);
    }
}

fn keys(value: &Value, found: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        found.push(name.clone());
        keys(inner, found);
    }
    value.as_array().into_iter().flatten().for_each(|inner| keys(inner, found));
}

#[test]
fn the_documents_name_every_field_with_its_description() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/typed-resources.md")).unwrap();
    for (_, crd) in crds() {
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        documented(spec, "", &text);
    }
}

fn documented(schema: &Value, path: &str, text: &str) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let words: Vec<&str> = inner["description"].as_str().unwrap().split_whitespace().collect();
        let described = words.join(" ").replace('|', "\\|");
        let row = |line: &str| line.starts_with(&format!("| `{at}` |")) && line.contains(&described);
        assert!(text.lines().any(row), "{at}: {described}");
        // Sources of values, and keys of Secrets, are told once.
        let fields = inner["properties"].as_object().or_else(|| inner["items"]["properties"].as_object());
        if fields
            .is_none_or(|fields| !fields.contains_key("secretKeyRef") && !fields.contains_key("key") || at == "health")
        {
            documented(inner, &at, text);
            documented(&inner["items"], &format!("{at}[]"), text);
        }
    }
}
