//! What comes in to a workload: it changes with the services that lead to it and with EnvoyFilters, and with nothing else, so
//! it outlives the state under which it was made.

use super::{Asker, Class, Generator, Group, address};
use crate::generate;
use crate::patched::{Chosen, Side};
use crate::registry::service::Service;
use crate::registry::{Modes, Served};
use crate::snapshot::{Resource, Resources};
use config::Mismatch;
use patch::Report;
use std::collections::HashSet;
use std::sync::Arc;
use xds::Kind;

/// What decides what a proxy gets for coming in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EntryKey {
    served: Vec<(u16, usize, usize)>,
    modes: Modes,
    view: usize,
}

/// What a workload gets for coming in, before EnvoyFilters.
pub(super) struct Entry {
    /// Those that lead to it, which the key points to.
    pub(super) services: Vec<Arc<Service>>,
    clusters: Resources,
    listener: Arc<Resource>,
}

/// What decides what EnvoyFilters make of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InboundKey {
    entry: usize,
    namespace: String,
    filtered_by: Chosen,
}

/// What EnvoyFilters make of it. Like the entry it does not change with the services that the workload talks to, so it
/// outlives the state.
pub(super) struct Inbound {
    /// What the key points to.
    pub(super) entry: Arc<Entry>,
    pub(super) clusters: Arc<Resources>,
    pub(super) listeners: Arc<Resources>,
    pub(super) report: Arc<Report>,
}

impl Entry {
    /// Whether all services that lead to it are among the `alive`.
    pub(super) fn is_alive(&self, alive: &HashSet<usize>) -> bool {
        self.services.iter().all(|service| alive.contains(&address(service)))
    }
}

impl Generator {
    pub(super) fn inbound(
        &mut self,
        asker: &Asker,
        group: &Group,
        served: &[Served],
        class: &Class,
    ) -> Result<Arc<Inbound>, Mismatch> {
        let entry = self.entry(asker, served, class)?;
        let key = InboundKey {
            entry: address(&entry),
            namespace: asker.node.namespace.clone(),
            filtered_by: group.filtered_by.clone(),
        };
        if let Some(known) = self.inbound.get(&key) {
            return Ok(Arc::clone(known));
        }
        let (clusters, listeners) = (entry.clusters.clone(), vec![Arc::clone(&entry.listener)]);
        let (clusters, listeners, report) =
            self.filters.apply(&self.schema, Side::Inbound, &asker.info, clusters, listeners);
        let (clusters, listeners, report) = (Arc::new(clusters), Arc::new(listeners), Arc::new(report));
        let inbound = Arc::new(Inbound { entry, clusters, listeners, report });
        self.inbound.insert(key, Arc::clone(&inbound));
        Ok(inbound)
    }

    fn entry(&mut self, asker: &Asker, served: &[Served], class: &Class) -> Result<Arc<Entry>, Mismatch> {
        let key = EntryKey { served: class.served.clone(), modes: class.modes.clone(), view: address(&asker.view) };
        if let Some(known) = self.entries.get(&key) {
            return Ok(Arc::clone(known));
        }
        let mut clusters = Vec::new();
        for cluster in generate::inbound_clusters(served, &asker.view) {
            clusters.push(self.resource(Kind::Cluster, &cluster)?);
        }
        clusters.push(self.resource(Kind::Cluster, &generate::inbound_passthrough(&asker.view))?);
        let listener = generate::virtual_inbound(served, &class.modes, &asker.view);
        let listener = self.resource(Kind::Listener, &listener)?;
        let services = served.iter().map(|one| Arc::clone(&one.service)).collect();
        let entry = Arc::new(Entry { services, clusters, listener });
        self.entries.insert(key, Arc::clone(&entry));
        Ok(entry)
    }
}
