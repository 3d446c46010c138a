//! The CRDs as an API server reads them: structural, and with rules of bounded cost.

use crate::read;
use control::typed::crds;
use serde_json::Value;

/// What may stand in a schema; everything else is refused or dropped by an API server.
const WORDS: [&str; 18] = [
    "type",
    "description",
    "properties",
    "required",
    "items",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "additionalProperties",
    "example",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
];

/// Formats that an API server knows.
const FORMATS: [&str; 3] = ["int64", "date-time", "double"];

/// How many nodes there may be of one in a list within lists: what a rule costs is multiplied with it.
const MOST_NODES: u64 = 10_000;

struct Walk {
    rules: usize,
    nodes: usize,
}

impl Walk {
    fn check(&mut self, schema: &Value, path: &str, copies: Option<u64>) {
        self.nodes += 1;
        let words = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema: {schema}"));
        for word in words.keys() {
            assert!(WORDS.contains(&word.as_str()), "{path} has {word}");
        }
        let kind = schema["type"].as_str().unwrap_or_else(|| panic!("{path} has no type"));
        assert!(["object", "array", "string", "integer", "number", "boolean"].contains(&kind), "{path}: {kind}");
        if let Some(format) = schema["format"].as_str() {
            assert!(FORMATS.contains(&format), "{path} has the format {format}");
        }
        let has = |word: &str| schema.get(word).is_some();
        assert!(!has("properties") || (kind == "object" && !has("additionalProperties")), "{path}");
        assert_eq!(has("items"), kind == "array", "{path}");
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(schema["properties"].get(name.as_str().unwrap()).is_some(), "{path} requires {name}");
        }
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            self.rule(rule, schema, path, copies);
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            self.check(inner, &format!("{path}.{name}"), copies);
        }
        if has("items") {
            let most = schema["maxItems"].as_u64();
            let copies = copies.and_then(|copies| Some(copies * most?));
            self.check(&schema["items"], &format!("{path}[]"), copies);
        }
        if has("additionalProperties") {
            self.check(&schema["additionalProperties"], &format!("{path}.*"), None);
        }
    }

    /// A rule costs little wherever it stands, is asked about a bounded number of nodes, and names fields that there are.
    fn rule(&mut self, rule: &Value, schema: &Value, path: &str, copies: Option<u64>) {
        self.rules += 1;
        assert!(copies.is_some_and(|copies| copies <= MOST_NODES), "{path} may be there without end");
        let text = rule["rule"].as_str().unwrap();
        assert!(rule["message"].as_str().is_some_and(|message| !message.contains('\n')), "{path}: {text}");
        for part in text.split("self.").skip(1) {
            let name: String = part.chars().take_while(|char| char.is_alphanumeric()).collect();
            let field = &schema["properties"][&name];
            assert!(field.is_object(), "{path}: {text}: {name}");
            if text.contains(&format!("self.{name}.filter(")) {
                assert!(field["maxItems"].as_u64().is_some_and(|most| most <= 1024), "{path}: {name} is unbounded");
            }
        }
        if let Some(at) = rule["fieldPath"].as_str() {
            assert!(schema["properties"].get(at.trim_start_matches('.')).is_some(), "{path}: {at}");
        }
    }
}

#[test]
fn they_are_structural_and_their_rules_are_cheap() {
    let (mut rules, mut nodes) = (0, 0);
    for (name, _) in crds() {
        let [crd] = &read(&format!("crds/{name}"))[..] else { panic!("{name}") };
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert_eq!(
            schema["properties"]["metadata"],
            serde_json::json!({"type": "object"}),
            "nothing may be said of it"
        );
        let mut walk = Walk { rules: 0, nodes: 0 };
        walk.check(schema, "", Some(1));
        (rules, nodes) = (rules + walk.rules, nodes + walk.nodes);
    }
    println!("{nodes} nodes, {rules} rules");
    assert!(rules >= 9, "{rules}");
}

#[test]
fn they_are_known_by_short_names_and_tell_their_state() {
    for (_, crd) in crds() {
        let (names, version) = (&crd["spec"]["names"], &crd["spec"]["versions"][0]);
        assert_eq!(names["categories"], serde_json::json!(["slotmesh"]));
        assert!(names["shortNames"][0].as_str().is_some_and(|short| short.len() == 3));
        let columns: Vec<&str> = version["additionalPrinterColumns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        assert!(["Host", "Accepted", "Programmed", "Age"].iter().all(|name| columns.contains(name)), "{columns:?}");
        // Of several results an API server shows the first, which people must know.
        for column in version["additionalPrinterColumns"].as_array().unwrap() {
            let is_one = !column["jsonPath"].as_str().unwrap().contains("[*]");
            assert!(is_one || column["description"].as_str().unwrap().contains("the first"), "{column}");
        }
        assert!(version["subresources"]["status"].is_object());
        assert!(version["schema"]["openAPIV3Schema"]["example"].is_object());
        let name = format!("{}.slotmesh.io", names["plural"].as_str().unwrap());
        assert_eq!(crd["metadata"]["name"], name);
    }
}
