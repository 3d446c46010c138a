//! What `/config_dump` says, whoever made it: slotmesh, Envoy, or Envoy under Istio's agent.

use super::{items, text};
use serde_json::Value;

/// A listener or cluster of a dump.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'d> {
    /// The resource.
    pub resource: &'d Value,
    /// The version of the response it came with; empty for what stands in the bootstrap.
    pub version: &'d str,
    /// Why a newer one was refused; empty if none was.
    pub error: &'d str,
}

/// A dump.
#[derive(Debug)]
pub struct Dump(pub Value);

impl Dump {
    /// The listeners in use, those of the bootstrap first.
    pub fn listeners(&self) -> Vec<Entry<'_>> {
        let fixed = self.all("/static_listeners").map(|entry| Entry {
            resource: &entry["listener"],
            version: "",
            error: text(entry, "/error_state/details"),
        });
        let delivered = self.all("/dynamic_listeners").map(|entry| {
            let state = if entry["active_state"].is_null() { "warming_state" } else { "active_state" };
            let state = &entry[state];
            let error = text(entry, "/error_state/details");
            Entry { resource: &state["listener"], version: text(state, "/version_info"), error }
        });
        fixed.chain(delivered).filter(|entry| !entry.resource.is_null()).collect()
    }

    /// The clusters in use, those of the bootstrap first.
    pub fn clusters(&self) -> Vec<Entry<'_>> {
        let one = |entry: &'static str| entry;
        let lists = [one("/static_clusters"), one("/dynamic_active_clusters"), one("/dynamic_warming_clusters")];
        let entries = lists.into_iter().flat_map(|list| self.all(list));
        let read = |entry| {
            let (version, error) = (text(entry, "/version_info"), text(entry, "/error_state/details"));
            Entry { resource: &entry["cluster"], version, error }
        };
        entries.map(read).filter(|entry| !entry.resource.is_null()).collect()
    }

    /// The bootstrap.
    pub fn bootstrap(&self) -> &Value {
        let mut configs = items(&self.0, "/configs").iter();
        configs.find_map(|config| config.get("bootstrap")).unwrap_or(&Value::Null)
    }

    fn all(&self, list: &'static str) -> impl Iterator<Item = &Value> {
        items(&self.0, "/configs").iter().flat_map(move |config| items(config, list))
    }
}
