//! What is kept of an object as an API server writes it: what the registry reads, and nothing else. A pod of seven
//! kilobytes becomes one of some hundred bytes, and an event that changes nothing of this changes nothing at all.

use super::kinds::Kind;
use serde_json::{Map, Value};

/// Kept of every object.
const OF_ALL: &[&str] = &["metadata.name", "metadata.namespace", "metadata.labels", "metadata.creationTimestamp"];

/// What `kubectl apply` notes for itself: the object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is needed of `object`. A step into a list is a step into each of its items.
pub(super) fn trim(kind: &Kind, version: &str, mut object: Value) -> Value {
    let mut kept = Value::Object(Map::new());
    for path in OF_ALL.iter().chain(kind.needed) {
        take(&mut object, path, &mut kept);
    }
    if let Some(annotations) = kept.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    kept["kind"] = kind.name.into();
    kept["apiVersion"] = kind.api_version(version).into();
    kept
}

/// Moves what stands at `path` from one tree to the other.
fn take(from: &mut Value, path: &str, to: &mut Value) {
    match (from, path.split_once('.')) {
        (Value::Object(from), None) => {
            if let Some(value) = from.remove(path) {
                to[path] = value;
            }
        }
        (Value::Object(from), Some((step, rest))) => {
            let Some(inner) = from.get_mut(step) else { return };
            let to = &mut to[step];
            if to.is_null() {
                *to = if inner.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            }
            into(inner, rest, to);
        }
        _ => {}
    }
}

fn into(inner: &mut Value, rest: &str, to: &mut Value) {
    match (inner, to) {
        (Value::Array(items), Value::Array(kept)) => {
            kept.resize(items.len(), Value::Object(Map::new()));
            items.iter_mut().zip(kept).for_each(|(item, kept)| take(item, rest, kept));
        }
        (inner @ Value::Object(_), to @ Value::Object(_)) => take(inner, rest, to),
        // Of a form that nobody expects: as it is, so that whoever reads it says what is wrong with it.
        (inner, to) => *to = inner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::KINDS;
    use super::trim;
    use serde_json::json;

    #[test]
    fn a_pod_keeps_what_is_read_of_it() {
        let pod = json!({
            "metadata": {"name": "a", "labels": {"app": "r"}, "annotations": {"x": "y"}, "managedFields": [{}], "uid": "1"},
            "spec": {
                "containers": [{"name": "c", "image": "i", "ports": [{"name": "resp", "containerPort": 1}]}, {"name": "d"}],
                "nodeName": "m", "volumes": [{}],
            },
            "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null}]},
        });
        let kind = KINDS.iter().find(|kind| kind.name == "Pod").unwrap();
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "labels": {"app": "r"}},
            "spec": {"containers": [{"ports": [{"name": "resp", "containerPort": 1}]}, {}], "nodeName": "m"},
            "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        assert_eq!(trim(kind, "v1", pod), expected);
    }

    #[test]
    fn what_kubectl_notes_for_itself_is_left_out_and_odd_forms_are_left_to_the_reader() {
        let kind = KINDS.iter().find(|kind| kind.name == "EnvoyFilter").unwrap();
        let noted = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"});
        let trimmed = trim(kind, "v1alpha3", json!({"metadata": {"name": "f", "annotations": noted}, "status": {}}));
        assert_eq!(trimmed["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(trimmed["apiVersion"], "networking.istio.io/v1alpha3");
        assert_eq!(trimmed.get("status"), None);
        let odd = trim(kind, "v1alpha3", json!({"metadata": "x", "spec": 5}));
        assert_eq!((&odd["metadata"], &odd["spec"]), (&json!("x"), &json!(5)));
    }
}
