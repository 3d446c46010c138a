//! What an API server says, from bytes: pages of a list, lines of a watch, and what it answers in place of them.

use super::kinds::Kind;
use super::trim::trim;
use crate::object::Object;
use crate::written;
use config::Problem;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The annotation of the bookmark behind the last object that a streaming list had to send.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Which objects are asked for, and in which version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) kind: &'static Kind,
    pub(crate) version: &'static str,
}

/// What identifies an object among those of its kind: namespace and name.
pub(crate) type Name = (String, String);

/// One object as it was received.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: Name,
    /// `None` if it cannot be used; the problems say why.
    pub(crate) object: Option<Object>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notes: Vec<Problem>,
    /// Of kinds that get a verdict.
    pub(crate) record: Option<Record>,
}

/// What is known of an object besides what it says: what is needed to write its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) uid: String,
    pub(crate) version: String,
    pub(crate) generation: i64,
    /// The generation that its status is about.
    pub(crate) observed: Option<i64>,
    pub(crate) conditions: Vec<Value>,
}

/// A page of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    /// The version of the list, from which it can be watched on.
    pub(crate) version: String,
    /// With which the next page is asked for; empty with the last.
    pub(crate) token: String,
}

/// One line of a watch.
#[derive(Debug)]
pub(crate) enum Event {
    /// The object is this by now. With the version from which to go on.
    Put(Box<Item>, String),
    /// The object is no more.
    Remove(Name, String),
    /// Nothing has happened up to this version; `true` if what stood there at the beginning has all been said.
    Bookmark(String, bool),
    /// The server ends the watch.
    Status(Status),
}

/// What a server answers in place of what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// As in HTTP.
    pub(crate) code: u16,
    /// As in `Expired`.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMeta {
    name: String,
    namespace: String,
    resource_version: String,
    annotations: HashMap<String, String>,
    #[serde(rename = "continue")]
    token: String,
}

#[derive(Deserialize)]
struct RawObject {
    #[serde(default)]
    metadata: RawMeta,
}

#[derive(Deserialize)]
struct RawList<'a> {
    #[serde(default)]
    metadata: RawMeta,
    /// `null` of an empty list, with some servers.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Reads a page.
pub(crate) fn page(reading: Reading, body: &[u8]) -> Result<Page, serde_json::Error> {
    let list: RawList = serde_json::from_slice(body)?;
    let items = list.items.unwrap_or_default().into_iter().map(|item| read(reading, item)).collect::<Result<_, _>>()?;
    Ok(Page { items, version: list.metadata.resource_version, token: list.metadata.token })
}

/// Reads a line; `None` for a kind of event that nobody knows.
pub(crate) fn event(reading: Reading, line: &[u8]) -> Result<Option<Event>, serde_json::Error> {
    let event: RawEvent = serde_json::from_slice(line)?;
    if event.kind == "ERROR" {
        return Ok(Some(Event::Status(serde_json::from_str(event.object.get())?)));
    }
    let meta = serde_json::from_str::<RawObject>(event.object.get())?.metadata;
    Ok(match event.kind {
        "ADDED" | "MODIFIED" => Some(Event::Put(Box::new(read(reading, event.object)?), meta.resource_version)),
        "DELETED" => Some(Event::Remove((meta.namespace, meta.name), meta.resource_version)),
        "BOOKMARK" => {
            let is_end = meta.annotations.get(INITIAL_END).is_some_and(|said| said == "true");
            Some(Event::Bookmark(meta.resource_version, is_end))
        }
        _ => None,
    })
}

/// What a server answered with a status other than 200; its body need not be a `Status`.
pub(crate) fn status(code: u16, body: &[u8]) -> Status {
    let read = serde_json::from_slice::<Status>(body).ok().filter(|status| !status.message.is_empty());
    let plain =
        || Status { message: String::from_utf8_lossy(body).trim().chars().take(200).collect(), ..Status::default() };
    Status { code, ..read.unwrap_or_else(plain) }
}

