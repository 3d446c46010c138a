//! `AdmissionReview` of `admission.k8s.io/v1`: what is asked, and the form of the answer.

use super::KINDS;
use super::verdict::Verdict;
use serde::Deserialize;
use serde_json::{Value, json};

/// The one version that is spoken; every API server since 1.16 speaks it.
const VERSION: &str = "admission.k8s.io/v1";
/// The most characters of one warning, and of all: an API server drops what is beyond 4096.
const MOST_OF_WARNING: usize = 1000;
const MOST_OF_WARNINGS: usize = 4000;
/// The most characters of a refusal.
const MOST_OF_REFUSAL: usize = 8000;

/// Values of a review that are thought through: each takes about a kilobyte on the way, and what people write has hundreds.
pub(super) const MOST_VALUES: usize = 20_000;

/// What is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) uid: String,
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    sub_resource: Option<String>,
    operation: String,
    #[serde(default)]
    pub(super) object: Value,
    #[serde(default)]
    old_object: Value,
}

/// A kind as an API server names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

/// Of a review that is not thought through.
#[derive(Deserialize)]
struct Unread {
    request: UnreadRequest,
}

#[derive(Deserialize)]
struct UnreadRequest {
    uid: String,
}

/// Why something is no question for this webhook.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadReview {
    #[error("the body is no AdmissionReview: {0}")]
    Json(String),
    #[error("the body is a `{0}` of `{1}`, not an AdmissionReview of {VERSION}")]
    Version(String, String),
    #[error("the AdmissionReview has no request")]
    NoRequest,
    #[error("the kind `{0}` of `{1}` is not judged here; judged are: {known}", known = known())]
    Kind(String, String),
    #[error("the operation `{0}` is not judged here; judged are CREATE, UPDATE and DELETE")]
    Operation(String),
    #[error("request.object is not the {0} that request.kind says")]
    Object(String),
}

fn known() -> String {
    KINDS.map(|(group, kind)| format!("{kind} of {group}")).join(", ")
}

/// Whose question a body is that has too many values to be read.
pub(super) fn too_large(body: &[u8]) -> Result<Option<String>, BadReview> {
    if values(body) <= MOST_VALUES {
        return Ok(None);
    }
    let unread: Unread = serde_json::from_slice(body).map_err(|error| BadReview::Json(error.to_string()))?;
    Ok(Some(unread.request.uid))
}

/// About how many values a text of JSON has, keys included.
fn values(text: &[u8]) -> usize {
    let (mut count, mut is_in_string, mut is_escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            b',' | b':' | b'[' | b'{' if !is_in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Request, BadReview> {
    let review: Review = serde_json::from_slice(body).map_err(|error| BadReview::Json(error.to_string()))?;
    if (review.api_version.as_str(), review.kind.as_str()) != (VERSION, "AdmissionReview") {
        return Err(BadReview::Version(review.kind, review.api_version));
    }
    let request = review.request.ok_or(BadReview::NoRequest)?;
    let Kind { group, kind } = &request.kind;
    if !KINDS.contains(&(group.as_str(), kind.as_str())) {
        return Err(BadReview::Kind(kind.clone(), group.clone()));
    }
    if !["CREATE", "UPDATE", "DELETE"].contains(&request.operation.as_str()) {
        return Err(BadReview::Operation(request.operation));
    }
    if request.is_judged() {
        let version = request.object["apiVersion"].as_str().unwrap_or_default();
        let is_it = version.split('/').next() == Some(group.as_str()) && request.object["kind"] == kind.as_str();
        if !is_it {
            return Err(BadReview::Object(kind.clone()));
        }
    }
    Ok(request)
}

impl Request {
    /// Whether there is anything to be said: what is deleted may go, and a status is nobody's wish.
    pub(super) fn is_judged(&self) -> bool {
        self.operation != "DELETE" && self.sub_resource.as_deref().unwrap_or_default().is_empty()
    }

    /// Whether it asks for what is there already: an update of labels or finalizers must pass whatever the rest says.
    pub(super) fn asks_for_nothing_new(&self) -> bool {
        self.operation == "UPDATE" && self.object["spec"] == self.old_object["spec"]
    }

    /// Whether the object is a new one.
    pub(super) fn is_new(&self) -> bool {
        self.operation == "CREATE"
    }
}

/// The answer.
pub(super) fn answer(uid: &str, verdict: &Verdict) -> Value {
    let mut response = json!({"uid": uid, "allowed": verdict.refused.is_empty()});
    if !verdict.refused.is_empty() {
        let message: String = verdict.refused.join("\n").chars().take(MOST_OF_REFUSAL).collect();
        response["status"] =
            json!({"metadata": {}, "status": "Failure", "code": 422, "reason": "Invalid", "message": message});
    }
    let mut left = MOST_OF_WARNINGS;
    let mut warnings = Vec::new();
    for warning in &verdict.warnings {
        // They travel in a header, a line each.
        let line: String = warning.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        let line: String = line.chars().take(MOST_OF_WARNING.min(left)).collect();
        left -= line.chars().count();
        warnings.extend((!line.is_empty()).then_some(line));
    }
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response})
}

