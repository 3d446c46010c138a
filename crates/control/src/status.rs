//! What became of each resource: accepted or not, and on how many proxies it is programmed.
//!
//! `condition` has the words of it; `fleet` says what each proxy has accepted of what it was given; `judge` makes a verdict
//! of each resource from that, pure; a [`Board`] keeps the newest of all and since when it is so, and [`keep`] keeps it
//! true. Pages show it, and `kube` writes it into the resources.

mod condition;
mod fleet;
mod judge;
mod board;

pub(crate) use board::Shown;
pub use board::{Board, keep};
pub(crate) use condition::{About, Condition, Truth, Verdict};

use crate::findings::Findings;
use crate::object::Objection;
use crate::registry::State;
use crate::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;

/// What verdicts are made from, besides what proxies have accepted.
#[derive(Debug)]
pub(crate) struct Outlook {
    pub(crate) state: Arc<State>,
    /// Why newest versions of objects do not count.
    pub(crate) objections: Vec<Objection>,
    pub(crate) findings: Arc<Findings>,
    /// What proxies were given under this state, by node.
    pub(crate) given: HashMap<String, Arc<Snapshot>>,
}