fn read(reading: Reading, raw: &RawValue) -> Result<Item, serde_json::Error> {
    let value: Value = serde_json::from_str(raw.get())?;
    let of_meta = |key: &str| value["metadata"][key].as_str().unwrap_or_default().to_owned();
    let name = (of_meta("namespace"), of_meta("name"));
    let source = reading.kind.source(&name.0, &name.1);
    let record = reading.kind.is_judged().then(|| record(&value));
    let read = written::object(&trim(reading.kind, reading.version, value), &source);
    Ok(Item { name, object: read.found, problems: read.problems, notes: read.notes, record })
}

/// What is needed to write the object's status.
pub(crate) fn record(object: &Value) -> Record {
    let (meta, status) = (&object["metadata"], &object["status"]);
    let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
    // A number, or in Istio's CRDs the same as text.
    let observed = &status["observedGeneration"];
    let observed = observed.as_i64().or_else(|| observed.as_str()?.parse().ok());
    Record {
        uid: text("uid"),
        version: text("resourceVersion"),
        generation: meta["generation"].as_i64().unwrap_or(0),
        observed,
        conditions: status["conditions"].as_array().cloned().unwrap_or_default(),
    }
}

/// Bytes as they come, cut into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Up to here there is no end of a line.
    searched: usize,
}

impl Lines {
    /// More bytes. Returns how many are waiting for the end of their line.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> usize {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len()
    }

    /// The next line that is whole and not empty. What is cut off in the middle never is.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(at) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.bytes.len();
                return None;
            };
            let rest = self.bytes.split_off(self.searched + at + 1);
            let line = std::mem::replace(&mut self.bytes, rest);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::KINDS;
    use super::{Event, Lines, Reading, event, page, status};

    fn reading(name: &str) -> Reading {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        Reading { kind, version: kind.versions[0] }
    }

    #[test]
    fn a_line_that_is_cut_is_none() {
        let mut lines = Lines::default();
        lines.push(b"{\"a\"");
        assert_eq!(lines.next(), None);
        lines.push(b":1}\n\n{}\n{\"b");
        assert_eq!(lines.next().unwrap(), b"{\"a\":1}\n");
        assert_eq!(lines.next().unwrap(), b"{}\n");
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn events() {
        let services = reading("Service");
        let end = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        assert!(matches!(event(services, end).unwrap(), Some(Event::Bookmark(version, true)) if version == "9"));
        let old = br#"{"type":"ERROR","object":{"kind":"Status","message":"too old","reason":"Expired","code":410}}"#;
        assert!(matches!(event(services, old).unwrap(), Some(Event::Status(status)) if status.code == 410));
        assert!(event(services, br#"{"type":"NEW","object":{}}"#).unwrap().is_none());
        assert!(event(services, br#"{"type":"ADDED","obj"#).is_err());
        let faulty = br#"{"type":"ADDED","object":{"metadata":{"name":"a","namespace":"b"},"spec":{"clusterIP":"x"}}}"#;
        let Some(Event::Put(item, _)) = event(services, faulty).unwrap() else { panic!("no object") };
        assert!(item.object.is_none());
        assert_eq!(item.problems[0].to_string(), "kube:Service/b/a: spec.clusterIP: `x` is no IP address");
    }

    #[test]
    fn pages_and_refusals() {
        let read =
            page(reading("Namespace"), br#"{"metadata":{"resourceVersion":"7","continue":"t"},"items":null}"#).unwrap();
        assert_eq!((read.items.len(), read.version.as_str(), read.token.as_str()), (0, "7", "t"));
        let plain = status(404, b"404 page not found\n");
        assert_eq!((plain.code, plain.message.as_str()), (404, "404 page not found"));
        assert_eq!(status(403, br#"{"code":403,"reason":"Forbidden","message":"no"}"#).reason, "Forbidden");
    }
}
