//! HTTP_FILTER: as network filters, inside every filter that is named as Envoy names its HTTP connection manager.

use super::network::is_named;
use super::place::{Edit, edit};
use super::{Run, Site};
use crate::field::{config, inner_mut, list_mut, name};
use crate::filter::{ApplyTo, Context, Operation};
use crate::select::Chosen;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// The name of the network filter; another name for the same type is not looked into.
const NAME: &str = "envoy.filters.network.http_connection_manager";
const TYPE: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

impl Run<'_> {
    pub(super) fn http_filters(&self, filter: &mut DynamicMessage, site: &Site, patches: &[Chosen<'_>], place: &str) {
        if patches.is_empty() || name(filter) != NAME {
            return;
        }
        let Some(mut manager) = config(self.schema, filter).filter(|config| config.descriptor().full_name() == TYPE)
        else {
            return;
        };
        let before = manager.clone();
        if let Some(filters) = list_mut(&mut manager, "http_filters") {
            self.in_manager(filters, site, patches, place);
        }
        self.put_back(filter, &before, &manager);
    }

    fn in_manager(&self, filters: &mut Vec<Value>, site: &Site, patches: &[Chosen<'_>], place: &str) {
        for one in patches {
            let wanted = one.patch.matching.sub_filter();
            let is = |filter: &DynamicMessage| Some(name(filter).as_str()) == wanted;
            if let Edit::Done(places, done) = edit(filters, one.patch, wanted.is_some().then_some(&is)) {
                places.iter().for_each(|at| self.hit(site, one, format!("{place}.http_filters[{at}]"), done));
            }
        }
        for (index, filter) in filters.iter_mut().enumerate() {
            let Some(filter) = filter.as_message_mut() else { continue };
            for one in patches.iter().filter(|one| one.patch.operation == Operation::Merge) {
                if is_named(one.patch.matching.sub_filter(), filter) {
                    self.merge_filter(filter, site, one, &format!("{place}.http_filters[{index}]"));
                }
            }
        }
    }

    /// Patches the route configurations that stand inside the connection managers of an inbound listener: istiod does
    /// so when it makes them, before it patches listeners.
    pub(super) fn inline_routes(&self, listener: &mut DynamicMessage, site: &Site) {
        let kinds = [ApplyTo::RouteConfiguration, ApplyTo::VirtualHost, ApplyTo::HttpRoute];
        if site.side != Context::Inbound || kinds.iter().all(|kind| self.at(*kind, site).is_empty()) {
            return;
        }
        let Some(chains) = list_mut(listener, "filter_chains") else { return };
        for chain in chains.iter_mut().filter_map(Value::as_message_mut) {
            let Some(filters) = list_mut(chain, "filters") else { continue };
            for filter in filters.iter_mut().filter_map(Value::as_message_mut) {
                let Some(mut manager) =
                    config(self.schema, filter).filter(|config| config.descriptor().full_name() == TYPE)
                else {
                    continue;
                };
                let before = manager.clone();
                if let Some(routes) = inner_mut(&mut manager, "route_config") {
                    self.route_configuration(routes, site);
                }
                self.put_back(filter, &before, &manager);
            }
        }
    }

    /// What is not changed keeps its bytes.
    fn put_back(&self, filter: &mut DynamicMessage, before: &DynamicMessage, manager: &DynamicMessage) {
        if before != manager
            && let Some(any) = self.schema.pack(manager)
        {
            filter.set_field_by_name("typed_config", Value::Message(any));
        }
    }
}
