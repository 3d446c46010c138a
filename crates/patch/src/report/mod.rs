//! What became of every patch.

mod explain;
mod nearest;
mod text;
mod trace;

pub(crate) use explain::{Surroundings, explain};
pub(crate) use trace::Trace;

use crate::filter::{ApplyTo, Context, NotRead, Operation};
use crate::resources::Kind;
use serde::Serialize;

/// What became of all `EnvoyFilter`s, for one proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Those that concern the proxy, in the order in which they were applied, then the others.
    pub envoy_filters: Vec<OfFilter>,
    /// What the proxy would refuse, and whether it was held back.
    pub refusals: Vec<Refusal>,
}

/// What became of one `EnvoyFilter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfFilter {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it was refused: in istiod's words; empty if it was not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Why it does not concern this proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_for_this_proxy: Option<String>,
    /// What is odd about it, whatever the proxy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Its patches, in its own order.
    pub patches: Vec<OfPatch>,
}

/// What became of one patch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfPatch {
    /// Its place in `configPatches`.
    pub index: usize,
    /// What it patches.
    pub apply_to: ApplyTo,
    /// How, as written.
    pub operation: Operation,
    /// On which side.
    pub context: Context,
    /// Where it was applied.
    pub hits: Vec<Hit>,
    /// Why it was applied nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    /// What it may have meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<String>,
    /// What does not do what it says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The resources at which it was held back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<String>,
}

/// A place at which a patch was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The kind of resource.
    pub kind: Kind,
    /// Its name, before the patch.
    pub name: String,
    /// Where in it, as in `filter_chains[0].filters[1]`; empty for the resource itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What was done there.
    pub done: &'static str,
}

/// A resource that a proxy would refuse, and with it (in Envoy) every other of its kind in the same update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The kind of resource.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Why, one text a reason.
    pub reasons: Vec<String>,
    /// The patches that made it so: namespace, name and index.
    pub caused_by: Vec<String>,
    /// Whether those patches were held back there, so that it goes out without them.
    pub held_back: bool,
}

impl Report {
    /// Adds an `EnvoyFilter` that was refused before it could be applied.
    pub fn add_refused(&mut self, refused: &NotRead) {
        self.envoy_filters.push(OfFilter {
            namespace: refused.namespace.clone(),
            name: refused.name.clone(),
            refused: refused.reasons.clone(),
            warnings: refused.warnings.clone(),
            ..OfFilter::default()
        });
    }

    /// Every patch that was applied nowhere although its filter concerns this proxy, with its filter.
    pub fn idle(&self) -> impl Iterator<Item = (&OfFilter, &OfPatch)> {
        let concerned = self.envoy_filters.iter().filter(|filter| filter.not_for_this_proxy.is_none());
        concerned
            .flat_map(|filter| filter.patches.iter().map(move |patch| (filter, patch)))
            .filter(|(_, patch)| patch.hits.is_empty())
    }
}
