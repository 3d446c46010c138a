//! Where objects come from: files, or one look at an API server.

use super::world::{Document, add};
use crate::kube::kinds::{KINDS, Kind};
use crate::kube::wire::{self, Reading};
use crate::object::Object;
use crate::written;
use ::kube::Client;
use ::kube::client::Body;
use config::Problem;
use config::text::documents;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Objects of a page.
const PAGE: usize = 500;

/// Objects, as they are written and as they are read.
#[derive(Debug, Default)]
pub struct Source {
    pub(super) objects: Vec<Arc<Object>>,
    pub(super) documents: Vec<Document>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
}

/// An API server does not tell what it has.
#[derive(Debug, thiserror::Error)]
pub enum Unlisted {
    /// It refuses, in its words.
    #[error("the API server does not list {0}: {1} {2}")]
    Refused(String, u16, String),
    /// It is not there, or does not speak as it should.
    #[error("the API server cannot be asked for {0}: {1}")]
    Broken(String, String),
}

impl Source {
    /// The objects of files that are given as name and text.
    #[must_use]
    pub fn of_files(files: &[(String, String)]) -> Self {
        let mut source = Self::default();
        for (name, text) in files {
            let read = written::objects(text, name);
            source.objects.extend(read.found.into_iter().map(Arc::new));
            source.problems.extend(read.problems);
            source.notes.extend(read.notes);
            for document in documents(text, name.ends_with(".json")).unwrap_or_default() {
                add(&mut source.documents, name, &document);
            }
        }
        source
    }

    /// What an API server has of the kinds that a control plane watches: all, or what one namespace has. Kinds that are not
    /// installed are left out. Secrets are read only `with_secrets`; without, whatever a typed resource names of one is
    /// taken to be there.
    ///
    /// # Errors
    /// The first kind that is not told, and why.
    pub async fn of_cluster(client: &Client, namespace: Option<&str>, with_secrets: bool) -> Result<Self, Unlisted> {
        let mut source = Self::default();
        for kind in KINDS.iter().filter(|kind| with_secrets || !kind.on_demand) {
            let place = namespace.filter(|_| kind.namespaced);
            for version in kind.versions {
                let reading = Reading { kind, version };
                if source.list(client, reading, &kind.path(version, place)).await? {
                    break;
                }
            }
        }
        if let Some(name) = namespace {
            source.only(name);
        }
        if !with_secrets {
            source.assume_secrets();
        }
        Ok(source)
    }

    /// How many objects there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.documents.len()
    }

    /// All pages of a list. Returns whether there is such a kind.
    async fn list(&mut self, client: &Client, reading: Reading, path: &str) -> Result<bool, Unlisted> {
        let mut token = String::new();
        loop {
            let uri = format!("{path}?limit={PAGE}&continue={token}");
            let (status, body) = get(client, reading.kind, &uri).await?;
            match status {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND if reading.kind.may_be_absent() => return Ok(false),
                other => {
                    let told = wire::status(other.as_u16(), &body);
                    return Err(Unlisted::Refused(reading.kind.full_name(), told.code, told.message));
                }
            }
            token = self.take(reading, &body).map_err(|error| broken(reading.kind, &error))?;
            if token.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Takes a page in. Returns with what the next is asked for.
    fn take(&mut self, reading: Reading, body: &[u8]) -> Result<String, serde_json::Error> {
        let page = wire::page(reading, body)?;
        let whole: Value = serde_json::from_slice(body)?;
        let whole = whole["items"].as_array().map_or(&[][..], Vec::as_slice);
        for (item, json) in page.items.into_iter().zip(whole) {
            let mut json = json.clone();
            json["kind"] = reading.kind.name.into();
            json["apiVersion"] = reading.kind.api_version(reading.version).into();
            let file = reading.kind.source(&item.name.0, &item.name.1);
            let line = item.object.as_ref().map_or(0, |object| object.line);
            self.documents.push(Document { file, line, json });
            self.objects.extend(item.object.map(Arc::new));
            self.problems.extend(item.problems);
            self.notes.extend(item.notes);
        }
        Ok(page.token)
    }

    /// Of the kinds without namespaces only the namespace itself.
    fn only(&mut self, namespace: &str) {
        self.documents.retain(|one| one.json["kind"] != "Namespace" || one.name() == namespace);
    }

    /// A Secret for every one that a typed resource names, with the keys that it names.
    fn assume_secrets(&mut self) {
        let mut named: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for document in &self.documents {
            for (name, key) in secrets_in(&document.json) {
                named.entry((document.namespace().to_owned(), name)).or_default().insert(key);
            }
        }
        for ((namespace, name), keys) in named {
            let values: BTreeMap<String, &str> = keys.into_iter().map(|key| (key, "unread")).collect();
            let metadata = json!({"name": name, "namespace": namespace});
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values});
            self.objects.extend(written::object(&secret, "kube:Secret").found.map(Arc::new));
        }
    }
}

/// The names and keys under every `secretKeyRef`.
fn secrets_in(json: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    match json {
        Value::Object(fields) => {
            for (field, value) in fields {
                if let (true, Some(name), Some(key)) =
                    (field == "secretKeyRef", value["name"].as_str(), value["key"].as_str())
                {
                    found.push((name.to_owned(), key.to_owned()));
                }
                found.extend(secrets_in(value));
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(secrets_in)),
        _ => {}
    }
    found
}

async fn get(client: &Client, kind: &Kind, uri: &str) -> Result<(StatusCode, Vec<u8>), Unlisted> {
    let request = Request::get(uri).header("Accept", "application/json").body(Body::empty());
    let request = request.map_err(|error| broken(kind, &error))?;
    let response = client.send(request).await.map_err(|error| broken(kind, &error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| broken(kind, &error))?;
    Ok((status, body.to_bytes().to_vec()))
}

fn broken(kind: &Kind, error: &dyn std::error::Error) -> Unlisted {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    Unlisted::Broken(kind.full_name(), text)
}
