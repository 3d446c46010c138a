//! CLUSTER: merged and removed one by one; added at the end of its side.

use super::{Changes, Run, Site, Target};
use crate::field::{inner, inner_mut, len, list_mut, name};
use crate::filter::{ApplyTo, Operation};
use crate::matching::{cluster_differs, side_of_cluster};
use crate::resources::Kind;
use crate::select::Chosen;
use prost_reflect::{DynamicMessage, Value};

impl Run<'_> {
    pub(super) fn clusters(&self, base: &[DynamicMessage]) -> Changes {
        let mut changes = Changes::default();
        if self.of(ApplyTo::Cluster).next().is_none() {
            return changes;
        }
        for (index, cluster) in base.iter().enumerate() {
            let (target, side) = (Target::Base(Kind::Cluster, index), side_of_cluster(cluster, self.role));
            let site = Site { kind: Kind::Cluster, target, side, name: name(cluster) };
            if let Some(changed) = self.cluster(cluster, &site) {
                changes.changed.insert(index, changed);
            }
        }
        for side in self.sides() {
            changes.added.extend(self.added(Kind::Cluster, ApplyTo::Cluster, *side));
        }
        self.drop_repeated(&mut changes);
        changes
    }

    /// What becomes of the cluster: nothing of it if it is removed; `None` if no patch concerns it.
    fn cluster(&self, base: &DynamicMessage, site: &Site) -> Option<Option<DynamicMessage>> {
        let mut patched: Option<DynamicMessage> = None;
        for one in self.at(ApplyTo::Cluster, site) {
            let cluster = patched.as_ref().unwrap_or(base);
            let does = one.patch.operation == Operation::Remove || one.patch.operation.is_merge();
            if !does || cluster_differs(one.patch, cluster).is_some() {
                continue;
            }
            if one.patch.operation == Operation::Remove {
                self.hit(site, &one, "", "removed");
                return Some(None);
            }
            let cluster = patched.get_or_insert_with(|| base.clone());
            if !self.merge_socket_of_cluster(cluster, site, &one) {
                self.merge(cluster, site, &one, "");
            }
        }
        patched.filter(|patched| patched != base).map(Some)
    }

    /// Merges a transport socket, and tells whether that was the whole patch.
    fn merge_socket_of_cluster(&self, cluster: &mut DynamicMessage, site: &Site, one: &Chosen<'_>) -> bool {
        let Some(patch) = one.patch.value.as_ref().and_then(|value| inner(value, "transport_socket")) else {
            return false;
        };
        if len(cluster, "transport_socket_matches") > 0 {
            self.merge_into_matches(cluster, &patch, site, one);
        } else {
            match inner_mut(cluster, "transport_socket").filter(|socket| name(socket) == name(&patch)) {
                Some(socket) => self.merge_into_socket(socket, &patch, site, one, "transport_socket"),
                None => {
                    cluster.set_field_by_name("transport_socket", Value::Message(patch));
                    self.hit(site, one, "transport_socket", "replaced");
                }
            }
        }
        self.other_fields(one);
        true
    }

    /// A cluster that chooses a socket for each endpoint: the first of the patch's name is merged. With none of that
    /// name nothing is, since Envoy takes only one of the two fields.
    fn merge_into_matches(&self, cluster: &mut DynamicMessage, patch: &DynamicMessage, site: &Site, one: &Chosen<'_>) {
        let matches = list_mut(cluster, "transport_socket_matches").into_iter().flatten().enumerate();
        for (index, matching) in matches {
            let socket = matching.as_message_mut().and_then(|matching| inner_mut(matching, "transport_socket"));
            if let Some(socket) = socket.filter(|socket| name(socket) == name(patch)) {
                let place = format!("transport_socket_matches[{index}].transport_socket");
                return self.merge_into_socket(socket, patch, site, one, &place);
            }
        }
        let text = format!(
            "{} has transport_socket_matches, none of them named {}: nothing is merged",
            site.name,
            name(patch)
        );
        self.trace.warn(one.order, text);
    }

    /// Of added clusters of one name the first stays.
    fn drop_repeated(&self, changes: &mut Changes) {
        let mut names: Vec<String> = Vec::new();
        changes.added.retain(|(_, order, cluster)| {
            let name = name(cluster);
            let is_new = !names.contains(&name);
            if !is_new {
                self.trace.warn(*order, format!("an earlier patch adds a cluster named {name}: this one is dropped"));
            }
            names.push(name);
            is_new
        });
    }
}