#[cfg(test)]
mod tests {
    use super::{MOST_VALUES, Verdict, answer, read, too_large, values};
    use serde_json::{Value, json};

    fn review() -> Value {
        let kind = json!({"group": "slotmesh.io", "version": "v1alpha1", "kind": "RedisService"});
        let object = json!({"apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService", "spec": {"host": "a"}});
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "kind": kind, "namespace": "redis", "name": "a", "operation": "UPDATE", "dryRun": true,
            "object": object, "oldObject": object, "options": null,
        }})
    }

    fn told(change: impl FnOnce(&mut Value)) -> String {
        let mut review = review();
        change(&mut review);
        read(review.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_review_is_read() {
        let request = read(review().to_string().as_bytes()).unwrap();
        assert_eq!((request.uid.as_str(), request.namespace.as_deref()), ("u", Some("redis")));
        assert!(request.is_judged() && request.asks_for_nothing_new() && !request.is_new());
        let mut other = review();
        other["request"]["object"]["spec"]["host"] = json!("b");
        assert!(!read(other.to_string().as_bytes()).unwrap().asks_for_nothing_new());
        let mut deleted = review();
        (deleted["request"]["operation"], deleted["request"]["object"]) = (json!("DELETE"), Value::Null);
        assert!(!read(deleted.to_string().as_bytes()).unwrap().is_judged());
        let mut status = review();
        status["request"]["subResource"] = json!("status");
        assert!(!read(status.to_string().as_bytes()).unwrap().is_judged());
    }

    #[test]
    fn what_is_no_question_for_it_is_told_why() {
        assert!(read(b"{").unwrap_err().to_string().starts_with("the body is no AdmissionReview: EOF"));
        let old = told(|review| review["apiVersion"] = json!("admission.k8s.io/v1beta1"));
        let text = "the body is a `AdmissionReview` of `admission.k8s.io/v1beta1`, not an AdmissionReview of admission.k8s.io/v1";
        assert_eq!(old, text);
        assert_eq!(told(|review| review["request"] = Value::Null), "the AdmissionReview has no request");
        let pod = told(|review| review["request"]["kind"] = json!({"group": "", "version": "v1", "kind": "Pod"}));
        assert!(pod.starts_with("the kind `Pod` of `` is not judged here; judged are: EnvoyFilter of "), "{pod}");
        let connect = told(|review| review["request"]["operation"] = json!("CONNECT"));
        assert!(connect.starts_with("the operation `CONNECT` is not judged here"), "{connect}");
        let other = told(|review| review["request"]["object"]["kind"] = json!("RedisRoute"));
        assert_eq!(other, "request.object is not the RedisService that request.kind says");
        assert!(told(|review| review["request"]["uid"] = json!(5)).contains("invalid type: integer"));
    }

    #[test]
    fn values_are_counted_and_what_has_too_many_is_not_read() {
        assert_eq!(values(br#"{"a,[": [1, "\\\",", {}]}"#), 6);
        let mut large = review();
        assert_eq!(too_large(large.to_string().as_bytes()), Ok(None));
        large["request"]["object"]["spec"]["x"] = json!("x,".repeat(MOST_VALUES));
        assert_eq!(too_large(large.to_string().as_bytes()), Ok(None), "one text");
        large["request"]["object"]["spec"]["x"] = json!(vec![0; MOST_VALUES]);
        assert_eq!(too_large(large.to_string().as_bytes()), Ok(Some("u".to_owned())));
        assert!(too_large(&vec![b'['; MOST_VALUES + 1]).is_err());
    }

    #[test]
    fn answers() {
        let fine = answer("u", &Verdict::default());
        let response = json!({"uid": "u", "allowed": true});
        assert_eq!(fine, json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}));
        let refused = vec!["spec.a: is wrong".to_owned(), "spec.b: too".to_owned()];
        let verdict = Verdict { refused, warnings: vec!["of\ntwo".to_owned(), "x".repeat(9000), "y".repeat(9000)] };
        let response = &answer("u", &verdict)["response"];
        assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(422)));
        assert_eq!(response["status"]["message"], "spec.a: is wrong\nspec.b: too");
        assert_eq!(
            (&response["warnings"][0], response["warnings"][1].as_str().unwrap().len()),
            (&json!("of two"), 1000)
        );
    }
}
