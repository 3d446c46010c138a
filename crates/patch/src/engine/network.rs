//! NETWORK_FILTER: list operations in their order, then merges into what is there, then the HTTP filters inside.

use super::place::{Edit, edit};
use super::{Run, Site};
use crate::field::{list_mut, name};
use crate::filter::{ApplyTo, Operation, Patch};
use crate::matching::{ListenerFacts, chain_differs, listener_differs};
use prost_reflect::DynamicMessage;

impl Run<'_> {
    pub(super) fn network_filters(&self, chain: &mut DynamicMessage, site: &Site, facts: &ListenerFacts, place: &str) {
        // A patch of the filters does not change what the chain is matched by.
        let is_meant = |patch: &Patch, chain: &DynamicMessage| {
            listener_differs(patch, facts).is_none() && chain_differs(patch, facts, chain).is_none()
        };
        let of = |apply_to| {
            let patches = self.at(apply_to, site).into_iter();
            patches.filter(|one| is_meant(one.patch, chain)).collect::<Vec<_>>()
        };
        let (network, http) = (of(ApplyTo::NetworkFilter), of(ApplyTo::HttpFilter));
        if network.is_empty() && http.is_empty() {
            return;
        }
        let Some(filters) = list_mut(chain, "filters") else { return };
        for one in &network {
            let wanted = one.patch.matching.filter();
            let is = |filter: &DynamicMessage| Some(name(filter).as_str()) == wanted;
            if let Edit::Done(places, done) = edit(filters, one.patch, wanted.is_some().then_some(&is)) {
                places.iter().for_each(|at| self.hit(site, one, format!("{place}.filters[{at}]"), done));
            }
        }
        for (index, filter) in filters.iter_mut().enumerate() {
            let Some(filter) = filter.as_message_mut() else { continue };
            let place = format!("{place}.filters[{index}]");
            for one in network.iter().filter(|one| one.patch.operation == Operation::Merge) {
                if is_named(one.patch.matching.filter(), filter) {
                    self.merge_filter(filter, site, one, &place);
                }
            }
            let inside: Vec<_> =
                http.iter().copied().filter(|one| is_named(one.patch.matching.filter(), filter)).collect();
            self.http_filters(filter, site, &inside, &place);
        }
    }
}

/// Whether the filter is the one that is asked for, where one is.
pub(super) fn is_named(wanted: Option<&str>, filter: &DynamicMessage) -> bool {
    wanted.is_none_or(|wanted| wanted == name(filter))
}
