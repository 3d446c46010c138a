//! What is written into an object's status: two conditions, beside those of others.

use super::wire::Record;
use crate::status::{Shown, Verdict};
use serde_json::{Value, json};

/// The merge patch after which the object says the verdict; `None` if it does already. It is refused as a conflict if
/// the object is another by then, so that nobody's conditions are lost.
pub(super) fn patch(record: &Record, shown: &Shown) -> Option<Value> {
    let Verdict { generation, conditions, .. } = &shown.verdict;
    if says(record, &shown.verdict) {
        return None;
    }
    let mut all = record.conditions.clone();
    for (condition, since) in conditions.iter().zip(shown.since) {
        let mut written = condition.json(*generation, since);
        match all.iter_mut().find(|known| known["type"] == condition.kind) {
            Some(known) => {
                // Its time is that of its status.
                if known["status"] == written["status"] && known["lastTransitionTime"].is_string() {
                    written["lastTransitionTime"] = known["lastTransitionTime"].clone();
                }
                *known = written;
            }
            None => all.push(written),
        }
    }
    Some(json!({
        "metadata": {"uid": record.uid, "resourceVersion": record.version},
        "status": {"observedGeneration": generation, "conditions": all},
    }))
}

fn says(record: &Record, verdict: &Verdict) -> bool {
    verdict.conditions.iter().all(|condition| {
        let Some(known) = record.conditions.iter().find(|known| known["type"] == condition.kind) else { return false };
        let observed = known["observedGeneration"].as_i64().or(record.observed);
        known["status"] == condition.truth.word()
            && known["reason"] == condition.reason
            && known["message"] == condition.message.as_str()
            && observed == Some(verdict.generation)
    })
}

/// Whether more than words and numbers would change: a status, a reason, or the generation.
pub(super) fn is_urgent(record: &Record, verdict: &Verdict) -> bool {
    record.observed != Some(verdict.generation)
        || verdict.conditions.iter().any(|condition| {
            let known = record.conditions.iter().find(|known| known["type"] == condition.kind);
            known.is_none_or(|known| known["status"] != condition.truth.word() || known["reason"] != condition.reason)
        })
}

#[cfg(test)]
mod tests {
    use super::super::wire::record;
    use super::{is_urgent, patch};
    use crate::status::{About, Condition, Shown, Truth, Verdict};
    use serde_json::{Value, json};
    use std::time::{Duration, UNIX_EPOCH};

    fn shown(generation: i64, truth: Truth, message: &str) -> Shown {
        let about =
            About { kind: "EnvoyFilter", namespace: "a".to_owned(), name: "b".to_owned(), source: "kube:x".into() };
        let conditions = [
            Condition::accepted(Truth::True, "Valid", "fine".to_owned()),
            Condition::programmed(truth, "Pending", message.to_owned()),
        ];
        Shown {
            verdict: Verdict { about, generation, conditions },
            since: [UNIX_EPOCH + Duration::from_secs(86_400); 2],
        }
    }

    fn object(status: Value) -> Value {
        json!({"metadata": {"uid": "u", "resourceVersion": "7", "generation": 2}, "status": status})
    }

    #[test]
    fn it_is_written_once_and_what_others_wrote_stays() {
        let other = json!({"type": "Reconciled", "status": "True", "reason": "Ok", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = json!({"conditions": [other], "validationMessages": [{"type": {}}]});
        let mut object = object(status);
        let first = patch(&record(&object), &shown(2, Truth::Unknown, "0 of 1")).unwrap();
        assert_eq!(first["metadata"], json!({"uid": "u", "resourceVersion": "7"}));
        let conditions = first["status"]["conditions"].as_array().unwrap();
        assert_eq!((conditions.len(), &conditions[0]), (3, &other));
        assert_eq!(conditions[2]["lastTransitionTime"], "1970-01-02T00:00:00Z");
        assert_eq!(first["status"]["observedGeneration"], 2);
        assert!(first["status"].get("validationMessages").is_none());
        object["status"]["conditions"] = first["status"]["conditions"].clone();
        object["status"]["observedGeneration"] = json!("2");
        assert_eq!(patch(&record(&object), &shown(2, Truth::Unknown, "0 of 1")), None);
    }

    #[test]
    fn a_conditions_time_is_that_of_its_status() {
        let known = json!({"type": "Programmed", "status": "Unknown", "reason": "Pending", "message": "0 of 1", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let accepted = json!({"type": "Accepted", "status": "True", "reason": "Valid", "message": "fine", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let object = object(json!({"observedGeneration": 2, "conditions": [known, accepted]}));
        let record = record(&object);
        assert_eq!(patch(&record, &shown(2, Truth::Unknown, "0 of 1")), None, "the generation may stand above them");
        let time = |truth, message: &str| {
            let body = patch(&record, &shown(2, truth, message)).unwrap();
            body["status"]["conditions"][0]["lastTransitionTime"].as_str().unwrap().to_owned()
        };
        assert_eq!(time(Truth::Unknown, "1 of 2"), "2026-01-01T00:00:00Z");
        assert_eq!(time(Truth::True, "2 of 2"), "1970-01-02T00:00:00Z");
        assert!(!is_urgent(&record, &shown(2, Truth::Unknown, "1 of 2").verdict));
        assert!(is_urgent(&record, &shown(2, Truth::True, "2 of 2").verdict));
        assert!(is_urgent(&record, &shown(3, Truth::Unknown, "0 of 1").verdict));
        assert!(patch(&record, &shown(3, Truth::Unknown, "0 of 1")).is_some());
    }
}
