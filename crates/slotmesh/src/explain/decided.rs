//! Which resource decided what of a listener or cluster.

use crate::ask::{Asked, items, text};
use ::control::analyze::Decided as One;
use serde_json::{Value, json};

/// Who decided what, as far as anybody knows.
#[derive(Debug, Default)]
pub struct Decided {
    rows: Vec<Value>,
    /// What decided everything that no row names.
    rest: Option<String>,
    /// Whether there is somebody who knows and was not asked.
    is_open: bool,
}

impl Decided {
    /// A proxy itself does not know.
    pub fn not_asked() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    /// Everything stands in this file.
    pub fn by_bootstrap(file: &str) -> Self {
        Self { rest: Some(format!("the bootstrap {file}")), ..Self::default() }
    }

    /// As the control plane's own code says.
    pub fn given(rows: Vec<One>) -> Self {
        Self { rows: rows.into_iter().map(|row| json!(row)).collect(), ..Self::default() }
    }

    /// As a running control plane says.
    pub fn asked(control: &Asked, proxy: &str) -> anyhow::Result<Self> {
        let report = control.json(&format!("/debug/envoyfilters?proxy={proxy}"))?;
        let places = control.json("/debug/configz")?;
        let mut rows = Vec::new();
        for filter in items(&report, "/envoy_filters") {
            let [namespace, name] = ["/namespace", "/name"].map(|key| text(filter, key));
            let is_it = |place: &&Value| text(place, "/namespace") == namespace && text(place, "/name") == name;
            let place = items(&places, "/envoy_filters").iter().find(is_it).unwrap_or(&Value::Null);
            for patch in items(filter, "/patches") {
                for hit in items(patch, "/hits") {
                    rows.push(json!({
                        "kind": hit["kind"],
                        "name": hit["name"],
                        "what": format!("{} {}", text(hit, "/done"), text(hit, "/place")).trim_end(),
                        "by": format!("EnvoyFilter {namespace}/{name} configPatches[{}]", patch["index"]),
                        "file": place["file"],
                        "line": place["line"],
                    }));
                }
            }
        }
        Ok(Self { rows, ..Self::default() })
    }

    /// Who decided something of the `listener` or `cluster` of that name; `version` is that of its delivery, if it was
    /// delivered.
    pub fn of(&self, kind: &str, name: &str, version: &str) -> Vec<Value> {
        let is_it = |row: &&Value| text(row, "/kind") == kind && text(row, "/name") == name;
        let found: Vec<Value> = self.rows.iter().filter(is_it).cloned().collect();
        if !found.is_empty() {
            return found;
        }
        let by = match &self.rest {
            Some(rest) => rest.clone(),
            None if !self.is_open => "the control plane, of the service; no patch touches it".to_owned(),
            None if version.is_empty() => "the bootstrap".to_owned(),
            None => format!("the control plane, version {version}"),
        };
        let is_open = self.is_open && !version.is_empty();
        vec![json!({"kind": kind, "name": name, "what": "", "by": by, "file": "", "line": 0, "asks_control": is_open})]
    }
}
