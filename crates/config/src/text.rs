//! YAML and JSON as a tree that remembers its lines, for rooms that read other documents than a bootstrap.

pub use crate::written::{Entry, Malformed, Node, Plain, Shape};

/// Every document in `text`: one where it is JSON, else those of a YAML stream, without empty ones. Without
/// `is_json`, what begins like JSON is read as JSON and, failing that, as YAML.
///
/// # Errors
/// Text that is neither, with the line.
pub fn documents(text: &str, is_json: bool) -> Result<Vec<Node>, Malformed> {
    crate::written::documents(text, is_json)
}

/// A mapping of JSON as YAML, keys in the order of their names but for those that say what a thing is.
pub fn to_yaml(json: &serde_json::Value) -> String {
    crate::print::yaml_of(json)
}

#[cfg(test)]
mod tests {
    use super::{Shape, documents};

    #[test]
    fn a_stream_of_documents_keeps_its_lines() {
        let found = documents("# only a remark\n---\na: 1\n---\n---\nb: [2]\n...\n", false).unwrap();
        assert_eq!(found.iter().map(|node| node.line).collect::<Vec<_>>(), [3, 6]);
        let Shape::Map(entries) = &found[1].shape else { panic!("not a mapping") };
        assert_eq!(entries[0].key, "b");
        assert_eq!(documents("", false).unwrap(), []);
    }

    #[test]
    fn json_as_yaml_is_read_as_the_same_json() {
        let json = serde_json::json!({
            "z": 1, "a": [{"name": "no", "@type": "x/y.Z", "b": []}, [1.5, "2"], {}], "name": "5s: #", "t": null, "u": true
        });
        let yaml = super::to_yaml(&json);
        assert!(yaml.starts_with("name: \"5s: #\"\na:\n- \"@type\": x/y.Z\n  name: \"no\"\n  b: []\n"), "{yaml}");
        assert_eq!(crate::dynamic::json(&documents(&yaml, false).unwrap()[0]), json);
    }

    #[test]
    fn json_is_one_document_and_faults_have_lines() {
        assert_eq!(documents("{\"a\":\n[1]}", false).unwrap().len(), 1);
        assert_eq!(documents("{a: 1}\n---\nb: 2\n", false).unwrap().len(), 2);
        assert_eq!(documents("a: 1\n---\nb: [\n", false).unwrap_err().line, 4);
        assert!(documents("a: 1", true).is_err());
    }
}
