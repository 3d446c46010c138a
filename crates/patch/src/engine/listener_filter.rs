//! LISTENER_FILTER: the filters that look at a connection before a chain is chosen.

use super::place::{Edit, edit};
use super::{Run, Site};
use crate::field::{list_mut, name};
use crate::filter::{ApplyTo, Operation};
use crate::matching::{ListenerFacts, listener_differs};
use prost_reflect::DynamicMessage;

const FIELD: &str = "listener_filters";

impl Run<'_> {
    /// List operations in their order, then merges, as with network filters.
    pub(super) fn listener_filters(&self, listener: &mut DynamicMessage, site: &Site) {
        let facts = ListenerFacts::of(listener);
        let patches = self.at(ApplyTo::ListenerFilter, site);
        let meant: Vec<_> = patches.iter().filter(|one| listener_differs(one.patch, &facts).is_none()).collect();
        if meant.is_empty() {
            return;
        }
        let Some(filters) = list_mut(listener, FIELD) else { return };
        for one in &meant {
            let wanted = one.patch.matching.listener_filter();
            let is = |filter: &DynamicMessage| Some(name(filter).as_str()) == wanted;
            if let Edit::Done(places, done) = edit(filters, one.patch, wanted.is_some().then_some(&is)) {
                places.iter().for_each(|place| self.hit(site, one, format!("{FIELD}[{place}]"), done));
            }
        }
        // istiod merges into all filters of the listener, and panics where the types differ; here only into those of
        // the name that is asked for.
        for one in meant.iter().filter(|one| one.patch.operation == Operation::Merge) {
            let Some(wanted) = one.patch.matching.listener_filter() else { continue };
            for (index, filter) in filters.iter_mut().enumerate() {
                let Some(filter) = filter.as_message_mut().filter(|filter| name(filter) == wanted) else { continue };
                let kept = name(filter);
                self.merge_filter(filter, site, one, &format!("{FIELD}[{index}]"));
                filter.set_field_by_name("name", prost_reflect::Value::String(kept));
            }
        }
    }
}
