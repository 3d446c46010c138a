//! ROUTE_CONFIGURATION, VIRTUAL_HOST, HTTP_ROUTE: outside in; what is added is not patched any more.

use super::place::{Edit, edit};
use super::{Changes, Run, Site, Target};
use crate::field::{list_mut, name};
use crate::filter::{ApplyTo, Operation};
use crate::matching::{has_route_match, route_differs, routes_differ, side_of_routes, vhost_differs};
use crate::resources::Kind;
use prost_reflect::{DynamicMessage, Value};

const HOSTS: &str = "virtual_hosts";

impl Run<'_> {
    pub(super) fn routes(&self, base: &[DynamicMessage]) -> Changes {
        let mut changes = Changes::default();
        let kinds = [ApplyTo::RouteConfiguration, ApplyTo::VirtualHost, ApplyTo::HttpRoute];
        if kinds.iter().all(|kind| self.of(*kind).next().is_none()) {
            return changes;
        }
        let side = side_of_routes(self.role);
        for (index, routes) in base.iter().enumerate() {
            let target = Target::Base(Kind::RouteConfiguration, index);
            let site = Site { kind: Kind::RouteConfiguration, target, side, name: name(routes) };
            let mut patched = routes.clone();
            self.route_configuration(&mut patched, &site);
            if patched != *routes {
                changes.changed.insert(index, Some(patched));
            }
        }
        changes
    }

    /// Patches one route configuration; inside a listener the site is the listener's.
    pub(super) fn route_configuration(&self, routes: &mut DynamicMessage, site: &Site) {
        for one in self.at(ApplyTo::RouteConfiguration, site) {
            if one.patch.operation.is_merge() && routes_differ(one.patch, site.side, routes).is_none() {
                self.merge(routes, site, &one, "");
            }
        }
        let facts = routes.clone();
        if let Some(hosts) = list_mut(routes, HOSTS) {
            let mut index = 0;
            hosts.retain_mut(|host| {
                let place = format!("{HOSTS}[{index}]");
                index += 1;
                host.as_message_mut().is_none_or(|host| self.host(host, site, &facts, &place))
            });
            for one in self.at(ApplyTo::VirtualHost, site) {
                let is_meant =
                    one.patch.operation == Operation::Add && routes_differ(one.patch, site.side, &facts).is_none();
                let (Some(value), true) = (one.patch.value.clone(), is_meant) else { continue };
                self.hit(site, &one, format!("{HOSTS}[{}]", hosts.len()), "added");
                hosts.push(Value::Message(value));
            }
        }
    }

    /// Whether the virtual host stays.
    fn host(&self, host: &mut DynamicMessage, site: &Site, routes: &DynamicMessage, place: &str) -> bool {
        for one in self.at(ApplyTo::VirtualHost, site) {
            if routes_differ(one.patch, site.side, routes).is_some() || vhost_differs(one.patch, host).is_some() {
                continue;
            }
            match (one.patch.operation, one.patch.value.as_ref()) {
                (Operation::Remove, _) => {
                    self.hit(site, &one, place, "removed");
                    return false;
                }
                (Operation::Replace, Some(value)) => {
                    self.hit(site, &one, place, "replaced");
                    *host = value.clone();
                }
                (operation, _) if operation.is_merge() => self.merge(host, site, &one, place),
                _ => {}
            }
        }
        self.routes_of(host, site, routes, place);
        true
    }

    /// Removes and merges, then what is added and inserted.
    fn routes_of(&self, host: &mut DynamicMessage, site: &Site, routes: &DynamicMessage, place: &str) {
        let is_meant = |one: &crate::select::Chosen<'_>| {
            routes_differ(one.patch, site.side, routes).is_none() && vhost_differs(one.patch, host).is_none()
        };
        let patches: Vec<_> = self.at(ApplyTo::HttpRoute, site).into_iter().filter(is_meant).collect();
        let Some(list) = list_mut(host, "routes").filter(|_| !patches.is_empty()) else { return };
        let mut index = 0;
        list.retain_mut(|route| {
            let place = format!("{place}.routes[{index}]");
            index += 1;
            let Some(route) = route.as_message_mut() else { return true };
            for one in
                patches.iter().filter(|one| one.patch.operation == Operation::Remove || one.patch.operation.is_merge())
            {
                if route_differs(one.patch, route).is_some() {
                    continue;
                }
                if one.patch.operation == Operation::Remove {
                    self.hit(site, one, place.as_str(), "removed");
                    return false;
                }
                self.merge(route, site, one, &place);
            }
            true
        });
        for one in patches.iter().filter(|one| !matches!(one.patch.operation, Operation::Remove | Operation::Replace)) {
            let is = |route: &DynamicMessage| route_differs(one.patch, route).is_none();
            if let Edit::Done(places, done) = edit(list, one.patch, has_route_match(one.patch).then_some(&is)) {
                places.iter().for_each(|at| self.hit(site, one, format!("{place}.routes[{at}]"), done));
            }
        }
    }
}
