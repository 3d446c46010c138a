//! Off the road: configuration that changes while the engine runs.
//!
//! A request that has begun ends as it began; its client's next request finds the new configuration. Nobody is cut who
//! need not be: clients stay as long as their filter does, connections to nodes as long as they would be made the same way.

use crate::cluster::Cluster;
use crate::engine::{ClusterId, Engine, FilterId, SessionId, UpstreamId};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::session::{NONE, Phase, Session};
use observe::{ClusterStats, FilterStats};
use std::mem::discriminant;
use std::sync::Arc;

/// What is new, other than before, or gone. Applied whole, between two requests. A number that was not used before must
/// be the next one.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Clusters; `None` for one that is gone. A cluster that comes or is of another kind has no members before
    /// [`Engine::apply_view`].
    pub clusters: Vec<(ClusterId, Option<NewCluster>)>,
    /// Redis filters; `None` for one that is gone: its clients are closed once their replies are out.
    pub filters: Vec<(FilterId, Option<NewFilter>)>,
}

/// A cluster as it is to be.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// What it means.
    pub meant: Arc<meant::Cluster>,
    /// Where it counts.
    pub stats: Arc<ClusterStats>,
}

/// A filter as it is to be.
#[derive(Clone, Debug)]
pub struct NewFilter {
    /// What it means.
    pub meant: Arc<meant::RedisProxy>,
    /// Its listener's `per_connection_buffer_limit_bytes`.
    pub buffer_limit: usize,
    /// Where it counts.
    pub stats: Arc<FilterStats>,
}

impl Engine {
    /// Takes a change in. Call within a turn.
    pub fn change(&mut self, change: Change) {
        for (id, cluster) in change.clusters {
            match cluster {
                Some(new) => self.set_cluster(id, new),
                None => self.drop_cluster(id),
            }
        }
        self.link();
        for (id, filter) in change.filters {
            match filter {
                Some(new) => self.set_filter(id, new),
                None => self.drop_filter(id),
            }
        }
    }

    /// Routes name clusters; whoever has come or gone since they were compiled is found here.
    fn link(&mut self) {
        let names = &self.cluster_names;
        self.filters.iter_mut().for_each(|filter| filter.link(|name| names.get(name).copied()));
    }

    fn set_cluster(&mut self, id: ClusterId, new: NewCluster) {
        self.cluster_names.insert(new.meant.name.clone(), id);
        let Some(old) = self.clusters.get_mut(id.index()) else {
            debug_assert_eq!(id.index(), self.clusters.len());
            return self.clusters.push(Cluster::new(new.meant, new.stats));
        };
        let was = std::mem::replace(&mut old.meant, new.meant);
        old.gone = false;
        if discriminant(&was.discovery) != discriminant(&old.meant.discovery) {
            old.forget_members();
            self.retire_unlisted(id);
        } else if !made_the_same_way(&was, &self.clusters[id.index()].meant) {
            self.retire_all(id);
            self.forgive(id);
        }
    }

    /// The nodes of a cluster are connected to in another way from now on, with other secrets for instance: nodes that
    /// are left alone for a failure are tried again at once. Call within a turn.
    pub fn forgive(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get_mut(id.index()) else { return };
        for node in &mut cluster.nodes {
            (node.failures, node.retry_at) = (0, node.retry_at.min(self.now));
        }
    }

    fn drop_cluster(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get_mut(id.index()) else { return };
        cluster.gone = true;
        cluster.forget_members();
        let (name, parked) = (cluster.meant.name.clone(), std::mem::take(&mut cluster.parked));
        cluster.parked_bytes = 0;
        self.cluster_names.remove(&name);
        for (errand, _) in parked {
            self.give_up(&errand, &Failure::NoCluster(&name));
        }
        self.retire_unlisted(id);
    }

    /// Every connection of a cluster is closed once nothing is owed on it; the next requests open others.
    fn retire_all(&mut self, id: ClusterId) {
        self.hand_over_everything(id);
        let ids: Vec<u32> = self.clusters[id.index()].nodes.iter().flat_map(|node| node.upstreams).collect();
        for upstream in ids.into_iter().filter(|upstream| *upstream != NONE) {
            self.retire(UpstreamId(upstream));
        }
    }

    fn set_filter(&mut self, id: FilterId, new: NewFilter) {
        let names = &self.cluster_names;
        let compiled = Filter::compile(new.meant, new.buffer_limit, new.stats, |name| names.get(name).copied());
        if id.index() >= self.filters.len() {
            debug_assert_eq!(id.index(), self.filters.len());
            return self.filters.push(compiled);
        }
        let was = std::mem::replace(&mut self.filters[id.index()], compiled);
        for session in self.clients_of(id) {
            self.adopt(session, &was);
        }
    }

    /// A client finds another filter in the place of `was`: it counts there, and has to give credentials if it never
    /// had to before. Who has given them stays, as with a Redis server whose password is changed.
    fn adopt(&mut self, id: SessionId, was: &Filter) {
        let session = &mut self.sessions[id.0 as usize];
        let now = &self.filters[session.filter.index()];
        if was.needs_auth() != now.needs_auth() {
            session.authorized = !now.needs_auth();
        }
        if Arc::ptr_eq(&was.stats, &now.stats) {
            return;
        }
        let under_way = self.places.unready(session);
        was.stats.downstream_cx_active.sub(1);
        was.stats.downstream_rq_active.sub(under_way);
        now.stats.downstream_cx_active.add(1);
        now.stats.downstream_rq_active.add(under_way);
    }

    fn drop_filter(&mut self, id: FilterId) {
        for session in self.clients_of(id) {
            self.filters[id.index()].stats.downstream_cx_drain_close.inc();
            self.hang_up(session);
        }
    }

    fn clients_of(&self, id: FilterId) -> Vec<SessionId> {
        let here = |session: &Session| session.filter == id && session.phase != Phase::Gone;
        let sessions = self.sessions.iter().filter(|(_, session)| here(session));
        sessions.map(|(index, _)| SessionId(index as u32)).collect()
    }
}

/// Whether a connection that was made for `a` serves as well as one made for `b`.
fn made_the_same_way(a: &meant::Cluster, b: &meant::Cluster) -> bool {
    a.upstream == b.upstream && a.keepalive == b.keepalive && a.source == b.source && a.sockets == b.sockets
}
